"""engines.py -- indexes under one interface, whether in a server or in process.

search(parameter) looks for the K nearest rows of every query, in one process
and, in a server, one statement; it returns their ids, the seconds it took, and
the seconds of CPU time, which tell more on a machine that is not idle.
client(parameter, clients, seconds) returns what client.c prints.
"""

import json
import os
import subprocess
import time

import numpy as np

K = 10
OPERATORS = {"l2": "<->", "cosine": "<=>", "ip": "<#>"}
OPCLASSES = {"l2": "vector_l2_ops", "cosine": "vector_cosine_ops", "ip": "vector_ip_ops"}
PARAMETERS = {"hnsw": "hnsw.ef_search", "ivfflat": "ivfflat.probes"}


def cpu_seconds(pid):
    """What a process has run so far."""
    with open(f"/proc/{pid}/schedstat") as file:
        return int(file.read().split()[0]) / 1e9


class ServerIndex:
    """The index "items_v" on the table "items" of a server."""

    def __init__(self, server, method, data, files, options, index_options):
        self.server, self.method, self.options = server, method, options
        self.name = server.name
        self.operator = OPERATORS[data.metric]
        self.files = files
        self.definition = f"CREATE INDEX items_v ON items USING {method} (v {OPCLASSES[data.metric]})"
        if index_options:
            self.definition += f" WITH ({index_options})"

    def settings(self, parameter):
        """parameter: a number, or settings by their names."""
        chosen = parameter if isinstance(parameter, dict) else {PARAMETERS[self.method]: parameter}
        return {**chosen, "enable_seqscan": "off"}

    def statement(self):
        return (f"SELECT q.id, ARRAY(SELECT i.id FROM items i ORDER BY i.v {self.operator} q.v LIMIT {K}) "
                f"FROM queries q")

    def search(self, parameter):
        with self.server.connect(**self.settings(parameter)) as connection:
            # as in any session but for its first statement
            connection.execute("LOAD 'vector'")
            cpu, start = cpu_seconds(connection.info.backend_pid), time.perf_counter()
            rows = connection.execute(self.statement()).fetchall()
            seconds = time.perf_counter() - start
            cpu = cpu_seconds(connection.info.backend_pid) - cpu
        ids = np.zeros((len(rows), K), np.int64)
        for query, found in rows:
            ids[query - 1, :len(found)] = found
        return ids, seconds, cpu

    def explain(self, parameter):
        """Blocks of shared buffers that a query visits, and reads."""
        with self.server.connect(**self.settings(parameter)) as connection:
            row = connection.execute("EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json) " + self.statement()).fetchone()
            plan = row[0][0]["Plan"]
            if "items_v" not in json.dumps(plan):
                raise RuntimeError(f"{self.name} does not use its index: {plan}")
            queries = plan["Actual Rows"]
            read = plan["Shared Read Blocks"]
            return (plan["Shared Hit Blocks"] + read) / queries, read / queries

    def start_client(self, **arguments):
        words = [f"{name}={value}" for name, value in dict(arguments, conninfo=self.server.conninfo).items()]
        return subprocess.Popen([self.options.client, *words], stdout=subprocess.PIPE, text=True)

    @staticmethod
    def finish_client(process):
        output, _ = process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"{process.args[0]} failed")
        return json.loads(output)

    def run_client(self, **arguments):
        return self.finish_client(self.start_client(**arguments))

    def start_queries(self, parameter, clients, seconds):
        setup = "; ".join(f"SET {name} = {value}" for name, value in self.settings(parameter).items())
        return self.start_client(statement=f"SELECT id FROM items ORDER BY v {self.operator} $1 LIMIT {K}",
                                 vectors=self.files["queries"], setup=setup, clients=clients, seconds=seconds)

    def client(self, parameter, clients, seconds):
        return self.finish_client(self.start_queries(parameter, clients, seconds))


class ProcessIndex:
    """An index of a library, in this process."""

    def client(self, parameter, clients, seconds):
        self.threads(clients)
        executions, start = 0, time.perf_counter()
        while time.perf_counter() - start < seconds:
            self.search(parameter)
            executions += len(self.queries)
        elapsed = time.perf_counter() - start
        self.threads(1)
        return {"executions": executions, "seconds": elapsed}


class HnswlibIndex(ProcessIndex):
    name = "hnswlib"

    def __init__(self, data, base, options):
        import hnswlib
        self.queries, self.count = data.queries, 1
        start = time.perf_counter()
        self.index = hnswlib.Index(space=data.metric, dim=data.dims)
        # the defaults of the servers' hnsw
        self.index.init_index(max_elements=len(base), M=16, ef_construction=64)
        self.index.add_items(base, np.arange(1, len(base) + 1), num_threads=options.processes)
        self.build_seconds = time.perf_counter() - start

    def threads(self, count):
        self.count = count

    def search(self, parameter):
        self.index.set_ef(max(parameter, K))
        cpu, start = time.process_time(), time.perf_counter()
        ids, _ = self.index.knn_query(self.queries, k=K, num_threads=self.count)
        return ids.astype(np.int64), time.perf_counter() - start, time.process_time() - cpu


class FaissIndex(ProcessIndex):
    name = "faiss"

    def __init__(self, data, base, options, lists):
        import faiss
        self.faiss = faiss
        self.queries = data.queries
        if data.metric == "cosine":
            base = base / np.linalg.norm(base, axis=1, keepdims=True)
        metric = faiss.METRIC_L2 if data.metric == "l2" else faiss.METRIC_INNER_PRODUCT
        faiss.omp_set_num_threads(options.processes)
        start = time.perf_counter()
        quantizer = (faiss.IndexFlatL2 if data.metric == "l2" else faiss.IndexFlatIP)(data.dims)
        self.index = faiss.IndexIVFFlat(quantizer, data.dims, lists, metric)
        self.keep = quantizer
        self.index.train(base)
        self.index.add(base)
        self.build_seconds = time.perf_counter() - start
        self.threads(1)

    def threads(self, count):
        self.faiss.omp_set_num_threads(count)

    def search(self, parameter):
        self.index.nprobe = parameter
        cpu, start = time.process_time(), time.perf_counter()
        _, ids = self.index.search(self.queries, K)
        return ids.astype(np.int64) + 1, time.perf_counter() - start, time.process_time() - cpu


class Truth:
    """The K nearest of the rows that a table holds now.  vectors[id - 1]"""

    def __init__(self, data, vectors, live, processes):
        import faiss
        self.data, self.vectors = data, vectors
        rows = self._comparable(vectors[live - 1])
        queries = self._comparable(data.queries)
        faiss.omp_set_num_threads(processes)
        index = (faiss.IndexFlatL2 if data.metric == "l2" else faiss.IndexFlatIP)(data.dims)
        index.add(rows)
        _, found = index.search(queries, K)
        faiss.omp_set_num_threads(1)
        # a row as near as the last one is as good
        self.limits = self._distances(live[found]).max(axis=1)

    def _comparable(self, x):
        return x / np.linalg.norm(x, axis=1, keepdims=True) if self.data.metric == "cosine" else x

    def _distances(self, ids):
        result = np.empty(ids.shape)
        for i, row in enumerate(ids):
            rows = self._comparable(self.vectors[row - 1].astype(np.float64))
            query = self._comparable(self.data.queries[i:i + 1].astype(np.float64))
            result[i] = ((rows - query) ** 2).sum(axis=1)
        return result

    def recall(self, ids):
        distances = self._distances(np.where(ids > 0, ids, 1))
        return float(((distances <= self.limits[:, None] * (1 + 1e-9)) & (ids > 0)).mean())
