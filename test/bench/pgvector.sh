#!/bin/bash
#
# pgvector.sh DIR -- build pgvector from Debian's source package, for a server
# copy in DIR; prints the copy's pg_config.
#
# The newest source package that can be fetched is taken, of the Debian suites
# in PGVECTOR_SUITES.  apt works in a configuration of its own in DIR, so the
# system's package lists and sources stay as they are.  Compiled as Debian does:
# with its flags and patches, which means without -march=native.  Nothing is
# built anew when DIR has it already.
#
# Environment:
#   PG_CONFIG        the server to copy
#   PGVECTOR_SUITES  default "sid forky trixie"
#   DEBIAN_MIRROR    default http://deb.debian.org/debian

cd "$(dirname "$0")/../.." || exit 1
. tools/common.sh

dir=${1:?directory}
suites=${PGVECTOR_SUITES:-sid forky trixie}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
pg_config=$(find_pg_config) || die "no PostgreSQL with development files"

if [ -f "$dir/pg_config" ]; then
	cat "$dir/pg_config"
	exit 0
fi

mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/source" || exit 1
dir=$(cd "$dir" && pwd)
log=$dir/log
: >"$log"

# apt SUITE COMMAND... -- with nothing of the system's but its keys
apt()
{
	local suite=$1 command=$2
	shift 2
	"$command" -o Dir::Etc::SourceList="$dir/apt/$suite.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State::Lists="$dir/apt/lists" -o Dir::Cache="$dir/apt/cache" \
		-o APT::Sandbox::User="$(id -un)" "$@"
}

fetch()
{
	local suite keyring=/usr/share/keyrings/debian-archive-keyring.gpg

	for suite in $suites; do
		echo "deb-src [signed-by=$keyring] $mirror $suite main" >"$dir/apt/$suite.list"
		if apt "$suite" apt-get -qq update >>"$log" 2>&1 &&
			(cd "$dir/source" && apt "$suite" apt-get -qq source pgvector) >>"$log" 2>&1; then
			return 0
		fi
		echo "pgvector's source of $suite cannot be fetched" >&2
	done
	return 1
}

fetch || { tail -n 20 "$log" >&2; die "no source package of pgvector"; }
source=$(find "$dir/source" -mindepth 1 -maxdepth 1 -type d -name 'pgvector-*' | sort -V | tail -n 1)
private=$(private_install "$pg_config" "$dir/server") || die "could not copy the server"

# what debhelper gives to make when Debian builds the package
(cd "$source" &&
	make -j "$(nproc)" PG_CONFIG="$private" COPT="$(dpkg-buildflags --get CFLAGS) $(dpkg-buildflags --get CPPFLAGS)" &&
	make install PG_CONFIG="$private") >>"$log" 2>&1 ||
	{ tail -n 20 "$log" >&2; die "pgvector does not build"; }

basename "$source" >"$dir/version"
echo "$private" >"$dir/pg_config"
echo "$private"
