-- hidden columns: a distance that only orders rows is not computed again
CREATE TABLE t (id int, cat int, v vector(2));
INSERT INTO t SELECT n, n % 3, array[n, n * n % 7]::real[]::vector FROM generate_series(1, 300) n;
CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops);
ANALYZE t;
SET enable_seqscan = off;

CREATE FUNCTION distances(query text) RETURNS int LANGUAGE plpgsql AS $$
-- how many nodes of the plan have the distance in their output
DECLARE line text; n int := 0;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || query LOOP
		n := n + (line ~ 'Output:.*<->')::int;
	END LOOP;
	RETURN n;
END$$;

EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM t ORDER BY v <-> '[5,5.2]' LIMIT 3;
SELECT id FROM t ORDER BY v <-> '[5,5.2]' LIMIT 3;

-- nobody reads it
SELECT query, distances(query) FROM unnest(ARRAY[
	'SELECT id FROM t ORDER BY v <-> ''[5,5.2]''',
	'SELECT id FROM t ORDER BY ''[5,5.2]'' <-> v LIMIT 3',
	'SELECT id FROM t WHERE cat = 1 ORDER BY v <-> ''[5,5.2]'' LIMIT 3',
	'SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> ''[5,5.2]'' LIMIT 3) x',
	'WITH x AS MATERIALIZED (SELECT id FROM t ORDER BY v <-> ''[5,5.2]'' LIMIT 3) SELECT * FROM x',
	'(SELECT id FROM t ORDER BY v <-> ''[5,5.2]'' LIMIT 3) UNION ALL (SELECT id FROM t ORDER BY v <-> ''[6,6]'' LIMIT 3)',
	'SELECT o.id, x.id FROM t o, LATERAL (SELECT id FROM t ORDER BY v <-> o.v LIMIT 2) x WHERE o.id < 3',
	'SELECT ARRAY(SELECT id FROM t ORDER BY v <-> ''[5,5.2]'' LIMIT 3)',
	'INSERT INTO t SELECT id FROM t ORDER BY v <-> ''[5,5.2]'' LIMIT 3'
]) query;

-- somebody does
SELECT query, distances(query) > 0 AS computed FROM unnest(ARRAY[
	'SELECT id, v <-> ''[5,5.2]'' FROM t ORDER BY v <-> ''[5,5.2]'' LIMIT 3',
	'SELECT id FROM t ORDER BY v <-> ''[5,5.2]'' FETCH FIRST 3 ROWS WITH TIES',
	'SELECT id FROM t ORDER BY v <-> ''[5,5.2]'', id LIMIT 3',
	'SELECT DISTINCT ON (v <-> ''[5,5.2]'') id FROM t ORDER BY v <-> ''[5,5.2]'' LIMIT 3',
	'SELECT id, row_number() OVER (ORDER BY v <-> ''[5,5.2]'') FROM t LIMIT 3',
	'SELECT id FROM t ORDER BY (v <-> ''[5,5.2]'') + 1 LIMIT 3',
	'SELECT d FROM (SELECT id, v <-> ''[5,5.2]'' AS d FROM t ORDER BY d LIMIT 3) x'
]) query;

-- the same rows with it and without
SELECT count(*) FILTER (WHERE a.id = b.id) AS same
FROM (SELECT id, row_number() OVER () AS n FROM (SELECT id FROM t ORDER BY v <-> '[5,5.3]' LIMIT 20) x) a
JOIN (SELECT id, row_number() OVER () AS n FROM (SELECT id, v <-> '[5,5.3]' FROM t ORDER BY v <-> '[5,5.3]' LIMIT 20) x) b USING (n);
SELECT id FROM t ORDER BY v <-> '[5,5.2]' FETCH FIRST 3 ROWS WITH TIES;

-- merged partitions need it, cursors and locked rows work
CREATE TABLE parts (id int, v vector(2)) PARTITION BY RANGE (id);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (1) TO (151);
CREATE TABLE parts2 PARTITION OF parts FOR VALUES FROM (151) TO (301);
INSERT INTO parts SELECT id, v FROM t;
CREATE INDEX ON parts USING hnsw (v vector_l2_ops);
SELECT id FROM parts ORDER BY v <-> '[150.3,3]' LIMIT 4;
SELECT id FROM t ORDER BY v <-> '[5,5.2]' LIMIT 2 FOR UPDATE;
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM t ORDER BY v <-> '[5,5.2]';
FETCH 3 FROM c;
ROLLBACK;
PREPARE p(vector) AS SELECT id FROM t ORDER BY v <-> $1 LIMIT 2;
SET plan_cache_mode = force_generic_plan;
EXECUTE p('[5,5.2]');
EXECUTE p('[100,3]');
