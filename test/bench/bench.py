#!/usr/bin/python3
"""bench.py -- compare this extension with pgvector, hnswlib and faiss.

Called by run.sh, which has built both extensions and names their servers.
README says what is measured and how to choose.
"""

import argparse
import os
import platform

import datasets
import part_types
from measure import say
from part_index import IndexPart
from report import OURS, THEIRS, Report
from servers import Server


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True, help="pg_config of the server with this extension")
    parser.add_argument("--pgvector", required=True, help="pg_config of the server with pgvector")
    parser.add_argument("--pgvector-version", default="")
    parser.add_argument("--client", required=True, help="the program made of client.c")
    parser.add_argument("--work", required=True, help="directory for the servers")
    parser.add_argument("--results", required=True)
    parser.add_argument("--parts", default="copy scan hnsw ivfflat")
    parser.add_argument("--data", default="", help="folders or files, see README; none: generated")
    parser.add_argument("--rows", type=int, default=20000, help="of generated data")
    parser.add_argument("--dims", type=int, default=128)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument("--max-rows", type=int, default=0, help="of a set that is read; 0: all")
    parser.add_argument("--measures", default="search buffers cold insert vacuum churn load")
    parser.add_argument("--hnsw-with", default="", help="options of our hnsw indexes; several, divided by ';'")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of one slice of a measurement")
    parser.add_argument("--load-seconds", type=float, default=10, help="of inserts and queries together, at most")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--copy-rows", type=int, default=10000)
    parser.add_argument("--copy-dims", type=int, default=768)
    parser.add_argument("--scan-dims", default="3 16 128 768 1536")
    parser.add_argument("--scan-types", default="")
    parser.add_argument("--scan-bytes", type=int, default=8 << 20, help="of one table that is scanned")
    parser.add_argument("--scan-rounds", type=int, default=7)
    options = parser.parse_args()
    options.scan_dims = [int(word) for word in options.scan_dims.split()]
    options.scan_types = options.scan_types.split()
    options.index_options = {"hnsw": [words.strip() for words in options.hnsw_with.split(";")], "ivfflat": [""]}
    return options


def cpu_name():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    options = arguments()
    parts = options.parts.split()
    settings = {"max_parallel_maintenance_workers": str(options.processes - 1),
                "max_worker_processes": str(options.processes + 4),
                "max_parallel_workers": str(options.processes)}
    servers = [Server(OURS, options.ours, os.path.join(options.work, OURS), settings),
               Server(THEIRS, options.pgvector, os.path.join(options.work, THEIRS), settings)]
    try:
        for server in servers:
            server.init()
        report = Report(options.results, {
            "cpu": f"{cpu_name()}, {os.cpu_count()} cores",
            "server": servers[0].server_version,
            OURS: servers[0].version,
            THEIRS: options.pgvector_version or servers[1].version,
            "processes of a build": options.processes})
        if "copy" in parts:
            part_types.copy_speed(servers, options, report)
        if "scan" in parts:
            part_types.exact_scans(servers, options, report)
        for data in datasets.load(options):
            for method in ("hnsw", "ivfflat"):
                for index_options in options.index_options[method] if method in parts else []:
                    IndexPart(servers, method, data, options, report, index_options).run()
                    report.plot()
        report.write()
        report.plot()
        say("results are in", options.results)
    finally:
        for server in servers:
            try:
                server.stop()
            except Exception:
                pass


if __name__ == "__main__":
    main()
