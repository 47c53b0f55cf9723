-- 1. What is like a photo editor?  <=> is the cosine distance: 0 for the same
--    direction, 1 for unrelated.
SELECT name, left(title, 60) AS title,
	round((embedding <=> embed('photo editor'))::numeric, 3) AS distance
FROM packages
ORDER BY embedding <=> embed('photo editor')
LIMIT 8;

-- 2. The plan shows the index at work.
EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF)
SELECT name FROM packages
ORDER BY embedding <=> embed('photo editor')
LIMIT 8;

-- 3. Neighbours under conditions.  An iterative scan goes on until enough rows
--    match, however rare they are.
SET hnsw.iterative_scan = strict_order;
SELECT name, left(title, 60) AS title, installed_kb,
	round((embedding <=> embed('play chess'))::numeric, 3) AS distance
FROM packages
WHERE section = 'games' AND installed_kb < 1000
ORDER BY embedding <=> embed('play chess')
LIMIT 8;

-- 4. The planner chooses: the index, or all matching rows if they are few.
EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF)
SELECT name FROM packages
WHERE section = 'games' AND installed_kb < 1000
ORDER BY embedding <=> embed('play chess')
LIMIT 8;

-- 5. The same with a full-text condition: the word has to occur.
SELECT name, left(title, 60) AS title,
	round((embedding <=> embed('watch network traffic'))::numeric, 3) AS distance
FROM packages
WHERE words @@ to_tsquery('english', 'wireless')
ORDER BY embedding <=> embed('watch network traffic')
LIMIT 5;

-- 6. Two searches merged by rank (reciprocal rank fusion): by meaning and by words.
WITH by_meaning AS (
	SELECT id, row_number() OVER (ORDER BY distance) AS rank
	FROM (
		SELECT id, embedding <=> embed('find duplicate files') AS distance
		FROM packages ORDER BY distance LIMIT 40) AS nearest
), by_words AS (
	SELECT id, row_number() OVER (ORDER BY score DESC) AS rank
	FROM (
		SELECT id, ts_rank_cd(words, query, 1) AS score
		FROM packages, plainto_tsquery('english', 'find duplicate files') AS query
		WHERE words @@ query ORDER BY score DESC LIMIT 40) AS best
)
SELECT name, left(title, 50) AS title, m.rank AS by_meaning, w.rank AS by_words
FROM by_meaning m
	FULL JOIN by_words w USING (id)
	JOIN packages USING (id)
ORDER BY coalesce(1.0 / (60 + m.rank), 0) + coalesce(1.0 / (60 + w.rank), 0) DESC
LIMIT 8;

-- 7. What is most like a package that you know, in its section?
SELECT near.name, left(near.title, 60) AS title,
	round(near.distance::numeric, 3) AS distance
FROM packages known
	CROSS JOIN LATERAL (
		SELECT name, title, embedding <=> known.embedding AS distance
		FROM packages
		WHERE section = known.section
		ORDER BY embedding <=> known.embedding
		LIMIT 6) AS near
WHERE known.name = 'gimp';

-- 8. The index is approximate.  How many of the 10 nearest rows does it find, and
--    what does it save?  Milliseconds a query, mean of 100 queries.
SELECT * FROM recall_of_index();

-- 9. What they take.
SELECT pg_size_pretty(pg_table_size('packages')) AS "table",
	pg_size_pretty(pg_relation_size('packages_embedding')) AS "index";
