/*
 * fuzz_binary.c
 *		The binary forms: what the receive functions read and check.
 *
 * The first byte of the input chooses the type.
 */
#include "oracle.h"

#include <math.h>

#include "types/binary_form.h"
#include "types/float_array.h"
#include "types/sparse_array.h"

#define MAX_DIM	  40
#define MAX_COUNT 20

static const VectorType types[] = {{"float", MAX_DIM, sizeof(float), INFINITY},
								   {"half", MAX_DIM, sizeof(half), HALF_LIMIT},
								   {"sparse", 1000, 0, INFINITY}};

/* One number of the message, byte by byte. */
static uint32
number_at(const uint8 *message, size_t offset, int bytes)
{
	uint32 number = 0;

	for (int i = 0; i < bytes; i++)
		number = number << 8 | message[offset + i];
	return number;
}

static void
check_dense(const VectorType *type, const uint8 *message, size_t size)
{
	BinaryForm	 form;
	BinaryStatus status = dense_binary_parse(type, (const char *) message,
											 size, &form);
	int			 width = type->element_bytes;
	uint32		 dim = size >= 4 ? number_at(message, 0, 2) : 0;
	uint32		 unused = size >= 4 ? number_at(message, 2, 2) : 0;
	char		*elements;
	char		*back;

	REQUIRE((status == BINARY_OK) == (dim >= 1 && dim <= MAX_DIM &&
									  unused == 0 && size >= 4 + width * dim),
			"%s, %d dimensions, %d bytes: %d", type->name, dim, (int) size,
			status);
	if (status != BINARY_OK)
		return;
	REQUIRE(form.dim == dim && form.count == dim &&
				form.bytes == 4 + width * dim &&
				form.elements == (const char *) message + 4,
			"%d", form.dim);

	elements = malloc(width * dim);
	back = malloc(width * dim);
	binary_swap(elements, form.elements, dim, width);
	for (uint32 i = 0; i < dim; i++)
	{
		uint32 number = number_at(message, 4 + width * i, width);
		uint16 half_bits = number;

		REQUIRE(memcmp(elements + width * i,
					   width == 4 ? (void *) &number : (void *) &half_bits,
					   width) == 0,
				"element %d", i);
	}
	binary_swap(back, elements, dim, width);
	REQUIRE(memcmp(back, message + 4, width * dim) == 0, "send");

	if (width == sizeof(float))
	{
		bool finite = true;

		for (uint32 i = 0; i < dim; i++)
			finite &= isfinite(float_from_bits(
						  number_at(message, 4 + 4 * i, 4))) != 0;
		REQUIRE(float_array_is_below((float *) elements, dim, type->limit) ==
					finite,
				"finite: %d", finite);
	}
	free(back);
	free(elements);
}

static void
check_sparse(const VectorType *type, const uint8 *message, size_t size)
{
	BinaryForm	 form;
	BinaryStatus status = sparse_binary_parse(type, MAX_COUNT,
											  (const char *) message, size,
											  &form);
	int64		 dim = size >= 12 ? (int32) number_at(message, 0, 4) : 0;
	int64		 count = size >= 12 ? (int32) number_at(message, 4, 4) : 0;
	uint32		 unused = size >= 12 ? number_at(message, 8, 4) : 0;
	SparseStatus expected = SPARSE_OK;
	SparseStatus found;
	int64		 before = -1;
	int32		*numbers;

	REQUIRE((status == BINARY_OK) ==
				(dim >= 1 && dim <= type->max_dim && count >= 0 &&
				 count <= MAX_COUNT && count <= dim && unused == 0 &&
				 (int64) size >= 12 + 8 * count),
			"%d of %d dimensions, %d bytes: %d", (int) count, (int) dim,
			(int) size, status);
	if (status != BINARY_OK)
		return;
	REQUIRE(form.dim == dim && form.count == count &&
				form.bytes == 12 + 8 * count,
			"%d", form.dim);

	numbers = malloc(8 * count);
	binary_swap(numbers, form.elements, 2 * count, 4);
	for (int i = 0; i < 2 * count; i++)
		REQUIRE((uint32) numbers[i] == number_at(message, 12 + 4 * i, 4),
				"number %d", i);

	/* the first bad index decides */
	for (int i = 0; i < count && expected == SPARSE_OK; i++)
	{
		int64 index = (int32) number_at(message, 12 + 4 * i, 4);

		if (index < 0 || index >= dim)
			expected = SPARSE_INDEX_OUT_OF_BOUNDS;
		else if (index == before)
			expected = SPARSE_DUPLICATE;
		else if (index < before)
			expected = SPARSE_NOT_ASCENDING;
		before = index;
	}
	found = sparse_array_check(numbers, count, dim);
	REQUIRE(found == expected, "%d, not %d", found, expected);
	free(numbers);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	uint8 *message;
	int	   choice;

	if (size == 0)
		return 0;
	choice = data[0] % lengthof(types);
	/* a copy that ends with the message, and is not aligned */
	message = malloc(size);
	memcpy(message, data, size);
	if (choice == 2)
		check_sparse(&types[choice], message + 1, size - 1);
	else
		check_dense(&types[choice], message + 1, size - 1);
	free(message);
	return 0;
}
