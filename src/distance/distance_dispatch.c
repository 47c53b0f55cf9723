/*
 * distance_dispatch.c
 *		Choice of the kernel table for the CPU that runs us.
 *
 * Compiled for the baseline CPU: nothing here may depend on an instruction set
 * that has not been asked for yet.
 */
#include "c.h"

#include "distance/distance.h"
#include "distance/kernels.h"

#ifdef DISTANCE_HAVE_X86_KERNELS
#include <cpuid.h>
#endif

typedef struct KernelChoice
{
	const DistanceKernels *kernels;
	bool (*cpu_supports)(void);
} KernelChoice;

const DistanceKernels *distance_kernels = &distance_kernels_baseline;

static bool
cpu_supports_baseline(void)
{
	return true;
}

#ifdef DISTANCE_HAVE_X86_KERNELS

/*
 * __builtin_cpu_supports covers what the operating system saves on a context
 * switch.  Not all compilers know its name for F16C, which needs no more
 * state than AVX2.
 */
static bool
cpu_supports_avx2(void)
{
	unsigned int eax;
	unsigned int ebx;
	unsigned int ecx;
	unsigned int edx;

	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
		   __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C) != 0;
}

static bool
cpu_supports_avx512(void)
{
	return cpu_supports_avx2() && __builtin_cpu_supports("avx512f") &&
		   __builtin_cpu_supports("avx512bw") &&
		   __builtin_cpu_supports("avx512dq") &&
		   __builtin_cpu_supports("avx512vl");
}

static bool
cpu_supports_avx512vnni(void)
{
	return cpu_supports_avx512() && __builtin_cpu_supports("avx512vnni");
}

static bool
cpu_supports_avx512popcnt(void)
{
	return cpu_supports_avx512vnni() &&
		   __builtin_cpu_supports("avx512vpopcntdq");
}

#endif /* DISTANCE_HAVE_X86_KERNELS */

/* From the best to the one that always works. */
static const KernelChoice kernel_choices[] = {
#ifdef DISTANCE_HAVE_X86_KERNELS
	{&distance_kernels_avx512popcnt, cpu_supports_avx512popcnt},
	{&distance_kernels_avx512vnni, cpu_supports_avx512vnni},
	{&distance_kernels_avx512, cpu_supports_avx512},
	{&distance_kernels_avx2, cpu_supports_avx2},
#endif
	{&distance_kernels_baseline, cpu_supports_baseline},
};

/* The table of that name that this CPU can run, or NULL. */
static const DistanceKernels *
find_kernels(const char *isa)
{
	bool any = strcmp(isa, "auto") == 0;

#ifdef DISTANCE_HAVE_X86_KERNELS
	__builtin_cpu_init();
#endif

	for (int i = 0; i < (int) lengthof(kernel_choices); i++)
	{
		const KernelChoice *choice = &kernel_choices[i];

		if ((any || strcmp(isa, choice->kernels->isa) == 0) &&
			choice->cpu_supports())
			return choice->kernels;
	}

	return NULL;
}

void
distance_init(void)
{
	static bool initialized = false;

	if (!initialized)
	{
		initialized = true;
		distance_select("auto");
	}
}

bool
distance_select(const char *isa)
{
	const DistanceKernels *kernels = find_kernels(isa);

	if (kernels == NULL)
		return false;
	distance_kernels = kernels;
	return true;
}

bool
distance_available(const char *isa)
{
	return find_kernels(isa) != NULL;
}
