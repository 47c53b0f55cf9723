#!/bin/bash
#
# run.sh WORK PG_CONFIG -- use the installed extension as applications do.
#
# Starts a server in the new directory WORK, on a socket there, and runs each
# client of this folder in a database of its own.  Prints their TAP.  A client
# whose libraries are not there, or cannot be fetched for want of a network, is
# skipped.  Nothing is written to this folder.  Never as root.
#
# Environment: CLIENT_TIMEOUT and NPM_TIMEOUT, seconds that a client may take and
# that its packages may take to arrive

mkdir -p "$1" && work=$(cd "$1" && pwd) || exit 1
pg_config=$2
bindir=$("$pg_config" --bindir)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../tools/common.sh"
failed=0

skip() { echo "1..0 # SKIP $*"; }

# client NAME COMMAND... -- in a new database with the extension
client()
{
	local name=$1

	shift
	echo "# $name"
	"$bindir/createdb" "$name" &&
		"$bindir/psql" -X -q -d "$name" -c "CREATE EXTENSION vector" &&
		PGDATABASE=$name timeout --kill-after=5 "${CLIENT_TIMEOUT:-900}" "$@" || failed=1
}

libpq()
{
	${CC:-cc} -std=gnu99 -O1 -g -Wall -Werror -I"$("$pg_config" --includedir)" \
		-o "$work/libpq_client" "$here/libpq_client.c" \
		-L"$("$pg_config" --libdir)" -lpq -lm && client libpq "$work/libpq_client"
}

# The packages of the lock file, fetched into WORK.  A registry that does not
# answer is given up before the time that all tests have is gone.
fetch_node_packages()
{
	mkdir "$work/node" && cp "$here"/*.mjs "$here"/package*.json "$work/node" &&
		cd "$work/node" &&
		timeout --kill-after=5 "${NPM_TIMEOUT:-300}" \
			npm ci --ignore-scripts --no-audit --no-fund --loglevel=error \
			--fetch-timeout=60000 --fetch-retries=3 --fetch-retry-mintimeout=2000 \
			--fetch-retry-maxtimeout=20000 >"$work/npm.log" 2>&1
}

node_is_old() { ! node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; }

node_clients()
{
	local name

	if ! command -v npm >/dev/null || node_is_old; then
		skip "no npm, or no Node.js 18 or later"
	elif ! (fetch_node_packages); then
		# what npm says of package.json and the lock file is ours, all else is
		# the registry's
		if grep -qE 'code (EUSAGE|EJSONPARSE|ENOLOCK|EINTEGRITY|ETARGET|EBADENGINE|ERESOLVE)' \
			"$work/npm.log"; then
			cat "$work/npm.log"
			echo "not ok 1 - npm ci"
			failed=1
		else
			sed 's/^/# /' "$work/npm.log"
			skip "npm registry not reachable"
		fi
	else
		cd "$work/node" || exit 1
		for name in pg knex drizzle; do
			client "$name" node --test-reporter=tap "$name.mjs"
		done
	fi
}

trap 'exit 130' INT TERM
trap 'stop_server "$work" "$bindir"' EXIT
start_server "$work" "$bindir" || exit 1

if [ -f "$("$pg_config" --includedir)/libpq-fe.h" ]; then
	libpq || failed=1
else
	skip "no libpq-fe.h"
fi
if /usr/bin/python3 -c 'import psycopg' 2>/dev/null; then
	client psycopg /usr/bin/python3 "$here/psycopg_client.py"
else
	skip "no psycopg 3"
fi
node_clients

exit $failed
