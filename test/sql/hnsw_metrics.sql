-- every metric: exact order against a sort, rows that are not indexed, queries
-- without a direction, extreme values
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- seeds: 11 rows, 12 queries
CREATE TABLE t (id int, v vector(24));
INSERT INTO t SELECT i, noise_vector(i, 24, 11) FROM generate_series(1, 300) i;
CREATE INDEX t_l2 ON t USING hnsw (v vector_l2_ops);
CREATE INDEX t_ip ON t USING hnsw (v vector_ip_ops);
CREATE INDEX t_cosine ON t USING hnsw (v vector_cosine_ops);
CREATE INDEX t_l1 ON t USING hnsw (v vector_l1_ops);

-- with as many candidates as rows a search sees every row of a connected graph
SET hnsw.ef_search = 300;
SELECT op, same_order('t', op, 24, 300, 10, 12) FROM unnest(ARRAY['<->', '<=>', '<+>']) op;
-- in an inner product graph nothing points to short vectors but the way back
SELECT same_order('t', '<#>', 24, 50, 10, 12);
RESET hnsw.ef_search;
SELECT op, same_order('t', op, 24, 5, 10, 12) FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) op;

-- the distances are those of the operators, to the last bit
SET enable_seqscan = off;
WITH nearest AS MATERIALIZED (SELECT id, v <-> noise_vector(1, 24, 12) AS d FROM t ORDER BY d LIMIT 20)
SELECT count(*), bool_and(d = l2_distance(t.v, noise_vector(1, 24, 12))) FROM nearest JOIN t USING (id);
RESET enable_seqscan;

-- NULL is in no index, a vector of zeros has no cosine
INSERT INTO t VALUES (1001, NULL), (1002, array_fill(0, ARRAY[24])::vector), (1003, NULL);
SET hnsw.ef_search = 400;
SET enable_seqscan = off;
SELECT op, (SELECT count(*) FROM unnest(nearest('t', op, noise_vector(1, 24, 12), 1000, true))),
	1002 = ANY (nearest('t', op, noise_vector(1, 24, 12), 1000, true)) AS has_zero
FROM unnest(ARRAY['<->', '<=>', '<+>']) op;
REINDEX TABLE t;
SELECT op, (SELECT count(*) FROM unnest(nearest('t', op, noise_vector(1, 24, 12), 1000, true))),
	1002 = ANY (nearest('t', op, noise_vector(1, 24, 12), 1000, true)) AS has_zero
FROM unnest(ARRAY['<->', '<=>', '<+>']) op;

-- queries that give no order still give rows, once each
PREPARE with_query(vector) AS SELECT id FROM t ORDER BY v <=> $1 LIMIT 400;
SET plan_cache_mode = force_generic_plan;
CREATE TEMP TABLE got AS EXECUTE with_query(array_fill(0, ARRAY[24])::vector);
SELECT count(*), count(DISTINCT id) FROM got;
DROP TABLE got;
CREATE TEMP TABLE got AS EXECUTE with_query(NULL);
SELECT count(*), count(DISTINCT id) FROM got;
RESET plan_cache_mode;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM t ORDER BY v <-> (SELECT NULL::vector) LIMIT 400) x;

-- a query of zeros has a distance under the other metrics
SELECT nearest('t', '<->', array_fill(0, ARRAY[24])::vector, 3, true) = nearest('t', '<->', array_fill(0, ARRAY[24])::vector, 3, false);
SELECT nearest('t', '<+>', array_fill(0, ARRAY[24])::vector, 3, true) = nearest('t', '<+>', array_fill(0, ARRAY[24])::vector, 3, false);

-- scale does not matter: very large and very small values, one far away
CREATE TABLE scale (id int, v vector(4));
INSERT INTO scale SELECT i, (noise_vector(i, 4, 13)::real[])::vector FROM generate_series(1, 40) i;
CREATE INDEX scale_v ON scale USING hnsw (v vector_l2_ops);
CREATE INDEX scale_c ON scale USING hnsw (v vector_cosine_ops);
INSERT INTO scale VALUES (101, '[1e18,0,0,0]'), (102, '[-1e18,1e18,0,0]'), (103, '[1e-20,-1e-20,0,0]'), (104, '[1e-38,0,0,-1e-38]'), (105, '[1e18,1e-18,1,0]');
SELECT nearest('scale', '<->', '[9e17,0,0,0]', 2, true);
SELECT nearest('scale', '<->', '[0,0,0,0]', 2, true) <@ ARRAY[103, 104];
-- (of equal distance: 101 and 105, 103 and 104)
SELECT same_order('scale', '<->', 4, 20, 5, 14);
SELECT cardinality(nearest('scale', '<->', '[0,0,0,0]', 100, true));
SELECT nearest('scale', '<=>', '[1,-1,0,0]', 1, true), nearest('scale', '<=>', '[1,0,0,-1]', 1, true);

-- constant and integer vectors have codes without loss or with a step of zero
CREATE TABLE flat (id int, v vector(8));
INSERT INTO flat SELECT i, array_fill(i, ARRAY[8])::vector FROM generate_series(-20, 20) i;
CREATE INDEX flat_v ON flat USING hnsw (v vector_l2_ops);
CREATE INDEX flat_1 ON flat USING hnsw (v vector_l1_ops);
SELECT nearest('flat', '<->', '[3.2,3.2,3.2,3.2,3.2,3.2,3.2,3.2]', 5, true), nearest('flat', '<+>', '[-7,-7,-7,-7.5,-7,-7,-7,-7]', 3, true);
