"""psycopg_client.py -- psycopg 3 with adapters for vector, in text and binary.

The adapters are written with psycopg's own interface, as applications without
the package pgvector do.  Prints TAP.  Connects by libpq's environment.
"""

import random
import struct
import sys
import traceback

import psycopg
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo

DIM = 48
ROWS = 2000
ELEMENT = {"vector": "f", "halfvec": "e"}


class Dense:
    """A value of vector or halfvec."""

    type_name = None

    def __init__(self, value):
        self.value = tuple(value)

    def __eq__(self, other):
        return type(self) is type(other) and self.value == other.value

    def __repr__(self):
        return f"{self.type_name}{self.value}"


class Vector(Dense):
    type_name = "vector"


class HalfVector(Dense):
    type_name = "halfvec"


class SparseVector:
    """A value of sparsevec: elements {index from 0: value}."""

    def __init__(self, elements, dim):
        self.elements = dict(elements)
        self.dim = dim

    def __eq__(self, other):
        return (self.elements, self.dim) == (other.elements, other.dim)

    def __repr__(self):
        return f"sparsevec({self.elements}, {self.dim})"


def dense_adapters(cls):
    """Dumpers and loaders of a dense type."""
    name = cls.type_name

    def layout(dim):
        return f">HH{dim}{ELEMENT[name]}"

    class TextDumper(Dumper):
        def dump(self, obj):
            return ("[" + ",".join(map(repr, obj.value)) + "]").encode()

    class BinaryDumper(Dumper):
        format = Format.BINARY

        def dump(self, obj):
            dim = len(obj.value)
            return struct.pack(layout(dim), dim, 0, *obj.value)

    class TextLoader(Loader):
        def load(self, data):
            return cls(map(float, bytes(data)[1:-1].split(b",")))

    class BinaryLoader(Loader):
        format = Format.BINARY

        def load(self, data):
            data = bytes(data)
            dim, reserved, *value = struct.unpack(layout(struct.unpack_from(">H", data)[0]), data)
            assert reserved == 0 and dim == len(value)
            return cls(value)

    return TextDumper, BinaryDumper, TextLoader, BinaryLoader


class SparseTextDumper(Dumper):
    def dump(self, obj):
        elements = ",".join(f"{i + 1}:{x!r}" for i, x in obj.elements.items())
        return f"{{{elements}}}/{obj.dim}".encode()


class SparseBinaryDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj):
        n = len(obj.elements)
        elements = sorted(obj.elements.items())
        return struct.pack(f">iii{n}i{n}f", obj.dim, n, 0, *(i for i, _ in elements), *(x for _, x in elements))


class SparseTextLoader(Loader):
    def load(self, data):
        elements, dim = bytes(data).decode().split("/")
        pairs = (pair.split(":") for pair in elements[1:-1].split(",") if pair)
        return SparseVector({int(i) - 1: float(x) for i, x in pairs}, int(dim))


class SparseBinaryLoader(Loader):
    format = Format.BINARY

    def load(self, data):
        data = bytes(data)
        dim, n, reserved = struct.unpack_from(">iii", data)
        values = struct.unpack_from(f">{n}i{n}f", data, 12)
        assert reserved == 0 and len(data) == 12 + 8 * n
        return SparseVector(zip(values[:n], values[n:]), dim)


ADAPTERS = {
    Vector: ("vector", dense_adapters(Vector)),
    HalfVector: ("halfvec", dense_adapters(HalfVector)),
    SparseVector: ("sparsevec", (SparseTextDumper, SparseBinaryDumper, SparseTextLoader, SparseBinaryLoader)),
}


def register(conn):
    for cls, (name, adapters) in ADAPTERS.items():
        info = TypeInfo.fetch(conn, name)
        info.register(conn)  # arrays
        for adapter in adapters:
            if issubclass(adapter, Dumper):
                conn.adapters.register_dumper(cls, type(adapter.__name__, (adapter,), {"oid": info.oid}))
            else:
                conn.adapters.register_loader(info.oid, adapter)


def connect():
    conn = psycopg.connect(autocommit=True)
    register(conn)
    return conn


def values(rng, n):
    """Multiples of 1/64 within [-4, 4], exact in every element type."""
    return [rng.randint(-256, 256) / 64 for _ in range(n)]


def make_row(rng, number):
    value = values(rng, DIM)
    sparse = SparseVector({i: x for i, x in enumerate(value) if x != 0 and i % 3 == 0}, DIM)
    return number, Vector(value), HalfVector(value), sparse


