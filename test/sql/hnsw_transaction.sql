-- subtransactions, commands that are rolled back, cursors that go back and
-- forth, parallel workers, cancelled statements
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- seeds: 71 rows, 72 queries
CREATE TABLE t (id int PRIMARY KEY, v vector(8));
INSERT INTO t SELECT i, noise_vector(i, 8, 71) FROM generate_series(1, 300) i;
CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops);
SET hnsw.ef_search = 400;
-- its own row is the nearest to a vector
CREATE FUNCTION found(ids int[]) RETURNS int[] LANGUAGE sql AS $$
	SELECT array_agg(i ORDER BY i) FROM unnest(ids) i
	WHERE i = (nearest('t', '<->', noise_vector(i, 8, 71), 1, true))[1]
$$;

-- nested subtransactions
BEGIN;
INSERT INTO t VALUES (401, noise_vector(401, 8, 71));
SAVEPOINT a;
INSERT INTO t VALUES (402, noise_vector(402, 8, 71));
SAVEPOINT b;
INSERT INTO t VALUES (403, noise_vector(403, 8, 71));
DELETE FROM t WHERE id = 401;
SELECT found('{401,402,403}');
ROLLBACK TO b;
SELECT found('{401,402,403}');
RELEASE a;
SAVEPOINT c;
DO $$BEGIN INSERT INTO t VALUES (404, noise_vector(404, 8, 71)); RAISE 'stopped'; EXCEPTION WHEN raise_exception THEN NULL; END$$;
SELECT found('{401,402,403,404}');
COMMIT;
SELECT found('{401,402,403,404}');
SELECT same_order('t', '<->', 8, 302, 5, 72);

-- commands that give the index a new file, rolled back, with changes of rows in between
BEGIN;
REINDEX INDEX t_v;
INSERT INTO t VALUES (501, noise_vector(501, 8, 71));
SELECT found('{501}');
SAVEPOINT a;
TRUNCATE t;
INSERT INTO t VALUES (502, noise_vector(502, 8, 71));
SELECT found('{402,501,502}');
ROLLBACK TO a;
SELECT found('{402,501,502}');
SAVEPOINT b;
CLUSTER t USING t_pkey;
SELECT found('{402,501,502}');
ROLLBACK TO b;
ALTER TABLE t ALTER COLUMN v TYPE vector(4) USING subvector(v, 1, 4);
ROLLBACK;
SELECT found('{402,501,502}');
SELECT same_order('t', '<->', 8, 302, 5, 72);
BEGIN;
DROP INDEX t_v;
ROLLBACK;
CLUSTER t USING t_pkey;
SELECT same_order('t', '<->', 8, 302, 5, 72);
-- a table and its index that are as new as the transaction
BEGIN;
CREATE TABLE new (id int, v vector(8));
CREATE INDEX new_v ON new USING hnsw (v vector_l2_ops);
INSERT INTO new SELECT * FROM t WHERE id <= 100;
SAVEPOINT a;
TRUNCATE new;
INSERT INTO new SELECT * FROM t WHERE id BETWEEN 101 AND 150;
SELECT same_order('new', '<->', 8, 50, 3, 72);
ROLLBACK TO a;
SELECT same_order('new', '<->', 8, 100, 3, 72);
COMMIT;
SELECT same_order('new', '<->', 8, 100, 3, 72);

-- serializable transactions lock the index as a whole
SET enable_seqscan = off;
SET enable_sort = off;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT id FROM t ORDER BY v <-> noise_vector(7, 8, 71) LIMIT 1;
SELECT relation::regclass, locktype FROM pg_locks
WHERE mode = 'SIReadLock' AND pid = pg_backend_pid() AND relation = 't_v'::regclass;
COMMIT;

-- cursors: to and fro, changed rows, subtransactions that end in between
SELECT nearest('t', '<->', noise_vector(1, 8, 72), 302, false) AS ids \gset
SET enable_seqscan = off;
CREATE TABLE expected AS SELECT n, id FROM unnest(:'ids'::int[]) WITH ORDINALITY u (id, n);
CREATE FUNCTION place(wanted int) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT n FROM expected WHERE id = wanted';
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT place(id) FROM t ORDER BY v <-> noise_vector(1, 8, 72);
FETCH 2 FROM c;
FETCH ABSOLUTE 1 FROM c;
FETCH PRIOR FROM c;
FETCH NEXT FROM c;
FETCH LAST FROM c;
FETCH RELATIVE -100 FROM c;
FETCH ABSOLUTE -300 FROM c;
FETCH BACKWARD 5 FROM c;
MOVE ALL IN c;
FETCH PRIOR FROM c;
FETCH ABSOLUTE 303 FROM c;
COMMIT;
BEGIN;
DECLARE c CURSOR FOR SELECT place(id) FROM t ORDER BY v <-> noise_vector(1, 8, 72) FOR UPDATE;
FETCH 2 FROM c;
DELETE FROM t WHERE CURRENT OF c;
FETCH 1 FROM c;
UPDATE t SET v = noise_vector(1, 8, 72) WHERE CURRENT OF c;
FETCH 1 FROM c;
SAVEPOINT a;
FETCH 1 FROM c;
SELECT 1 / 0;
ROLLBACK TO a;
FETCH 1 FROM c;
SAVEPOINT b;
DROP INDEX t_v;
ROLLBACK TO b;
FETCH 1 FROM c;
ROLLBACK;

-- a whole plan in a worker; the setting has another name since 16
SELECT set_config(name, 'on', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');
SET hnsw.ef_search = 2;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 5) x;
SET hnsw.ef_search = 400;
SELECT array_agg(place(id)) FROM (SELECT id FROM t ORDER BY v <-> noise_vector(1, 8, 72) LIMIT 5) x;
SELECT set_config(name, 'off', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query');

-- huge and missing limits
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> noise_vector(1, 8, 72) LIMIT 9223372036854775807) x;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> noise_vector(1, 8, 72) LIMIT NULL OFFSET 300) x;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> noise_vector(1, 8, 72) OFFSET 9223372036854775807) x;

-- cancelled: nothing stays behind
BEGIN;
SET LOCAL statement_timeout = '20ms';
SELECT sum(x.id) FROM generate_series(1, 1000000) n, LATERAL (SELECT id FROM t ORDER BY v <-> noise_vector(n, 8, 72) LIMIT 1) x;
ROLLBACK;
BEGIN;
SET LOCAL statement_timeout = '20ms';
INSERT INTO t SELECT 1000 + i, noise_vector(1000 + i, 8, 71) FROM generate_series(1, 1000000) i;
ROLLBACK;
SELECT count(*) FROM t;
VACUUM t;
SELECT same_order('t', '<->', 8, 302, 5, 72);
