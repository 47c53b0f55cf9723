#!/bin/bash
#
# check.sh TARGET... -- a short run of each fuzz target, as TAP.
#
# First the seeds alone; then, where there is libFuzzer, CHECK_RUNS (200000) new
# inputs, the same in every run unless CHECK_SEED gives others: to look for what
# nobody has found yet is up to "make fuzz".  What fails a target is left in
# $BUILD/found-TARGET-*.  Called by "make check".

cd "$(dirname "$0")" || exit 1
number=0
failed=0

# result STATUS NAME -- one line of TAP, with the end of the log when it failed
result()
{
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number - $2"
	else
		failed=$((failed + 1))
		echo "not ok $number - $2"
		tail -n 40 "$BUILD/log" | sed 's/^/# /'
	fi
}

for target in "$@"; do
	program=$BUILD/fuzz_$target
	options=
	[ -z "$CC" ] || options="-artifact_prefix=$BUILD/found-$target-"
	$program $options corpus/"$target"/* >"$BUILD/log" 2>&1
	result $? "$target: seeds"

	if [ -z "$CC" ]; then
		number=$((number + 1))
		echo "ok $number - $target: new inputs # SKIP no clang with libFuzzer"
		continue
	fi
	seed=${CHECK_SEED:-1}
	rm -rf "$BUILD/check/$target" && mkdir -p "$BUILD/check/$target"
	$program $options -seed="$seed" -runs="${CHECK_RUNS:-200000}" -max_len=256 \
		-dict=text.dict "$BUILD/check/$target" "corpus/$target" >"$BUILD/log" 2>&1
	result $? "$target: new inputs (-seed=$seed)"
done
echo "1..$number"
[ $failed = 0 ]
