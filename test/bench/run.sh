#!/bin/bash
#
# run.sh -- "make bench": from a bare machine to tables and plots.
#
# Installs the packages that are missing, copies the sources to a directory of
# their own, builds this extension and pgvector there for two copies of the
# installed server, and compares them (bench.py).  Nothing outside of that
# directory and RESULTS changes, and no server that runs is used.
#
# Environment: see README.

cd "$(dirname "$0")/../.." || exit 1
. tools/common.sh
exec </dev/null

# The part that is not root: in a copy of the tree, with everything in $1.
if [ "${1:-}" = --work ]; then
	work=$2
	set -e
	make -s -j "$(nproc)" PG_CONFIG="$PG_CONFIG" >"$work/build.log" 2>&1 ||
		{ tail -n 30 "$work/build.log"; die "the extension does not build"; }
	ours=$(private_install "$PG_CONFIG" "$work/server")
	make -s install PG_CONFIG="$ours" >>"$work/build.log" 2>&1
	theirs=$(bash test/bench/pgvector.sh "$work/pgvector")
	${CC:-gcc} -O2 -I"$("$PG_CONFIG" --includedir)" test/bench/client.c -o "$work/client" \
		-L"$("$PG_CONFIG" --libdir)" -lpq -lpthread
	step "measurements"
	export PYTHONDONTWRITEBYTECODE=1
	exec /usr/bin/python3 test/bench/bench.py --ours "$ours" --pgvector "$theirs" \
		--pgvector-version "$(cat "$work/pgvector/version")" \
		--client "$work/client" --work "$work" --results "$work/results" \
		${DATA:+--data "$DATA"} ${PARTS:+--parts "$PARTS"} ${MEASURES:+--measures "$MEASURES"} \
		${ROWS:+--rows "$ROWS"} ${DIMS:+--dims "$DIMS"} ${MAX_ROWS:+--max-rows "$MAX_ROWS"} \
		${QUERIES:+--queries "$QUERIES"} ${ROUNDS:+--rounds "$ROUNDS"} ${SECONDS_OF_SLICE:+--seconds "$SECONDS_OF_SLICE"} \
		${HNSW_WITH:+--hnsw-with "$HNSW_WITH"} ${LOAD_SECONDS:+--load-seconds "$LOAD_SECONDS"} \
		${PROCESSES:+--processes "$PROCESSES"} ${COPY_ROWS:+--copy-rows "$COPY_ROWS"} \
		${COPY_DIMS:+--copy-dims "$COPY_DIMS"} ${SCAN_DIMS:+--scan-dims "$SCAN_DIMS"} ${SCAN_TYPES:+--scan-types "$SCAN_TYPES"}
fi

results=${RESULTS:-bench-results}
mkdir -p "$results" && results=$(cd "$results" && pwd) || die "cannot write to $results"
data=
for path in ${DATA:-}; do
	data="$data $(readlink -e "$path")" || die "$path does not exist"
done

step "packages"
bash tools/install-packages.sh bench || die "packages are missing"
pg_config=$(find_pg_config) || die "no PostgreSQL with development files"

work=$(make_work_dir vector-bench) || exit 1
trap 'exit 130' INT TERM
trap '[ -n "${keep:-}" ] || rm -rf "$work"' EXIT
copy_tree "$work/tree" || die "could not copy the sources to $work"

step "build"
cd "$work/tree" || exit 1
as_server_user env HOME="$work" PG_CONFIG="$pg_config" DATA="$data" bash test/bench/run.sh --work "$work"
status=$?
cp -r "$work/results/." "$results/" 2>/dev/null
if [ $status != 0 ]; then
	keep=yes
	die "it broke off; everything is still in $work"
fi
step "results"
cat "$results/table.md"
say
say "table.md, results.json and plots are in $results"
