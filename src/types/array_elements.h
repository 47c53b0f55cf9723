/*
 * array_elements.h
 *		SQL arrays of numbers as arrays of float4, for the casts of all types.
 */
#ifndef ARRAY_ELEMENTS_H
#define ARRAY_ELEMENTS_H

#include "types/type_checks.h"

/*
 * array_element_count -- the number of elements of a one-dimensional array
 * without nulls, zero for an empty one; raises an error for other arrays.
 */
extern int array_element_count(ArrayType *array);

/*
 * array_elements -- read the elements of an array of integer, real, double
 * precision or numeric into x, all of them finite.
 *
 * The array has passed array_element_count.  Raises an error if an element is
 * not finite or rounds to infinity.
 */
extern void array_elements(const VectorType *type, ArrayType *array, float *x);

/* A real[] of n elements, n >= 1, with uninitialized contents at *x. */
extern ArrayType *make_real_array(int n, float **x);

#endif /* ARRAY_ELEMENTS_H */
