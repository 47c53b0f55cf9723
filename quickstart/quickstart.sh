#!/bin/bash
#
# quickstart.sh [stop | clean | psql] -- from a bare machine to hybrid queries.
#
# Without an argument: installs the packages that are missing, builds the
# extension, starts a private PostgreSQL server with it, loads the descriptions
# of all Debian packages, indexes them and runs tour.sql.  A second run uses
# what is there.  "stop" stops the server, "clean" also removes all files,
# "psql" opens a session.
#
# The server listens on a socket in its own folder and on no port.  All files
# are in .quickstart; when root works in a place that the server's user cannot
# reach, in /var/tmp.

cd "$(dirname "$0")/.." || exit 1
. tools/common.sh

# Not longer than a socket's path may be.
if as_server_user test -x "$PWD" 2>/dev/null && [ ${#PWD} -lt 70 ]; then
	home=$PWD/.quickstart
else
	home=/var/tmp/vector-quickstart-$(id -u)
fi
export PGHOST=$home PGUSER=postgres PGDATABASE=quickstart PAGER=

private=$(cat "$home/pg_config" 2>/dev/null)

# Server programs; they want a working directory that they can read.
server_program() { (cd "$home" && as_server_user "$bindir/$@"); }
running() { [ -n "$private" ] && server_program pg_ctl -D "$home/data" status >/dev/null 2>&1; }

# Run a file of SQL, showing each query with its comment, answer and time.  Its
# numbered comments begin paragraphs.
show()
{
	psql -qX -v ON_ERROR_STOP=1 -c '\timing on' -c '\set ECHO all' -f "$1" |
		sed -u 's/^-- [0-9]*\. /\n&/'
	[ "${PIPESTATUS[0]}" = 0 ] || exit 1
}

stop_server()
{
	if running; then
		server_program pg_ctl -D "$home/data" -m fast -w stop >/dev/null && say "server stopped"
	else
		say "no server running"
	fi
}

[ -z "$private" ] || bindir=$("$private" --bindir)
case ${1:-} in
	stop)
		stop_server
		exit ;;
	clean)
		stop_server
		rm -rf "$home" && say "removed $home"
		exit ;;
	psql)
		running || die "no server running; start it with: make quickstart"
		exec "$bindir/psql" ;;
	"") ;;
	*) die "usage: $0 [stop | clean | psql]" ;;
esac

started=$SECONDS

step "Packages: install what is missing"
bash tools/install-packages.sh quickstart || exit 1
pg_config=$(find_pg_config) || exit 1

if [ -e "$home" ]; then
	[ -O "$home" ] || [ "$(stat -c %U "$home")" = "$(as_server_user id -un)" ] ||
		die "$home belongs to somebody else"
else
	mkdir -m 700 "$home" || exit 1
	if [ "$(id -u)" = 0 ]; then
		chown "$(as_server_user id -un):" "$home"
	fi
fi

if [ ! -e "$home/pg_config" ] ||
	[ "$(cat "$home/built-for" 2>/dev/null)" != "$pg_config" ] ||
	[ -n "$(find Makefile vector.control src sql quickstart -newer "$home/pg_config" \
		\( -name '*.[ch]' -o -name '*.sql' -o -name 'Makefile' -o -name '*.control' \
		-o -name load.py \) ! -name 'vector--*' -print -quit)" ]; then
	step "Build the extension for $("$pg_config" --version)"
	stop_server >/dev/null
	rm -rf "${home:?}"/*
	copy_tree "$home/source" || die "could not copy the sources to $home"
	{
		make -C "$home/source" -j "$(nproc)" PG_CONFIG="$pg_config" &&
			private=$(private_install "$pg_config" "$home/server") &&
			make -C "$home/source" install PG_CONFIG="$private"
	} >"$home/build.log" 2>&1 ||
		{ tail -n 30 "$home/build.log" >&2; die "the build failed, see $home/build.log"; }
	echo "$pg_config" >"$home/built-for"
	echo "$private" >"$home/pg_config"
	bindir=$("$private" --bindir)
	say "installed into a private copy of the server, $home/server"
fi

export PATH=$bindir:$PATH

if ! running; then
	step "Start a private server"
	if [ ! -e "$home/data/PG_VERSION" ]; then
		server_program initdb -D "$home/data" --auth=trust --username=postgres \
			--encoding=UTF8 --no-locale --no-sync >"$home/initdb.log" 2>&1 ||
			{ cat "$home/initdb.log" >&2; die "initdb failed"; }
		# a quarter of the memory, at most 1 GB
		memory_mb=$(awk '/^MemTotal/ { mb = int($2 / 4096); if (mb > 1024) mb = 1024; print mb }' /proc/meminfo)
		cat >>"$home/data/postgresql.conf" <<-END
			listen_addresses = ''
			unix_socket_directories = '$home'
			shared_buffers = ${memory_mb}MB
			maintenance_work_mem = ${memory_mb}MB
			max_parallel_maintenance_workers = $(nproc)
			max_wal_size = 4GB
			synchronous_commit = off
			jit = off
		END
		# containers have little of what the default takes
		if [ "$(df -m --output=avail /dev/shm 2>/dev/null | tail -n 1)" -lt 1024 ]; then
			echo "dynamic_shared_memory_type = mmap" >>"$home/data/postgresql.conf"
		fi
	fi
	server_program pg_ctl -D "$home/data" -l "$home/log" -w start >/dev/null ||
		{ tail "$home/log" >&2; die "the server did not start"; }
	say "socket in $home, no port"
fi

if [ ! -e "$home/loaded" ]; then
	step "Load the descriptions of all Debian packages, with embeddings"
	psql -qX -d postgres -c 'DROP DATABASE IF EXISTS quickstart' \
		-c 'CREATE DATABASE quickstart' 2>/dev/null || die "could not create the database"
	psql -qX -v ON_ERROR_STOP=1 -f quickstart/schema.sql || exit 1
	mkdir -p "$home/apt"
	/usr/bin/python3 quickstart/load.py "$home/apt" || exit 1

	step "Build the index"
	show quickstart/index.sql
	touch "$home/loaded"
fi

step "A tour (quickstart/tour.sql)"
psql -qX -f quickstart/recall.sql || exit 1
show quickstart/tour.sql

step "Done in $((SECONDS - started)) s"
cat <<END
Try more, for example: SELECT name, title FROM packages
                       ORDER BY embedding <=> embed('edit videos') LIMIT 5;

  psql -h $home -U postgres quickstart      connect (or: bash quickstart/quickstart.sh psql)
  make quickstart-stop                      stop the server
  make quickstart-clean                     stop it and remove all its files
END
