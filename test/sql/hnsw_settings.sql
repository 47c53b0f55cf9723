-- settings of hnsw and of the library
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- whatever the server has been given
SET vector.instruction_set = auto;
SELECT name, setting, unit, context, vartype, min_val, max_val, enumvals, boot_val
FROM pg_settings WHERE name LIKE 'hnsw.%' OR name LIKE 'vector.%' ORDER BY name COLLATE "C";

SET hnsw.ef_search = 1;
SET hnsw.ef_search = 100000;
SET hnsw.ef_search = 0;
SET hnsw.ef_search = 100001;
SET hnsw.ef_search = 'all';
RESET hnsw.ef_search;
SET hnsw.iterative_scan = strict_order;
SET hnsw.iterative_scan = RELAXED_ORDER;
SET hnsw.iterative_scan = on;
SHOW hnsw.iterative_scan;
RESET hnsw.iterative_scan;
SET hnsw.max_scan_tuples = 1;
SET hnsw.max_scan_tuples = 0;
RESET hnsw.max_scan_tuples;
SET hnsw.scan_mem_multiplier = 2.5;
SET hnsw.scan_mem_multiplier = 0.5;
SET hnsw.scan_mem_multiplier = 1001;
SHOW hnsw.scan_mem_multiplier;
RESET hnsw.scan_mem_multiplier;

-- the prefixes belong to the extension
SET hnsw.ef = 10;
SET vector.anything = 10;

-- instruction sets: which ones there are depends on the CPU, two always are
SHOW vector.instruction_set;
SET vector.instruction_set = baseline;
SELECT '[1,2,3,4,5]'::vector <-> '[5,4,3,2,1]' AS d;
SET vector.instruction_set = auto;
SELECT '[1,2,3,4,5]'::vector <-> '[5,4,3,2,1]' AS d;
\set VERBOSITY sqlstate
SET vector.instruction_set = 'mmx';
SET vector.instruction_set = '';
\set VERBOSITY default
SHOW vector.instruction_set;

-- workers of a parallel query have the setting of their leader
CREATE TABLE t (id int, v vector(5));
INSERT INTO t SELECT i, noise_vector(i, 5, 1) FROM generate_series(1, 1000) i;
SET vector.instruction_set = baseline;
SET min_parallel_table_scan_size = 0;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SELECT count(DISTINCT current_setting('vector.instruction_set')), min(current_setting('vector.instruction_set'))
FROM t WHERE v <-> '[1,1,1,1,1]' > 0;
