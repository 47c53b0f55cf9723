#!/usr/bin/env python3
"""Compare what the extension does with the recorded interface contract.

    compare.py schedule
        Print the schedule for pg_regress, without the scripts left out.

    compare.py check RESULTS_DIR CATALOG LIBRARY VERSION [pgvector]
        Compare pg_regress's results statement by statement, the output of
        catalog.sql line by line and the symbols of the shared library with
        the files next to this program, and print TAP.  VERSION is the major
        version of PostgreSQL.  With "pgvector" the catalog is pgvector's,
        so that listed differences may be gone.

    compare.py record RESULTS_DIR
        Print the statements whose results differ from those of the files in
        expected/, but for those that may differ: VERSION.txt of another
        version, when the results are pgvector's.

A difference passes when its statement says "-- may differ", or when
differences.txt lists it.  A listed difference that is gone fails, so that the
list holds what differs today and nothing else.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DISABLED = re.compile(r" +Disabled: true$")
LEFT_OUT = re.compile(r"left out until /(.*)/$")

# The version of PostgreSQL that the files in expected/ are of.
RECORDED = "15"

# What differences.txt names beside the scripts.
CATALOG, SYMBOLS = "catalog.txt", "symbols.txt"


def read_lines(*path):
    with open(os.path.join(HERE, *path), encoding="utf-8") as file:
        return file.read().split("\n")


class Entry:
    """One line of differences.txt: where, and which lines there differ."""

    def __init__(self, number, where, what):
        self.number, self.where, self.what = number, where, what
        self.regex = None
        if len(what) > 1 and what[0] == "/" and what[-1] == "/":
            self.regex = re.compile(what[1:-1])
        self.seen = {}                  # line -> does it differ anywhere?

    def matches(self, line):
        return bool(self.regex.search(line)) if self.regex else self.what == line


class Differences:
    """differences.txt: listed differences, and scripts that are left out."""

    def __init__(self, may_be_gone=False):
        self.entries, self.left_out, self.may_be_gone = [], {}, may_be_gone
        heading = reason = ""
        for number, line in enumerate(read_lines("differences.txt"), 1):
            if line.startswith("== "):
                heading, reason = line[3:], ""
            elif line.startswith("-- "):
                reason = line[3:]
            elif line and not line.startswith("#"):
                where, colon, what = line.partition(": ")
                if not (colon and heading and reason):
                    sys.exit("differences.txt:%d: not an entry below a heading and a reason" % number)
                left_out = LEFT_OUT.match(what)
                if left_out:
                    self.left_out[where] = (left_out.group(1), heading)
                else:
                    self.entries.append(Entry(number, where, what))

    def listed(self, where, line, differs):
        """Is a difference of this line listed?  Notes what the entries meet."""
        entries = [e for e in self.entries if e.where == where and e.matches(line)]
        for entry in entries:
            entry.seen[line] = differs or entry.seen.get(line, False)
        return bool(entries)

    def check_used(self, where, report):
        """Complain of entries that are not true, once all lines are through."""
        for entry in self.entries:
            if entry.where != where:
                continue
            if not entry.seen:
                report.problem("differences.txt:%d matches nothing: %s" % (entry.number, entry.what))
            for line, differs in entry.seen.items():
                if not differs and not self.may_be_gone:
                    report.problem("differences.txt:%d lists what is as expected now: %s"
                                   % (entry.number, line))


class Report:
    """A line of TAP with what went wrong below it."""

    count = failures = 0

    def __init__(self, name):
        self.name, self.problems = name, []

    def problem(self, text, old=(), new=()):
        self.problems.append(text)
        self.problems += ["    - " + x for x in old] + ["    + " + x for x in new]

    def done(self, detail):
        Report.count += 1
        Report.failures += bool(self.problems)
        print("%sok %d - %s (%s)" % ("not " if self.problems else "", Report.count, self.name, detail))
        for line in self.problems:
            print("# " + (line if len(line) <= 300 else line[:300] + " ..."))

    @staticmethod
    def skip(name, reason):
        Report.count += 1
        print("ok %d - %s # SKIP %s" % (Report.count, name, reason))


def plural(number, word):
    return "%d %s%s" % (number, word, "" if number == 1 else "s")


def scheduled():
    """The scripts of the schedule, in its order."""
    return [x[6:] for x in read_lines("schedule") if x.startswith("test: ")]


def input_lines(test):
    """Lines of a script that psql -a echoes (rows fed to COPY are not)."""
    lines, in_copy = [], False
    for line in read_lines("sql", test + ".sql"):
        if in_copy:
            in_copy = line != "\\."
            continue
        lines.append(line)
        in_copy = re.match(r"COPY .*FROM STDIN", line, re.I) is not None
    return lines


def segments(script, out):
    """Output of psql after each echoed line of the script."""
    result, at = [], 0
    for n, line in enumerate(script):
        if at < len(out) and out[at] == line:
            at += 1
        elif line != "":
            return result, "line %d of the script is not echoed: %s" % (n + 1, line)
        start = at
        following = next((x for x in script[n + 1:] if x != ""), None)
        while at < len(out) and out[at] != following and not (following is None and out[at] == ""):
            at += 1
        # an empty line of the script is echoed before the next one
        result.append([x for x in out[start:at] if x != ""])
    return result, None


def without_disabled(output):
    """Output without EXPLAIN's lines "Disabled", which 18 has brought."""
    body = [x for x in output[2:-1] if not DISABLED.match(x)]
    if len(body) == len(output[2:-1]):
        return output
    width = max([len("QUERY PLAN")] + [len(x) - 1 for x in body])
    return ([" " + "QUERY PLAN".rjust(len("QUERY PLAN") + (width - len("QUERY PLAN")) // 2).ljust(width) + " ",
             "-" * (width + 2)] + body + ["(%s)" % plural(len(body), "row")])


def expected_segments(script, test):
    expected, error = segments(script, read_lines("expected", test + ".out"))
    if error:
        sys.exit("%s: expected output does not fit: %s" % (test, error))
    return expected


def actual_segments(script, test, results_dir):
    path = os.path.join(results_dir, test + ".out")
    if not os.path.exists(path):
        return [], "there is no result"
    actual, error = segments(script, read_lines(path))
    return [without_disabled(x) for x in actual], error


def read_version(version):
    """What differs in another version: {(script, line number): (line, output)}."""
    result, output = {}, None
    for number, line in enumerate(read_lines("expected", version + ".txt"), 1):
        entry = re.match(r"(\w+):(\d+): (.*)", line)
        if line.startswith("\t") and output is not None:
            output.append(line[1:])
        elif entry:
            output = []
            result[entry.group(1), int(entry.group(2))] = (entry.group(3), output)
        elif line and not line.startswith("#"):
            sys.exit("expected/%s.txt:%d: neither an entry nor its output" % (version, number))
    return result


def record(results_dir):
    for test in scheduled():
        script = input_lines(test)
        expected = expected_segments(script, test)
        actual, error = actual_segments(script, test, results_dir)
        if error:
            sys.exit("%s: %s" % (test, error))
        for number, (line, old, new) in enumerate(zip(script, expected, actual), 1):
            if old != new and "-- may differ" not in line:
                print("\n%s:%d: %s" % (test, number, line))
                for output in new:
                    print("\t" + output)


def check_script(test, results_dir, version, differences):
    report = Report(test)
    script = input_lines(test)
    expected = expected_segments(script, test)
    for (name, number), (line, output) in version.items():
        if name == test:
            if number > len(script) or script[number - 1] != line:
                sys.exit("%s: line %d is another one than recorded for this version" % (test, number))
            expected[number - 1] = output
    actual, error = actual_segments(script, test, results_dir)
    if error:
        report.problem("%s: %s" % (test, error))

    statements = allowed = listed = 0
    for line, old, new in zip(script, expected, actual):
        statements += line.rstrip().endswith(";") or "; --" in line
        differs = old != new
        if "-- may differ" in line:
            allowed += differs
        elif differences.listed(test, line, differs):
            listed += differs
        elif differs:
            report.problem("%s: %s" % (test, line), old, new)
    if not error:
        differences.check_used(test, report)

    detail = [plural(statements, "statement")]
    if allowed:
        detail.append("%d differ as they may" % allowed)
    if listed:
        detail.append(plural(listed, "listed difference"))
    report.done(", ".join(detail))


def check_lines(name, unit, lines, have, differences):
    """Every line has to be there, apart from those listed."""
    report = Report(name)
    listed = 0
    for line in lines:
        differs = line not in have
        if differences.listed(name, line, differs):
            listed += differs
        elif differs:
            report.problem("missing: " + line)
    differences.check_used(name, report)
    detail = plural(len(lines), unit)
    if listed:
        detail += ", " + plural(listed, "listed difference")
    report.done(detail)


def library_symbols(library):
    """Symbols that the library defines, where each has its pg_finfo_ entry."""
    output = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                            stdout=subprocess.PIPE, universal_newlines=True).stdout
    names = {line.split()[-1] for line in output.splitlines() if line.strip()}
    return {name for name in names if "pg_finfo_" + name in names}


