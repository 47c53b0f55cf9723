/*
 * kernels_avx512.c
 *		Kernels for x86-64 CPUs with AVX-512 F, BW, DQ and VL: 512-bit vectors.
 */
#include "c.h"

#include "distance/kernels.h"

#ifdef DISTANCE_HAVE_X86_KERNELS

#include "distance/vector_avx512.inc.h"

#define KERNELS_TABLE distance_kernels_avx512
#define KERNELS_ISA	  "avx512"

#include "distance/kernels.inc.h"

#endif /* DISTANCE_HAVE_X86_KERNELS */
