-- scans: LIMIT and hnsw.ef_search, cursors, prepared statements, joins,
-- iterative scans, errors
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- seeds: 51 rows, 52 queries
CREATE TABLE t (id int PRIMARY KEY, cat int, v vector(16));
INSERT INTO t SELECT i, i % 100, noise_vector(i, 16, 51) FROM generate_series(1, 2000) i;
CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops);
ANALYZE t;
SET enable_seqscan = off;
SET enable_sort = off;
CREATE FUNCTION q(n int) RETURNS vector LANGUAGE sql IMMUTABLE AS 'SELECT noise_vector(n, 16, 52)';

-- hnsw.ef_search bounds the rows of a scan that does not iterate
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> q(1) LIMIT 10) x;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> q(1) LIMIT 100) x;
SET hnsw.ef_search = 100;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> q(1) LIMIT 100) x;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> q(1)) x;
SET hnsw.ef_search = 1;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> q(1) LIMIT 100) x;
RESET hnsw.ef_search;
SELECT id FROM t ORDER BY v <-> q(1) LIMIT 0;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> q(1) LIMIT 5 OFFSET 38) x;

-- rows come in exact order, without doubles, however they are asked for
CREATE FUNCTION ordered(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record; last float8 := '-inf'; ids int[] := '{}'; in_order bool := true;
BEGIN
	FOR r IN EXECUTE query LOOP
		in_order := in_order AND r.d >= last;
		last := r.d;
		ids := ids || r.id;
	END LOOP;
	RETURN format('%s rows, %s, %s', cardinality(ids), CASE WHEN in_order THEN 'in order' ELSE 'out of order' END,
		CASE WHEN cardinality(ids) = (SELECT count(DISTINCT i) FROM unnest(ids) i) THEN 'each once' ELSE 'doubles' END);
END$$;
SELECT ordered('SELECT id, v <-> q(2) AS d FROM t ORDER BY v <-> q(2)');
SET hnsw.ef_search = 1000;
SELECT ordered('SELECT id, v <-> q(2) AS d FROM t ORDER BY v <-> q(2)');
RESET hnsw.ef_search;

-- iterative scans go on
SET hnsw.iterative_scan = strict_order;
SELECT ordered('SELECT id, v <-> q(3) AS d FROM t ORDER BY v <-> q(3) LIMIT 500');
SELECT ordered('SELECT id, v <-> q(3) AS d FROM t WHERE cat = 42 ORDER BY v <-> q(3) LIMIT 10');
SELECT split_part(ordered('SELECT id, v <-> q(3) AS d FROM t ORDER BY v <-> q(3)'), ' ', 1)::int > 1800 AS nearly_all;
SET hnsw.iterative_scan = relaxed_order;
SELECT split_part(ordered('SELECT id, v <-> q(3) AS d FROM t ORDER BY v <-> q(3)'), ',', 1), split_part(ordered('SELECT id, v <-> q(3) AS d FROM t ORDER BY v <-> q(3)'), ',', 3);
SELECT count(*) FROM (SELECT id FROM t WHERE cat = 42 ORDER BY v <-> q(3) LIMIT 10) x;
SELECT count(*) FROM (SELECT id FROM t WHERE cat = 42 ORDER BY v <-> q(3)) x;
-- until a limit
SET hnsw.max_scan_tuples = 1;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> q(3)) x;
SET hnsw.max_scan_tuples = 800;
SELECT count(*) BETWEEN 41 AND 1999 AS some FROM (SELECT id FROM t ORDER BY v <-> q(3)) x;
RESET hnsw.max_scan_tuples;
CREATE TABLE large (id int, v vector(4));
INSERT INTO large SELECT i, noise_vector(i, 4, 51) FROM generate_series(1, 10000) i;
CREATE INDEX large_v ON large USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 20);
SET work_mem = '64kB';
SELECT count(*) BETWEEN 40 AND 9999 AS some FROM (SELECT id FROM large ORDER BY v <-> '[0,0,0,0]') x;
SET hnsw.scan_mem_multiplier = 100;
SELECT count(*) FROM (SELECT id FROM large ORDER BY v <-> '[0,0,0,0]') x;
RESET hnsw.scan_mem_multiplier;
RESET work_mem;
RESET hnsw.iterative_scan;

