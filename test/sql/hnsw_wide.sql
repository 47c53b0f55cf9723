-- codes larger than a page: 8,141 to 16,000 dimensions
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
CREATE TABLE wide (id int, v vector(10000), w halfvec(16000), edge vector(8141));
CREATE INDEX wide_l2 ON wide USING hnsw (v vector_l2_ops);
CREATE INDEX wide_ip ON wide USING hnsw (w halfvec_ip_ops);
CREATE INDEX wide_edge ON wide USING hnsw (edge vector_cosine_ops);
-- numbers from a seed, cheaper than noise_vector
CREATE FUNCTION waves(n int, dims int) RETURNS real[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$SELECT array_agg(sin(d * (n % 40 + 1) * 0.01) + cos(d * n * 0.1) ORDER BY d) FROM generate_series(1, dims) d$$;
INSERT INTO wide SELECT i, waves(i, 10000), waves(i, 16000)::vector, waves(i, 8141) FROM generate_series(1, 60) i;
CREATE INDEX wide_cosine ON wide USING hnsw (v vector_cosine_ops);
CREATE INDEX wide_l1 ON wide USING hnsw (v vector_l1_ops);
CREATE INDEX wide_half ON wide USING hnsw (w halfvec_l2_ops);
CREATE FUNCTION verify_all() RETURNS bigint LANGUAGE sql AS
$$SELECT count(hnsw_verify(indexrelid)::text) FROM pg_index WHERE indrelid = 'wide'::regclass$$;
SELECT verify_all();

-- by the index and by a sort
CREATE FUNCTION nearest_ids(col text, op text, n int, by_index bool) RETURNS int[]
LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT id FROM wide ORDER BY %I %s %L LIMIT 20', col, op,
						 waves(n, CASE col WHEN 'v' THEN 10000 WHEN 'w' THEN 16000 ELSE 8141 END)::vector);
	result int[];
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true),
			set_config('enable_indexscan', by_index::text, true);
	IF scans(query) LIKE 'seq scan%' = by_index THEN
		RAISE EXCEPTION 'unexpected plan: %', scans(query);
	END IF;
	EXECUTE format('SELECT array_agg(id) FROM (%s) x', query) INTO result;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'on', true);
	RETURN result;
END$$;
CREATE VIEW same_ids AS
SELECT col, op, bool_and(nearest_ids(col, op, n, true) = nearest_ids(col, op, n, false)) AS same
FROM (VALUES ('v', '<->'), ('v', '<=>'), ('v', '<+>'), ('w', '<#>'), ('w', '<->'), ('edge', '<=>')) x (col, op),
	 unnest('{7,1003}'::int[]) n
GROUP BY 1, 2 ORDER BY 1, 2;
SET hnsw.ef_search = 200;
SELECT * FROM same_ids;
DELETE FROM wide WHERE id % 3 = 0;
VACUUM wide;
INSERT INTO wide SELECT i, waves(i, 10000), waves(i, 16000)::vector, waves(i, 8141) FROM generate_series(100, 119) i;
SELECT * FROM same_ids;
SELECT verify_all();

-- floats, where rows are too close to each other for 8 bits
CREATE TABLE close_rows (id int, v vector(12000));
INSERT INTO close_rows SELECT i, ARRAY[100 + i * 1e-4, i % 3]::real[] || array_fill(i * 1e-5 + 1, ARRAY[11998]) FROM generate_series(1, 40) i;
CREATE INDEX close_rows_v ON close_rows USING hnsw (v vector_l2_ops);
INSERT INTO close_rows SELECT 100 + i, ARRAY[100 + i * 1e-4, i % 3]::real[] || array_fill(i * 1e-5 + 1.00001, ARRAY[11998]) FROM generate_series(1, 10) i;
SELECT hnsw_verify('close_rows_v');
SELECT pg_relation_size('close_rows_v') > 50 * 48000 AS floats;
DROP SCHEMA hnsw_test CASCADE;
