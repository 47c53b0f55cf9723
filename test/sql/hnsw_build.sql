-- builds with parallel workers
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
SET min_parallel_table_scan_size = 0;
SET max_parallel_maintenance_workers = 2;
SET maintenance_work_mem = '128MB';

-- seeds and thresholds as in hnsw_recall
CREATE TABLE clusters (id int, v vector(32)) WITH (parallel_workers = 2);
INSERT INTO clusters
SELECT i, noise_vector(i % 50, 32, 23) + l2_normalize(noise_vector(i, 32, 21))
FROM generate_series(1, 3000) i;
CREATE INDEX clusters_l2 ON clusters USING hnsw (v vector_l2_ops);
CREATE INDEX clusters_ip ON clusters USING hnsw (v vector_ip_ops);
CREATE INDEX clusters_cosine ON clusters USING hnsw (v vector_cosine_ops);
SELECT op, recall('clusters', op, 32, 10, 25, 22) >= threshold AS enough
FROM (VALUES ('<->', 0.94), ('<#>', 0.88), ('<=>', 0.94)) x (op, threshold);
SELECT hnsw_verify('clusters_l2'), hnsw_verify('clusters_ip'), hnsw_verify('clusters_cosine');
SET hnsw.ef_search = 1000;
SET enable_seqscan = off;
SELECT count(*) FROM clusters c CROSS JOIN LATERAL (SELECT id FROM clusters ORDER BY v <-> c.v LIMIT 1) x WHERE x.id <> c.id;
RESET enable_seqscan;
RESET hnsw.ef_search;

-- equal rows that different processes meet share an element
CREATE TABLE equal (id int, v vector(3)) WITH (parallel_workers = 2);
INSERT INTO equal SELECT i, ARRAY[i % 7, 1, 2] FROM generate_series(1, 20000) i;
CREATE INDEX equal_v ON equal USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 16);
SELECT hnsw_verify('equal_v');
SET enable_seqscan = off;
SET hnsw.iterative_scan = strict_order;
SET hnsw.max_scan_tuples = 1000000;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM equal ORDER BY v <-> '[1,1,2]' LIMIT 30000) x;
RESET hnsw.max_scan_tuples;
RESET hnsw.iterative_scan;
RESET enable_seqscan;
-- 7 elements, and entries alone for the other rows
SELECT pg_relation_size('equal_v') / current_setting('block_size')::int < 80 AS small;

-- nothing or little to build from
CREATE TABLE few (id int, v vector(3)) WITH (parallel_workers = 2);
CREATE INDEX few_v ON few USING hnsw (v vector_l2_ops);
SELECT hnsw_verify('few_v');
INSERT INTO few VALUES (1, '[1,2,3]'), (2, NULL), (3, '[3,2,1]');
REINDEX INDEX few_v;
SELECT hnsw_verify('few_v');
REINDEX INDEX CONCURRENTLY few_v;
SELECT hnsw_verify('few_v');
CREATE INDEX few_partial ON few USING hnsw (((v * v)::vector(3)) vector_l2_ops) WHERE id > 1;
SELECT hnsw_verify('few_partial');
CREATE INDEX CONCURRENTLY clusters_concurrent ON clusters USING hnsw (v vector_l1_ops);
SELECT hnsw_verify('clusters_concurrent');

-- a row that cannot be indexed, far from the first ones
\set SHOW_CONTEXT never
CREATE TABLE uneven (id int, v vector) WITH (parallel_workers = 2);
INSERT INTO uneven SELECT i, array_fill(i, ARRAY[CASE WHEN i = 9000 THEN 4 ELSE 3 END]) FROM generate_series(1, 10000) i;
CREATE INDEX ON uneven USING hnsw ((v::vector(3)) vector_l2_ops);
