-- 1. The graph index for cosine distance.
CREATE INDEX packages_embedding ON packages USING hnsw (embedding vector_cosine_ops);

-- 2. An inverted index for full text, which some queries combine with it.
CREATE INDEX packages_words ON packages USING gin (words);

-- 3. Statistics for the planner, as after any load.
VACUUM ANALYZE packages, terms;
