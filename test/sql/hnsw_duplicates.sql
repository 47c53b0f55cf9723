-- many rows with an equal vector
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
CREATE TABLE t (id int, v vector(4));
INSERT INTO t SELECT i, '[1,2,3,4]' FROM generate_series(1, 3000) i;
INSERT INTO t SELECT 10000 + i, ARRAY[i, 0, 0, 0] FROM generate_series(1, 50) i;
CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops);
SET enable_seqscan = off;

-- all of them count as one candidate, and others are still found
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 2000) x WHERE id <= 3000;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,4]') x WHERE id <= 3000;
SELECT id FROM t ORDER BY v <-> '[30.25,0,0,0]' LIMIT 3;
SELECT id > 10000 AS other FROM (SELECT id, v FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 3003) x ORDER BY v <-> '[1,2,3,4]' OFFSET 2998;

-- inserted ones
INSERT INTO t SELECT i, '[1,2,3,4]' FROM generate_series(3001, 5000) i;
INSERT INTO t SELECT i, '[1,2,3,-4]' FROM generate_series(5001, 7000) i;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 5000) x WHERE id <= 5000;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,-4]' LIMIT 2000) x WHERE id BETWEEN 5001 AND 7000;
SELECT id FROM t ORDER BY v <-> '[30.25,0,0,0]' LIMIT 3;

-- nearly equal is not equal: the codes are the same, the order is exact
INSERT INTO t SELECT 20000 + i, ARRAY[100, 200 + i * 1e-4, 300, 400] FROM generate_series(1, 30) i;
SELECT id FROM t ORDER BY v <-> '[100,200.00301,300,400]' LIMIT 3;
SELECT count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> '[100,200,300,400]' LIMIT 30) x WHERE id > 20000;

-- zeros are equal whatever their sign
INSERT INTO t VALUES (30001, '[0,0,0,-9]'), (30002, '[-0,0,-0,-9]'), (30003, '[0,-0,0,-9]');
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[0,0,0,-9]' LIMIT 3) x WHERE id > 30000;

-- deleting: some, the first, all but the last, all; vacuum keeps the others
DELETE FROM t WHERE id <= 5000 AND id % 3 <> 0;
VACUUM t;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 1666) x WHERE id <= 5000;
DELETE FROM t WHERE id <= 4998 - 3;
VACUUM t;
SELECT id FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 1;
INSERT INTO t SELECT i, '[1,2,3,4]' FROM generate_series(1, 100) i;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 101) x WHERE id <= 5000;
DELETE FROM t WHERE id <= 5000;
VACUUM t;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 10) x WHERE id <= 5000;
INSERT INTO t SELECT i, '[1,2,3,4]' FROM generate_series(1, 500) i;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 500) x WHERE id <= 5000;
SELECT id FROM t ORDER BY v <-> '[30.25,0,0,0]' LIMIT 3;
SELECT id FROM t ORDER BY v <-> '[100,200.00301,300,400]' LIMIT 3;

-- freed places are used again
VACUUM t;
SELECT pg_relation_size('t_v') AS size \gset
DO $$
BEGIN
	FOR i IN 1..5 LOOP
		DELETE FROM t WHERE id <= 5000;
		INSERT INTO t SELECT n, '[1,2,3,4]' FROM generate_series(1, 500) n;
	END LOOP;
END$$;
VACUUM t;
DELETE FROM t WHERE id <= 5000;
VACUUM t;
INSERT INTO t SELECT i, '[1,2,3,4]' FROM generate_series(1, 2500) i;
SELECT pg_relation_size('t_v') <= :size * 1.5 AS bounded;
SELECT count(*) FROM (SELECT id FROM t ORDER BY v <-> '[1,2,3,4]' LIMIT 2500) x WHERE id <= 5000;

-- only duplicates, and cosine: equal directions are not equal vectors
CREATE TABLE same (id int, v vector(3));
CREATE INDEX same_c ON same USING hnsw (v vector_cosine_ops);
INSERT INTO same SELECT i, ARRAY[i, i, i] FROM generate_series(1, 200) i;
INSERT INTO same SELECT i, '[1,0,0]' FROM generate_series(201, 400) i;
SET hnsw.ef_search = 300;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM same ORDER BY v <=> '[1,1,1]') x;
SELECT count(*) FROM (SELECT id FROM same ORDER BY v <=> '[1,0.1,0]' LIMIT 200) x WHERE id > 200;
REINDEX INDEX same_c;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM same ORDER BY v <=> '[1,1,1]') x;
