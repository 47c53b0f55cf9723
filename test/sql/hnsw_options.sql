-- storage parameters, column types, limits and what the access method refuses
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
CREATE TABLE t (id int, v vector(3), u vector, n int);
INSERT INTO t SELECT i, ARRAY[i, i % 5, 1] FROM generate_series(1, 50) i;

-- ranges
CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops) WITH (m = 2, ef_construction = 4);
DROP INDEX t_v;
CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops) WITH (m = 100, ef_construction = 1000);
DROP INDEX t_v;
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (m = 1);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (m = 101);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (m = 'sixteen');
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (ef_construction = 3);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (ef_construction = 1001);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (lists = 100);

-- candidates must fill a list: checked when the index is built
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (m = 33);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) WITH (ef_construction = 31);
CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 16);
ALTER INDEX t_v SET (m = 20);
SELECT reloptions FROM pg_class WHERE oid = 't_v'::regclass;
REINDEX INDEX t_v;
SELECT nearest('t', '<->', '[10,0,1]', 3, true);
ALTER INDEX t_v SET (ef_construction = 50);
REINDEX INDEX t_v;
SELECT nearest('t', '<->', '[10,0,1]', 3, true);
-- an unlogged table has an init fork to fill, with the same check
CREATE UNLOGGED TABLE ul (v vector(3));
CREATE INDEX ON ul USING hnsw (v vector_l2_ops) WITH (m = 40);

-- the extremes of m give the right rows too
CREATE INDEX t_2 ON t USING hnsw (v vector_ip_ops) WITH (m = 2, ef_construction = 20);
CREATE INDEX t_100 ON t USING hnsw (v vector_l1_ops) WITH (m = 100, ef_construction = 200);
SET hnsw.ef_search = 100;
SELECT nearest('t', '<#>', '[1,0.2,1]', 3, true), nearest('t', '<+>', '[30.25,1.5,1]', 3, true);
RESET hnsw.ef_search;

-- dimensions: the column needs them; codes of more than 8140 do not fit a page
CREATE INDEX ON t USING hnsw (u vector_l2_ops);
CREATE INDEX ON t USING hnsw ((v + v) vector_l2_ops);
CREATE TABLE wide (id int, v vector(8140));
CREATE INDEX wide_v ON wide USING hnsw (v vector_l2_ops);
INSERT INTO wide SELECT i, noise_vector(i, 8140, 3) FROM generate_series(1, 20) i;
SELECT same_order('wide', '<->', 8140, 10, 2, 4);
CREATE TABLE wider (id int, v vector(8141));
CREATE INDEX wider_v ON wider USING hnsw (v vector_l2_ops);
INSERT INTO wider SELECT i, noise_vector(i, 8141, 3) FROM generate_series(1, 20) i;
SELECT same_order('wider', '<->', 8141, 10, 2, 4);
CREATE TABLE widest_bits (b bit(64000), more bit(64001));
CREATE INDEX ON widest_bits USING hnsw (b bit_hamming_ops);
CREATE INDEX ON widest_bits USING hnsw (more bit_hamming_ops);
CREATE TABLE narrow (id int, v vector(1));
INSERT INTO narrow SELECT i, ARRAY[i] FROM generate_series(1, 30) i;
CREATE INDEX narrow_v ON narrow USING hnsw (v vector_l2_ops);
SELECT nearest('narrow', '<->', '[7.25]', 4, true);

-- operator classes: none is the default, types must match
CREATE INDEX ON t USING hnsw (v);
CREATE INDEX ON t USING hnsw (n vector_l2_ops);
CREATE INDEX ON t USING hnsw (n int4_ops);

-- not supported
CREATE UNIQUE INDEX ON t USING hnsw (v vector_l2_ops);
CREATE INDEX ON t USING hnsw (v vector_l2_ops, v vector_ip_ops);
CREATE INDEX ON t USING hnsw (v vector_l2_ops) INCLUDE (id);
CREATE INDEX ON t USING hnsw (v vector_l2_ops DESC);
CREATE INDEX ON t USING hnsw (v vector_l2_ops ASC);
CREATE INDEX ON t USING hnsw (v vector_l2_ops NULLS FIRST);
CLUSTER t USING t_v;
-- (the operator's name is written in another way since 17)
\set VERBOSITY sqlstate
ALTER TABLE t ADD EXCLUDE USING hnsw (v vector_l2_ops WITH =);
\set VERBOSITY default

-- properties
SELECT p, pg_index_has_property('t_v', p) FROM unnest(ARRAY['clusterable', 'index_scan', 'bitmap_scan', 'backward_scan']) p;
SELECT p, pg_index_column_has_property('t_v', 1, p)
FROM unnest(ARRAY['orderable', 'distance_orderable', 'returnable', 'search_array', 'search_nulls']) p;
