#!/bin/bash
#
# run-tests.sh WORK -- build this tree and run its tests.
#
# Called by test.sh, in a copy of the sources that may be written to, as a user
# that may start PostgreSQL.  WORK takes everything that is made: a private
# copy of the server with the extension in it, data directories, logs, and the
# file "summary" with the line "N passed, N failed".
#
# Environment:
#   PG_CONFIG     the server to test with
#   TESTS         which of: style unit fuzz regress headers compat clients isolation tap
#                 (default: all), or single TAP files (test/t/001_name.pl)
#   TEST_TIMEOUT  seconds that one suite or TAP file may take (default 3600)
#   SERVER_CONF   lines for the postgresql.conf of all servers
#   ASSERTIONS    "no" builds what "make install" does, without our assertions
#   SANITIZE      "yes" builds with UBSan; the unit tests with ASan, too

. tools/common.sh

work=$1
logs=$work/logs
tests=${TESTS:-style unit fuzz regress headers compat clients isolation tap}
limit=${TEST_TIMEOUT:-3600}
assertions=-DUSE_ASSERT_CHECKING
[ "${ASSERTIONS:-}" != no ] || assertions=
checks=$assertions
unit_target=check
if [ "${SANITIZE:-}" = yes ]; then
	checks="$assertions -fsanitize=undefined,float-cast-overflow -fno-omit-frame-pointer"
	unit_target=check-sanitize
fi
jobs=$(nproc)
mkdir -p "$logs" "$work/tmp"
export TMPDIR=$work/tmp

# What a test waits for comes, or never does: a machine that is busy or slow has
# all the time it needs.
export PG_TEST_TIMEOUT_DEFAULT=600 PGCTLTIMEOUT=600 PGISOLATIONTIMEOUT=1200

# PostgreSQL::Test reads this; the servers that it does not make get it, too.
export TEMP_CONFIG=$work/server.conf
printf '%s\n' "${SERVER_CONF:-}" >"$TEMP_CONFIG"

passed=0 failed=0 skipped=0

# count NAME STATUS SECONDS -- add up what a log tells, and show its failures
count()
{
	local counts new_passed new_failed new_skipped

	counts=$(awk -v status="$2" -f tools/tap-count.awk "$logs/$1.log")
	read -r new_passed new_failed new_skipped <<<"$counts"
	passed=$((passed + new_passed))
	failed=$((failed + new_failed))
	skipped=$((skipped + new_skipped))
	printf '%-44s %5d passed' "$1" "$new_passed"
	[ "$new_failed" = 0 ] || printf ', %d failed' "$new_failed"
	[ "$new_skipped" = 0 ] || printf ', %d skipped' "$new_skipped"
	[ -z "${3:-}" ] || printf '  (%d s)' "$3"
	printf '\n'
	[ "$new_failed" = 0 ] || show_failure "$1" "$2"
}

show_failure()
{
	local diffs=$work/$1/regression.diffs

	if [ "$2" = 124 ]; then
		say "    stopped after $limit seconds"
	fi
	if [ -s "$diffs" ]; then
		# the first lines of each test's differences tell the most
		awk '/^diff / { lines = 0 } ++lines <= 25' "$diffs" | head -n 200
	elif grep -q '^not ok' "$logs/$1.log"; then
		# what a failed test says follows it
		grep -A 12 '^not ok' "$logs/$1.log" | head -n 120
	else
		tail -n 60 "$logs/$1.log"
	fi | sed 's/^/    /'
}

# run NAME COMMAND... -- run one suite and count it
run()
{
	local name=$1 start=$SECONDS status

	shift
	mkdir -p "$(dirname "$logs/$name")"
	timeout --kill-after=20 "$limit" "$@" >"$logs/$name.log" 2>&1
	status=$?
	count "$name" $status $((SECONDS - start))
}

finish()
{
	local line="$passed passed, $failed failed"

	[ "$skipped" = 0 ] || line="$line, $skipped skipped"
	say "$line" >"$work/summary"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
	exit
}

wanted() { [[ " $tests " == *" $1 "* ]]; }

build()
{
	make -j "$jobs" PG_CONFIG="$PG_CONFIG" COPT="$checks" &&
		private=$(private_install "$PG_CONFIG" "$work/server") &&
		make install PG_CONFIG="$private" COPT="$checks" && echo "$private" >"$work/pg_config" &&
		echo "ok 1 - the extension builds and installs"
}

