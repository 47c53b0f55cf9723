/*
 * half.h
 *		IEEE half-precision numbers, as their bits.
 *
 * Arrays are converted by the kernels of distance (f16_to_f32, f32_to_f16).
 * Knows nothing of PostgreSQL beyond c.h.  Installed, because halfvec.h is.
 */
#ifndef HALF_H
#define HALF_H

#include "c.h"

typedef uint16 half;

#define HALF_MAX 65504

/* The smallest magnitude that rounds to infinity. */
#define HALF_LIMIT 65520.0f

#endif /* HALF_H */
