#!/bin/bash
#
# run.sh SECONDS TARGET... -- run each fuzz target for SECONDS, in turn.
#
# Called by "make run".  The inputs found are kept in $CORPUS, so that another
# run goes on from there; what fails a target is left in $BUILD/found-TARGET-*.

cd "$(dirname "$0")" || exit 1
seconds=$1
shift
[ -n "$CC" ] || { echo "no clang with libFuzzer (Debian: clang-14 libclang-rt-14-dev)" >&2; exit 1; }

status=0
for target in "$@"; do
	mkdir -p "$CORPUS/$target"
	echo "== $target, $seconds seconds"
	"$BUILD/fuzz_$target" -max_total_time="$seconds" -max_len=512 -print_final_stats=1 \
		-artifact_prefix="$BUILD/found-$target-" -dict=text.dict \
		"$CORPUS/$target" "corpus/$target" >"$BUILD/$target.log" 2>&1
	if [ $? = 0 ]; then
		grep -E 'number_of_executed_units|new_units_added' "$BUILD/$target.log"
	else
		status=1
		echo "finding:"
		tail -n 40 "$BUILD/$target.log"
	fi
done
exit $status
