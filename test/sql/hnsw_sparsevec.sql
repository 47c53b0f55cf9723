-- indexes on sparsevec: all metrics, codes of all sizes, and their life
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- about n elements at places from a seed, two thirds of them positive
CREATE FUNCTION noise_sparse(k bigint, n int, dims int, seed bigint) RETURNS sparsevec
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$SELECT ('{' || string_agg(place || ':' || value, ',') || '}/' || dims)::sparsevec FROM
  (SELECT DISTINCT ON (place) 1 + ((noise(k * 20000 + d, seed) + 0.5) ^ 2 * dims)::int % dims AS place,
		  round((noise(k * 20000 + d, seed + 1) + 0.17)::numeric, 4) AS value
   FROM generate_series(1, n) d ORDER BY 1) x WHERE value <> 0$$;
-- sizes from 2 to about 400 elements: within slots, and beyond
CREATE TABLE sparse (id int, v sparsevec(5000));
INSERT INTO sparse SELECT i, noise_sparse(i, 2 + (i % 21) * (i % 21), 5000, 61) FROM generate_series(1, 600) i;
INSERT INTO sparse SELECT 1000 + i, v FROM sparse, generate_series(1, 20) i WHERE id IN (4, 20);
INSERT INTO sparse VALUES (2000, NULL), (2001, '{}/5000'), (2002, '{5000:-1e-30}/5000'), (2003, '{1:1e30,2:2}/5000');
CREATE INDEX sparse_l2 ON sparse USING hnsw (v sparsevec_l2_ops);
CREATE INDEX sparse_ip ON sparse USING hnsw (v sparsevec_ip_ops);
CREATE INDEX sparse_cosine ON sparse USING hnsw (v sparsevec_cosine_ops) WITH (m = 6, ef_construction = 24);
CREATE INDEX sparse_l1 ON sparse USING hnsw (v sparsevec_l1_ops);
CREATE FUNCTION verify_all(tab regclass) RETURNS bigint LANGUAGE sql AS
$$SELECT count(hnsw_verify(indexrelid)::text) FROM pg_index WHERE indrelid = tab$$;
SELECT verify_all('sparse');

-- distances of the 40 nearest rows, by the index and by a sort
CREATE FUNCTION nearest_distances(op text, q sparsevec, by_index bool) RETURNS float8[]
LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT v %s %L AS d FROM sparse WHERE v IS NOT NULL ORDER BY v %1$s %2$L LIMIT 40', op, q);
	result float8[];
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true),
			set_config('enable_indexscan', by_index::text, true);
	IF scans(query) LIKE 'seq scan%' = by_index THEN
		RAISE EXCEPTION 'unexpected plan: %', scans(query);
	END IF;
	EXECUTE format('SELECT array_agg(d) FROM (%s) x', query) INTO result;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'on', true);
	RETURN result;
END$$;
CREATE VIEW same_distances AS
SELECT op, bool_and(nearest_distances(op, q, true) = nearest_distances(op, q, false)) AS same
FROM (VALUES ('<->'), ('<#>'), ('<=>'), ('<+>')) x (op),
	 LATERAL (SELECT noise_sparse(n, 3 + n * n * n, 5000, 71) AS q FROM generate_series(1, 6) n
			  UNION ALL SELECT '{5:1}/5000' UNION ALL SELECT v FROM sparse WHERE id IN (4, 20, 599)) y
GROUP BY 1 ORDER BY 1;
-- every element is looked at
SET hnsw.ef_search = 1000;
SELECT * FROM same_distances;
-- a query without elements or NULL has no order under cosine
SET enable_seqscan = off;
SELECT count(*), count(v <-> '{}/5000') FROM (SELECT v FROM sparse ORDER BY v <-> '{}/5000') x;
SELECT count(*) FROM (SELECT v FROM sparse ORDER BY v <=> '{}/5000') x;
SELECT count(*) FROM (SELECT v FROM sparse ORDER BY v <+> (SELECT NULL::sparsevec)) x;
SELECT id FROM sparse ORDER BY v <-> '{5000:-1e-30}/5000' LIMIT 2;
SELECT id FROM sparse ORDER BY v <#> '{1:1}/5000' LIMIT 1;
RESET enable_seqscan;
-- after changes
DELETE FROM sparse WHERE id % 3 = 0;
UPDATE sparse SET v = noise_sparse(id + 5000, 2 + (id % 23) * (id % 23), 5000, 61) WHERE id % 5 = 0;
VACUUM sparse;
INSERT INTO sparse SELECT i, noise_sparse(i, 2 + (i % 19) * (i % 19), 5000, 61) FROM generate_series(3000, 3200) i;
SELECT * FROM same_distances;
SELECT verify_all('sparse');
RESET hnsw.ef_search;

