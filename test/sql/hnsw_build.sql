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

-- less memory than the graph needs: parts, with and without workers
CREATE TABLE large (id int, v vector(32)) WITH (parallel_workers = 2);
INSERT INTO large
SELECT i, noise_vector(i % 50, 32, 23) + l2_normalize(noise_vector(i, 32, 21))
FROM generate_series(1, 8000) i;
INSERT INTO large SELECT -id, v FROM large WHERE id % 4 = 0;
\set VERBOSITY terse
SET max_parallel_maintenance_workers = 0;
SET maintenance_work_mem = '1MB';
CREATE INDEX large_l2 ON large USING hnsw (v vector_l2_ops);
CREATE INDEX large_ip ON large USING hnsw (v vector_ip_ops) WITH (m = 5, ef_construction = 24);
\set VERBOSITY default
SELECT hnsw_verify('large_l2'), hnsw_verify('large_ip');
SELECT recall('large', '<->', 32, 10, 200, 22) AS l2_parts, recall('large', '<#>', 32, 10, 50, 22) AS ip_parts \gset
SET hnsw.ef_search = 1000;
SET enable_seqscan = off;
SELECT count(*) FROM large l CROSS JOIN LATERAL (SELECT id FROM large ORDER BY v <-> l.v LIMIT 1) x WHERE abs(x.id) <> abs(l.id);
RESET enable_seqscan;
RESET hnsw.ef_search;
-- about as large as an index that was built in memory
SELECT pg_relation_size('large_l2') AS parts_size \gset
SET maintenance_work_mem = '64MB';
REINDEX INDEX large_l2;
SELECT abs(pg_relation_size('large_l2') - :parts_size) < 0.05 * :parts_size AS same_size;
REINDEX INDEX large_ip;
-- and of the same quality, with a standard error of 0.01
SELECT :l2_parts - recall('large', '<->', 32, 10, 200, 22) > -0.03 AS l2, :ip_parts - recall('large', '<#>', 32, 10, 50, 22) > -0.03 AS ip;
SET maintenance_work_mem = '1MB';
SET client_min_messages = warning;
REINDEX INDEX large_l2;
DELETE FROM large WHERE id % 2 = 0 OR id < 0;
VACUUM large;
INSERT INTO large SELECT 10000 + i, noise_vector(i % 50, 32, 23) + l2_normalize(noise_vector(i, 32, 24)) FROM generate_series(1, 500) i;
REINDEX INDEX large_ip;
SELECT hnsw_verify('large_l2'), hnsw_verify('large_ip');

SET max_parallel_maintenance_workers = 2;
REINDEX INDEX large_l2;
REINDEX INDEX large_ip;
SELECT hnsw_verify('large_l2'), hnsw_verify('large_ip');

-- no structure at all: what is near to each other is in many parts
CREATE TABLE uniform (id int, v vector(32));
INSERT INTO uniform SELECT i, noise_vector(i, 32, 25) FROM generate_series(1, 8000) i;
SET max_parallel_maintenance_workers = 0;
CREATE INDEX uniform_v ON uniform USING hnsw (v vector_l2_ops);
SELECT hnsw_verify('uniform_v');
SELECT recall('uniform', '<->', 32, 10, 200, 26) AS parts_recall \gset
SET maintenance_work_mem = '64MB';
REINDEX INDEX uniform_v;
SELECT :parts_recall - recall('uniform', '<->', 32, 10, 200, 26) > -0.03 AS same_recall;
SET maintenance_work_mem = '1MB';
SET max_parallel_maintenance_workers = 2;

-- all rows equal, and bits
CREATE TABLE same (id int, v vector(3), b bit(64));
INSERT INTO same SELECT i, '[1,2,3]', (i::bit(32) || (i * 7)::bit(32))::bit(64) FROM generate_series(1, 60000) i;
CREATE INDEX same_v ON same USING hnsw (v vector_l2_ops);
CREATE INDEX same_b ON same USING hnsw (b bit_hamming_ops) WITH (m = 2, ef_construction = 8);
SELECT hnsw_verify('same_v'), hnsw_verify('same_b');

-- codes of varying size, and such that are wider than a page
CREATE TABLE varying (id int, s sparsevec(3000), h halfvec(9000)) WITH (parallel_workers = 2);
INSERT INTO varying
SELECT i, (SELECT ('{' || string_agg(1 + (j * 37 + i * 11) % 3000 || ':' || (i + j) % 9 + 1, ',') || '}/3000')::sparsevec
		   FROM generate_series(1, CASE WHEN i % 50 = 0 THEN 80 ELSE 5 + i % 11 END) j), NULL
FROM generate_series(1, 5000) i;
UPDATE varying SET h = (SELECT array_agg(((id * k) % 17)::real)::halfvec(9000) FROM generate_series(1, 9000) k) WHERE id <= 250;
CREATE INDEX varying_s ON varying USING hnsw (s sparsevec_l2_ops);
CREATE INDEX varying_h ON varying USING hnsw (h halfvec_l2_ops);
SELECT hnsw_verify('varying_s'), hnsw_verify('varying_h');
SET maintenance_work_mem = '64MB';
REINDEX INDEX varying_s;
REINDEX INDEX varying_h;
SELECT hnsw_verify('varying_s'), hnsw_verify('varying_h');