RNG = random.Random(20)
DATA = [make_row(RNG, n) for n in range(ROWS)]
QUERY = Vector(values(RNG, DIM))
TYPES = ["int4", "vector", "halfvec", "sparsevec"]
TABLE = f"(id int, v vector({DIM}), h halfvec({DIM}), s sparsevec({DIM}))"
FORMATS = {"text": "%t", "binary": "%b"}


def test_types(conn):
    for name in ("vector", "halfvec", "sparsevec"):
        info = TypeInfo.fetch(conn, name)
        assert info.name == name and info.array_oid != 0


def test_round_trip(conn):
    samples = [Vector([1, -2.5, 0.0]), HalfVector([0.5, 65504.0, -0.25]), SparseVector({1: 1.5, 9: -2.0}, 10),
               SparseVector({}, 3), Vector(values(RNG, 16000)), None]
    for sample in samples:
        for mark in FORMATS.values():
            for binary in (False, True):
                with conn.cursor(binary=binary) as cur:
                    type_name = ADAPTERS[type(sample)][0] if sample is not None else "vector"
                    got, = cur.execute(f"SELECT {mark}::{type_name}", [sample]).fetchone()
                    assert got == sample, (sample, mark, binary, got)


def test_float4_round_trip(conn):
    floats = []
    while len(floats) < 2000:
        x, = struct.unpack(">f", struct.pack(">I", RNG.getrandbits(32)))
        if x - x == 0:  # finite
            floats.append(x)
    text, = conn.execute("SELECT %b", [Vector(floats)]).fetchone()
    binary, = conn.execute("SELECT %t", [text], binary=True).fetchone()
    assert binary == Vector(floats)


def test_arrays(conn):
    array = [Vector([1.0, 2.0]), None, Vector([3.0, 4.5])]
    for mark in FORMATS.values():
        for binary in (False, True):
            got, = conn.execute(f"SELECT {mark}::vector[]", [array], binary=binary).fetchone()
            assert got == array, got
    count, = conn.execute("SELECT count(*) FROM unnest(%s::vector[]) v WHERE v = ANY(%s)", [array, array[:1]]).fetchone()
    assert count == 1


def test_executemany(conn):
    conn.execute(f"CREATE TABLE many {TABLE}")
    with conn.cursor() as cur:
        cur.executemany("INSERT INTO many VALUES (%s, %s, %s, %s)", DATA[:200])
    with conn.pipeline():
        for row in DATA[200:300]:
            conn.execute("INSERT INTO many VALUES (%s, %b, %b, %b)", row)
    assert conn.execute("SELECT * FROM many ORDER BY id", binary=True).fetchall() == DATA[:300]


def copy_round_trip(conn, table, options):
    conn.execute(f"CREATE TABLE {table} {TABLE}")
    with conn.cursor() as cur:
        with cur.copy(f"COPY {table} FROM STDIN {options}") as copy:
            copy.set_types(TYPES)
            for row in DATA:
                copy.write_row(row)
        with cur.copy(f"COPY (SELECT * FROM {table} ORDER BY id) TO STDOUT {options}") as copy:
            copy.set_types(TYPES)
            assert list(copy.rows()) == DATA


def test_copy_text(conn):
    copy_round_trip(conn, "items", "")


def test_copy_binary(conn):
    copy_round_trip(conn, "loaded", "(FORMAT BINARY)")
    different, = conn.execute("SELECT count(*) FROM items JOIN loaded USING (id) "
                              "WHERE items IS DISTINCT FROM loaded").fetchone()
    assert different == 0


def l2(a, b):
    return sum((x - y) ** 2 for x, y in zip(a.value, b.value)) ** 0.5


def test_exact_search(conn):
    expected = sorted((l2(v, QUERY), number) for number, v, _, _ in DATA)[:15]
    for mark in FORMATS.values():
        rows = conn.execute(f"SELECT v <-> {mark} AS d, id FROM items ORDER BY d, id LIMIT 15", [QUERY]).fetchall()
        assert [r[1] for r in rows] == [e[1] for e in expected]
        assert all(abs(r[0] - e[0]) < 1e-5 for r, e in zip(rows, expected))


