#!/bin/bash
#
# check-style.sh -- check layout, compiler warnings and include rules.
#
# Prints TAP.  tools/README says what each failing check means.

cd "$(dirname "$0")/.." || exit 1
. tools/common.sh

number=0
failures=0

# result STATUS NAME [LOG] -- one line of TAP, with the log when it failed
result()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		failures=$((failures + 1))
		echo "not ok $number - $2"
		[ -z "${3:-}" ] || head -n 60 "$3" | sed 's/^/# /'
	fi
}

skip()
{
	number=$((number + 1))
	echo "ok $number - $1 # SKIP $2"
}

pg_config=$(find_pg_config) || die "no PostgreSQL development files found"
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
log=$work/log

# Includes
/usr/bin/python3 tools/check_includes.py >"$log" 2>&1
result $? "includes follow the table of src/README" "$log"

# Layout
formatter=$(tools/format.sh --which)
if [ -z "$formatter" ]; then
	skip "layout is that of .clang-format" "no clang-format 14"
else
	tools/format.sh --check >"$log" 2>&1
	result $? "layout is that of .clang-format (make format corrects it)" "$log"
fi

# Warnings.  The tree is compiled aside, so that a failure leaves nothing here.
mkdir "$work/gcc" "$work/clang"
cp -r Makefile src "$work/gcc" && cp -r Makefile src "$work/clang"
find "$work" \( -name '*.o' -o -name '*.bc' -o -name '*.d' \) -delete

# PostgreSQL's own headers are not clean under -Wextra's omissions below.
warnings="-Werror -Wextra -Wno-unused-parameter -Wno-sign-compare \
	-Wno-missing-field-initializers"
# PGXS passes clang the flags that it has found for gcc.
clang_only="-Wno-unknown-warning-option -Wno-ignored-optimization-argument \
	-Wno-ignored-attributes"

compile()
{
	make -C "$work/$1" --no-print-directory --output-sync -k -j "$(nproc)" \
		PG_CONFIG="$pg_config" CC="$2" COPT="$3" objects >"$log" 2>&1
	status=$?
	# without the command lines, the messages stand alone
	grep -vE "^($2|make:) " "$log" >"$log.messages"
	result $status "$1 compiles without warnings" "$log.messages"
}

# The clang that the server's bitcode is made with need not be on the PATH.
makefile=$(dirname "$("$pg_config" --pgxs)")/../Makefile.global
server_clang=$(sed -n 's/^CLANG = *//p' "$makefile")

for compiler in gcc clang; do
	command=$(command -v $compiler)
	if [ $compiler = clang ] && [ -n "$server_clang" ]; then
		command=$(command -v "$server_clang")
	fi
	if [ -z "$command" ]; then
		skip "$compiler compiles without warnings" "no $compiler"
	elif [ $compiler = gcc ]; then
		compile gcc "$command" "$warnings"
	else
		compile clang "$command" "$warnings $clang_only"
	fi
done

echo "1..$number"
[ $failures = 0 ]