-- cursors: fetches in steps, rescans, two at a time, held ones
BEGIN;
DECLARE one CURSOR FOR SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 10);
DECLARE two CURSOR FOR SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 20);
FETCH 1 FROM one;
FETCH 1 FROM two;
MOVE 10 FROM one;
FETCH ALL FROM two \g /dev/null
FETCH 1 FROM two;
FETCH BACKWARD FROM one;
ROLLBACK;
BEGIN;
DECLARE back SCROLL CURSOR FOR SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 10);
FETCH 1 FROM back;
MOVE 5 FROM back;
FETCH ABSOLUTE 1 FROM back;
DECLARE held CURSOR WITH HOLD FOR SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = 30) LIMIT 2;
COMMIT;
FETCH 1 FROM held;
CLOSE held;

-- prepared statements
PREPARE near(vector, int) AS SELECT id FROM t ORDER BY v <-> $1 LIMIT $2;
SET plan_cache_mode = force_custom_plan;
EXECUTE near(noise_vector(5, 16, 51), 1);
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE near(noise_vector(5, 16, 51), 1);
EXECUTE near(noise_vector(6, 16, 51), 1);
EXECUTE near(noise_vector(7, 16, 51), 1);
RESET plan_cache_mode;
DEALLOCATE near;

-- joins: the scan starts anew for each outer row
SELECT scans('SELECT a.id, b.id FROM t a CROSS JOIN LATERAL (SELECT id FROM t WHERE id <> a.id ORDER BY v <-> a.v LIMIT 1) b WHERE a.id <= 50');
SELECT count(*) FROM t a CROSS JOIN LATERAL (SELECT id FROM t ORDER BY v <-> a.v LIMIT 1) b WHERE a.id <= 50 AND a.id = b.id;
SELECT a.n, count(b.id) FROM (VALUES (1, q(1)), (2, NULL), (3, q(3))) a (n, v)
LEFT JOIN LATERAL (SELECT id FROM t ORDER BY v <-> a.v LIMIT 7) b ON true GROUP BY 1 ORDER BY 1;
SELECT n, (SELECT id FROM t ORDER BY v <-> (SELECT v FROM t WHERE id = n) LIMIT 1) FROM generate_series(100, 103) n;
WITH near AS MATERIALIZED (SELECT id, v <-> q(1) AS d FROM t ORDER BY d LIMIT 20)
SELECT count(*), bool_and(d <= (SELECT max(d) FROM near)) FROM near;
SELECT count(*) FROM t WHERE id IN (SELECT id FROM t ORDER BY v <-> q(1) LIMIT 5);
SELECT min(v <-> q(1)) = (SELECT v <-> q(1) FROM t ORDER BY v <-> q(1) LIMIT 1) FROM t;

-- queries of another length, or none at all
SELECT id FROM t ORDER BY v <-> '[1,2,3]' LIMIT 1;
SELECT id FROM t ORDER BY v <-> (SELECT noise_vector(1, 17, 52)) LIMIT 1;
INSERT INTO t VALUES (5000, 1, '[1,2,3]');
CREATE TABLE nothing (id int, v vector(3));
CREATE INDEX nothing_v ON nothing USING hnsw (v vector_l2_ops);
SELECT id FROM nothing ORDER BY v <-> '[1,2]' LIMIT 1;
SELECT id FROM nothing ORDER BY v <-> '[1,2,3]' LIMIT 1;

-- row level security and privileges filter after the index
CREATE ROLE hnsw_reader;
GRANT USAGE ON SCHEMA hnsw_test TO hnsw_reader;
GRANT SELECT ON t TO hnsw_reader;
ALTER TABLE t ENABLE ROW LEVEL SECURITY;
CREATE POLICY even ON t USING (id % 2 = 0);
SET ROLE hnsw_reader;
SELECT bool_and(id % 2 = 0), count(*) > 5 AS several FROM (SELECT id FROM t ORDER BY v <-> q(1) LIMIT 10) x;
RESET ROLE;
DROP OWNED BY hnsw_reader;
DROP ROLE hnsw_reader;
