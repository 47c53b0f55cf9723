-- recall_of_index() asks for the nearest packages of some packages twice, by
-- reading the whole table and through the index, and compares the answers.

CREATE OR REPLACE FUNCTION recall_of_index(
	queries int DEFAULT 100,
	k int DEFAULT 10,
	OUT recall numeric,
	OUT exact_ms numeric,
	OUT index_ms numeric)
LANGUAGE plpgsql AS
$$
DECLARE
	nearest text := 'SELECT array_agg(d) FROM (SELECT embedding <=> $1 AS d '
		'FROM packages ORDER BY embedding <=> $1 LIMIT $2) AS answer';
	query vector;
	exact_answer float8[];
	index_answer float8[];
	wanted bigint := 0;
	found bigint := 0;
	started timestamptz;
	exact_time interval := '0';
	index_time interval := '0';
BEGIN
	FOR query IN
		SELECT embedding FROM packages ORDER BY md5(name) LIMIT queries
	LOOP
		PERFORM set_config('enable_indexscan', 'off', true);
		started := clock_timestamp();
		EXECUTE nearest INTO exact_answer USING query, k;
		exact_time := exact_time + (clock_timestamp() - started);
		PERFORM set_config('enable_indexscan', 'on', true);

		PERFORM set_config('enable_seqscan', 'off', true);
		started := clock_timestamp();
		EXECUTE nearest INTO index_answer USING query, k;
		index_time := index_time + (clock_timestamp() - started);
		PERFORM set_config('enable_seqscan', 'on', true);

		-- By distance, since several packages can be equally near.
		wanted := wanted + cardinality(exact_answer);
		found := found + (
			SELECT count(*) FROM unnest(index_answer) AS d
			WHERE d <= exact_answer[cardinality(exact_answer)]);
	END LOOP;

	recall := round(found / wanted::numeric, 3);
	exact_ms := round(extract(epoch FROM exact_time) * 1000 / queries, 2);
	index_ms := round(extract(epoch FROM index_time) * 1000 / queries, 2);
END
$$;
