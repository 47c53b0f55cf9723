#!/bin/bash
#
# install-packages.sh PURPOSE -- install the Debian packages that are missing.
#
# PURPOSE is "test", "bench" or "quickstart".  Does nothing, and needs no network, when
# everything is there.  Only this step uses root rights, through sudo if need
# be.  A server that is already installed is used as it is; otherwise the
# newest supported one that the package lists know.  For "test" there are
# packages that only some tests need: they are skipped where a mirror does not
# give these.

cd "$(dirname "$0")/.." || exit 1
. tools/common.sh

purpose=${1:?test, bench or quickstart}

# A mirror may stumble, and another apt-get may be at work.
apt_patience="-o Acquire::Retries=5 -o Acquire::http::Timeout=60 -o DPkg::Lock::Timeout=300"

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
known() { [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]; }

# The packages given that are missing, one a line.
missing_packages()
{
	local package

	for package in "$@"; do
		installed "$package" || echo "$package"
	done
}

wanted_packages()
{
	local version

	echo libsimde-dev
	if [ "$purpose" = test ]; then
		echo perl libipc-run-perl python3
	elif [ "$purpose" = bench ]; then
		echo gcc make dpkg-dev libpq-dev python3 python3-numpy python3-psycopg \
			python3-h5py python3-matplotlib python3-hnswlib python3-faiss
	else
		echo python3 python3-numpy python3-scipy
	fi
	if ! find_pg_config >/dev/null; then
		for version in $(printf '%s\n' $supported_versions | sort -rn); do
			if known "postgresql-server-dev-$version"; then
				echo "postgresql-$version" "postgresql-server-dev-$version"
				break
			fi
		done
	fi
}

# What some tests need.
useful_packages()
{
	if [ "$purpose" = test ]; then
		# the version that the sources are formatted with
		known clang-format-14 && echo clang-format-14
		# libFuzzer
		known libclang-rt-14-dev && echo clang-14 libclang-rt-14-dev
		# what recall is compared with
		known python3-hnswlib && echo python3-hnswlib python3-numpy
		# the clients of test/clients; Node.js may come from elsewhere, with npm
		echo libpq-dev
		known python3-psycopg && echo python3-psycopg
		if ! { command -v node && command -v npm; } >/dev/null && known npm; then
			echo nodejs npm
		fi
	fi
}

# Run as root: install the packages given.
install_as_root()
{
	local log config=/etc/postgresql-common/createcluster.conf own_config=

	log=$(mktemp) || exit 1
	export DEBIAN_FRONTEND=noninteractive UCF_FORCE_CONFFOLD=1

	# Debian starts a server on port 5432 when it installs one for the first
	# time.  We run our own, so keep it from that this once.
	if [ ! -e "$config" ]; then
		own_config=yes
		mkdir -p "$(dirname "$config")"
		echo 'create_main_cluster = false' >"$config"
	fi

	apt-get $apt_patience install -qq -y --no-install-recommends "$@" >"$log" 2>&1 ||
		{ apt-get $apt_patience update -qq >>"$log" 2>&1 &&
			apt-get $apt_patience install -qq -y --no-install-recommends "$@" >>"$log" 2>&1; }
	status=$?

	if [ -n "$own_config" ]; then
		rm -f "$config" "$config.ucf-dist"
		if [ -e /usr/share/postgresql-common/createcluster.conf ]; then
			UCF_FORCE_CONFFMISS=1 ucf /usr/share/postgresql-common/createcluster.conf \
				"$config" >>"$log" 2>&1 </dev/null
		fi
	fi

	[ $status = 0 ] || tail -n 30 "$log" >&2
	rm -f "$log"
	return $status
}

if [ "$purpose" = --as-root ]; then
	shift
	install_as_root "$@"
	exit
fi

if ! command -v apt-get >/dev/null; then
	find_pg_config >/dev/null ||
		die "no PostgreSQL server with development files found, and no apt-get to install one"
	say "no apt-get here: taking what is installed"
	exit 0
fi

as_root=
if [ "$(id -u)" != 0 ]; then
	as_root=sudo
fi

# Without package lists apt knows no names.  English texts are asked for along
# with them, because the quickstart loads the descriptions.
if [ -z "$(find /var/lib/apt/lists -name '*_Packages*' -print -quit 2>/dev/null)" ] &&
	{ [ "$purpose" = quickstart ] || ! find_pg_config >/dev/null ||
		[ -n "$(missing_packages $(wanted_packages) $(useful_packages))" ]; }; then
	say "apt-get update (no package lists yet)"
	$as_root apt-get $apt_patience update -qq -o Acquire::Languages=en ||
		[ -z "$(missing_packages $(wanted_packages))" ] || die "apt-get update failed"
fi

needed=$(missing_packages $(wanted_packages))
missing=$(missing_packages $(wanted_packages) $(useful_packages))
if [ -z "$missing" ]; then
	say "all packages are there"
elif [ -n "$as_root" ] && ! command -v sudo >/dev/null; then
	[ -z "$needed" ] || die "not root and no sudo; run as root: apt-get install" $missing
else
	say "apt-get install" $missing
	# if that fails, then at least what all tests need
	$as_root bash tools/install-packages.sh --as-root $missing || [ -z "$needed" ] ||
		$as_root bash tools/install-packages.sh --as-root $needed || die "apt-get failed"
fi
missing=$(missing_packages $missing)
[ -z "$missing" ] || say "what needs these packages is skipped:" $missing

find_pg_config >/dev/null ||
	die "no PostgreSQL server of version ${supported_versions// /, } with development files"
