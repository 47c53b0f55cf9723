#!/bin/bash
#
# test.sh -- from a bare machine to "N passed, N failed".
#
# Installs the packages that are missing, copies the sources to a directory of
# their own and lets run-tests.sh build and test them there, never as root.
# The directory is removed when all tests have passed.
#
# Environment: PG_CONFIG, TESTS, TEST_TIMEOUT, SERVER_CONF, ASSERTIONS and
# SANITIZE, see run-tests.sh.

cd "$(dirname "$0")/.." || exit 1
. tools/common.sh
exec </dev/null

# The last line is always the count, whatever went wrong before.
fail() { say "$*"; say; say "0 passed, 1 failed"; exit 1; }

step "packages"
bash tools/install-packages.sh test || fail "packages are missing"
pg_config=$(find_pg_config) || fail "no PostgreSQL with development files"

work=$(make_work_dir vector-test) || fail "no place to work in"
trap 'exit 130' INT TERM
trap '[ -n "${keep:-}" ] || rm -rf "$work"' EXIT
copy_tree "$work/tree" || fail "could not copy the sources to $work"

cd "$work/tree" || fail "could not enter $work/tree"
as_server_user env HOME="$work" PG_CONFIG="$pg_config" TESTS="${TESTS:-}" \
	TEST_TIMEOUT="${TEST_TIMEOUT:-}" SERVER_CONF="${SERVER_CONF:-}" ASSERTIONS="${ASSERTIONS:-}" \
	SANITIZE="${SANITIZE:-}" bash tools/run-tests.sh "$work"
status=$?

say
if [ $status != 0 ]; then
	keep=yes
	say "The logs are in $work/logs, one file a test."
	say
fi
cat "$work/summary" 2>/dev/null || { say "0 passed, 1 failed"; exit 1; }
exit $status
