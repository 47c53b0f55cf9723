/*
 * row_reservoir.c
 *		A sample of the rows of a scan, each with the same chance.
 */
#include "postgres.h"

#include <math.h>

#include "index/row_reservoir.h"

void
row_reservoir_init(RowReservoir *reservoir, uint32 target)
{
	memset(reservoir, 0, sizeof(RowReservoir));
	reservoir->target = target;
	reservoir->rows_to_skip = -1;
	reservoir_init_selection_state(&reservoir->state, (int) target);
}

/*
 * As reservoir_init_selection_state does, which takes any random numbers, but
 * from a seed.
 */
void
row_reservoir_seed(RowReservoir *reservoir, uint32 seed)
{
	ReservoirState state = &reservoir->state;

	sampler_random_init_state(seed, &state->randstate);
	state->W = exp(-log(sampler_random_fract(&state->randstate)) /
				   reservoir->target);
}

bool
row_reservoir_offer(RowReservoir *reservoir, uint32 *place, bool *replaces)
{
	reservoir->rows_seen++;
	*replaces = reservoir->count == reservoir->target;
	if (!*replaces)
	{
		*place = reservoir->count++;
		return true;
	}
	if (reservoir->rows_to_skip < 0)
		reservoir->rows_to_skip = reservoir_get_next_S(
			&reservoir->state, reservoir->rows_seen - 1,
			(int) reservoir->target);
	if (reservoir->rows_to_skip-- > 0)
		return false;
	*place = (uint32) (reservoir->target *
					   sampler_random_fract(&reservoir->state.randstate));
	return true;
}
