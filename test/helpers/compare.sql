-- order, equality and hash, and what the server makes of them; run for :type
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SET types_test.type = :type;
\set cmp :type _cmp
\set hash :type _hash
\set hash_extended :type _hash_extended
\set ops :type _ops
-- values are written as vectors are
CREATE FUNCTION value(text) RETURNS :type LANGUAGE sql IMMUTABLE RETURN ($1::vector):: :type;
SELECT x AS a, y AS b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, :cmp(a, b) AS cmp
	FROM (VALUES ('[1,2]', '[1,2]'), ('[1,2]', '[1,3]'), ('[2,1]', '[1,2]'), ('[1]', '[1,0]'), ('[1,-5]', '[1]'), ('[0]', '[-0]'), ('[2]', '[1,1,1]'), ('[-6e-8]', '[0]'), ('[0,1]', '[1,0]'), ('[0,-1]', '[-1,0]'), ('[0,0]', '[0,0,-1]'), ('[0,0]', '[0,-1,0]')) z(x, y), value(x) a, value(y) b;
SELECT value('[1]') = NULL, value('[1]') IS DISTINCT FROM value('[1]'), NULLIF(value('[1]'), value('[1]'));

-- as arrays of real are ordered
CREATE TABLE list AS
	SELECT i AS id, array_agg(((noise_bits(i * 10 + j, 1) & 3) - 1)::real ORDER BY j)::vector AS d
	FROM generate_series(1, 60) i, generate_series(1, 1 + i % 4) j GROUP BY i;
ALTER TABLE list ADD v :type;
UPDATE list SET v = d;
SELECT count(*), count(*) FILTER (WHERE :cmp(a.v, b.v) <> btarraycmp(a.d::real[], b.d::real[])) AS differs FROM list a, list b;
SELECT string_agg(d::text, ' ' ORDER BY v) = string_agg(d::text, ' ' ORDER BY d::real[]) FROM (SELECT DISTINCT v, d FROM list) x;
SELECT count(DISTINCT v), (SELECT count(*) FROM (SELECT v FROM list UNION SELECT v FROM list) u), (SELECT count(*) FROM (SELECT v FROM list GROUP BY v) g) FROM list;
SELECT greatest(value('[1,2]'), value('[1,3]')), least(value('[1,2]'), value('[1,3]')), value('[1]') IN (value('[2]'), value('[1]')), value('[1,5]') BETWEEN value('[1]') AND value('[2]');

-- B-tree
CREATE TABLE bt (id int, v :type(2));
INSERT INTO bt SELECT i, ARRAY[i % 7, i]:: :type FROM generate_series(1, 500) i;
INSERT INTO bt VALUES (501, NULL);
CREATE UNIQUE INDEX bt_v ON bt (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT id FROM bt WHERE v = value('[3,10]');
SELECT id FROM bt WHERE v = value('[3,10]');
EXPLAIN (COSTS OFF) SELECT id FROM bt ORDER BY v LIMIT 3;
SELECT id FROM bt ORDER BY v LIMIT 3;
SELECT id FROM bt WHERE v > value('[6,480]') ORDER BY v;
SELECT id FROM bt ORDER BY v DESC LIMIT 2;
SELECT attempt_statement($$INSERT INTO bt VALUES (502, value('[3,10]'))$$);
INSERT INTO bt VALUES (502, value('[3,10]')) ON CONFLICT (v) DO UPDATE SET id = excluded.id;
SELECT id FROM bt WHERE v = value('[3,10]');
SELECT attempt_statement($$INSERT INTO bt VALUES (503, value('[-0,0]')), (504, value('[0,0]'))$$);
CREATE INDEX ON bt (v :ops DESC);
SELECT amname, opcname, opcdefault, amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE opcname = :'ops' ORDER BY amname;
RESET enable_seqscan;
RESET enable_bitmapscan;
RESET enable_sort;

-- equal values have equal hashes
SELECT count(*), count(*) FILTER (WHERE (a.v = b.v) <> (:hash(a.v) = :hash(b.v))) AS differs,
	count(*) FILTER (WHERE (a.v = b.v) <> (:hash_extended(a.v, 7) = :hash_extended(b.v, 7))) AS differs_extended FROM list a, list b;
SELECT :hash(value('[0,1]')) = :hash(value('[-0,1]')) AS zero, :hash_extended(value('[-0]'), 5) = :hash_extended(value('[0]'), 5) AS zero_extended,
	:hash_extended(value('[0]'), 5) <> :hash_extended(value('[0]'), 6) AS seeded, :hash(value('[0]')) <> :hash(value('[0,0]')) AS dims;
SELECT count(*), count(*) FILTER (WHERE :hash_extended(v, 0) & 4294967295 = :hash(v)::bigint & 4294967295) AS same FROM list;
SELECT count(DISTINCT :hash(v)) = count(DISTINCT v) AS spread FROM bt WHERE id <= 500;

-- hashed grouping, joins, set operations, indexes, partitions
SET enable_sort = off;
SET enable_mergejoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT DISTINCT v FROM list;
SELECT count(*) FROM (SELECT DISTINCT v FROM list) x;
EXPLAIN (COSTS OFF) SELECT count(*) FROM list a JOIN list b ON a.v = b.v;
SELECT count(*) = (SELECT sum(n * n) FROM (SELECT count(*) AS n FROM list GROUP BY d) x) AS same FROM list a JOIN list b ON a.v = b.v;
SELECT count(*) FROM (SELECT v FROM list INTERSECT SELECT v FROM list WHERE id % 2 = 0) x;
RESET enable_sort;
RESET enable_mergejoin;
RESET enable_nestloop;
CREATE TABLE hashed (id int, v :type);
INSERT INTO hashed SELECT id, v FROM bt WHERE id <= 500;
CREATE INDEX hashed_v ON hashed USING hash (v);
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM hashed WHERE v = value('[3,11]');
SELECT id FROM hashed WHERE v = value('[3,451]');
RESET enable_seqscan;
RESET enable_bitmapscan;
CREATE TABLE split (id int, v :type) PARTITION BY HASH (v);
CREATE TABLE split0 PARTITION OF split FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE split1 PARTITION OF split FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO split SELECT id, v FROM hashed;
SELECT count(*) > 150 AS enough FROM split GROUP BY tableoid;
SELECT count(DISTINCT tableoid) FROM split WHERE v = value('[3,451]');
SELECT hash_array(ARRAY[value('[1]')]) = hash_array(ARRAY[value('[1]')]) AS arrays;

-- the largest and the smallest
SELECT max(v), min(v) FROM list;
SELECT max(v), min(v) FROM list WHERE false;
