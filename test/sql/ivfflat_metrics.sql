-- every operator class: exact order against a sort, rows that are not indexed,
-- queries without a direction
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- seeds: 11 rows, 12 queries
CREATE TABLE few (id int, v vector(24));
INSERT INTO few SELECT i, noise_vector(i, 24, 11) FROM generate_series(1, 1000) i;
CREATE INDEX few_l2 ON few USING ivfflat (v);
CREATE INDEX few_ip ON few USING ivfflat (v vector_ip_ops);
CREATE INDEX few_cosine ON few USING ivfflat (v vector_cosine_ops);
CREATE TABLE many (id int, v vector(100));
INSERT INTO many SELECT i, noise_vector(i, 100, 11) FROM generate_series(1, 1000) i;
CREATE INDEX many_l2 ON many USING ivfflat (v);
CREATE INDEX many_ip ON many USING ivfflat (v vector_ip_ops);
CREATE INDEX many_cosine ON many USING ivfflat (v vector_cosine_ops);
-- integers, whose 8-bit codes are exact
CREATE TABLE pixels (id int, v vector(64));
INSERT INTO pixels SELECT i, (SELECT array_agg((noise(i * 100 + d, 11) + 0.5) * 200 ORDER BY d)::int[]::vector FROM generate_series(1, 64) d)
FROM generate_series(1, 500) i;
CREATE INDEX pixels_l2 ON pixels USING ivfflat (v);

-- all lists: all rows in the order of the operator
SET ivfflat.probes = 32768;
SELECT op, same_order('few', op, 24, 1000, 4, 12), same_order('many', op, 100, 1000, 4, 12)
FROM unnest(ARRAY['<->', '<#>', '<=>']) op;
SELECT nearest('pixels', '<->', v, 500, true) <@ nearest('pixels', '<->', v, 500, false) FROM pixels WHERE id = 3;
-- some lists: most of the nearest
SET ivfflat.probes = 12;
SELECT op, recall('many', op, 100, 5, 20, 12) > 0.5 FROM unnest(ARRAY['<->', '<#>', '<=>']) op;

-- the distances are those of the operators, to the last bit
SET enable_seqscan = off;
WITH nearest AS MATERIALIZED (SELECT id, v <-> noise_vector(1, 24, 12) AS d FROM few ORDER BY d LIMIT 20)
SELECT count(*), bool_and(d = l2_distance(few.v, noise_vector(1, 24, 12))) FROM nearest JOIN few USING (id);

-- NULL is in no index, a vector of zeros has no cosine
SET ivfflat.probes = 32768;
INSERT INTO few VALUES (1001, NULL), (1002, array_fill(0, ARRAY[24])::vector), (1003, NULL);
SELECT op, (SELECT count(*) FROM unnest(nearest('few', op, noise_vector(1, 24, 12), 2000, true))),
	1002 = ANY (nearest('few', op, noise_vector(1, 24, 12), 2000, true)) AS has_zero
FROM unnest(ARRAY['<->', '<#>', '<=>']) op;
REINDEX TABLE few;
SELECT op, (SELECT count(*) FROM unnest(nearest('few', op, noise_vector(1, 24, 12), 2000, true))),
	1002 = ANY (nearest('few', op, noise_vector(1, 24, 12), 2000, true)) AS has_zero
FROM unnest(ARRAY['<->', '<#>', '<=>']) op;

-- queries that give no order still give rows, once each
SET enable_seqscan = off;
PREPARE with_query(vector) AS SELECT id FROM few ORDER BY v <=> $1 LIMIT 2000;
SET plan_cache_mode = force_generic_plan;
CREATE TEMP TABLE got AS EXECUTE with_query(array_fill(0, ARRAY[24])::vector);
SELECT count(*), count(DISTINCT id) FROM got;
DROP TABLE got;
CREATE TEMP TABLE got AS EXECUTE with_query(NULL);
SELECT count(*), count(DISTINCT id) FROM got;
RESET plan_cache_mode;
RESET enable_seqscan;

