-- indexes that start empty and grow: lists are split, dead entries go away
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- seeds: 31 rows, 32 queries, 33 centres
CREATE FUNCTION clustered(n bigint, dims int) RETURNS vector LANGUAGE sql IMMUTABLE AS
$$SELECT noise_vector(n % 30, dims, 33) + l2_normalize(noise_vector(n, dims, 31))$$;
CREATE TABLE t (id int, v vector(80));
CREATE INDEX t_v ON t USING ivfflat (v);
INSERT INTO t SELECT i, clustered(i, 80) FROM generate_series(1, 4000) i;
SET ivfflat.probes = 8;
SELECT recall('t', '<->', 80, 10, 25, 32) AS grown \gset
SELECT :grown > 0.5;
-- the same work finds as much as after a build, but for a margin
REINDEX INDEX t_v;
SELECT recall('t', '<->', 80, 10, 25, 32) - :grown < 0.1;

SELECT ivfflat_verify('t_v');

-- rows that are deleted take no place in a result
TRUNCATE t;
INSERT INTO t SELECT i, clustered(i, 80) FROM generate_series(1, 4000) i;
DELETE FROM t WHERE id % 3 > 0;
SET ivfflat.probes = 32768;
SELECT same_order('t', '<->', 80, 50, 5, 32);
SELECT pg_relation_size('t_v') AS before \gset
VACUUM t;
SELECT dead_share < 0.2 AS compact, entries FROM ivfflat_statistics('t_v');
SELECT ivfflat_verify('t_v');
SELECT same_order('t', '<->', 80, 50, 5, 32);
-- what they took is used again
INSERT INTO t SELECT i, clustered(i, 80) FROM generate_series(5001, 7000) i;
SELECT pg_relation_size('t_v') <= :before;
SELECT ivfflat_verify('t_v');
SELECT same_order('t', '<->', 80, 50, 5, 32);
SELECT count(*), count(DISTINCT id) FROM unnest(nearest('t', '<->', clustered(1, 80), 10000, true)) id;
SELECT count(*) FROM t;

-- no rows at all, and some again
DELETE FROM t;
VACUUM t;
SELECT nearest('t', '<->', clustered(1, 80), 10, true);
INSERT INTO t SELECT i, clustered(i, 80) FROM generate_series(1, 500) i;
SELECT same_order('t', '<->', 80, 500, 2, 32);

SELECT ivfflat_verify('t_v');

-- rows that are all alike cannot be told apart
TRUNCATE t;
INSERT INTO t SELECT i, array_fill(1, ARRAY[80])::vector FROM generate_series(1, 2000) i;
SELECT count(*), count(DISTINCT id) FROM unnest(nearest('t', '<->', clustered(1, 80), 10000, true)) id;

-- lists of equal rows that were written anew give them in the exact order
CREATE TABLE equal (id int, v vector(64));
CREATE INDEX equal_l2 ON equal USING ivfflat (v vector_l2_ops);
CREATE INDEX equal_ip ON equal USING ivfflat (v vector_ip_ops);
INSERT INTO equal SELECT i, noise_vector(i % 8, 64, 31) FROM generate_series(1, 4000) i;
DELETE FROM equal WHERE id % 3 = 0;
VACUUM equal;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT count(*) FROM generate_series(1, 100) q, noise_vector(q, 64, 32) query, LATERAL
	(SELECT d < lag(d) OVER () AS less FROM (SELECT v <-> query AS d FROM equal ORDER BY v <-> query) x) y WHERE less;
SELECT count(*) FROM generate_series(1, 100) q, noise_vector(q, 64, 32) query, LATERAL
	(SELECT d < lag(d) OVER () AS less FROM (SELECT v <#> query AS d FROM equal ORDER BY v <#> query) x) y WHERE less;
SELECT ivfflat_verify('equal_l2'), ivfflat_verify('equal_ip');
RESET enable_seqscan;
RESET enable_sort;

-- bits
CREATE TABLE bits (id int, v bit(64));
CREATE INDEX bits_v ON bits USING ivfflat (v bit_hamming_ops);
INSERT INTO bits SELECT i, binary_quantize(clustered(i, 64)) FROM generate_series(1, 3000) i;
SET enable_seqscan = off;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM bits ORDER BY v <~> repeat('10', 32)::bit(64) LIMIT 10000) x;
SELECT ivfflat_verify('bits_v');
SELECT lists > 1, imbalance < 3 FROM ivfflat_statistics('bits_v');

-- nor can those whose distances overflow: splits do not peel them off one by one
CREATE TABLE far (id int, v vector(3));
CREATE INDEX far_v ON far USING ivfflat (v);
INSERT INTO far SELECT i, ARRAY[3e38 * sin(i), 3e38 * sin(7 * i), 3e38 * cos(i)]::float4[]::vector
FROM generate_series(1, 2000) i;
SELECT lists FROM ivfflat_statistics('far_v');
VACUUM far;
SELECT ivfflat_verify('far_v');
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM far ORDER BY v <-> '[1,2,3]' LIMIT 10000) x;
