"""servers.py -- the two servers that are compared, and what runs on them."""

import os
import subprocess
import threading
import time

import numpy as np
import psycopg

# The same for both; "make bench" keeps what it measures out of the disk's hands.
SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "2GB",
    "maintenance_work_mem": "2GB",
    "max_wal_size": "32GB",
    "checkpoint_timeout": "1h",
    "fsync": "off",
    "synchronous_commit": "off",
    "autovacuum": "off",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "effective_cache_size": "8GB",
    "random_page_cost": "1.1",
}


class Server:
    """A private server with one of the two extensions."""

    def __init__(self, name, pg_config, directory, settings):
        def ask(option):
            return subprocess.check_output([pg_config, option], text=True).strip()

        self.name = name
        self.bindir = ask("--bindir")
        self.server_version = ask("--version")
        self.directory = directory
        self.data = os.path.join(directory, "data")
        self.settings = dict(SETTINGS, unix_socket_directories=directory, **settings)
        os.makedirs(directory, exist_ok=True)

    def _run(self, program, *arguments):
        log = os.path.join(self.directory, "commands.log")
        with open(log, "a") as out:
            subprocess.run([os.path.join(self.bindir, program), *arguments],
                           stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=True)

    def init(self):
        self._run("initdb", "-D", self.data, "-A", "trust", "-U", "bench", "-N", "--no-locale", "-E", "UTF8")
        self.start()
        self.execute("CREATE EXTENSION vector")
        self.version = self.value("SELECT extversion FROM pg_extension WHERE extname = 'vector'")

    def start(self, **overrides):
        with open(os.path.join(self.data, "bench.conf"), "w") as conf:
            for name, value in dict(self.settings, **overrides).items():
                conf.write(f"{name} = '{value}'\n")
        with open(os.path.join(self.data, "postgresql.conf"), "r+") as conf:
            if "bench.conf" not in conf.read():
                conf.write("\ninclude 'bench.conf'\n")
        self._run("pg_ctl", "-D", self.data, "-l", os.path.join(self.directory, "log"), "-w", "start")

    def stop(self):
        self._run("pg_ctl", "-D", self.data, "-m", "fast", "-w", "stop")

    def restart(self, **overrides):
        self.stop()
        self.start(**overrides)

    @property
    def conninfo(self):
        return f"host={self.directory} user=bench dbname=postgres"

    def connect(self, **settings):
        connection = psycopg.connect(self.conninfo, autocommit=True)
        for name, value in settings.items():
            connection.execute(f"SELECT set_config(%s, %s, false)", (name, str(value)))
        return connection

    def execute(self, statement, **settings):
        """Run one statement; return the seconds that it took."""
        with self.connect(**settings) as connection:
            start = time.perf_counter()
            connection.execute(statement)
            return time.perf_counter() - start

    def rows(self, statement, **settings):
        with self.connect(**settings) as connection:
            return connection.execute(statement).fetchall()

    def value(self, statement, **settings):
        return self.rows(statement, **settings)[0][0]

    def wal_position(self):
        return int(self.value("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))

    def postmaster(self):
        with open(os.path.join(self.data, "postmaster.pid")) as file:
            return int(file.readline())

    def load(self, table, vectors, first=1):
        """COPY vectors into a table (id, v), ids from `first` on."""
        n, dim = vectors.shape
        row = copied_row(dim)
        with self.connect() as connection, connection.cursor() as cursor:
            with cursor.copy(f"COPY {table} (id, v) FROM STDIN (FORMAT binary)") as copy:
                copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
                for start in range(0, n, 2000):
                    part = vectors[start:start + 2000]
                    out = np.zeros(len(part), row)
                    out["fields"], out["id_bytes"], out["v_bytes"] = 2, 4, 4 + 4 * dim
                    out["id"] = np.arange(first + start, first + start + len(part))
                    out["dim"] = dim
                    out["x"] = part
                    copy.write(out.tobytes())
                copy.write(b"\xff\xff")

    def fetch(self, table, dim):
        """All vectors of a table (id, v), by id."""
        with self.connect() as connection, connection.cursor() as cursor:
            with cursor.copy(f"COPY (SELECT id, v FROM {table} ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
                found = b"".join(copy)
        return np.frombuffer(found[19:-2], copied_row(dim))["x"].astype(np.float32)


def copied_row(dim):
    """A row (id int, v vector(dim)) of COPY BINARY."""
    return np.dtype([("fields", ">i2"), ("id_bytes", ">i4"), ("id", ">i4"), ("v_bytes", ">i4"),
                     ("dim", ">u2"), ("zero", ">u2"), ("x", ">f4", (dim,))])


class MemoryWatch:
    """The most memory that a server's processes have at once, apart from
    shared buffers: private pages and mapped segments of dynamic shared memory.
    """

    def __init__(self, server):
        self.postmaster = server.postmaster()
        self.peak = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()

    def _sample(self):
        private, segments = 0, {}
        path = f"/proc/{self.postmaster}/task/{self.postmaster}/children"
        for pid in open(path).read().split():
            try:
                for line in open(f"/proc/{pid}/status"):
                    if line.startswith("RssAnon:"):
                        private += int(line.split()[1]) * 1024
                for line in open(f"/proc/{pid}/maps"):
                    name = line.split()[-1]
                    if name.startswith("/dev/shm/PostgreSQL."):
                        segments[name] = os.stat(name).st_blocks * 512
            except (FileNotFoundError, ProcessLookupError):
                continue
        return private + sum(segments.values())

    def _watch(self):
        while not self._end.wait(0.1):
            self.peak = max(self.peak, self._sample())
