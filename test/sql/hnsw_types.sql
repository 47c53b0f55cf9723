-- indexes on halfvec and bit
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- seeds: 31 halfvecs, 32 bits, 33 halfvecs of few dimensions
CREATE FUNCTION noise_bits(n bigint, length int, seed bigint) RETURNS bit
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$SELECT string_agg(CASE WHEN noise(n * 20000 + d, seed) < 0 THEN '1' ELSE '0' END, '' ORDER BY d)::bit varying FROM generate_series(1, length) d$$;
CREATE TABLE typed (id int, half halfvec(48), small halfvec(3), bits bit(77));
INSERT INTO typed SELECT i, noise_vector(i, 48, 31), noise_vector(i, 3, 33), noise_bits(i, 77, 32) FROM generate_series(1, 600) i;
INSERT INTO typed SELECT 1000 + i, half, small, bits FROM typed, generate_series(1, 20) i WHERE id = 7;
INSERT INTO typed (id) VALUES (2000);
INSERT INTO typed VALUES (2001, ('[0' || repeat(',0', 47) || ']')::halfvec, '[0,0,0]', repeat('0', 77)::bit(77));
CREATE INDEX typed_half_l2 ON typed USING hnsw (half halfvec_l2_ops);
CREATE INDEX typed_half_ip ON typed USING hnsw (half halfvec_ip_ops);
CREATE INDEX typed_half_cosine ON typed USING hnsw (half halfvec_cosine_ops);
CREATE INDEX typed_half_l1 ON typed USING hnsw (half halfvec_l1_ops);
CREATE INDEX typed_small_l2 ON typed USING hnsw (small halfvec_l2_ops);
CREATE INDEX typed_bits_hamming ON typed USING hnsw (bits bit_hamming_ops);
CREATE INDEX typed_bits_jaccard ON typed USING hnsw (bits bit_jaccard_ops);

-- distances of the 30 nearest rows, by the index and by a sort
CREATE FUNCTION nearest_distances(col text, op text, q text, by_index bool) RETURNS float8[]
LANGUAGE plpgsql AS $$
DECLARE
	query text := format('SELECT %I %s %L AS d FROM typed ORDER BY %1$I %2$s %3$L LIMIT 30', col, op, q);
	result float8[];
BEGIN
	PERFORM set_config('enable_seqscan', (NOT by_index)::text, true),
			set_config('enable_indexscan', by_index::text, true);
	IF scans(query) LIKE 'seq scan%' = by_index THEN
		RAISE EXCEPTION 'unexpected plan: %', scans(query);
	END IF;
	EXECUTE format('SELECT array_agg(d) FROM (%s) x', query) INTO result;
	PERFORM set_config('enable_seqscan', 'on', true), set_config('enable_indexscan', 'on', true);
	RETURN result;
END$$;
CREATE VIEW same_distances AS
SELECT col, op, bool_and(nearest_distances(col, op, q, true) = nearest_distances(col, op, q, false)) AS same
FROM (VALUES ('half', '<->'), ('half', '<#>'), ('half', '<=>'), ('half', '<+>'),
			 ('small', '<->'), ('bits', '<~>'), ('bits', '<%>')) x (col, op),
	 LATERAL (SELECT CASE col WHEN 'half' THEN noise_vector(n, 48, 34)::text
							  WHEN 'small' THEN noise_vector(n, 3, 34)::text
							  ELSE noise_bits(n, 77, 34)::text END AS q
			  FROM generate_series(1, 5) n) y
GROUP BY 1, 2 ORDER BY 1, 2;
-- every element is looked at
SET hnsw.ef_search = 1000;
SELECT * FROM same_distances;
-- and after changes
DELETE FROM typed WHERE id % 3 = 0;
UPDATE typed SET half = noise_vector(id + 5000, 48, 31), bits = noise_bits(id + 5000, 77, 32) WHERE id % 5 = 0;
VACUUM typed;
INSERT INTO typed SELECT i, noise_vector(i, 48, 31), noise_vector(i, 3, 33), noise_bits(i, 77, 32) FROM generate_series(3000, 3200) i;
SELECT * FROM same_distances;
RESET hnsw.ef_search;

-- errors
SELECT id FROM typed ORDER BY bits <~> B'101' LIMIT 1;
SET enable_seqscan = off;
SELECT id FROM typed ORDER BY bits <~> B'101' LIMIT 1;
SELECT id FROM typed ORDER BY half <-> '[1,2]' LIMIT 1;
RESET enable_seqscan;
CREATE TABLE untyped (vb varbit(3), b bit(64001), h halfvec);
CREATE INDEX ON untyped USING hnsw (vb bit_hamming_ops);
CREATE INDEX ON untyped USING hnsw (b bit_hamming_ops);
CREATE INDEX ON untyped USING hnsw (h halfvec_l2_ops);
CREATE INDEX ON untyped USING hnsw ((vb::bit(3)) bit_jaccard_ops);
