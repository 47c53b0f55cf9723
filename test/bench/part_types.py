"""part_types.py -- types without an index: COPY, and exact search by a scan."""

import os

import numpy as np

from engines import cpu_seconds
from measure import interleaved, say

OPERATORS = {"l2": "<->", "ip": "<#>", "cosine": "<=>", "l1": "<+>", "hamming": "<~>", "jaccard": "<%>"}


def cpu_of(connection, statement):
    """The CPU time that a statement takes in its backend."""
    before = cpu_seconds(connection.info.backend_pid)
    connection.execute(statement)
    return cpu_seconds(connection.info.backend_pid) - before


def cpu_of_server(server, statement):
    with server.connect() as connection:
        return cpu_of(connection, statement)


def fill(server, table, column_type, expression, rows):
    server.execute(f"DROP TABLE IF EXISTS {table}")
    server.execute(f"CREATE UNLOGGED TABLE {table} (id int, v {column_type})")
    server.execute(f"SELECT setseed(0.5); INSERT INTO {table} SELECT i, {expression} FROM generate_series(1, {rows}) i")
    server.execute(f"VACUUM ANALYZE {table}")


def copy_speed(servers, options, report):
    """COPY in text and binary form, both ways, of rows x dims."""
    rows, dims = options.copy_rows, options.copy_dims
    rng = np.random.default_rng(1)
    base = (rng.standard_normal((rows, dims)) / np.sqrt(dims)).astype(np.float32)
    for server in servers:
        server.execute("DROP TABLE IF EXISTS copy_vector, copy_halfvec")
        server.execute(f"CREATE UNLOGGED TABLE copy_vector (id int, v vector({dims}))")
        server.load("copy_vector", base)
        server.execute("CREATE UNLOGGED TABLE copy_halfvec AS SELECT id, v::halfvec AS v FROM copy_vector")
    for column_type in ("vector", "halfvec"):
        table = f"copy_{column_type}"
        for form in ("text", "binary"):
            # both read the same file
            path = os.path.join(options.work, f"{table}.{form}")
            servers[0].execute(f"COPY {table} TO '{path}' (FORMAT {form})")
            out = interleaved(servers, lambda s: cpu_of_server(s, f"COPY {table} TO '/dev/null' (FORMAT {form})"),
                              options.rounds)

            def read(server):
                server.execute("DROP TABLE IF EXISTS copy_in")
                server.execute(f"CREATE UNLOGGED TABLE copy_in (id int, v {column_type})")
                return cpu_of_server(server, f"COPY copy_in FROM '{path}' (FORMAT {form})")

            into = interleaved(servers, read, options.rounds)
            for what, seconds in (("TO", out), ("FROM", into)):
                report.ratio("types", f"COPY {what} of {column_type} as {form}, {rows} x {dims}", "s",
                             {server.name: value for server, value in seconds.items()}, smaller=True)
            os.unlink(path)
            if form == "text":
                functions(servers, options, report, column_type)
    for server in servers:
        server.execute("DROP TABLE IF EXISTS copy_vector, copy_halfvec, copy_in")


def functions(servers, options, report, column_type):
    """Text to a value and back, without the table's TOAST and the client."""
    rows, repeat = 500, 10
    for server in servers:
        server.execute("DROP TABLE IF EXISTS copy_plain")
        server.execute(f"CREATE UNLOGGED TABLE copy_plain (v {column_type})")
        server.execute("ALTER TABLE copy_plain ALTER v SET STORAGE plain")
        server.execute(f"INSERT INTO copy_plain SELECT v FROM copy_{column_type} LIMIT {rows}")
    calls = {"to text": f"SELECT count(v::text) FROM copy_plain, generate_series(1, {repeat})",
             # a text is longer than a page has room for; the array makes the call depend on i
             "from text": f"SELECT count((ARRAY[t, t])[1 + i % 2]::{column_type}) FROM "
                          f"(SELECT v::text AS t FROM copy_plain LIMIT 1 OFFSET 0) x, generate_series(1, {rows * repeat}) i"}
    for what, statement in calls.items():
        seconds = interleaved(servers, lambda s: cpu_of_server(s, statement), 3 * options.rounds, min)
        report.ratio("types", f"{column_type} {what}, {options.copy_dims} dims", "us",
                     {s.name: value * 1e6 / (rows * repeat) for s, value in seconds.items()}, smaller=True)
    for server in servers:
        server.execute("DROP TABLE copy_plain")


def scan_cases(dims):
    """(type, column type, expression of a random row, metrics)"""
    floats = f"(SELECT array_agg(random() - 0.5) FROM generate_series(1, {dims}) WHERE i > 0)"
    dense = ("l2", "ip", "cosine", "l1")
    yield "vector", f"vector({dims})", f"{floats}::vector", dense
    yield "halfvec", f"halfvec({dims})", f"{floats}::vector::halfvec", dense
    # a tenth of the elements are not zero, and the query has others
    sparse = (f"(SELECT array_agg(CASE WHEN random() < 0.1 OR d = 1 THEN random() ELSE 0 END) "
              f"FROM generate_series(1, {dims}) d WHERE i > 0)")
    yield "sparsevec", f"sparsevec({dims})", f"{sparse}::vector::sparsevec", dense
    bits = f"(SELECT string_agg((random() < 0.5)::int::text, '') FROM generate_series(1, {dims}) WHERE i > 0)"
    yield "bit", f"bit({dims})", f"{bits}::bit({dims})", ("hamming", "jaccard")


def exact_scans(servers, options, report):
    """Sequential scans, ordered by each distance of each type."""
    for dims in options.scan_dims:
        rows = max(500, min(5000, options.scan_bytes // (4 * dims)))
        for name, column_type, expression, metrics in scan_cases(dims):
            if options.scan_types and name not in options.scan_types:
                continue
            # the same rows on both servers
            fill(servers[0], "scan", column_type, expression, rows)
            path = os.path.join(options.work, "scan.copy")
            servers[0].execute(f"COPY scan TO '{path}'")
            for server in servers[1:]:
                fill(server, "scan", column_type, "NULL", 0)
                server.execute(f"COPY scan FROM '{path}'")
                server.execute("VACUUM ANALYZE scan")
            os.unlink(path)
            for metric in metrics:
                # an aggregate, so that no sort is part of it
                statement = f"SELECT sum(v {OPERATORS[metric]} (SELECT v FROM scan WHERE id = 7)) FROM scan"

                def run(server):
                    # a new backend each time: where its memory lies matters, too
                    with server.connect() as connection:
                        return min(cpu_of(connection, statement) for _ in range(6))

                seconds = interleaved(servers, run, options.scan_rounds)
                report.ratio("scan", f"{name} {metric} {dims} dims", "ns/row",
                             {s.name: value * 1e9 / rows for s, value in seconds.items()}, smaller=True)
        say("scans of", dims, "dimensions done")
    for server in servers:
        server.execute("DROP TABLE IF EXISTS scan")
