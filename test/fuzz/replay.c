/*
 * replay.c
 *		Feeds files to a fuzz target where there is no libFuzzer.
 */
#include "oracle.h"

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
	{
		FILE  *file = fopen(argv[i], "rb");
		uint8  data[65536];
		size_t size;

		if (file == NULL)
		{
			perror(argv[i]);
			return EXIT_FAILURE;
		}
		size = fread(data, 1, sizeof(data), file);
		fclose(file);
		LLVMFuzzerTestOneInput(data, size);
	}
	return EXIT_SUCCESS;
}
