/*
 * check.c
 *		Groups of checks, their lines of TAP, and random numbers.
 *
 *	SEED=n build/...		other random numbers; "time" takes the clock's
 */
#include "c.h"

#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"
#include "distance/distance.h"

const char *check_group;
int			check_failures;

static const char *current_isa = "auto";
static int		   groups_run;
static int		   groups_failed;
static uint64	   seed_of_run;
static uint64	   random_state;

void
run_group(const char *name, void (*body)(void))
{
	check_group = name;
	check_failures = 0;
	/* whatever groups and instruction sets ran before */
	random_seed(seed_of_run);
	body();
	if (check_failures > 0)
		groups_failed++;
	printf("%sok %d - %s [%s]\n", check_failures > 0 ? "not " : "",
		   ++groups_run, name, current_isa);
	fflush(stdout);
}

void
with_each_isa(void (*body)(void))
{
	static const char *const names[] = {"baseline",	  "neon",
										"avx2",		  "avx512",
										"avx512vnni", "avx512popcnt"};

	for (int i = 0; i < (int) lengthof(names); i++)
	{
		if (!distance_select(names[i]))
			continue;
		current_isa = names[i];
		body();
	}
	distance_select("auto");
	current_isa = "auto";
}

void
random_seed(uint64 seed)
{
	random_state = seed;
}

/* SplitMix64 (Steele, Lea & Flood 2014) */
uint64
random_bits(void)
{
	uint64 z = (random_state += UINT64CONST(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64CONST(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64CONST(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

double
random_between(double low, double high)
{
	return low + (high - low) * (double) (random_bits() >> 11) * 0x1p-53;
}

/* Box & Muller */
double
random_normal(void)
{
	double radius = sqrt(-2 * log(1 - random_between(0, 1)));

	return radius * cos(2 * M_PI * random_between(0, 1));
}

double
exact_dot(const float *x, const float *y, uint32 dim)
{
	double sum = 0;

	for (uint32 i = 0; i < dim; i++)
		sum += (double) x[i] * y[i];
	return sum;
}

void
to_unit(float *x, uint32 dim)
{
	double norm = sqrt(exact_dot(x, x, dim));

	for (uint32 i = 0; i < dim; i++)
		x[i] = (float) (x[i] / norm);
}

void
check_begin(void)
{
	const char *seed = getenv("SEED");

	if (seed == NULL)
		seed_of_run = 1;
	else if (strcmp(seed, "time") == 0)
		seed_of_run = (uint64) time(NULL);
	else
		seed_of_run = strtoull(seed, NULL, 0);
	printf("# SEED=%llu\n", (unsigned long long) seed_of_run);

	distance_init();
	printf("# tables of this CPU, the best is %s\n", distance_kernels->isa);
}

int
check_end(void)
{
	printf("1..%d\n", groups_run);
	return groups_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
