#!/bin/bash
#
# host.sh VERSION COMMAND [ARGUMENT...] -- run a command on a Debian that has
# PostgreSQL VERSION (17 or 18; 16 is in no Debian, but in an Ubuntu).
#
# The system lies in a directory and is made when it is not there; packages that
# it lacks are installed.  The command runs in it with chroot, in a mount,
# process and IPC namespace of its own: nothing that it starts outlives it.  It
# runs as root, in /mnt, which is this tree and cannot be written to; PG_CONFIG
# names the server's pg_config.  Needs root, debootstrap and, until everything
# is installed, a Debian mirror.
#
# Environment:
#   VECTOR_TEST_HOSTS  where the systems lie
#                      (default: ${XDG_CACHE_HOME:-~/.cache}/vector-test-hosts)
#   DEBIAN_MIRROR      default http://deb.debian.org/debian
#   UBUNTU_MIRROR      default http://archive.ubuntu.com/ubuntu
#   TESTS, TEST_TIMEOUT, SERVER_CONF, ASSERTIONS and SANITIZE are handed on

cd "$(dirname "$0")/.." || exit 1
. tools/common.sh

hosts=${VECTOR_TEST_HOSTS:-${XDG_CACHE_HOME:-$HOME/.cache}/vector-test-hosts}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
script=sid
options=

[ $# -ge 2 ] || die "usage: tools/host.sh VERSION COMMAND [ARGUMENT...]"
version=$1
shift
case $version in
	16)
		suite=noble script=gutsy mirror=${UBUNTU_MIRROR:-http://archive.ubuntu.com/ubuntu}
		options="--components=main,universe --keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg"
		;;
	17) suite=trixie ;;
	18) suite=forky ;;
	*) die "no Debian release is known here that has PostgreSQL $version" ;;
esac
root=$hosts/$suite

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || die "tools/host.sh needs root, and there is no sudo"
	exec sudo VECTOR_TEST_HOSTS="$hosts" DEBIAN_MIRROR="${DEBIAN_MIRROR:-}" \
		UBUNTU_MIRROR="${UBUNTU_MIRROR:-}" TESTS="${TESTS:-}" \
		TEST_TIMEOUT="${TEST_TIMEOUT:-}" SERVER_CONF="${SERVER_CONF:-}" ASSERTIONS="${ASSERTIONS:-}" \
		SANITIZE="${SANITIZE:-}" bash tools/host.sh "$version" "$@"
fi

# What the tests need beside what tools/install-packages.sh finds missing.
packages="ca-certificates gcc make binutils postgresql-$version
	postgresql-server-dev-$version libsimde-dev perl libipc-run-perl python3"
[ "$version" = 16 ] || packages="$packages postgresql-$version-pgvector"

# Make the Debian.  The directory gets its name when it is complete.
make_host()
{
	command -v debootstrap >/dev/null ||
		bash tools/install-packages.sh --as-root debootstrap ||
		die "debootstrap is missing"
	rm -rf "$root.new"
	# the script is named, because an older debootstrap does not know the release
	debootstrap --variant=minbase $options "$suite" "$root.new" "$mirror" \
		"/usr/share/debootstrap/scripts/$script" >"$root.log" 2>&1 ||
		{ tail -n 20 "$root.log" >&2; die "debootstrap $suite failed"; }
	mv "$root.new" "$root"
}

# enter COMMAND... -- run in the Debian; all mounts go with the namespace.
enter()
{
	unshare --mount --pid --ipc --fork --kill-child --propagation private \
		bash -c '
			root=$1 tree=$2
			shift 2
			mount --bind "$tree" "$root/mnt" && mount -o remount,bind,ro "$root/mnt" &&
				mount -t proc proc "$root/proc" && mount --bind /dev "$root/dev" &&
				mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" || exit 1
			exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
				LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
		' - "$root" "$PWD" "$@"
}

mkdir -p "$hosts" || exit 1
(
	flock 9
	[ -d "$root" ] || { say "making a Debian ($suite) in $root" >&2; make_host; }
	missing=$(for package in $packages; do
		[ "$(chroot "$root" dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			echo "$package"
	done)
	if [ -n "$missing" ]; then
		say "installing there:" $missing >&2
		cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null
		enter bash /mnt/tools/install-packages.sh --as-root $missing >&2 ||
			die "packages are missing in $root"
	fi
) 9>"$hosts/lock" || exit 1

enter env PG_CONFIG="/usr/lib/postgresql/$version/bin/pg_config" TESTS="${TESTS:-}" \
	TEST_TIMEOUT="${TEST_TIMEOUT:-}" SERVER_CONF="${SERVER_CONF:-}" ASSERTIONS="${ASSERTIONS:-}" \
	SANITIZE="${SANITIZE:-}" bash -c 'cd /mnt && exec "$@"' - "$@"
