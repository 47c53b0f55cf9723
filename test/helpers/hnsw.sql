-- What the tests of hnsw share.  Starts with an empty schema "hnsw_test".
\set ECHO none
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS vector;
DROP SCHEMA IF EXISTS hnsw_test CASCADE;
CREATE SCHEMA hnsw_test;
SET search_path = hnsw_test, public;

-- numbers in [-0.5, 0.5), the same everywhere for a seed
CREATE FUNCTION noise(n bigint, seed bigint) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$SELECT (hashint8extended(n, seed) & 1048575) / 1048576.0 - 0.5$$;

CREATE FUNCTION noise_vector(n bigint, dims int, seed bigint) RETURNS vector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$SELECT array_agg(noise(n * 20000 + d, seed) ORDER BY d)::vector FROM generate_series(1, dims) d$$;

-- how a query reads its tables: scan nodes in the order of the plan
CREATE FUNCTION scans(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (COSTS OFF, FORMAT JSON) ' || query INTO plan;
	RETURN (SELECT string_agg(coalesce(n ->> 'Index Name', lower(n ->> 'Node Type') || ' ' || (n ->> 'Relation Name')), ', ')
			FROM jsonb_path_query(plan, 'strict $.**') n
			WHERE jsonb_typeof(n) = 'object' AND (n ? 'Relation Name' OR n ? 'Index Name'));
END$$;

-- the k rows of a table (id, v) nearest to q, by the index or by a sort
CREATE FUNCTION nearest(tab regclass, op text, q vector, k int, by_index bool) RETURNS int[]
LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT id FROM %s ORDER BY v %s %L LIMIT %s', tab, op, q, k);
	ids int[];
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true),
			set_config('enable_indexscan', by_index::text, true);
	IF scans(query) LIKE 'seq scan%' = by_index THEN
		RAISE EXCEPTION 'unexpected plan: %', scans(query);
	END IF;
	EXECUTE format('SELECT array_agg(id) FROM (%s) x', query) INTO ids;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'on', true);
	RETURN ids;
END$$;

-- do both give the same rows in the same order, for queries made from a seed?
CREATE FUNCTION same_order(tab regclass, op text, dims int, k int, queries int, seed bigint) RETURNS bool
LANGUAGE sql AS $$
	SELECT bool_and(nearest(tab, op, q, k, true) IS NOT DISTINCT FROM nearest(tab, op, q, k, false))
	FROM (SELECT noise_vector(i, dims, seed) AS q FROM generate_series(1, queries) i) x
$$;

-- share of the exact results that the index finds
CREATE FUNCTION recall(tab regclass, op text, dims int, k int, queries int, seed bigint) RETURNS numeric
LANGUAGE sql AS $$
	SELECT round(avg((SELECT count(*) FROM unnest(nearest(tab, op, q, k, true)) a
					  JOIN unnest(nearest(tab, op, q, k, false)) b ON a = b)) / k, 4)
	FROM (SELECT noise_vector(i, dims, seed) AS q FROM generate_series(1, queries) i) x
$$;

RESET client_min_messages;
\set ECHO all
