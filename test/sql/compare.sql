-- order and equality, B-tree indexes
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, vector_cmp(a, b)
	FROM (VALUES ('[1,2]'::vector, '[1,2]'::vector), ('[1,2]', '[1,3]'), ('[2,1]', '[1,2]'), ('[1]', '[1,0]'), ('[1,-5]', '[1]'), ('[0]', '[-0]'), ('[2]', '[1,1,1]'), ('[-1e-45]', '[0]')) x(a, b);
SELECT '[1]'::vector = NULL, '[1]'::vector IS DISTINCT FROM '[1]', NULLIF('[1]'::vector, '[1]');

-- as arrays of real are ordered
CREATE TABLE list AS
	SELECT i AS id, array_agg(((noise_bits(i * 10 + j, 1) & 3) - 1)::real ORDER BY j)::vector AS v
	FROM generate_series(1, 60) i, generate_series(1, 1 + i % 4) j GROUP BY i;
SELECT count(*), count(*) FILTER (WHERE vector_cmp(a.v, b.v) <> btarraycmp(a.v::real[], b.v::real[])) AS differs FROM list a, list b;
SELECT string_agg(v::text, ' ' ORDER BY v) = string_agg(v::text, ' ' ORDER BY v::real[]) FROM (SELECT DISTINCT v FROM list) x;
SELECT count(DISTINCT v), (SELECT count(*) FROM (SELECT v FROM list UNION SELECT v FROM list) u), (SELECT count(*) FROM (SELECT v FROM list GROUP BY v) g) FROM list;
SELECT greatest('[1,2]'::vector, '[1,3]'), least('[1,2]'::vector, '[1,3]'), '[1]'::vector IN ('[2]', '[1]'), '[1,5]'::vector BETWEEN '[1]' AND '[2]';

-- B-tree
CREATE TABLE bt (id int, v vector(2));
INSERT INTO bt SELECT i, ARRAY[i % 7, i]::vector FROM generate_series(1, 500) i;
INSERT INTO bt VALUES (501, NULL);
CREATE UNIQUE INDEX bt_v ON bt (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM bt WHERE v = '[3,10]';
SELECT id FROM bt WHERE v = '[3,10]';
EXPLAIN (COSTS OFF) SELECT id FROM bt ORDER BY v LIMIT 3;
SELECT id FROM bt ORDER BY v LIMIT 3;
SELECT id FROM bt WHERE v > '[6,480]' ORDER BY v;
SELECT id FROM bt ORDER BY v DESC LIMIT 2;
INSERT INTO bt VALUES (502, '[3,10]');
INSERT INTO bt VALUES (502, '[3,10]') ON CONFLICT (v) DO UPDATE SET id = excluded.id;
SELECT id FROM bt WHERE v = '[3,10]';
INSERT INTO bt VALUES (503, '[-0,0]'), (504, '[0,0]');
CREATE INDEX ON bt (v vector_ops DESC);
SELECT amname, opcname, opcdefault, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE opcname = 'vector_ops' AND amname = 'btree';
