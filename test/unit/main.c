/*
 * main.c
 *		Unit tests of the modules that work on raw arrays.
 */
#include "c.h"

#include "check.h"

int
main(void)
{
	check_begin();
	kernels_tests();
	block_kernels_tests();
	sq8_tests();
	sq8_rest_tests();
	sq8_halves_tests();
	rabitq_tests();
	relative_tests();
	exrabitq_tests();
	rotation_tests();
	text_tests();
	array_tests();
	return check_end();
}
