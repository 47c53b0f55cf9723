-- codes of fewer bits behind the coarse ones: the option code_bits
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
CREATE TABLE o (v vector(70), b bit(70), few vector(40));
CREATE INDEX ON o USING ivfflat (v) WITH (code_bits = 2);
CREATE INDEX ON o USING ivfflat (v) WITH (code_bits = 'four');
CREATE INDEX ON o USING ivfflat (b bit_hamming_ops) WITH (code_bits = 4);
CREATE INDEX ON o USING ivfflat (b bit_hamming_ops) WITH (code_bits = 8);
DROP TABLE o;

-- Exact order for each metric, if all lists are read: of an index that was built,
-- has grown, and was vacuumed.  Seeds: 31 clusters, 32 rows, 33 queries.
CREATE TABLE cases AS
SELECT row_number() OVER (ORDER BY type, op) AS n, type, name, op
FROM unnest('{vector,halfvec}'::text[]) type, (VALUES ('l2', '<->'), ('ip', '<#>'), ('cosine', '<=>')) m (name, op);
CREATE FUNCTION rows(first int, last int) RETURNS TABLE (id int, v vector) LANGUAGE sql AS
$$SELECT i, noise_vector(i % 13, 70, 31) + noise_vector(i, 70, 32) FROM generate_series(first, last) i$$;
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT * FROM cases LOOP
		EXECUTE format('CREATE TABLE c%s (id int, v %s(70))', c.n, c.type);
		EXECUTE format('INSERT INTO c%s SELECT * FROM rows(1, 400)', c.n);
		EXECUTE format('CREATE INDEX c%1$s_v ON c%1$s USING ivfflat (v %2$s_%3$s_ops) WITH (lists = 6, code_bits = 4)',
					   c.n, c.type, c.name);
		EXECUTE format('INSERT INTO c%s SELECT * FROM rows(401, 700)', c.n);
	END LOOP;
END$$;
SET ivfflat.probes = 32768;
\set same :input '/helpers/same_distances.sql'
\i :same
CREATE FUNCTION same_distances(tab text, op text, type text) RETURNS bool LANGUAGE sql AS
$$SELECT same_distances(tab, op, type, 70, 200) FROM ivfflat_verify((tab || '_v')::regclass)$$;
SELECT type, name, same_distances('c' || n, op, type) FROM cases ORDER BY n;
SELECT string_agg(format('DELETE FROM c%s WHERE id %% 3 = 0;', n), '') AS deletes FROM cases \gset
:deletes
VACUUM c1, c2, c3, c4, c5, c6;
SELECT type, name, same_distances('c' || n, op, type) FROM cases ORDER BY n;
SELECT sum(entries), max(dead_share) FROM cases, ivfflat_statistics(('c' || n || '_v')::regclass);

-- in an index that was created empty, lists are split and rows move between them
CREATE TABLE grown (id int, v vector(70));
CREATE INDEX grown_v ON grown USING ivfflat (v) WITH (code_bits = 4);
INSERT INTO grown SELECT * FROM rows(1, 3000);
VACUUM grown;
SELECT lists > 1, entries FROM ivfflat_statistics('grown_v');
SELECT same_distances('grown', '<->', 'vector');
-- recall is measured by these codes, too
RESET ivfflat.probes;
SET ivfflat.target_recall = 0.9;
SELECT avg((SELECT count(*) FROM unnest(nearest('grown', '<->', q, 10, true)) a
			JOIN unnest(nearest('grown', '<->', q, 10, false)) b ON a = b)) / 10 >= 0.8 AS reached
FROM (SELECT noise_vector(i % 13, 70, 31) + noise_vector(i, 70, 33) FROM generate_series(1, 30) i) x (q);
RESET ivfflat.target_recall;

-- what is changed takes effect when the index is built
ALTER INDEX grown_v SET (lists = 6);
REINDEX INDEX grown_v;
SELECT pg_relation_size('grown_v') AS small \gset
ALTER INDEX grown_v SET (code_bits = 8);
INSERT INTO grown SELECT * FROM rows(3001, 3100);
SELECT ivfflat_verify('grown_v');
REINDEX INDEX grown_v;
SELECT ivfflat_verify('grown_v');
SELECT pg_relation_size('grown_v') > :small * 1.3 AS larger;
ALTER INDEX grown_v RESET (code_bits);
SELECT pg_relation_size('grown_v') AS before \gset
REINDEX INDEX grown_v;
SELECT pg_relation_size('grown_v') = :before AS same;

-- no codes of 4 bits of what 8 bits do not tell apart, nor of few dimensions
CREATE TABLE near AS SELECT id, (noise_vector(1, 70, 34) + v * array_fill(1e-4, ARRAY[70])::vector)::vector(70) AS v FROM rows(1, 500);
CREATE INDEX near_8 ON near USING ivfflat (v);
CREATE INDEX near_4 ON near USING ivfflat (v) WITH (code_bits = 4);
CREATE TABLE few AS SELECT id, subvector(v, 1, 40)::vector(40) AS v FROM rows(1, 500);
CREATE INDEX few_8 ON few USING ivfflat (v);
CREATE INDEX few_4 ON few USING ivfflat (v) WITH (code_bits = 4);
SELECT pg_relation_size('near_4') = pg_relation_size('near_8'), pg_relation_size('few_4') = pg_relation_size('few_8');
