/*
 * kernels_avx512vnni.c
 *		Kernels for x86-64 CPUs with AVX-512 F, BW, DQ, VL and VNNI: 512-bit
 *		vectors; and a second table for those that have VPOPCNTDQ besides.
 */
#include "c.h"

#include "distance/kernels.h"

#ifdef DISTANCE_HAVE_X86_KERNELS

#include "distance/vector_avx512.inc.h"

#define KERNELS_TABLE distance_kernels_avx512vnni
#define KERNELS_ISA	  "avx512vnni"

#include "distance/kernels.inc.h"

/*
 * The two tables differ in the kernels of bits only, so these alone are
 * compiled for the additional instructions.
 */
DEFINE_BIT_KERNELS(_popcnt, __attribute__((target("avx512vpopcntdq"))),
				   _mm512_popcnt_epi64)

const DistanceKernels distance_kernels_avx512popcnt = KERNELS_OF(
	"avx512popcnt", _popcnt);

#endif /* DISTANCE_HAVE_X86_KERNELS */
