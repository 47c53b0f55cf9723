#!/bin/bash
#
# test-all-versions.sh -- "make test" with every version of PostgreSQL that can
# be had: with this system's, and on Debians of their own with newer ones.
#
# The last line is the sum over the versions.
#
# Environment: VERSIONS, a list out of "system", 16, 17 and 18 (default: all
# but 16), and that of test.sh and host.sh.

cd "$(dirname "$0")/.." || exit 1
. tools/common.sh
exec </dev/null

versions=${VERSIONS:-system 17 18}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
passed=0 failed=0 skipped=0
table=

for version in $versions; do
	printf '\n==== PostgreSQL %s\n' "$version"
	case $version in
		system) bash tools/test.sh ;;
		*) PG_CONFIG= bash tools/host.sh "$version" bash tools/test.sh ;;
	esac 2>&1 | tee "$log"
	count=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
	count=${count:-0 passed, 1 failed}
	name=$(sed -n 's/^== build, with \(PostgreSQL [0-9.]*\).*/\1/p' "$log")
	table+=$(printf '%-44s %s' "${name:-PostgreSQL $version}" "$count")$'\n'
	read -r new_passed new_failed new_skipped <<<"$(tr -c '0-9\n' ' ' <<<"$count")"
	passed=$((passed + new_passed))
	failed=$((failed + new_failed))
	skipped=$((skipped + ${new_skipped:-0}))
done

step "all versions"
printf '%s\n' "$table"
line="$passed passed, $failed failed"
[ "$skipped" = 0 ] || line="$line, $skipped skipped"
say "$line"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