def test_indexes(conn):
    sparse_query = SparseVector({i: x for i, x in enumerate(QUERY.value) if x != 0 and i % 3 == 0}, DIM)
    wanted = [("v", "vector_l2_ops", "<->", QUERY), ("v", "vector_cosine_ops", "<=>", QUERY),
              ("h", "halfvec_ip_ops", "<#>", HalfVector(QUERY.value)), ("s", "sparsevec_l2_ops", "<->", sparse_query)]
    used = 0
    for method, setting in (("hnsw", "hnsw.ef_search = 300"), ("ivfflat", "ivfflat.probes = 10")):
        for column, opclass, operator, query in wanted:
            known = conn.execute("SELECT FROM pg_opclass c JOIN pg_am m ON m.oid = opcmethod "
                                 "WHERE amname = %s AND opcname = %s", [method, opclass])
            if known.rowcount == 0:
                continue
            search = f"SELECT {column} {operator} %b AS d FROM items ORDER BY {column} {operator} %b LIMIT 10"
            exact = conn.execute(search, [query, query]).fetchall()
            options = "" if method == "hnsw" else "WITH (lists = 10)"
            conn.execute(f"CREATE INDEX tested ON items USING {method} ({column} {opclass}) {options}")
            with conn.transaction():
                conn.execute("SET LOCAL enable_seqscan = off")
                conn.execute(f"SET LOCAL {setting}")
                plan = "\n".join(r[0] for r in conn.execute("EXPLAIN " + search, [query, query]))
                assert "Index Scan using tested" in plan, plan
                # prepare_threshold makes psycopg prepare the statement on the way
                for _ in range(8):
                    got = conn.execute(search, [query, query]).fetchall()
                    hits = sum(row[0] <= exact[-1][0] for row in got)
                    assert len(got) == 10 and hits >= 9, (method, opclass, hits)
            conn.execute("DROP INDEX tested")
            used += 1
    assert used >= 3, used


def test_server_side_cursor(conn):
    conn.execute("CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)")
    with conn.transaction():
        conn.execute("SET LOCAL enable_seqscan = off")
        conn.execute("SET LOCAL enable_sort = off")
        conn.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        with conn.cursor(name="nearest", binary=True) as cur:
            cur.execute("SELECT id, v FROM items ORDER BY v <-> %s", [QUERY])
            distances = [l2(v, QUERY) for batch in range(8) for _, v in cur.fetchmany(40)]
    assert len(distances) == 320 and distances == sorted(distances)
    conn.execute("DROP INDEX items_v")


def test_errors(conn):
    cases = [
        ("INSERT INTO items (v) VALUES (%b)", [Vector([1.0])], psycopg.errors.DataException,
         f"expected {DIM} dimensions, not 1"),
        ("SELECT %t::vector", ["hello"], psycopg.errors.InvalidTextRepresentation,
         'invalid input syntax for type vector: "hello"'),
        ("SELECT %b", [Vector([float("nan")])], psycopg.errors.DataException, "NaN not allowed in vector"),
        ("SELECT %b", [SparseVector({5: 1.0}, 3)], psycopg.errors.DataException, "sparsevec index out of bounds"),
        ("SELECT %b <-> %b", [Vector([1.0]), Vector([1.0, 2.0])], psycopg.errors.DataException,
         "different vector dimensions 1 and 2"),
    ]
    for sql, parameters, error, message in cases:
        try:
            conn.execute(sql, parameters)
        except error as raised:
            assert raised.diag.message_primary == message, raised.diag.message_primary
        else:
            raise AssertionError(f"no error: {sql}")


def test_large_parameter_in_a_transaction(conn):
    with conn.transaction(force_rollback=True):
        conn.execute("CREATE TABLE wide (v vector(16000), s sparsevec(1000000000))")
        wide = Vector(values(RNG, 16000))
        sparse = SparseVector({i * 50000: 1.0 + i for i in range(16000)}, 1000000000)
        conn.execute("INSERT INTO wide VALUES (%b, %b)", [wide, sparse])
        assert conn.execute("SELECT v, s FROM wide", binary=True).fetchone() == (wide, sparse)


def main():
    tests = [(name[5:].replace("_", " "), test) for name, test in globals().items() if name.startswith("test_")]
    failures = 0
    print(f"1..{len(tests)}")
    with connect() as conn:
        for number, (name, test) in enumerate(tests, 1):
            try:
                test(conn)
                print(f"ok {number} - psycopg: {name}")
            except Exception:  # a failed test must not stop the others
                failures += 1
                print(f"not ok {number} - psycopg: {name}")
                print("# " + traceback.format_exc().replace("\n", "\n# "))
            sys.stdout.flush()
    sys.exit(failures != 0)


main()