def check(results_dir, catalog, library, version, whose_catalog="ours"):
    differences = Differences(may_be_gone=whose_catalog == "pgvector")
    version = {} if version == RECORDED else read_version(version)
    have = set(read_lines(os.path.abspath(catalog)))
    results_dir = os.path.abspath(results_dir)
    tests = scheduled()
    print("1..%d" % (len(tests) + 3))
    for test in tests:
        if test in differences.left_out:
            Report.skip(test, differences.left_out[test][1])
        else:
            check_script(test, results_dir, version, differences)

    # Objects of our own change the counts of members; each member has a line too.
    lines = [x for x in read_lines(CATALOG) if x and not x.startswith("members ")]
    check_lines(CATALOG, "line", lines, have, differences)

    symbols = sorted({x.split(" -> ")[1] for x in read_lines(SYMBOLS)
                      if " -> " in x and not x.startswith("#")})
    check_lines(SYMBOLS, "symbol", symbols, library_symbols(library), differences)

    report = Report("differences.txt")
    for test, (pattern, _) in differences.left_out.items():
        if any(re.search(pattern, x) for x in have):
            report.problem("%s is left out, but the catalog has /%s/ now" % (test, pattern))
    known = set(tests) - set(differences.left_out) | {CATALOG, SYMBOLS}
    for entry in differences.entries:
        if entry.where not in known:
            report.problem("differences.txt:%d: no such script: %s" % (entry.number, entry.where))
    report.done("entries: %d" % len(differences.entries))
    sys.exit(1 if Report.failures else 0)


def main():
    if sys.argv[1:] == ["schedule"]:
        left_out = Differences().left_out
        for test in scheduled():
            if test not in left_out:
                print("test: " + test)
    elif len(sys.argv) in (6, 7) and sys.argv[1] == "check":
        check(*sys.argv[2:])
    elif len(sys.argv) == 3 and sys.argv[1] == "record":
        record(os.path.abspath(sys.argv[2]))
    else:
        sys.exit(__doc__)


main()
