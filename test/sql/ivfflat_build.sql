-- Centroids do not depend on who trains them.
SET min_parallel_table_scan_size = 0;
CREATE TABLE build (id int, v vector(24)) WITH (parallel_workers = 3);
INSERT INTO build
SELECT n, ARRAY(SELECT sin(n % 97 * (i + 1)) * 3 + cos(n * (i + 7)) FROM generate_series(1, 24) i)::vector
FROM generate_series(1, 6000) n;
CREATE TABLE built (workers int, lists int[]);

CREATE FUNCTION build_with(workers int, opclass text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('max_parallel_maintenance_workers', workers::text, true);
	EXECUTE format('CREATE INDEX build_index ON build USING ivfflat (v %I) WITH (lists = 90)', opclass);
	INSERT INTO built SELECT workers, array_agg(entries ORDER BY list) FROM ivfflat_lists('build_index');
	PERFORM ivfflat_verify('build_index');
	DROP INDEX build_index;
END $$;

SELECT build_with(workers, 'vector_l2_ops') FROM unnest('{0, 1, 3, 0}'::int[]) workers;
SELECT count(*) builds, count(DISTINCT lists) outcomes, min(cardinality(lists)) lists FROM built;
TRUNCATE built;
SELECT build_with(workers, 'vector_cosine_ops') FROM unnest('{0, 3}'::int[]) workers;
SELECT count(*) builds, count(DISTINCT lists) outcomes, min(cardinality(lists)) lists FROM built;

-- All rows are in the index, also those that no sample has.
SET enable_seqscan = off;
SET ivfflat.probes = 90;
CREATE INDEX build_index ON build USING ivfflat (v vector_l2_ops) WITH (lists = 90);
SELECT count(*) FROM (SELECT id FROM build ORDER BY v <-> (SELECT v FROM build WHERE id = 1) LIMIT 10000) found;

-- Short lists have small segments: two pages for each of these, and few more.
SELECT pg_relation_size('build_index') / current_setting('block_size')::int < 250 AS small;
DROP TABLE build, built;
DROP FUNCTION build_with;
