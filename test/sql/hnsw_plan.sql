-- which plans use the index
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
CREATE TABLE t (id int PRIMARY KEY, cat int, v vector(16));
INSERT INTO t SELECT i, i % 5, noise_vector(i, 16, 61) FROM generate_series(1, 500) i;
CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops);
ANALYZE t;
CREATE FUNCTION q(n int) RETURNS vector LANGUAGE sql IMMUTABLE AS 'SELECT noise_vector(n, 16, 62)';

-- queries that can use it
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM t ORDER BY v <-> '[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]' LIMIT 5;
SELECT query, scans(query) FROM unnest(ARRAY[
	'SELECT id FROM t ORDER BY v <-> q(1)',
	'SELECT id FROM t ORDER BY v <-> q(1) LIMIT 5',
	'SELECT id FROM t ORDER BY q(1) <-> v LIMIT 5',
	'SELECT id, v <-> q(1) AS d FROM t ORDER BY d LIMIT 5',
	'SELECT id FROM t WHERE cat = 1 ORDER BY v <-> q(1) LIMIT 5',
	'SELECT min(v <-> q(1)) FROM t']) query;

-- and those that cannot
RESET enable_seqscan;
SELECT query, scans(query) FROM unnest(ARRAY[
	'SELECT id FROM t ORDER BY v <-> q(1) DESC LIMIT 5',
	'SELECT id FROM t ORDER BY v <-> q(1) NULLS FIRST LIMIT 5',
	'SELECT id FROM t ORDER BY (v <-> q(1)) + 1 LIMIT 5',
	'SELECT id FROM t ORDER BY v <=> q(1) LIMIT 5',
	'SELECT id FROM t ORDER BY v <#> q(1) LIMIT 5',
	'SELECT id FROM t ORDER BY v <+> q(1) LIMIT 5',
	'SELECT id FROM t ORDER BY v <-> v LIMIT 5',
	'SELECT id FROM t ORDER BY v LIMIT 5',
	'SELECT count(*) FROM t']) query;

-- without an order to search by the index is not even used when all else is off
SET enable_seqscan = off;
SET enable_indexonlyscan = off;
CREATE TABLE bare (id int, cat int, v vector(16));
INSERT INTO bare SELECT * FROM t;
CREATE INDEX bare_v ON bare USING hnsw (v vector_l2_ops);
CREATE INDEX bare_v1 ON bare USING hnsw (v vector_l2_ops) WHERE cat = 1;
SELECT query, scans(query) FROM unnest(ARRAY[
	'SELECT count(*) FROM bare',
	'SELECT id FROM bare LIMIT 1',
	'SELECT id FROM bare WHERE cat = 1',
	'SELECT v FROM bare WHERE v IS NOT NULL',
	'SELECT v FROM bare WHERE v = q(1)',
	'SELECT id FROM bare WHERE v <-> q(1) < 1',
	'SELECT a.id FROM bare a JOIN bare b ON a.v = b.v']) query;
SELECT count(*) FROM bare WHERE cat = 1;
RESET enable_seqscan;
RESET enable_indexonlyscan;
RESET enable_bitmapscan;

-- settings decide as for any index
SET enable_indexscan = off;
SELECT scans('SELECT id FROM t ORDER BY v <-> q(1) LIMIT 5');
RESET enable_indexscan;

