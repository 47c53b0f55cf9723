/*
 * kernels.h
 *		The kernel tables of this build.  For distance_dispatch.c and the
 *		kernel files only; everyone else goes through distance.h.
 */
#ifndef DISTANCE_KERNELS_H
#define DISTANCE_KERNELS_H

#include "distance/distance.h"

/* SSE2 on x86, NEON on Arm, portable C elsewhere */
extern const DistanceKernels distance_kernels_baseline;

/*
 * A kernel that the tables share unless they have their own: other files might
 * have fused operations.
 */
extern void baseline_l2_scaled_u8(const CodeScale		 *a,
								  const CodeScale *const *b,
								  const uint32 *dots, uint32 count, uint32 dim,
								  float *distances);

#if defined(__x86_64__)
#define DISTANCE_HAVE_X86_KERNELS
extern const DistanceKernels distance_kernels_avx2;
extern const DistanceKernels distance_kernels_avx512;
extern const DistanceKernels distance_kernels_avx512vnni;
extern const DistanceKernels distance_kernels_avx512popcnt;
#endif

#endif /* DISTANCE_KERNELS_H */
