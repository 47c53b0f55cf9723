-- exact order by values out of line, compressed, and neither
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- seeds: 71 rows, 72 queries
SET hnsw.ef_search = 200;
SET ivfflat.probes = 10;
CREATE FUNCTION value(i int, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS
	'SELECT noise_vector(i, dims, 71)';

-- how often the current transaction looked for a value in a table's TOAST table,
-- and what it has locked of it
CREATE FUNCTION toast_reads(tab regclass) RETURNS bigint LANGUAGE sql AS
	$$SELECT idx_scan FROM pg_stat_xact_all_tables WHERE relid = (SELECT reltoastrelid FROM pg_class WHERE oid = tab)$$;
CREATE FUNCTION toast_locks(tab regclass) RETURNS bigint LANGUAGE sql AS
	$$SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid()
	AND relation IN (SELECT reltoastrelid FROM pg_class WHERE oid = tab
		UNION SELECT indexrelid FROM pg_index WHERE indrelid = (SELECT reltoastrelid FROM pg_class WHERE oid = tab))$$;

-- one chunk and a bit, exactly two, many; and what goes on in the table itself
CREATE TABLE t700 (id int PRIMARY KEY, v vector);
INSERT INTO t700 SELECT i, value(i, 700) FROM generate_series(1, 120) i;
CREATE TABLE t997 (id int PRIMARY KEY, v vector(997));
INSERT INTO t997 SELECT i, value(i, 997) FROM generate_series(1, 120) i;
CREATE INDEX t997_v ON t997 USING hnsw (v vector_cosine_ops) WITH (rest_bits = 0);
CREATE TABLE t2500 (id int PRIMARY KEY, v vector(2500));
INSERT INTO t2500 SELECT i, value(i, 2500) FROM generate_series(1, 120) i;
CREATE INDEX t2500_v ON t2500 USING hnsw (v vector_l2_ops) WITH (rest_bits = 0);
CREATE TABLE t100 (id int PRIMARY KEY, v vector(100));
INSERT INTO t100 SELECT i, value(i, 100) FROM generate_series(1, 120) i;
CREATE INDEX t100_v ON t100 USING hnsw (v vector_l2_ops);
BEGIN;
SELECT same_order('t997', '<=>', 997, 20, 5, 72), same_order('t2500', '<->', 2500, 20, 5, 72),
	same_order('t100', '<->', 100, 20, 5, 72);
SELECT toast_reads('t997') > 600 AS reads, toast_reads('t2500') > 600 AS reads_many, toast_reads('t100') AS no_reads;
SELECT toast_locks('t997') AS locks;
COMMIT;
-- of an expression, by both methods
CREATE VIEW by_expression AS SELECT id, v::vector(700) AS v FROM t700;
CREATE INDEX t700_v ON t700 USING hnsw ((v::vector(700)) vector_l2_ops) WITH (rest_bits = 0);
SELECT same_order('by_expression', '<->', 700, 20, 3, 72);
DROP INDEX t700_v;
CREATE INDEX t700_v ON t700 USING ivfflat ((v::vector(700)) vector_l2_ops) WITH (lists = 3);
SELECT same_order('by_expression', '<->', 700, 20, 3, 72);

-- every way to keep values, in one table
CREATE TABLE kept (id int PRIMARY KEY, note text, v vector(1500));
ALTER TABLE kept ALTER v SET STORAGE external;
INSERT INTO kept SELECT i, NULL, value(i, 1500) FROM generate_series(1, 40) i;
-- the second half of them compresses, to something that is still out of line
ALTER TABLE kept ALTER v SET STORAGE extended;
INSERT INTO kept SELECT i, 'extended', subvector(value(i, 1500), 1, 900) || array_fill(i / 100.0::real, ARRAY[600])::vector
	FROM generate_series(41, 80) i;
-- what compresses well stays in line, with either setting
INSERT INTO kept SELECT i, 'small', subvector(value(i, 1500), 1, 60) || array_fill(i / 100.0::real, ARRAY[1440])::vector
	FROM generate_series(81, 110) i;
ALTER TABLE kept ALTER v SET STORAGE main;
INSERT INTO kept SELECT i, 'main', subvector(value(i, 1500), 1, 60) || array_fill(i / 200.0::real, ARRAY[1440])::vector
	FROM generate_series(111, 140) i;
INSERT INTO kept SELECT i, 'none', NULL FROM generate_series(141, 145) i;
SELECT coalesce(note, 'external') AS note, count(*), min(pg_column_size(v)) < 2000 AS small, min(pg_column_size(v)) < 6000 AS compressed
	FROM kept GROUP BY note ORDER BY min(id);
CREATE INDEX kept_v ON kept USING hnsw (v vector_l2_ops) WITH (rest_bits = 0);
SELECT same_order('kept', '<->', 1500, 30, 5, 72);
CREATE INDEX kept_ivf ON kept USING ivfflat (v vector_cosine_ops) WITH (lists = 2);
SELECT same_order('kept', '<=>', 1500, 30, 5, 72);

-- values that change, also in the same transaction, and rows that go
UPDATE kept SET v = value(id + 1000, 1500) WHERE id % 7 = 0;
UPDATE kept SET v = NULL WHERE id % 11 = 0;
DELETE FROM kept WHERE id % 13 = 0;
UPDATE kept SET note = 'moved' WHERE id % 5 = 0;
SELECT same_order('kept', '<->', 1500, 30, 5, 72);
BEGIN;
UPDATE kept SET v = value(id + 2000, 1500) WHERE id % 3 = 0;
SELECT same_order('kept', '<->', 1500, 30, 3, 72);
SAVEPOINT s;
DELETE FROM kept WHERE id < 100;
SELECT same_order('kept', '<->', 1500, 10, 3, 72);
ROLLBACK TO s;
SELECT same_order('kept', '<->', 1500, 30, 3, 72);
COMMIT;
VACUUM kept;
SELECT same_order('kept', '<->', 1500, 30, 3, 72);
-- another TOAST table
VACUUM FULL kept;
SELECT same_order('kept', '<->', 1500, 30, 3, 72);
BEGIN;
ALTER TABLE kept ALTER note TYPE varchar USING note || '!';
SELECT same_order('kept', '<->', 1500, 30, 3, 72);
TRUNCATE kept;
INSERT INTO kept SELECT i, NULL, value(i, 1500) FROM generate_series(1, 50) i;
SELECT same_order('kept', '<->', 1500, 30, 3, 72);
ROLLBACK;
SELECT same_order('kept', '<->', 1500, 30, 3, 72);

-- cursors see what they saw when they began
SET enable_seqscan = off;
SET enable_sort = off;
BEGIN;
SELECT array_agg(id) AS seen FROM (SELECT id FROM t997 ORDER BY v <=> value(5, 997)) x \gset
DECLARE c CURSOR WITH HOLD FOR SELECT id FROM t997 ORDER BY v <=> value(5, 997);
DECLARE d CURSOR FOR SELECT id FROM t997 ORDER BY v <=> value(5, 997);
CREATE FUNCTION take(c refcursor, n int) RETURNS int[] LANGUAGE plpgsql AS $$
DECLARE
	r record; ids int[] := '{}';
BEGIN
	FOR i IN 1 .. n LOOP
		FETCH c INTO r;
		EXIT WHEN NOT FOUND;
		ids := ids || r.id;
	END LOOP;
	RETURN ids;
END$$;
SELECT take('c', 5) AS c1, take('d', 5) AS d1 \gset
SAVEPOINT s;
UPDATE t997 SET v = value(id + 5000, 997);
SELECT take('c', 5) AS c2, take('d', 5) AS d2 \gset
DELETE FROM t997;
ROLLBACK TO s;
UPDATE t997 SET v = value(id + 6000, 997) WHERE id % 2 = 0;
SELECT take('c', 20) AS c3, take('d', 200) AS d3 \gset
CLOSE d;
COMMIT;
VACUUM t997;
SELECT take('c', 200) AS c4 \gset
SELECT cardinality(:'seen'::int[]) AS rows, :'c1'::int[] || :'c2'::int[] || :'c3'::int[] || :'c4'::int[] = :'seen'::int[] AS with_hold,
	:'d1'::int[] || :'d2'::int[] || :'d3'::int[] = :'seen'::int[] AS without;
CLOSE c;

-- the TOAST table is let go of at the end of a scan, and of one that failed
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM t2500 ORDER BY v <-> value(3, 2500);
MOVE 5 FROM c;
SELECT toast_locks('t2500') > 0 AS held;
CLOSE c;
SELECT toast_locks('t2500') AS held;
SAVEPOINT s;
SELECT 1 / (n - 7) FROM (SELECT row_number() OVER () AS n FROM (SELECT id FROM t2500 ORDER BY v <-> value(3, 2500)) x) y OFFSET 10;
ROLLBACK TO s;
SELECT toast_locks('t2500') AS held;
COMMIT;
DO $$
BEGIN
	FOR i IN 1 .. 3 LOOP
		BEGIN
			PERFORM id / (i - 2) FROM (SELECT id FROM t2500 ORDER BY v <-> value(i, 2500) LIMIT 5) x;
		EXCEPTION WHEN division_by_zero THEN
			RAISE NOTICE 'failed';
		END;
	END LOOP;
	RAISE NOTICE '% locks', toast_locks('t2500');
END$$;

-- one scan for many queries, of two indexes at once
RESET enable_sort;
SELECT count(*), bool_and(x.ids = nearest('t2500', '<->', q.v, 5, false)) AS equal_t2500, bool_and(y.ids = nearest('kept', '<->', k.v, 5, false)) AS equal_kept
FROM generate_series(1, 10) i,
	LATERAL (SELECT noise_vector(i, 2500, 72) AS v) q, LATERAL (SELECT noise_vector(i, 1500, 72) AS v) k,
	LATERAL (SELECT array_agg(id) AS ids FROM (SELECT id FROM t2500 ORDER BY v <-> q.v LIMIT 5) a) x,
	LATERAL (SELECT array_agg(id) AS ids FROM (SELECT id FROM kept ORDER BY v <-> k.v LIMIT 5) b) y;

-- temporary tables, partitions
CREATE TEMP TABLE passing (id int, v vector(700));
INSERT INTO passing SELECT id, v FROM t700;
CREATE INDEX ON passing USING hnsw (v vector_l1_ops);
SELECT same_order('passing', '<+>', 700, 20, 3, 72);
CREATE TABLE parts (id int, v vector(700)) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (50);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (50) TO (200);
INSERT INTO parts SELECT id, v FROM t700;
CREATE INDEX ON parts USING hnsw (v vector_ip_ops) WITH (rest_bits = 0);
SELECT (SELECT array_agg(id) FROM (SELECT id FROM parts ORDER BY v <#> value(9, 700) LIMIT 30) x) =
	(SELECT array_agg(id) FROM (SELECT id FROM t700 ORDER BY (v <#> value(9, 700)) + 0 LIMIT 30) x) AS equal;
-- other types
CREATE TABLE halves (id int, v halfvec(3000));
INSERT INTO halves SELECT i, value(i, 3000) FROM generate_series(1, 60) i;
CREATE INDEX ON halves USING hnsw (v halfvec_l2_ops) WITH (rest_bits = 0);
SELECT same_order('halves', '<->', 3000, 20, 3, 72);