-- vacuum gives back what inserts used: the same rows again take no more room
CREATE TABLE again (id int, v sparsevec(20000));
CREATE INDEX again_v ON again USING hnsw (v sparsevec_l2_ops) WITH (m = 4, ef_construction = 8);
CREATE PROCEDURE fill_again() LANGUAGE sql AS
$$INSERT INTO again SELECT i, noise_sparse(i, 600 + i % 300, 20000, 62) FROM generate_series(1, 150) i$$;
CALL fill_again();
SELECT pg_relation_size('again_v') AS size \gset
DELETE FROM again;
VACUUM again;
CALL fill_again();
DELETE FROM again;
VACUUM again;
CALL fill_again();
SELECT pg_relation_size('again_v') <= :size AS no_larger, verify_all('again');
-- also what an insert that failed has left
DELETE FROM again;
VACUUM again;
BEGIN;
CALL fill_again();
ROLLBACK;
SELECT verify_all('again');
VACUUM again;
SELECT verify_all('again');
SELECT pg_relation_size('again_v') AS size \gset
CALL fill_again();
SELECT pg_relation_size('again_v') <= :size AS no_larger;

-- up to all the elements that the type can have
CREATE TABLE large (id int, v sparsevec(1000000000));
CREATE INDEX large_v ON large USING hnsw (v sparsevec_ip_ops);
INSERT INTO large SELECT n, ('{' || string_agg(d * 10007 || ':' || 1 + noise(n + d, 63), ',' ORDER BY d) || '}/1000000000')::sparsevec
FROM unnest('{1,60,61,90,999,1000,1001,1030,4000,15999,16000}'::int[]) n, generate_series(1, n) d GROUP BY n;
INSERT INTO large VALUES (0, '{1000000000:5}/1000000000');
SET enable_seqscan = off;
SELECT array_agg(id) FROM (SELECT id FROM large ORDER BY v <#> (SELECT v FROM large WHERE id = 16000)) x;
SELECT id FROM large ORDER BY v <#> '{1000000000:1}/1000000000' LIMIT 1;
SELECT verify_all('large');
REINDEX INDEX large_v;
SELECT verify_all('large');
DELETE FROM large WHERE id > 15000;
VACUUM large;
SELECT array_agg(id) FROM (SELECT id FROM large ORDER BY v <#> (SELECT v FROM large WHERE id = 4000)) x;
RESET enable_seqscan;

-- built empty and built late
CREATE TABLE tiny (id int, v sparsevec(100000));
INSERT INTO tiny SELECT i, noise_sparse(i, 4, 100000, 64) FROM generate_series(1, 1000) i;
CREATE INDEX tiny_v ON tiny USING hnsw (v sparsevec_l2_ops);
SELECT pg_relation_size('tiny_v') < 500000 AS small, verify_all('tiny');

-- expressions and partial indexes
CREATE TABLE expressed (id int, s sparsevec, h halfvec(4));
INSERT INTO expressed SELECT i, format('{1:%s,3:%s}/4', i, i % 7 + 1)::sparsevec, ARRAY[i, 0, 1, 0] FROM generate_series(1, 50) i;
CREATE INDEX expressed_s ON expressed USING hnsw ((s::sparsevec(4)) sparsevec_l2_ops) WHERE id % 2 = 0;
CREATE INDEX expressed_h ON expressed USING hnsw ((h::vector::sparsevec(4)) sparsevec_l1_ops);
SET enable_seqscan = off;
SELECT array_agg(id) FROM (SELECT id FROM expressed WHERE id % 2 = 0 ORDER BY s::sparsevec(4) <-> '{1:20.5}/4' LIMIT 3) x;
SELECT array_agg(id) FROM (SELECT id FROM expressed ORDER BY h::vector::sparsevec(4) <+> '{1:20.4}/4' LIMIT 3) x;
SELECT verify_all('expressed');

-- errors
SELECT id FROM sparse ORDER BY v <-> '{1:1}/4999' LIMIT 1;
INSERT INTO expressed VALUES (100, '{1:1}/5', NULL);
CREATE INDEX ON expressed USING hnsw (s sparsevec_l2_ops);
CREATE INDEX ON sparse USING hnsw (v vector_l2_ops);
CREATE INDEX ON sparse USING hnsw (v);
DROP SCHEMA hnsw_test CASCADE;
