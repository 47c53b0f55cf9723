/*
 * oracle.h
 *		What the code under test is compared with: the C library.
 *
 * FAIL ends the process as a finding of the fuzzer.
 */
#ifndef FUZZ_ORACLE_H
#define FUZZ_ORACLE_H

#include "c.h"

#include <stdio.h>
#include <stdlib.h>

#include "types/element_text.h"

/* c.h sends these to libpgport, which the fuzzers do not link */
#undef qsort
#undef printf
#undef fprintf
#undef snprintf

#define REQUIRE(condition, ...)                                             \
	do                                                                      \
	{                                                                       \
		if (!(condition))                                                   \
		{                                                                   \
			fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
			fprintf(stderr, __VA_ARGS__);                                   \
			fputc('\n', stderr);                                            \
			abort();                                                        \
		}                                                                   \
	} while (0)

/* What libFuzzer calls, and what every target defines. */
extern int LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/*
 * input_text -- the input as a text, in an allocation that ends with it, so
 * that a read beyond it is seen.  To be freed.
 */
extern char *input_text(const uint8 *data, size_t size);

extern uint32 float_bits(float value);
extern float  float_from_bits(uint32 bits);

/*
 * oracle_number -- what number_parse_float should say of the number at p.
 */
extern const char *oracle_number(const char *p, float *value,
								 NumberStatus *status);

/* oracle_to_odd -- what number_parse_to_odd should. */
extern float oracle_to_odd(const char *p);

/* The half next to value, ties to even; infinite beyond the largest one. */
extern double oracle_half(float value);

/*
 * oracle_element -- is there an element at *p that the type can hold?  Moves
 * *p behind it.  The value is exact as an element of the type.
 */
extern bool oracle_element(const VectorType *type, const char **p,
						   double *value, NumberStatus *status);

/* An element as a parser returns it, exact as oracle_element gives it. */
extern double element_value(const VectorType *type, float value);

#endif /* FUZZ_ORACLE_H */
