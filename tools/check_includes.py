#!/usr/bin/python3
"""check_includes.py -- hold src/ to the include table of src/README.

Rules:
  1. a module includes only the modules that its line of the table names;
  2. a module marked "c.h only" includes nothing else of PostgreSQL;
  3. only base mentions PG_VERSION_NUM;
  4. every folder of src/ has a line in the table.

Prints one line for each violation; exit status 1 if there is any.
"""

import os
import re
import sys

SRC = "src"
TABLE_START = "Module      May include"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def read_table(path):
    """Return {module: (allowed modules, is it restricted to c.h)}."""
    table = {}
    inside = False
    with open(path, encoding="utf-8") as readme:
        for line in readme:
            if line.startswith(TABLE_START):
                inside = True
            elif inside and not line.strip():
                break
            elif inside and not line.startswith("---"):
                words = line.replace(",", " ").split()
                c_only = line.rstrip().endswith("c.h only")
                if c_only:
                    words = words[:-2]
                table[words[0]] = (set(words[1:]) - {"-"}, c_only)
    if not table:
        sys.exit(f"{path}: no table that starts with '{TABLE_START}'")
    for module, (allowed, c_only) in table.items():
        if "all" in allowed:
            table[module] = (set(table), c_only)
    return table


def module_of(path):
    """The folder under src/, or the name of a file that lies in src/ itself."""
    parts = os.path.relpath(path, SRC).split(os.sep)
    return parts[0]


def find_own_header(including_file, name):
    for folder in (SRC, os.path.dirname(including_file)):
        path = os.path.normpath(os.path.join(folder, name))
        if os.path.exists(path):
            return path
    return None


def is_system_header(bracket, name):
    return bracket == "<" and not name.startswith("postgres")


def check_file(path, table, report):
    module = module_of(path)
    allowed, c_only = table.get(module, (set(), False))
    with open(path, encoding="utf-8") as source:
        for number, line in enumerate(source, 1):
            where = f"{path}:{number}"
            if "PG_VERSION_NUM" in line and module != "base":
                report(f"{where}: PG_VERSION_NUM outside of src/base; "
                       "put the difference between versions there")
            match = INCLUDE.match(line)
            if not match:
                continue
            bracket, name = match.groups()
            own = find_own_header(path, name)
            if own:
                target = module_of(own)
                if target != module and target not in allowed:
                    report(f"{where}: {module} must not include {name}; "
                           f"src/README allows it {sorted(allowed) or 'nothing of ours'}")
            elif c_only and name != "c.h" and not is_system_header(bracket, name):
                report(f"{where}: {module} may include only c.h of PostgreSQL, "
                       f"not {name}")


def main():
    table = read_table(os.path.join(SRC, "README"))
    violations = []
    for folder, _, files in sorted(os.walk(SRC)):
        sources = sorted(f for f in files if f.endswith((".c", ".h")))
        for name in sources:
            path = os.path.join(folder, name)
            if module_of(path) not in table:
                violations.append(f"{path}: no line for '{module_of(path)}' "
                                  "in the table of src/README")
            check_file(path, table, violations.append)
    for violation in violations:
        print(violation)
    sys.exit(1 if violations else 0)


if __name__ == "__main__":
    main()
