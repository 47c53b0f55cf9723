-- does an index tab_v give the k least distances to some queries, in order?  NULL:
-- it is not used.  Rows of equal vectors come in any order.
CREATE FUNCTION same_distances(tab text, op text, type text, dims int, k int) RETURNS bool LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT array_agg(d) FROM (SELECT v %s $1::%s AS d FROM %s ORDER BY 1 LIMIT %s) x', op, type, tab, k);
	by_index float8[];
	by_sort float8[];
BEGIN
	FOR i IN 1 .. 3 LOOP
		PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_indexscan', 'on', true);
		IF i = 1 AND scans(format('SELECT v FROM %s ORDER BY v %s %L LIMIT 1', tab, op, noise_vector(1, dims, 33))) <> tab || '_v' THEN
			RETURN NULL;
		END IF;
		EXECUTE query INTO by_index USING noise_vector(i, dims, 33)::text;
		PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'off', true);
		EXECUTE query INTO by_sort USING noise_vector(i, dims, 33)::text;
		IF by_index IS DISTINCT FROM by_sort THEN
			RETURN false;
		END IF;
	END LOOP;
	RETURN true;
END$$;
