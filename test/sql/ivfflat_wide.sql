-- vectors whose codes of 8 bits a dimension do not fit a page: 8,125 to 16,000 dimensions
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- a quick vector: a part is random, seeds 51 rows, 52 queries
CREATE FUNCTION wide_vector(n bigint, dims int, seed bigint) RETURNS vector LANGUAGE sql IMMUTABLE AS
$$SELECT array_agg(noise(n * 97 + d % 89, seed) * (1 + d % 7) ORDER BY d)::vector FROM generate_series(1, dims) d$$;
CREATE FUNCTION agree(tab regclass, op text, dims int, k int) RETURNS bool LANGUAGE sql AS $$
	SELECT bool_and(nearest(tab, op, wide_vector(i, dims, 52), k, true) = nearest(tab, op, wide_vector(i, dims, 52), k, false))
	FROM generate_series(1, 4) i
$$;

-- at the borders
CREATE TABLE t (id int, v vector(8125));
INSERT INTO t SELECT i, wide_vector(i, 8125, 51) FROM generate_series(1, 60) i;
CREATE INDEX t_v ON t USING ivfflat (v);
SET ivfflat.probes = 32768;
SELECT agree('t', '<->', 8125, 20);
SELECT ivfflat_verify('t_v');
DROP TABLE t;
CREATE TABLE t (id int, v vector(16000));
INSERT INTO t SELECT i, wide_vector(i, 16000, 51) FROM generate_series(1, 150) i;
CREATE INDEX t_v ON t USING ivfflat (v) WITH (lists = 5);
SELECT agree('t', '<->', 16000, 20);
SELECT lists, entries FROM ivfflat_statistics('t_v');
-- the vector itself is found, too
SELECT nearest('t', '<->', (SELECT v FROM t WHERE id = 77), 1, true);
-- inserts, deletes, and lists written anew from their codes
INSERT INTO t SELECT i, wide_vector(i, 16000, 51) FROM generate_series(151, 200) i;
DELETE FROM t WHERE id % 3 = 0;
VACUUM t;
SELECT dead_share, entries FROM ivfflat_statistics('t_v');
SELECT agree('t', '<->', 16000, 20);
SELECT ivfflat_verify('t_v');
-- half of the lists find what is near
SET ivfflat.probes = 3;
SELECT nearest('t', '<->', (SELECT v FROM t WHERE id = 77), 1, true);
SET ivfflat.probes = 32768;

DROP INDEX t_v;
CREATE INDEX t_v ON t USING ivfflat (v vector_cosine_ops);
SELECT agree('t', '<=>', 16000, 20);
DROP INDEX t_v;
CREATE INDEX t_v ON t USING ivfflat (v vector_ip_ops);
SELECT agree('t', '<#>', 16000, 20);
SELECT ivfflat_verify('t_v');

-- filled by inserts, and halfvec
CREATE TABLE h (id int, v halfvec(16000));
CREATE INDEX h_v ON h USING ivfflat (v halfvec_l2_ops);
INSERT INTO h SELECT id, v::halfvec(16000) FROM t;
SET enable_seqscan = off;
SELECT id FROM h ORDER BY v <-> (SELECT v FROM h WHERE id = 77) LIMIT 1;
RESET enable_seqscan;
SELECT ivfflat_verify('h_v');

-- values beyond what codes can hold
CREATE TABLE far (id int, v vector(9000));
CREATE INDEX far_v ON far USING ivfflat (v);
INSERT INTO far SELECT i, array_fill((3e38 / i)::float4, ARRAY[9000])::vector FROM generate_series(1, 20) i;
INSERT INTO far SELECT 21, array_fill(0::float4, ARRAY[9000])::vector;
INSERT INTO far SELECT 22, array_fill(1e-40::float4, ARRAY[9000])::vector;
SELECT nearest('far', '<->', array_fill(1, ARRAY[9000])::vector, 5, true)
	= nearest('far', '<->', array_fill(1, ARRAY[9000])::vector, 5, false);
SELECT ivfflat_verify('far_v');
