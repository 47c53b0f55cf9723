-- What is like a photo editor?  <=> is the cosine distance: 0 is the same
-- direction, 1 unrelated.
SELECT name, title, round((embedding <=> embed('photo editor'))::numeric, 3) AS distance
FROM packages
ORDER BY embedding <=> embed('photo editor')
LIMIT 8;

-- The plan shows the index at work.
EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF)
SELECT name FROM packages
ORDER BY embedding <=> embed('photo editor')
LIMIT 8;

-- Nearest neighbours and conditions together: a hybrid query.  With an
-- iterative scan the index goes on until enough rows match.
SET hnsw.iterative_scan = strict_order;

SELECT name, title, installed_kb, round((embedding <=> embed('play chess'))::numeric, 3) AS distance
FROM packages
WHERE section = 'games' AND installed_kb < 2000
ORDER BY embedding <=> embed('play chess')
LIMIT 8;

-- Meaning and full text together: about network traffic, and the word
-- "wireless" must occur.
SELECT name, title, round((embedding <=> embed('watch network traffic'))::numeric, 3) AS distance
FROM packages
WHERE to_tsvector('english', title || ' ' || description) @@ to_tsquery('english', 'wireless')
ORDER BY embedding <=> embed('watch network traffic')
LIMIT 5;

-- What is most like a package that you know?
SELECT p.name, p.title, round((p.embedding <=> known.embedding)::numeric, 3) AS distance
FROM packages known
	CROSS JOIN LATERAL (
		SELECT * FROM packages other
		WHERE other.id <> known.id AND other.section = 'database'
		ORDER BY other.embedding <=> known.embedding
		LIMIT 5) p
WHERE known.name = 'postgresql-15';

-- The index answers approximately.  How many of the 10 nearest does it find,
-- and what does it save?  Milliseconds a query, mean of 100 packages.
SELECT * FROM recall_of_index();

-- Sizes of the table and its index.
SELECT pg_size_pretty(pg_table_size('packages')) AS "table",
	pg_size_pretty(pg_relation_size('packages_embedding_idx')) AS "index";
