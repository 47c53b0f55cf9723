"""part_index.py -- hnsw and ivfflat: build, search, and a life of changes."""

import os
import signal

import numpy as np

from datasets import write_fvecs
from engines import K, FaissIndex, HnswlibIndex, ServerIndex, Truth
from measure import interleaved, say
from report import OURS, THEIRS
from servers import MemoryWatch

TARGETS = (0.90, 0.95, 0.99)


class IndexPart:
    def __init__(self, servers, method, data, options, report, index_options=""):
        """index_options: those of our index alone, as in CREATE INDEX ... WITH"""
        self.servers, self.method, self.data = servers, method, data
        self.options, self.report = options, report
        self.part = f"{method}{f' ({index_options})' if index_options else ''}, {data.name}"
        # a fifth is kept back: a quarter of it for inserts, half for the churn,
        # a quarter for inserts of several clients; nothing is inserted that is
        # there already, since equal rows are cheap
        count = len(data.base) * 4 // 5
        self.vectors = data.base
        self.live = np.arange(1, count + 1)
        self.lists = max(10, min(count // 1000 if count > 100000 else int(count ** 0.5), 30000))
        self.rng = np.random.default_rng(7)
        self.files = {}
        for name, rows in (("queries", data.queries), ("pool", data.base[count:])):
            self.files[name] = os.path.join(options.work, f"{name}.fvecs")
            write_fvecs(self.files[name], rows)
        self.pool = len(data.base) - count
        self.original = count
        self.indexes = []
        for server in servers:
            chosen = [f"lists = {self.lists}"] if method == "ivfflat" else []
            if server.name == OURS and index_options:
                chosen.append(index_options)
            self.indexes.append(ServerIndex(server, method, data, self.files, options, ", ".join(chosen)))
        self.engines = list(self.indexes)

    def note(self, what, unit, values, smaller=True):
        self.report.ratio(self.part, what, unit, values, smaller)

    def each(self, what, unit, measure, smaller=True):
        self.note(what, unit, {index.name: measure(index) for index in self.indexes}, smaller)

    def run(self):
        wanted = self.options.measures.split()
        self.load()
        self.build()
        self.truth = Truth(self.data, self.vectors, self.live, self.options.processes)
        self.found = {engine: {} for engine in self.engines}
        self.at = {}
        if "search" in wanted:
            self.curves()
        self.settle()
        if "search" in wanted:
            self.targets()
            if self.method == "ivfflat":
                self.asked()
        if "buffers" in wanted:
            self.each("buffers visited by a query at recall .95", "blocks", lambda i: i.explain(self.at[i])[0])
        if "cold" in wanted:
            self.cold()
        if "insert" in wanted:
            self.insert()
        if "vacuum" in wanted:
            self.vacuum()
        if "churn" in wanted:
            self.churn()
        if "insert" in wanted:
            self.insert_together()
        if "load" in wanted:
            self.under_load()
        for server in self.servers:
            server.execute("DROP TABLE items, queries")
            server.execute("DROP SEQUENCE ids")

    def load(self):
        for server in self.servers:
            server.execute("DROP TABLE IF EXISTS items, queries")
            server.execute("DROP SEQUENCE IF EXISTS ids")
            server.execute(f"CREATE SEQUENCE ids START {len(self.live) + 1}")
            server.execute(f"CREATE TABLE items (id int DEFAULT nextval('ids'), v vector({self.data.dims}))")
            server.execute(f"CREATE TABLE queries (id int, v vector({self.data.dims}))")
            server.load("items", self.vectors[:len(self.live)])
            server.load("queries", self.data.queries)
            server.execute("VACUUM (FREEZE, ANALYZE) items")
            server.execute("ANALYZE queries")

    def build(self):
        seconds, memory, wal = {}, {}, {}
        for index in self.indexes:
            server = index.server
            server.execute("CHECKPOINT")
            before = server.wal_position()
            with MemoryWatch(server) as watch:
                seconds[index.name] = server.execute(index.definition)
            memory[index.name] = watch.peak / 1e6
            wal[index.name] = (server.wal_position() - before) / 1e6
        base = self.vectors[:len(self.live)]
        if self.method == "hnsw":
            self.engines.append(HnswlibIndex(self.data, base, self.options))
        else:
            self.engines.append(FaissIndex(self.data, base, self.options, self.lists))
        seconds[self.engines[-1].name] = self.engines[-1].build_seconds
        self.note(f"build of {len(base)} x {self.data.dims}, {self.options.processes} processes", "s", seconds)
        self.note("memory of the build", "MB", memory)
        self.note("WAL of the build", "MB", wal)
        self.each("index size", "MB", lambda i: i.server.value("SELECT pg_relation_size('items_v')") / 1e6)

    # search

    def grid(self):
        """Values of ef_search or probes, a tenth apart."""
        last = 1000 if self.method == "hnsw" else self.lists
        value, values = (K if self.method == "hnsw" else 1), []
        while value < last:
            values.append(value)
            value = max(value + 1, int(value * 1.1))
        return values + [last]

    def recall(self, engine, parameter):
        if parameter not in self.found[engine]:
            self.found[engine][parameter] = self.truth.recall(engine.search(parameter)[0])
        return self.found[engine][parameter]

    def reach(self, engine, target):
        """The least parameter of the grid with that recall; None if none has."""
        grid = self.grid()
        low, high = 0, len(grid)
        while low < high:
            middle = (low + high) // 2
            if self.recall(engine, grid[middle]) >= target:
                high = middle
            else:
                low = middle + 1
        return grid[low] if low < len(grid) else None

    def curves(self):
        grid = self.grid()
        chosen = grid[::max(1, len(grid) // 12)]
        points = {engine: [] for engine in self.engines}
        for parameter in chosen:
            # recall goes no higher, and the time would only grow
            engines = [e for e in self.engines if not points[e] or points[e][-1]["recall"] < 0.999]
            if not engines:
                break
            seconds = interleaved(engines, lambda e: e.search(parameter)[2], max(2, self.options.rounds - 1), min)
            for engine in engines:
                points[engine].append({"parameter": parameter, "recall": self.recall(engine, parameter),
                                       "qps": len(self.data.queries) / seconds[engine]})
        for engine, found in points.items():
            self.report.curve(self.part, engine.name, found)
        say(self.part, "curves done")

    def settle(self):
        """The parameters with which other things than recall are compared."""
        self.at = {}
        for engine in self.engines:
            self.at[engine] = self.reach(engine, 0.95) or self.grid()[-1]

    def asked(self):
        """What ivfflat.target_recall gives, next to the best fixed probes."""
        ours = self.indexes[0]
        for target in TARGETS:
            ids, _, cpu = ours.search({"ivfflat.target_recall": target})
            self.note(f"recall {target:.2f} asked for: reached", "", {ours.name: self.truth.recall(ids)}, smaller=False)
            self.note(f"recall {target:.2f} asked for: queries of a second of CPU time", "1/s",
                      {ours.name: len(self.data.queries) / cpu}, smaller=False)

    def targets(self):
        for target in TARGETS:
            at = {engine: self.reach(engine, target) for engine in self.engines}
            engines = [engine for engine in self.engines if at[engine] is not None]
            name = f"recall {target:.2f}"
            self.note(f"parameter at {name}", "", {e.name: at[e] for e in engines})
            if len(engines) == 0:
                continue
            seconds = interleaved(engines, lambda e: e.search(at[e])[1], self.options.rounds)
            self.note(f"queries in one statement, {name}", "1/s",
                      {e.name: len(self.data.queries) / seconds[e] for e in engines}, smaller=False)
            seconds = interleaved(engines, lambda e: e.search(at[e])[2], self.options.rounds)
            self.note(f"queries of a second of CPU time, {name}", "1/s",
                      {e.name: len(self.data.queries) / seconds[e] for e in engines}, smaller=False)
            for clients in (1, 2):
                runs = {engine: [] for engine in engines}

                def run(engine):
                    result = engine.client(at[engine], clients, self.options.seconds)
                    runs[engine].append(result)
                    return result["executions"] / result["seconds"]

                rate = interleaved(engines, run, self.options.rounds)
                self.note(f"queries of {clients} client{'s'[:clients - 1]}, {name}", "1/s",
                          {e.name: rate[e] for e in engines}, smaller=False)
                for percentile in (50, 95, 99):
                    key = f"p{percentile}_ms"
                    self.note(f"{key[:-3]} of {clients} client{'s'[:clients - 1]}, {name}", "ms",
                              {e.name: float(np.median([r[key] for r in runs[e]])) for e in engines if key in runs[e][0]})

    def reads(self, index, parameter, blocks):
        """Blocks that a query reads with so many in shared buffers."""
        index.server.restart(shared_buffers=f"{blocks * 8}kB")
        index.search(parameter)
        found = index.explain(parameter)[1]
        index.server.restart()
        return found

    def cold(self):
        """Page reads where a tenth of the index fits into shared buffers: of each
        engine's own, and of pgvector's for both.
        """
        tenth = {index: max(64, index.server.value("SELECT pg_relation_size('items_v') / 8192") // 10)
                 for index in self.indexes}
        buffers = next(tenth[index] for index in self.indexes if index.name == THEIRS)
        for target in (0.95, 0.99):
            at = {index: self.reach(index, target) or self.grid()[-1] for index in self.indexes}
            name = f"blocks read by a query at recall {target:.2f}, shared buffers"
            read = {index: self.reads(index, at[index], tenth[index]) for index in self.indexes}
            self.note(f"{name} a tenth of the own index", "blocks", {i.name: read[i] for i in self.indexes})
            for index in self.indexes:
                if tenth[index] != buffers:
                    read[index] = self.reads(index, at[index], buffers)
            self.note(f"{name} a tenth of pgvector's ({buffers / 128:.3g} MB)", "blocks",
                      {i.name: read[i] for i in self.indexes})

    # changes

    def insert_rows(self, index, first, count, clients=1, table="items"):
        result = index.run_client(statement=f"INSERT INTO {table} (v) VALUES ($1)", vectors=self.files["pool"],
                                  first=first, count=count, clients=clients)
        return result["executions"] / result["seconds"]

    def insert(self):
        slice_rows = max(1, self.pool // 4 // (self.options.rounds + 1))
        after_checkpoint, rate = {}, {}
        for index in self.indexes:
            index.server.execute("CHECKPOINT")
            before = index.server.wal_position()
            rate[index.name] = self.insert_rows(index, 0, slice_rows)
            after_checkpoint[index.name] = (index.server.wal_position() - before) / slice_rows
        self.note(f"inserts just after a checkpoint ({slice_rows})", "1/s", rate, smaller=False)
        self.note(f"WAL of an insert just after a checkpoint ({slice_rows}), with the row", "bytes", after_checkpoint)

        for server in self.servers:
            server.execute("ALTER SYSTEM SET full_page_writes = off")
            server.execute("SELECT pg_reload_conf()")
            server.execute("CHECKPOINT")
        before = {index: index.server.wal_position() for index in self.indexes}
        done = {index: slice_rows for index in self.indexes}

        def run(index):
            done[index] += slice_rows
            return self.insert_rows(index, done[index] - slice_rows, slice_rows)

        rate = interleaved(self.indexes, run, self.options.rounds)
        self.note("inserts, no full page images", "1/s", {i.name: rate[i] for i in self.indexes}, smaller=False)
        self.each("WAL of an insert, no full page images, with the row", "bytes",
                  lambda i: (i.server.wal_position() - before[i]) / (slice_rows * self.options.rounds))
        for server in self.servers:
            server.execute("ALTER SYSTEM RESET full_page_writes")
            server.execute("SELECT pg_reload_conf()")
        inserted = slice_rows * (self.options.rounds + 1)
        self.live = np.concatenate([self.live, np.arange(len(self.live) + 1, len(self.live) + 1 + inserted)])
        self.compare_recall("recall after the inserts")

    def insert_together(self):
        """Inserts of several clients, and how many there are without an index:
        no index can do better, and what both have on top is what it takes.
        """
        first, rounds = self.pool * 3 // 4, self.options.rounds
        slice_rows = max(1, (self.pool - first) // rounds)

        def rates(table):
            done = {index: first for index in self.indexes}

            def run(index):
                done[index] += slice_rows
                return self.insert_rows(index, done[index] - slice_rows, slice_rows, clients=8, table=table)

            return {index.name: rate for index, rate in interleaved(self.indexes, run, rounds).items()}

        for server in self.servers:
            server.execute("CREATE TABLE bare (LIKE items INCLUDING ALL EXCLUDING INDEXES)")
        bare = rates("bare")
        rate = rates("items")
        for server in self.servers:
            server.execute("DROP TABLE bare")
        self.note("inserts of 8 clients", "1/s", rate, smaller=False)
        self.note("inserts of 8 clients, without an index", "1/s", bare, smaller=False)
        self.note("time that the index adds to inserts of 8 clients", "us",
                  {name: 1e6 / rate[name] - 1e6 / bare[name] for name in rate})

    def under_load(self):
        """8 clients insert and 8 search at the same time: the second half of the
        rows, until they or the time run out.  An error ends the benchmark.
        """
        half = len(self.data.base) // 2
        path = os.path.join(self.options.work, "second_half.fvecs")
        write_fvecs(path, self.data.base[half:])
        inserts, queries, recall, anew = {}, {}, {}, {}
        for index in self.indexes:
            server, name = index.server, index.name
            server.execute("DROP INDEX items_v")
            server.execute("TRUNCATE items")
            server.execute(f"ALTER SEQUENCE ids RESTART WITH {half + 1}")
            server.load("items", self.data.base[:half])
            server.execute(index.definition)
            server.execute("VACUUM ANALYZE items")
            searchers = index.start_queries(self.at[index], 8, self.options.load_seconds)
            result = index.run_client(statement="INSERT INTO items (v) VALUES ($1)", vectors=path,
                                      clients=8, seconds=self.options.load_seconds, repeat=0)
            inserts[name] = result["executions"] / result["seconds"]
            searchers.send_signal(signal.SIGINT)
            result = index.finish_client(searchers)
            queries[name] = result["executions"] / result["seconds"]
            # which client's row got which number differs
            self.vectors = server.fetch("items", self.data.dims)
            self.truth = Truth(self.data, self.vectors, np.arange(1, len(self.vectors) + 1), self.options.processes)
            recall[name] = self.truth.recall(index.search(self.at[index])[0])
            server.execute("REINDEX INDEX items_v")
            anew[name] = self.truth.recall(index.search(self.at[index])[0])
        what = "8 clients inserting, 8 searching"
        self.note(f"{what}: inserts", "1/s", inserts, smaller=False)
        self.note(f"{what}: queries", "1/s", queries, smaller=False)
        self.note(f"{what}: recall afterwards", "", recall, smaller=False)
        self.note(f"{what}: recall afterwards, built anew", "", anew, smaller=False)

    def compare_recall(self, what, fresh=False):
        """Recall with the parameter of .95, and that of an index built anew."""
        self.truth = Truth(self.data, self.vectors, self.live, self.options.processes)
        recall = {i.name: self.truth.recall(i.search(self.at[i])[0]) for i in self.indexes}
        self.note(what, "", recall, smaller=False)
        if fresh:
            for index in self.indexes:
                index.server.execute("REINDEX INDEX items_v")
            recall = {i.name: self.truth.recall(i.search(self.at[i])[0]) for i in self.indexes}
            self.note(what + ", built anew", "", recall, smaller=False)

    def delete(self, count):
        """Rows of those that were there when the index was built."""
        gone = self.rng.choice(self.live[self.live <= self.original], count, replace=False)
        for server in self.servers:
            with server.connect() as connection:
                connection.execute("DELETE FROM items WHERE id = ANY(%s)", (gone.tolist(),))
        self.live = np.setdiff1d(self.live, gone)
        return gone

    def vacuum(self):
        for share in (0.01, 0.1):
            self.delete(int(len(self.live) * share))
            self.each(f"VACUUM after deleting {share:.0%}", "s", lambda i: i.server.execute("VACUUM items"))
        self.compare_recall("recall after deleting 11%", fresh=True)

    def churn(self):
        """Five times: replace a tenth of the rows, then VACUUM.  What one round
        deletes comes back in the next one.
        """
        path = os.path.join(self.options.work, "churn.fvecs")
        count = len(self.live) // 10
        fresh = self.data.base[self.original + self.pool // 4:][:count]
        for _ in range(5):
            gone = self.delete(count)
            write_fvecs(path, fresh)
            first = self.servers[0].value("SELECT nextval('ids')") + 1
            for server in self.servers[1:]:
                server.execute(f"SELECT setval('ids', {first - 1})")
            for index in self.indexes:
                index.run_client(statement="INSERT INTO items (v) VALUES ($1)", vectors=path)
                index.server.execute("VACUUM items")
            # ids count on; those between are nobody's
            unused = np.zeros((max(0, first - 1 - len(self.vectors)), self.data.dims), np.float32)
            self.vectors = np.concatenate([self.vectors, unused])[:first - 1]
            self.vectors = np.concatenate([self.vectors, fresh])
            self.live = np.concatenate([self.live, np.arange(first, first + len(fresh))])
            fresh = self.vectors[gone - 1]
        self.compare_recall("recall after replacing half of the rows", fresh=True)