# pg_regress starts and stops a server of its own.  Tests disable plan types,
# which makes every plan look expensive enough to be compiled; that would take
# longer than all the tests.  Autovacuum holds snapshots, and so keeps a test's
# VACUUM from removing rows.
regress()
{
	local program=$1 name=$2 input=$PWD/$3 expected=$PWD/$4
	shift 4
	mkdir -p "$work/$name" && ln -s "$expected" "$work/$name/expected" &&
		cd "$work/$name" && printf '%s\n' "jit = off" "autovacuum = off" "${SERVER_CONF:-}" >"$work/$name/server.conf" &&
		"$testlib/$program" --temp-instance="$work/$name/server" \
			--temp-config="$work/$name/server.conf" \
			--bindir="$bindir" --inputdir="$input" \
			--outputdir="$work/$name" --encoding=UTF8 --no-locale "$@"
}

# Another extension, compiled with what ours has installed.
headers()
{
	make -C test/headers PG_CONFIG="$private" install &&
		echo "ok 1 - another extension builds with the installed headers" &&
		regress regress/pg_regress headers test/headers test/headers/expected headers
}

tap_file()
{
	local name dir
	name=tap/$(basename "$1" .pl)
	dir=$work/$name
	mkdir -p "$dir"
	PATH=$bindir:$PATH PG_REGRESS=$testlib/regress/pg_regress \
		TESTDIR=$dir TESTDATADIR=$dir/tmp_check TESTLOGDIR=$dir/tmp_check/log \
		timeout --kill-after=20 "$limit" prove --verbose --merge \
		-I "$testlib/perl" -I test/perl -I . "$1" >"$logs/$name.log" 2>&1
	echo "$?" >"$logs/$name.status"
}

# UBSan reports where the server's messages go, and lets the server go on.
ubsan_reports()
{
	local reports

	reports=$(grep -rhs 'runtime error:' --include='*.log' --include='log' "$work" | sort | uniq -c)
	if [ -z "$reports" ]; then
		echo "ok 1 - no undefined behaviour"
	else
		echo "not ok 1 - no undefined behaviour"
		echo "$reports"
		return 1
	fi
}
export -f build regress headers tap_file private_install ubsan_reports
export work logs limit jobs checks

step "build, with $("$PG_CONFIG" --version)"
run build bash -c build
[ "$failed" = 0 ] && [ -f "$work/pg_config" ] || finish

private=$(cat "$work/pg_config")
bindir=$("$private" --bindir)
testlib=$(dirname "$(dirname "$("$private" --pgxs)")")/test
export private bindir testlib

# For tests of moving over from pgvector: a server that has it.
if [ -n "$(pgvector_version "$PG_CONFIG")" ]; then
	PGVECTOR_CONFIG=$(private_install "$PG_CONFIG" "$work/pgvector" with-vector)
	export PGVECTOR_CONFIG
fi

step "tests"
if wanted style; then
	run style bash tools/check-style.sh
fi
if wanted unit && [ -f test/unit/Makefile ]; then
	run unit env CPPFLAGS="$assertions" make --no-print-directory -C test/unit $unit_target PG_CONFIG="$private"
fi
if wanted fuzz && [ -f test/fuzz/Makefile ]; then
	run fuzz make --no-print-directory -j "$jobs" -C test/fuzz check PG_CONFIG="$private"
fi
if wanted regress && ls test/sql/*.sql >/dev/null 2>&1; then
	run regress bash -c 'regress regress/pg_regress regress test expected "$@"' - \
		$(basename -s .sql -a test/sql/*.sql)
fi
if wanted headers && [ -f test/headers/Makefile ]; then
	run headers bash -c headers
fi
if wanted compat && [ -f test/compat/run.sh ]; then
	run compat bash test/compat/run.sh "$work/compat" "$private"
fi
if wanted clients && [ -f test/clients/run.sh ]; then
	run clients bash test/clients/run.sh "$work/clients" "$private"
fi
if wanted isolation && ls test/specs/*.spec >/dev/null 2>&1; then
	run isolation bash -c 'regress isolation/pg_isolation_regress isolation test expected "$@"' - \
		$(basename -s .spec -a test/specs/*.spec)
fi

tap_files=$(for word in $tests; do
	case $word in
		tap) ls test/t/*.pl 2>/dev/null ;;
		*.pl) echo "$word" ;;
	esac
done)
if [ -n "$tap_files" ] && [ ! -d "$testlib/perl" ]; then
	echo "1..0 # SKIP this server comes without PostgreSQL::Test" >"$logs/tap.log"
	count tap 0
elif [ -n "$tap_files" ]; then
	mkdir -p "$logs/tap"
	printf '%s\n' $tap_files |
		xargs -P "$jobs" -I '{}' bash -c 'tap_file "{}"'
	for file in $tap_files; do
		name=tap/$(basename "$file" .pl)
		count "$name" "$(cat "$logs/$name.status" 2>/dev/null || echo 1)"
	done
fi

if [ "${SANITIZE:-}" = yes ]; then
	run ubsan bash -c ubsan_reports
fi

finish
