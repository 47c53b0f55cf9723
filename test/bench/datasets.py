"""datasets.py -- vectors from files, or generated."""

import os

import numpy as np


class Dataset:
    def __init__(self, name, base, queries, metric):
        self.name, self.base, self.queries, self.metric = name, base, queries, metric
        self.dims = base.shape[1]


def read_fvecs(path):
    raw = np.fromfile(path, np.int32)
    return raw.reshape(-1, raw[0] + 1)[:, 1:].view(np.float32)


def write_fvecs(path, vectors):
    out = np.empty((len(vectors), vectors.shape[1] + 1), np.int32)
    out[:, 0] = vectors.shape[1]
    out[:, 1:] = np.ascontiguousarray(vectors, np.float32).view(np.int32)
    out.tofile(path)


def metric_of(base):
    """Unit vectors are compared by their angles, others by L2."""
    lengths = np.linalg.norm(base[:1000], axis=1)
    return "cosine" if np.all(np.abs(lengths - 1) < 1e-3) else "l2"


def read_hdf5(path):
    import h5py
    with h5py.File(path) as file:
        base, queries = np.array(file["train"], np.float32), np.array(file["test"], np.float32)
        metric = {"angular": "cosine", "euclidean": "l2"}.get(file.attrs.get("distance"), metric_of(base))
    return Dataset(os.path.splitext(os.path.basename(path))[0], base, queries, metric)


def generate(rows, dims, queries, seed=1):
    """Clusters of different sizes and shapes, near a subspace whose directions
    have falling variance: what learned embeddings look like.
    """
    rng = np.random.default_rng(seed)
    latent = min(dims, 16 + dims // 16)
    clusters = max(10, rows // 400)
    basis = rng.standard_normal((latent, dims)) / np.sqrt(np.arange(1, latent + 1))[:, None]
    centers = rng.standard_normal((clusters, latent))
    spread = rng.uniform(0.3, 0.9, (clusters, 1))
    weights = rng.pareto(1.5, clusters) + 0.2
    shift = rng.standard_normal(dims)

    def sample(n):
        out = np.empty((n, dims), np.float32)
        for start in range(0, n, 20000):
            part = out[start:start + 20000]
            chosen = rng.choice(clusters, len(part), p=weights / weights.sum())
            points = centers[chosen] + spread[chosen] * rng.standard_normal((len(part), latent))
            part[:] = points @ basis + shift + 0.2 * rng.standard_normal((len(part), dims))
        return out

    return Dataset(f"generated {rows} x {dims}", sample(rows), sample(queries), "l2")


def load(options):
    """The sets that DATA names, each cut down to what the options allow."""
    if not options.data:
        yield generate(options.rows, options.dims, options.queries)
        return
    for path in options.data.split():
        if os.path.isdir(path) and not os.path.exists(os.path.join(path, "base.fvecs")):
            found = [os.path.join(path, name) for name in sorted(os.listdir(path))]
            found = [p for p in found if p.endswith(".hdf5") or os.path.exists(os.path.join(p, "base.fvecs"))]
        else:
            found = [path]
        for one in found:
            if os.path.isdir(one):
                base, queries = read_fvecs(os.path.join(one, "base.fvecs")), read_fvecs(os.path.join(one, "query.fvecs"))
                data = Dataset(os.path.basename(os.path.normpath(one)), base, queries, metric_of(base))
            else:
                data = read_hdf5(one)
            data.queries = data.queries[:options.queries]
            if options.max_rows:
                data.base = data.base[:options.max_rows]
            yield data
