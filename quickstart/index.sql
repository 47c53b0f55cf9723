-- The graph index for cosine distance.
CREATE INDEX ON packages USING hnsw (embedding vector_cosine_ops);

-- Statistics for the planner, as after any load.
VACUUM ANALYZE packages, terms;
