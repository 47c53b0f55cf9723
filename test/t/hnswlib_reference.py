#!/usr/bin/python3
"""Data like that of embeddings, and what hnswlib and an exact search find.

    hnswlib_reference.py SEED FOLDER

writes rows.bin and queries.bin (id, vector), for COPY in binary format, and
answers.txt (source, metric, query, ids of the nearest rows, nearest first).

A point is the center of its cluster and noise, both in a space of few
dimensions, a little noise in all dimensions, and a shift that all points share.
"""
import sys

import hnswlib
import numpy as np

ROWS, QUERIES = 10000, 500
DIMS, LATENT_DIMS, CLUSTERS = 96, 16, 400
K, M, EF_CONSTRUCTION, EF_SEARCH = 10, 16, 64, 40


def generate(rng):
    basis = rng.standard_normal((LATENT_DIMS, DIMS))
    centers = rng.standard_normal((CLUSTERS, LATENT_DIMS))
    shift = 0.5 * rng.standard_normal(DIMS)
    total = ROWS + QUERIES
    latent = centers[rng.integers(CLUSTERS, size=total)]
    latent = latent + 0.8 * rng.standard_normal((total, LATENT_DIMS))
    points = latent @ basis + shift + 0.3 * rng.standard_normal((total, DIMS))
    return np.split(points.astype(np.float32), [ROWS])


def write_copy(path, vectors):
    """A table (id int, v vector); ids count from 1."""
    row = np.dtype([
        ("fields", ">i2"), ("id_bytes", ">i4"), ("id", ">i4"),
        ("v_bytes", ">i4"), ("dims", ">i2"), ("unused", ">i2"),
        ("v", ">f4", DIMS)])
    table = np.zeros(len(vectors), row)
    table["fields"] = 2
    table["id_bytes"] = 4
    table["id"] = np.arange(1, len(vectors) + 1)
    table["v_bytes"] = 4 + 4 * DIMS
    table["dims"] = DIMS
    table["v"] = vectors
    with open(path, "wb") as out:
        out.write(b"PGCOPY\n\xff\r\n\0" + bytes(8) + table.tobytes() + b"\xff\xff")


def exact(space, rows, queries):
    rows, queries = rows.astype(np.float64), queries.astype(np.float64)
    if space == "cosine":
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    distances = -2 * queries @ rows.T
    if space == "l2":
        distances += (rows ** 2).sum(axis=1)
    return np.argsort(distances, axis=1)[:, :K]


def approximate(space, rows, queries, seed):
    index = hnswlib.Index(space=space, dim=DIMS)
    index.init_index(max_elements=len(rows), M=M,
                     ef_construction=EF_CONSTRUCTION, random_seed=seed)
    # one thread makes the same graph again
    index.add_items(rows, num_threads=1)
    index.set_ef(EF_SEARCH)
    labels, _ = index.knn_query(queries, k=K, num_threads=1)
    return labels.astype(np.int64)


def main():
    seed, folder = int(sys.argv[1]), sys.argv[2]
    rows, queries = generate(np.random.default_rng(seed))
    write_copy(folder + "/rows.bin", rows)
    write_copy(folder + "/queries.bin", queries)
    with open(folder + "/answers.txt", "w") as out:
        for space in "l2", "cosine", "ip":
            for source, ids in (
                    ("exact", exact(space, rows, queries)),
                    ("hnswlib", approximate(space, rows, queries, seed))):
                for query, nearest in enumerate(ids + 1, 1):
                    nearest = "{" + ",".join(map(str, nearest)) + "}"
                    print(source, space, query, nearest, sep="\t", file=out)


main()
