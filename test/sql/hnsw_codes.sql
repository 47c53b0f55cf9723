-- codes of fewer bits, and values in the index: the options code_bits and
-- store_values
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
CREATE TABLE t (id int, v vector(40), h halfvec(40), b bit(40), s sparsevec(40), small vector(32));
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (code_bits = 3);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (code_bits = 0);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (code_bits = 'eight');
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (store_values = 2);
CREATE INDEX ON t USING hnsw (v vector_l1_ops) WITH (code_bits = 4);
CREATE INDEX ON t USING hnsw (b bit_hamming_ops) WITH (code_bits = 1);
CREATE INDEX ON t USING hnsw (s sparsevec_l2_ops) WITH (code_bits = 2);
CREATE INDEX ON t USING hnsw (b bit_jaccard_ops) WITH (store_values);
CREATE INDEX ON t USING hnsw (s sparsevec_ip_ops) WITH (store_values);
CREATE INDEX ON t USING hnsw (b bit_hamming_ops) WITH (code_bits = 8, store_values = off);
CREATE UNLOGGED TABLE unlogged_t (v vector(40));
CREATE INDEX ON unlogged_t USING hnsw (v vector_l1_ops) WITH (code_bits = 1);
CREATE INDEX ON unlogged_t USING hnsw (v vector_l2_ops) WITH (code_bits = 1, store_values);

CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (rest_bits = 3);
CREATE INDEX ON t USING hnsw (v vector_l1_ops) WITH (rest_bits = 2);
CREATE INDEX ON t USING hnsw (b bit_hamming_ops) WITH (rest_bits = 1);
CREATE INDEX ON t USING hnsw (s sparsevec_l2_ops) WITH (rest_bits = 2);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (rest_bits = 2, code_bits = 4);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (rest_bits = 2, store_values);
CREATE INDEX ON t USING hnsw (v vector_l1_ops) WITH (rest_bits = auto);
CREATE INDEX ON t USING hnsw (b bit_hamming_ops) WITH (rest_bits = 0);

-- each metric and option
CREATE TABLE cases AS
SELECT row_number() OVER (ORDER BY type, op, codes) AS n, type, name, op, 40 AS dims,
	   'm = 6, ef_construction = 20, ' || codes AS options
