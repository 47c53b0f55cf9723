/*
 * check.h
 *		Checks and random numbers of the stand-alone unit tests.
 *
 * A group of checks is one line of TAP; a failing check says where and what.
 */
#ifndef UNIT_CHECK_H
#define UNIT_CHECK_H

#include "c.h"

#include <stdio.h>

/* c.h sends these to libpgport, which the tests do not link */
#undef printf
#undef fprintf
#undef snprintf

/* The group that runs; CHECK counts its failures and prints the first ones. */
extern const char *check_group;
extern int		   check_failures;

#define CHECK(condition, ...)                                                 \
	do                                                                        \
	{                                                                         \
		if (!(condition) && check_failures++ < 5)                             \
		{                                                                     \
			fprintf(stdout, "# %s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stdout, __VA_ARGS__);                                     \
			fputc('\n', stdout);                                              \
		}                                                                     \
	} while (0)

/* What a program does first and last; check_end returns its exit status. */
extern void check_begin(void);
extern int	check_end(void);

/* Run one group; its line follows its diagnostics. */
extern void run_group(const char *name, void (*body)(void));

/*
 * Random numbers: each group gets the same ones in every run, so that a failure
 * means a change of the code, unless SEED says otherwise.
 */
extern void	  random_seed(uint64 seed);
extern uint64 random_bits(void);

/* uniform in [low, high) */
extern double random_between(double low, double high);

/* standard normal */
extern double random_normal(void);

/* The product of two vectors, in doubles. */
extern double exact_dot(const float *x, const float *y, uint32 dim);

/* Divide a vector by its length. */
extern void to_unit(float *x, uint32 dim);

extern void kernels_tests(void);
extern void block_kernels_tests(void);
extern void sq8_tests(void);
extern void sq8_rest_tests(void);
extern void sq8_halves_tests(void);
extern void rabitq_tests(void);
extern void relative_tests(void);
extern void exrabitq_tests(void);
extern void rotation_tests(void);
extern void text_tests(void);
extern void array_tests(void);

/* Run body once with every table this CPU has, its name in check_group. */
extern void with_each_isa(void (*body)(void));

#endif /* UNIT_CHECK_H */
