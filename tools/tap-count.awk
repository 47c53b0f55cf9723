# tap-count.awk -- "passed failed skipped" of a log with test results.
#
# Reads TAP, as printed by programs, prove --verbose and pg_regress from
# version 16 on, and the "test name ... ok" lines of older pg_regress.  Results
# of subtests are indented and belong to their parent.  status is the exit
# status of what wrote the log: a failure that no line tells of counts as one.

/^ok([ \t]|$)/ && /# *(SKIP|skip)/ { skipped++; seen++; next }
/^(not )?ok([ \t]|$)/ && /# *(TODO|todo)/ { skipped++; seen++; next }
/^ok([ \t]|$)/ { passed++; seen++; next }
/^not ok([ \t]|$)/ { failed++; seen++; next }
/^1\.\.[0-9]+/ {
	plan = substr($1, 4) + 0
	planned += plan
	if (plan == 0)
		skipped++
	next
}
/^Bail out!/ { bailed = 1; next }
/^(test|    ) .* \.\.\. ok / { passed++; next }
/^(test|    ) .* \.\.\. FAILED/ { failed++; next }

END {
	if ((status != 0 || bailed || seen < planned) && failed == 0)
		failed++
	printf "%d %d %d\n", passed, failed, skipped
}