FROM unnest('{vector,halfvec}'::text[]) type,
	 (VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>'), ('l1', '<+>')) m (name, op),
	 (SELECT format('code_bits = %s, store_values = %s', bits, stored)
	  FROM unnest('{8,4,2,1}'::int[]) bits, unnest('{f,t}'::bool[]) stored WHERE bits < 8 OR stored
	  UNION ALL
	  SELECT format('rest_bits = %s', bits) FROM unnest('{4,2,1}'::int[]) bits) c (codes)
WHERE codes LIKE 'code_bits = 8%' OR name <> 'l1';
-- dimensions enough for codes to be in halves
INSERT INTO cases
SELECT row_number() OVER (ORDER BY type, op, bits) + (SELECT max(n) FROM cases), type, name, op, 257,
	   format('m = 6, ef_construction = 20, rest_bits = %s', bits)
FROM unnest('{vector,halfvec}'::text[]) type,
	 (VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>')) m (name, op), unnest('{4,1,0}'::int[]) bits;
\set cases :input '/helpers/hnsw_cases.sql'
\i :cases

-- distances come from the index, rows beyond it from the heap: with values in
-- the index nothing is read out of TOAST
CREATE TABLE toasted (id int, v vector(600));
ALTER TABLE toasted ALTER v SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT i, noise_vector(i, 600, 34) FROM generate_series(1, 60) i;
CREATE INDEX toasted_v ON toasted USING hnsw (v vector_l2_ops);
CREATE FUNCTION toast_reads(k int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	toast_index oid := (SELECT i.indexrelid FROM pg_class c JOIN pg_index i ON i.indrelid = c.reltoastrelid WHERE c.oid = 'toasted'::regclass);
	before bigint := pg_stat_get_xact_numscans(toast_index);
	q text := noise_vector(1000, 600, 34);
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE format('SELECT count(*) FROM (SELECT id FROM toasted ORDER BY v <-> %L LIMIT %s) x', q, k);
	RETURN pg_stat_get_xact_numscans(toast_index) - before;
END$$;
SELECT toast_reads(10) > 0 AS reads;
-- an option takes effect when the index is built anew
ALTER INDEX toasted_v SET (store_values = on);
SELECT toast_reads(10) > 0 AS reads;
REINDEX INDEX toasted_v;
SELECT toast_reads(10);
SELECT same_order('toasted', '<->', 600, 20, 3, 35);
ALTER INDEX toasted_v SET (code_bits = 2);
REINDEX INDEX toasted_v;
SELECT toast_reads(10);
SELECT same_order('toasted', '<->', 600, 20, 3, 35);
SELECT hnsw_verify('toasted_v');
SELECT pg_get_indexdef('toasted_v'::regclass);

-- rests of codes, which values that may be in TOAST have by default, leave few of
-- these to be read; rows come in the exact order all the same
ALTER INDEX toasted_v RESET (code_bits, store_values);
ALTER INDEX toasted_v SET (rest_bits = 0);
REINDEX INDEX toasted_v;
SELECT toast_reads(40) AS without, pg_relation_size('toasted_v') AS size \gset
ALTER INDEX toasted_v RESET (rest_bits);
REINDEX INDEX toasted_v;
SELECT toast_reads(40) AS by_default, pg_relation_size('toasted_v') > :size AS larger \gset
ALTER INDEX toasted_v SET (rest_bits = 4);
REINDEX INDEX toasted_v;
SELECT :'larger' AS larger, :by_default * 3 < :without * 2 AS fewer, toast_reads(40) * 4 < :without AS still_fewer;
SELECT same_order('toasted', '<->', 600, 20, 3, 35);
SELECT hnsw_verify('toasted_v');

-- of 4 bits, and dimensions enough, bounds decide which 8-bit codes are read
CREATE TABLE bounded (id int, v vector(300));
INSERT INTO bounded SELECT i, noise_vector(i % 13, 300, 45) + noise_vector(i, 300, 46) FROM generate_series(1, 300) i;
CREATE INDEX bounded_l2 ON bounded USING hnsw (v vector_l2_ops) WITH (code_bits = 4);
CREATE INDEX bounded_ip ON bounded USING hnsw (v vector_ip_ops) WITH (code_bits = 4);
CREATE INDEX bounded_cosine ON bounded USING hnsw (v vector_cosine_ops) WITH (code_bits = 4);
CREATE FUNCTION visits(index regclass, k int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	before bigint := pg_stat_get_xact_blocks_fetched(index);
BEGIN
	SET LOCAL enable_seqscan = off;
	EXECUTE format('SELECT count(*) FROM (SELECT id FROM bounded ORDER BY v <-> %L LIMIT %s) x',
				   noise_vector(5, 300, 45) + noise_vector(1000, 300, 46), k);
	RETURN pg_stat_get_xact_blocks_fetched(index) - before;
END$$;
SET hnsw.ef_search = 300;
SELECT op, same_order('bounded', op, 300, 100, 3, 47) FROM unnest('{<->,<#>,<=>}'::text[]) op;
SELECT visits('bounded_l2', 10) AS by_bounds \gset
ALTER INDEX bounded_l2 SET (code_bits = 2);
REINDEX INDEX bounded_l2;
SELECT visits('bounded_l2', 10) - :by_bounds > 150 AS spared;

-- the same by default: codes of 8 bits in halves, of which the upper one decides
-- which lower ones are read
ALTER INDEX bounded_l2 RESET (code_bits);
ALTER INDEX bounded_ip RESET (code_bits);
ALTER INDEX bounded_cosine SET (code_bits = 8, rest_bits = 2);
REINDEX TABLE bounded;
SELECT op, same_order('bounded', op, 300, 100, 3, 47) FROM unnest('{<->,<#>,<=>}'::text[]) op;
SELECT visits('bounded_l2', 10) AS by_halves \gset
SELECT abs(:by_halves - :by_bounds) < 50 AS as_few;
SELECT count(hnsw_verify(indexrelid)::text) FROM pg_index WHERE indrelid = 'bounded'::regclass;
-- inserts and vacuum link by whole codes; rows with equal values share an element
INSERT INTO bounded SELECT i, noise_vector(i % 13, 300, 45) + noise_vector(i % 400, 300, 46) FROM generate_series(301, 500) i;
DELETE FROM bounded WHERE id % 4 = 1;
VACUUM bounded;
SELECT op, same_order('bounded', op, 300, 100, 3, 47) FROM unnest('{<->,<#>,<=>}'::text[]) op;
SELECT count(hnsw_verify(indexrelid)::text) FROM pg_index WHERE indrelid = 'bounded'::regclass;
RESET hnsw.ef_search;

-- what is larger than a page goes on from page to page
CREATE TABLE wide (id int, v vector(3001));
INSERT INTO wide SELECT i, noise_vector(i, 3001, 36) FROM generate_series(1, 20) i;
CREATE INDEX wide_v ON wide USING hnsw (v vector_cosine_ops) WITH (code_bits = 4, store_values);
INSERT INTO wide SELECT i, noise_vector(i, 3001, 36) FROM generate_series(21, 40) i;
SELECT hnsw_verify('wide_v');
SELECT same_order('wide', '<=>', 3001, 20, 3, 37);
DELETE FROM wide WHERE id % 2 = 0;
VACUUM wide;
INSERT INTO wide SELECT i, noise_vector(i, 3001, 36) FROM generate_series(41, 60) i;
SELECT hnsw_verify('wide_v');
SELECT same_order('wide', '<=>', 3001, 20, 3, 38);
CREATE TABLE widest (id int, v vector(16000), h halfvec(16000));
CREATE INDEX widest_v ON widest USING hnsw (v vector_ip_ops) WITH (code_bits = 1, store_values);
CREATE INDEX widest_h ON widest USING hnsw (h halfvec_l2_ops) WITH (code_bits = 2);
INSERT INTO widest SELECT i, noise_vector(i, 16000, 36), noise_vector(i, 16000, 36) FROM generate_series(1, 12) i;
SELECT same_order('widest', '<#>', 16000, 10, 1, 37);
REINDEX TABLE widest;
SELECT same_order('widest', '<#>', 16000, 10, 1, 37);
SELECT count(hnsw_verify(indexrelid)::text) FROM pg_index WHERE indrelid = 'widest'::regclass;

-- integers: 8 bits hold them as they are, unlike fewer
CREATE TABLE pixels (id int, v vector(64));
INSERT INTO pixels SELECT i, (SELECT array_agg(round((noise(i * 64 + d, 39) + 0.5) * 255) ORDER BY d) FROM generate_series(1, 64) d)::real[] FROM generate_series(1, 500) i;
CREATE INDEX pixels_v ON pixels USING hnsw (v vector_l2_ops) WITH (code_bits = 2);
SELECT hnsw_verify('pixels_v');
SET hnsw.ef_search = 500;
SELECT recall('pixels', '<->', 64, 10, 5, 40);
RESET hnsw.ef_search;

-- both halves hold integers as they are, so that nothing is read out of TOAST but
-- for a query or row that is none
DROP TABLE toasted;
CREATE TABLE toasted (id int, v vector(600));
ALTER TABLE toasted ALTER v SET STORAGE EXTERNAL;
INSERT INTO toasted SELECT i, (SELECT array_agg(round((noise(i * 600 + d, 39) + 0.5) * 255) ORDER BY d) FROM generate_series(1, 600) d)::real[] FROM generate_series(1, 100) i;
CREATE INDEX toasted_v ON toasted USING hnsw (v vector_l2_ops);
CREATE FUNCTION integer_reads(k int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
	toast_index oid := (SELECT i.indexrelid FROM pg_class c JOIN pg_index i ON i.indrelid = c.reltoastrelid WHERE c.oid = 'toasted'::regclass);
	before bigint;
	q text := (SELECT array_agg(round((noise(d, 40) + 0.5) * 255) ORDER BY d) FROM generate_series(1, 600) d)::real[]::vector;
BEGIN
	SET LOCAL enable_seqscan = off;
	before := pg_stat_get_xact_numscans(toast_index);
	EXECUTE format('SELECT count(*) FROM (SELECT id FROM toasted ORDER BY v <-> %L LIMIT %s) x', q, k);
	RETURN pg_stat_get_xact_numscans(toast_index) - before;
END$$;
SELECT integer_reads(10);
SET hnsw.ef_search = 110;
SELECT same_order('toasted', '<->', 600, 100, 3, 35);
INSERT INTO toasted SELECT 101, noise_vector(101, 600, 34);
SELECT same_order('toasted', '<->', 600, 101, 3, 35);
SELECT hnsw_verify('toasted_v');
RESET hnsw.ef_search;

-- few dimensions stay floats: nothing is gained by codes that take as much
INSERT INTO t (id, small) SELECT i, noise_vector(i, 32, 41) FROM generate_series(1, 200) i;
CREATE INDEX small_8 ON t USING hnsw (small vector_l2_ops);
CREATE INDEX small_1 ON t USING hnsw (small vector_l2_ops) WITH (code_bits = 1);
SELECT pg_relation_size('small_8') = pg_relation_size('small_1') AS same_size;

-- halves tell as much as whole codes do, and in parts as much as at once; 0.98 or
-- more is reached by both
CREATE TABLE halved (id int, v vector(256));
INSERT INTO halved SELECT i, noise_vector(i % 50, 256, 48) + noise_vector(i, 256, 49) FROM generate_series(1, 3000) i;
CREATE INDEX halved_v ON halved USING hnsw (v vector_cosine_ops) WITH (rest_bits = 1);
SELECT hnsw_verify('halved_v');
SET hnsw.ef_search = 200;
SELECT recall('halved', '<=>', 256, 10, 25, 50) >= 0.95 AS enough;
SET client_min_messages = warning;
SET maintenance_work_mem = '1MB';
REINDEX INDEX halved_v;
RESET maintenance_work_mem;
RESET client_min_messages;
SELECT hnsw_verify('halved_v');
SELECT recall('halved', '<=>', 256, 10, 25, 50) >= 0.95 AS enough;
RESET hnsw.ef_search;

-- in parts, and by workers: the same rows are found
CREATE TABLE many (id int, v vector(48));
INSERT INTO many SELECT i, noise_vector(i % 100, 48, 42) + noise_vector(i, 48, 43) FROM generate_series(1, 4000) i;
SET client_min_messages = warning;
SET maintenance_work_mem = '1MB';
CREATE INDEX many_v ON many USING hnsw (v vector_l2_ops) WITH (code_bits = 4, store_values);
RESET maintenance_work_mem;
RESET client_min_messages;
SELECT hnsw_verify('many_v');
-- thresholds as in hnsw_recall
SELECT recall('many', '<->', 48, 10, 25, 44) >= 0.85 AS enough;
SET min_parallel_table_scan_size = 0;
SET max_parallel_maintenance_workers = 2;
ALTER INDEX many_v SET (code_bits = 2, store_values = off);
REINDEX INDEX many_v;
RESET max_parallel_maintenance_workers;
RESET min_parallel_table_scan_size;
SELECT hnsw_verify('many_v');
-- what workers build varies: 0.89 with a standard deviation of 0.013
SELECT recall('many', '<->', 48, 10, 25, 44) >= 0.8 AS enough;
SET hnsw.ef_search = 200;
SELECT recall('many', '<->', 48, 10, 25, 44) >= 0.96 AS enough;
RESET hnsw.ef_search;

-- a query without a direction, and a scan that goes on: it finds the rows far
-- away, too, though what is kept for the order comes late
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM many ORDER BY v <-> NULL LIMIT 10) x;
SET hnsw.iterative_scan = strict_order;
SELECT count(*) >= 25 AS enough, bool_and(ordered) AS ordered FROM (SELECT d >= lag(d, 1, d) OVER () AS ordered
	FROM (SELECT v <-> noise_vector(7, 48, 44) AS d FROM many WHERE id % 50 = 7 ORDER BY 1 LIMIT 30) x) y;
SET client_min_messages = warning;
DROP SCHEMA hnsw_test CASCADE;
