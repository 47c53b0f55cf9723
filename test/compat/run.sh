#!/bin/bash
#
# run.sh WORK PG_CONFIG [VERSION] -- compare the installed extension with the
# contract.  VERSION is one of pgvector, whose catalog is created in place of ours.
#
# Starts a server in the new directory WORK, on a socket there, runs the
# scripts in a database of their own, stops the server and prints TAP.
# Never as root, which PostgreSQL refuses.

mkdir -p "$1" && work=$(cd "$1" && pwd) || exit 1
bindir=$("$2" --bindir)
pkglibdir=$("$2" --pkglibdir)
pg_regress=$(dirname "$(dirname "$("$2" --pgxs)")")/test/regress/pg_regress
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../tools/common.sh"
compare() { /usr/bin/python3 "$here/compare.py" "$@"; }

version=$("$2" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
if [ "$version" != 15 ] && [ ! -f "$here/expected/$version.txt" ]; then
	echo "1..0 # SKIP the results were not recorded from PostgreSQL $version"
	exit 0
fi

mkdir -p "$work/out" && compare schedule >"$work/schedule" || exit 1
trap 'exit 130' INT TERM
trap 'stop_server "$work" "$bindir"' EXIT
start_server "$work" "$bindir" || exit 1
"$bindir/createdb" compat &&
	"$bindir/psql" -X -q -d compat -c "CREATE EXTENSION vector ${3:+VERSION '$3'}" &&
	"$bindir/psql" -X -q -d compat -f "$here/catalog.sql" >"$work/catalog.txt" ||
	exit 1

# That files differ is for compare.py to judge.
"$pg_regress" --bindir="$bindir" --inputdir="$here" --outputdir="$work/out" \
	--use-existing --dbname=compat --host="$PGHOST" --port="$PGPORT" \
	--user="$PGUSER" --schedule="$work/schedule" >"$work/pg_regress.log" 2>&1

compare check "$work/out/results" "$work/catalog.txt" "$pkglibdir/vector.so" "$version" ${3:+pgvector}