-- scale does not matter: very large and very small values
CREATE TABLE scale (id int, v vector(4));
INSERT INTO scale SELECT i, noise_vector(i, 4, 13) FROM generate_series(1, 40) i;
CREATE INDEX scale_v ON scale USING ivfflat (v vector_l2_ops);
CREATE INDEX scale_c ON scale USING ivfflat (v vector_cosine_ops);
INSERT INTO scale VALUES (101, '[1e18,0,0,0]'), (102, '[-1e18,1e18,0,0]'), (103, '[1e-20,-1e-20,0,0]'), (104, '[1e-38,0,0,-1e-38]'), (105, '[1e18,1e-18,1,0]');
SELECT same_order('scale', '<=>', 4, 20, 5, 14), cardinality(nearest('scale', '<->', '[0,0,0,0]', 100, true));
SELECT nearest('scale', '<->', '[0,0,0,0]', 2, true) <@ ARRAY[103, 104];

-- the same with coarse codes, beyond the range of floats
CREATE TABLE huge (id int, v vector(70));
INSERT INTO huge SELECT i, noise_vector(i, 70, 13) FROM generate_series(1, 100) i;
CREATE INDEX huge_l2 ON huge USING ivfflat (v vector_l2_ops);
CREATE INDEX huge_ip ON huge USING ivfflat (v vector_ip_ops);
INSERT INTO huge SELECT 200 + i, array_fill(i * 1e38, ARRAY[70])::vector FROM generate_series(-3, 3) i;
SELECT op, nearest('huge', op, array_fill(x, ARRAY[70])::vector, 100, true) = nearest('huge', op, array_fill(x, ARRAY[70])::vector, 100, false)
FROM unnest(ARRAY['<->', '<#>']) op, unnest(ARRAY[7, -0.1]) x;

-- half precision
CREATE TABLE half (id int, v halfvec(100));
INSERT INTO half SELECT id, v FROM many;
CREATE INDEX half_l2 ON half USING ivfflat (v halfvec_l2_ops);
CREATE INDEX half_ip ON half USING ivfflat (v halfvec_ip_ops);
CREATE INDEX half_cosine ON half USING ivfflat (v halfvec_cosine_ops);
SELECT op, nearest('half', op, noise_vector(2, 100, 12), 1000, true) = nearest('half', op, noise_vector(2, 100, 12), 1000, false)
FROM unnest(ARRAY['<->', '<#>', '<=>']) op;

-- bits: equal distances come in any order
CREATE TABLE bits (id int, b bit(100));
INSERT INTO bits SELECT id, binary_quantize(v) FROM many;
CREATE INDEX bits_b ON bits USING ivfflat (b bit_hamming_ops);
CREATE TEMP TABLE by_sort AS
SELECT row_number() OVER (), d FROM (SELECT b <~> binary_quantize(noise_vector(3, 100, 12)) AS d FROM bits ORDER BY 1) x;
SET enable_seqscan = off;
SELECT scans('SELECT id FROM bits ORDER BY b <~> repeat(''1'', 100)::bit(100)');
SELECT count(*), count(DISTINCT id), bool_and(by_index.d = by_sort.d)
FROM (SELECT row_number() OVER (), * FROM (SELECT id, b <~> binary_quantize(noise_vector(3, 100, 12)) AS d FROM bits ORDER BY 2) x) by_index
JOIN by_sort USING (row_number);
RESET enable_seqscan;

-- wide vectors, whose coarse codes do not fit the first page of a segment
CREATE TABLE wide (id int, v vector(2500));
INSERT INTO wide SELECT i, noise_vector(i, 2500, 11) FROM generate_series(1, 70) i;
CREATE INDEX wide_v ON wide USING ivfflat (v) WITH (lists = 2);
INSERT INTO wide SELECT i, noise_vector(i, 2500, 11) FROM generate_series(71, 150) i;
SELECT same_order('wide', '<->', 2500, 150, 2, 12);
SELECT ivfflat_verify('few_l2'), ivfflat_verify('few_ip'), ivfflat_verify('few_cosine'), ivfflat_verify('many_l2'), ivfflat_verify('many_ip'),
	ivfflat_verify('many_cosine'), ivfflat_verify('pixels_l2'), ivfflat_verify('half_l2'), ivfflat_verify('half_ip'), ivfflat_verify('half_cosine'),
	ivfflat_verify('bits_b'), ivfflat_verify('wide_v'), ivfflat_verify('scale_v'), ivfflat_verify('scale_c'),
	ivfflat_verify('huge_l2'), ivfflat_verify('huge_ip');
