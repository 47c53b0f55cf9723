# common.sh -- what the tools share; sourced by them, from the top folder.
#
# PostgreSQL refuses to run as root, so the tools that start a server do that
# work as another user when they are root: as "postgres", on files which that
# user can reach.  Nothing is written to the directories of the installed
# server: private_install makes a copy of it that accepts our "make install".

set -u
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
unset PGDATA PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGPASSWORD PGSERVICE PGOPTIONS
export LC_ALL=C.UTF-8

supported_versions="15 16 17 18"

say() { printf '%s\n' "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Does this pg_config belong to a supported server with development files?
usable_pg_config()
{
	local major

	[ -x "$1" ] || return 1
	major=$("$1" --version 2>/dev/null | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
	case " $supported_versions " in
		*" ${major:-none} "*) ;;
		*) return 1 ;;
	esac
	# Debian's client package brings the makefiles; the headers are another one's.
	[ -x "$("$1" --bindir)/postgres" ] && [ -f "$("$1" --pgxs 2>/dev/null)" ] &&
		[ -f "$("$1" --includedir-server)/postgres.h" ]
}

# Print the pg_config to work with: the one given in PG_CONFIG, else the one on
# the PATH, else a Debian one.  Fails when there is none.
find_pg_config()
{
	local candidate version

	if [ -n "${PG_CONFIG:-}" ]; then
		candidate=$(command -v "$PG_CONFIG") && usable_pg_config "$candidate" ||
			die "PG_CONFIG=$PG_CONFIG: no server of version ${supported_versions// /, } with development files"
		echo "$candidate"
		return 0
	fi
	candidate=$(command -v pg_config) && usable_pg_config "$candidate" &&
		{ echo "$candidate"; return 0; }
	for version in $supported_versions; do
		candidate=/usr/lib/postgresql/$version/bin/pg_config
		usable_pg_config "$candidate" && { echo "$candidate"; return 0; }
	done
	return 1
}

# Run a command as the user that runs servers.
as_server_user()
{
	if [ "$(id -u)" != 0 ]; then
		"$@"
	elif id postgres >/dev/null 2>&1; then
		runuser -u postgres -- "$@"
	else
		runuser -u nobody -- "$@"
	fi
}

# Make a new directory, owned by and reachable for the server's user.  The path
# is kept short, because socket paths have a limit of some 100 bytes, most of
# which the tests take.
make_work_dir()
{
	local name=$1 parent dir

	for parent in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
		[ ${#parent} -le 40 ] || continue
		dir=$(cd / && as_server_user mktemp -d "$parent/$name.XXXXXX" 2>/dev/null) &&
			chmod 755 "$dir" && { echo "$dir"; return 0; }
	done
	die "no temporary directory is writable"
}

# Copy the sources of this tree, without anything built, for the server's user.
copy_tree()
{
	mkdir -p "$1" &&
		tar -cf - --exclude=./.git --exclude=./.quickstart \
			--exclude='*.o' --exclude='*.bc' --exclude='*.d' --exclude='*.so' \
			--exclude=./results --exclude=./tmp_check --exclude=./log \
			--exclude=./test/unit/build --exclude=./test/fuzz/build \
			--exclude=node_modules . |
		tar -xf - -C "$1" --no-same-owner &&
		rm -f "$1"/sql/vector--*.sql &&
		if [ "$(id -u)" = 0 ]; then
			chown -R "$(as_server_user id -un):" "$1"
		fi
}

# The version of pgvector that this server has, if it is one of 0.8.
pgvector_version()
{
	sed -n "s/^default_version *= *'\(0\.8\.[0-9]*\)'.*/\1/p" \
		"$("$1" --sharedir)/extension/vector.control" 2>/dev/null
}

# private_install PG_CONFIG DIR [WITH_VECTOR] -- copy the installed server into
# DIR and print the pg_config of the copy.  A server finds its files by where its
# binary lies, so binaries are copied and all else is a link.  An extension
# "vector" that is installed system-wide stays out, unless a third argument says
# otherwise.
private_install()
{
	local pg_config=$1 dir=$2 kind path

	for kind in bindir pkglibdir sharedir libdir includedir includedir-server; do
		path=$("$pg_config" --$kind)
		[ -d "$path" ] || continue
		[ -e "$dir$path" ] && continue
		case $kind in
			bindir)
				mkdir -p "$dir$path" && cp -aL "$path/." "$dir$path/" ;;
			pkglibdir | sharedir | includedir | includedir-server)
				mkdir -p "$dir$path" && cp -as "$path/." "$dir$path/" ;;
			*)
				mkdir -p "$(dirname "$dir$path")" && ln -s "$path" "$dir$path" ;;
		esac || return 1
	done
	path=$("$pg_config" --bindir)
	# "make install" writes these in place
	rm -rf "$dir$("$pg_config" --pkglibdir)/bitcode/vector" \
		"$dir$("$pg_config" --pkglibdir)/bitcode/vector.index.bc"
	if [ -z "${3:-}" ]; then
		find "$dir" -path '*vector*' \( -name 'vector.so' -o -name 'vector.control' \
			-o -name 'vector--*.sql' \) -type l -delete
		rm -rf "$dir$("$pg_config" --includedir-server)/extension/vector"
	fi
	echo "$dir$path/pg_config"
}

# start_server DIR BINDIR [SETTINGS] -- start a server on a socket in the new
# directory DIR, and let libpq's environment name it.  Sockets want DIR short.
# Autovacuum would change plans, and what VACUUM removes, in the middle of a test.
start_server()
{
	local dir=$1 bindir=$2

	"$bindir/initdb" -D "$dir/data" -U postgres -A trust -N -E UTF8 --no-locale \
		>"$dir/initdb.log" 2>&1 || { cat "$dir/initdb.log"; return 1; }
	cat >>"$dir/data/postgresql.conf" <<-END
		fsync = off
		jit = off
		autovacuum = off
		listen_addresses = ''
		unix_socket_directories = '$dir'
		${3:-}
	END
	[ -z "${TEMP_CONFIG:-}" ] || cat "$TEMP_CONFIG" >>"$dir/data/postgresql.conf"
	"$bindir/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w start >/dev/null ||
		{ cat "$dir/server.log"; return 1; }
	export PGHOST=$dir PGPORT=5432 PGUSER=postgres
}

stop_server() { "$2/pg_ctl" -D "$1/data" -m fast -w stop >/dev/null 2>&1; }