-- costs alone: a handful of rows is read and sorted, thousands are not
CREATE TABLE few (id int, v vector(16));
INSERT INTO few SELECT id, v FROM t WHERE id <= 50;
CREATE INDEX few_v ON few USING hnsw (v vector_l2_ops);
ANALYZE few;
SELECT scans('SELECT id FROM few ORDER BY v <-> q(1) LIMIT 10');
CREATE TABLE many (id int, cat int, v vector(768));
INSERT INTO many SELECT i, i % 1000, array_fill(i, ARRAY[768])::vector FROM generate_series(1, 4000) i;
CREATE INDEX many_v ON many USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 16);
CREATE INDEX many_cat ON many (cat);
VACUUM ANALYZE many;
CREATE FUNCTION q768(n int) RETURNS vector LANGUAGE sql IMMUTABLE AS 'SELECT array_fill(n, ARRAY[768])::vector';
SELECT query, scans(query) FROM unnest(ARRAY[
	'SELECT id FROM many ORDER BY v <-> q768(1) LIMIT 1',
	'SELECT id FROM many ORDER BY v <-> q768(1) LIMIT 10',
	'SELECT id FROM many ORDER BY v <-> q768(1) LIMIT 40',
	'SELECT id FROM many WHERE id > 2000 ORDER BY v <-> q768(1) LIMIT 10',
	'SELECT id, (SELECT id FROM many m ORDER BY v <-> many.v LIMIT 1) FROM many WHERE cat = 7']) query;
-- a filter with few rows is better served by its own index
SELECT scans('SELECT id FROM many WHERE cat = 7 ORDER BY v <-> q768(1) LIMIT 10');
SET hnsw.iterative_scan = relaxed_order;
SELECT scans('SELECT id FROM many WHERE cat = 7 ORDER BY v <-> q768(1) LIMIT 10');
SELECT scans('SELECT id FROM many WHERE cat < 900 ORDER BY v <-> q768(1) LIMIT 10');
RESET hnsw.iterative_scan;
-- all rows are sorted
SELECT scans('SELECT id FROM many ORDER BY v <-> q768(1)');
-- a higher hnsw.ef_search costs more, and makes no other plan better here
SET hnsw.ef_search = 400;
SELECT scans('SELECT id FROM many ORDER BY v <-> q768(1) LIMIT 10');
RESET hnsw.ef_search;
CREATE FUNCTION cost_of(query text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan -> 0 -> 'Plan' ->> 'Total Cost';
END$$;
SELECT cost_of('SELECT id FROM many ORDER BY v <-> q768(1) LIMIT 10') AS cost \gset
SET hnsw.ef_search = 80;
SELECT cost_of('SELECT id FROM many ORDER BY v <-> q768(1) LIMIT 10') > :cost AS ef_search_costs;
RESET hnsw.ef_search;
SELECT cost_of('SELECT id FROM many ORDER BY v <-> q768(1) LIMIT 20') > :cost AS rows_cost;
SET effective_cache_size = '8MB';
SELECT cost_of('SELECT id FROM many ORDER BY v <-> q768(1) LIMIT 10') > :cost AS cold_pages_cost;
RESET effective_cache_size;

-- an index orders by one distance
CREATE TABLE two_keys (id int, v vector(2));
INSERT INTO two_keys VALUES (1, '[5,0]'), (2, '[-5,0]'), (3, '[0,5]'), (4, '[0,-5]');
INSERT INTO two_keys SELECT n, array[n % 10, 10 + (n * 7) % 1000]::real[]::vector FROM generate_series(5, 2000) n;
CREATE INDEX ON two_keys USING hnsw (v vector_l2_ops);
SET enable_seqscan = off;
SELECT scans('SELECT id FROM two_keys ORDER BY v <-> ''[0,0]'', v <-> ''[100,0]'' LIMIT 4') ~ 'seq scan' AS sorted;
SELECT id FROM two_keys ORDER BY v <-> '[0,0]', v <-> '[100,0]', id LIMIT 4;
RESET enable_seqscan;

-- distances beyond float
CREATE TABLE huge (id int, v vector(3));
CREATE INDEX ON huge USING hnsw (v vector_ip_ops);
INSERT INTO huge SELECT n, array[1e20 * (1 + ((n * 7919) % 1000) / 1000.0), 1e19, 3]::real[]::vector FROM generate_series(1, 1000) n;
SET enable_seqscan = off;
SELECT count(*), bool_and(step >= 0) AS ordered
FROM (SELECT d - lag(d) OVER () AS step FROM (SELECT v <#> '[1e20,0,0]' AS d FROM huge ORDER BY v <#> '[1e20,0,0]' LIMIT 10) x) y;
RESET enable_seqscan;
