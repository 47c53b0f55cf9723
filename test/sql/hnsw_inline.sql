-- codes of the neighbours next to each list: the option inline_codes
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
CREATE TABLE t (id int, v vector(40), b bit(40), s sparsevec(40), large vector(1937));
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (inline_codes = 2);
CREATE INDEX ON t USING hnsw (v vector_l1_ops) WITH (inline_codes);
CREATE INDEX ON t USING hnsw (b bit_hamming_ops) WITH (inline_codes);
CREATE INDEX ON t USING hnsw (s sparsevec_l2_ops) WITH (inline_codes);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (inline_codes, code_bits = 4);
CREATE INDEX ON t USING hnsw (large vector_l2_ops) WITH (inline_codes);
CREATE INDEX ON t USING hnsw ((subvector(large, 1, 1920)::vector(1920)) vector_l2_ops) WITH (inline_codes);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (inline_codes, m = 100, ef_construction = 200);
CREATE INDEX ON t USING hnsw (large vector_l2_ops) WITH (inline_codes, m = 17);
CREATE INDEX ON t USING hnsw (b bit_hamming_ops) WITH (inline_codes = off);

-- Lists of more than one block, dimensions that leave a block partly empty, few
-- that stay floats, and values in the index.
CREATE TABLE cases AS
SELECT row_number() OVER () AS n, *
FROM (VALUES ('vector', 'l2', '<->', 40, 'm = 6, ef_construction = 80, inline_codes'),
	('vector', 'ip', '<#>', 40, 'm = 6, ef_construction = 80, inline_codes'),
	('vector', 'cosine', '<=>', 41, 'm = 6, ef_construction = 80, inline_codes'),
	('halfvec', 'l2', '<->', 70, 'm = 20, ef_construction = 80, inline_codes'),
	('halfvec', 'ip', '<#>', 5, 'm = 40, ef_construction = 80, inline_codes'),
	('vector', 'l2', '<->', 1, 'm = 2, ef_construction = 80, inline_codes'),
	('vector', 'cosine', '<=>', 1100, 'm = 5, ef_construction = 80, inline_codes, store_values'))
	c (type, name, op, dims, options);
\set cases :input '/helpers/hnsw_cases.sql'
\i :cases

-- an index built empty; an option takes effect when the index is built anew
CREATE UNLOGGED TABLE grown (id int, v vector(40));
CREATE INDEX grown_v ON grown USING hnsw (v vector_l2_ops) WITH (inline_codes);
INSERT INTO grown SELECT * FROM rows(1, 300, 40);
SELECT hnsw_verify('grown_v');
SET hnsw.ef_search = 400;
SELECT same_order('grown', '<->', 40, 20, 3, 54);
RESET hnsw.ef_search;
CREATE FUNCTION size() RETURNS bigint LANGUAGE sql AS $$SELECT pg_relation_size('grown_v')$$;
REINDEX INDEX grown_v;
SELECT size() AS inline \gset
ALTER INDEX grown_v SET (inline_codes = off);
SELECT size() = :inline AS same;
REINDEX INDEX grown_v;
SELECT size() < :inline AS smaller;
SELECT hnsw_verify('grown_v');

-- in parts, and by workers
CREATE TABLE many (id int, v vector(48));
INSERT INTO many SELECT i, noise_vector(i % 100, 48, 42) + noise_vector(i, 48, 43) FROM generate_series(1, 4000) i;
SET client_min_messages = warning;
SET maintenance_work_mem = '1MB';
CREATE INDEX many_v ON many USING hnsw (v vector_l2_ops) WITH (inline_codes);
RESET maintenance_work_mem;
RESET client_min_messages;
SELECT hnsw_verify('many_v');
-- thresholds as in hnsw_recall
SELECT recall('many', '<->', 48, 10, 25, 44) >= 0.85 AS enough;
SET min_parallel_table_scan_size = 0;
SET max_parallel_maintenance_workers = 2;
REINDEX INDEX many_v;
RESET max_parallel_maintenance_workers;
RESET min_parallel_table_scan_size;
SELECT hnsw_verify('many_v');
-- what workers build varies: 0.89 with a standard deviation of 0.013
SELECT recall('many', '<->', 48, 10, 25, 44) >= 0.8 AS enough;
SET hnsw.ef_search = 200;
-- 0.95 are reached
SELECT recall('many', '<->', 48, 10, 25, 44) >= 0.9 AS enough;
RESET hnsw.ef_search;

-- a query without a direction; a scan that goes on finds rows far away, each
-- once; beams so large that they go by the elements' own codes
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM many ORDER BY v <-> NULL LIMIT 10) x;
SET hnsw.iterative_scan = strict_order;
SELECT count(*) >= 25 AS enough, count(DISTINCT id) = count(*) AS once, bool_and(ordered) AS ordered FROM (SELECT id, d >= lag(d, 1, d) OVER () AS ordered
	FROM (SELECT id, v <-> noise_vector(7, 48, 44) AS d FROM many WHERE id % 50 = 7 ORDER BY 2 LIMIT 30) x) y;
SET hnsw.iterative_scan = relaxed_order;
SET hnsw.max_scan_tuples = 100000;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM many ORDER BY v <-> noise_vector(8, 48, 44)) x;
SET hnsw.ef_search = 40000;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM many ORDER BY v <-> noise_vector(8, 48, 44)) x;
SET client_min_messages = warning;
DROP SCHEMA hnsw_test CASCADE;
