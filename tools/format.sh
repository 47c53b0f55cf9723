#!/bin/bash
#
# format.sh [--check | --which] -- apply .clang-format to the C sources.
#
# Another version of clang-format lays out the same file differently, so only
# version 14 is used; --which prints its name, nothing if it is not there.
# *.inc.h hold macro bodies that it cannot parse, *_tables.h are generated.

cd "$(dirname "$0")/.." || exit 1

formatter=
for candidate in clang-format-14 clang-format; do
	if command -v $candidate >/dev/null &&
		$candidate --version | grep -q 'version 14\.'; then
		formatter=$candidate
		break
	fi
done

if [ "${1:-}" = --which ]; then
	echo "$formatter"
	exit 0
fi
[ -n "$formatter" ] || { echo "clang-format 14 is not installed" >&2; exit 1; }

sources=$(find src test/unit test/fuzz test/bench -name '*.[ch]' ! -name '*.inc.h' \
	! -name '*_tables.h' 2>/dev/null)
[ -n "$sources" ] || exit 0
if [ "${1:-}" = --check ]; then
	status=0
	for source in $sources; do
		if ! $formatter "$source" | cmp -s - "$source"; then
			echo "$source: not laid out as clang-format does"
			status=1
		fi
	done
	exit $status
else
	$formatter -i $sources
fi
