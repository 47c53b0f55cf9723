-- vector_index_recall: what scans of an index find, against all rows
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
CREATE TABLE measured (id int, v vector(8), h halfvec(8), s sparsevec(8), b bit(40));
INSERT INTO measured
SELECT i, w.v, w.v::halfvec, w.v::sparsevec, binary_quantize(noise_vector(i, 40, 3))
FROM generate_series(1, 1000) i, LATERAL (SELECT noise_vector(i, 8, 1) AS v) w;
CREATE INDEX measured_hnsw ON measured USING hnsw (v vector_l2_ops);
CREATE INDEX measured_ivf ON measured USING ivfflat (v vector_l2_ops) WITH (lists = 20);
CREATE INDEX measured_half ON measured USING hnsw (h halfvec_cosine_ops);
CREATE INDEX measured_sparse ON measured USING hnsw (s sparsevec_l1_ops);
CREATE INDEX measured_bits ON measured USING hnsw (b bit_hamming_ops);
CREATE INDEX measured_expression ON measured USING hnsw ((subvector(v, 1, 4)::vector(4)) vector_l2_ops);
CREATE INDEX measured_partial ON measured USING ivfflat (v vector_cosine_ops) WITH (lists = 3) WHERE id <= 100;
CREATE VIEW given AS SELECT array_agg(noise_vector(i, 8, 2)) AS queries FROM generate_series(1, 20) i;

-- who looks at everything finds everything
SET hnsw.ef_search = 1000;
SET ivfflat.probes = 20;
SELECT indexrelid::regclass, vector_index_recall(indexrelid, 20)
FROM pg_index WHERE indrelid = 'measured'::regclass ORDER BY indexrelid;
SELECT vector_index_recall('measured_hnsw', queries), vector_index_recall('measured_hnsw', queries, 100),
	vector_index_recall('measured_ivf', queries, 1) FROM given;
SELECT vector_index_recall('measured_partial', 1000, 1000);

-- it is that of the settings: rows that are not returned are not found
SET hnsw.ef_search = 5;
SELECT round(vector_index_recall('measured_hnsw', queries, 100)::numeric, 6) AS recall FROM given;
SET ivfflat.probes = 1;
-- the same that a join says
SELECT round(vector_index_recall('measured_ivf', queries)::numeric, 6) AS recall FROM given \gset
SELECT :recall BETWEEN 0.1 AND 0.9 AS few_lists;
CREATE FUNCTION nearest_ids(q vector) RETURNS int[] LANGUAGE plpgsql AS
$$BEGIN RETURN ARRAY(SELECT id FROM measured ORDER BY v <-> q LIMIT 10); END$$;
CREATE FUNCTION exact_ids(q vector) RETURNS int[] LANGUAGE plpgsql SET enable_indexscan = off SET enable_seqscan = on AS
$$BEGIN RETURN ARRAY(SELECT id FROM measured ORDER BY v <-> q LIMIT 10); END$$;
DROP INDEX measured_hnsw;
SET enable_seqscan = off;
SELECT round(avg((SELECT count(*) FROM unnest(nearest_ids(q)) f WHERE f = ANY (exact_ids(q)))) / 10, 6) = :recall AS same
FROM given, unnest(queries) q;
RESET enable_seqscan;

-- rows that are equally far stand for each other; NULLs and zeros are nothing to find
CREATE TABLE odd (id int, v vector(2));
CREATE INDEX odd_index ON odd USING hnsw (v vector_cosine_ops);
SELECT vector_index_recall('odd_index'), vector_index_recall('odd_index', ARRAY['[1,1]'::vector]);
INSERT INTO odd VALUES (1, NULL), (2, '[0,0]'), (3, '[1,0]');
SELECT vector_index_recall('odd_index'), vector_index_recall('odd_index', ARRAY['[1,1]'::vector]),
	vector_index_recall('odd_index', ARRAY['[0,0]'::vector]), vector_index_recall('odd_index', '{}'::vector[]);
INSERT INTO odd SELECT i, '[0,1]' FROM generate_series(4, 200) i;
SET hnsw.ef_search = 40;
SELECT vector_index_recall('odd_index', 300), vector_index_recall('odd_index', ARRAY['[1,1]'::vector, '[0,0]']);
-- only rows that can be seen
DELETE FROM odd WHERE id % 2 = 0;
UPDATE odd SET id = id + 1000;
SELECT vector_index_recall('odd_index', 300);

-- what it is not for
SELECT vector_index_recall('measured');
CREATE INDEX measured_id ON measured (id);
SELECT vector_index_recall('measured_id');
SELECT vector_index_recall('odd_index', 0);
SELECT vector_index_recall('odd_index', 10, 0);
SELECT vector_index_recall('odd_index', 10, 10001);
SELECT vector_index_recall('odd_index', ARRAY['[1,2,3]'::vector]);
SELECT vector_index_recall('odd_index', ARRAY['[1,2]'::vector, NULL]);
SELECT vector_index_recall('odd_index', ARRAY['[1,2]'::halfvec]);
SELECT vector_index_recall('odd_index', NULL::vector[]);
CREATE TABLE parts (v vector(2)) PARTITION BY RANGE (v);
CREATE INDEX parts_index ON parts USING hnsw (v vector_l2_ops);
SELECT vector_index_recall('parts_index');

-- who may
CREATE ROLE regress_reader;
GRANT USAGE ON SCHEMA hnsw_test TO regress_reader;
SET ROLE regress_reader;
SELECT vector_index_recall('odd_index', 300);
RESET ROLE;
GRANT SELECT ON odd TO regress_reader;
SET ROLE regress_reader;
SELECT vector_index_recall('odd_index', 300);
RESET ROLE;
ALTER TABLE odd ENABLE ROW LEVEL SECURITY;
SET ROLE regress_reader;
SELECT vector_index_recall('odd_index', 300);
RESET ROLE;
SELECT vector_index_recall('odd_index', 300);

-- expressions of an index are evaluated as the owner of the table
CREATE TABLE lured (v vector(2));
CREATE FUNCTION who(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN RAISE NOTICE 'as the reader: %', current_user = 'regress_reader'; RETURN v; END$$;
INSERT INTO lured VALUES ('[1,2]');
SET client_min_messages = warning;
CREATE INDEX lured_hnsw ON lured USING hnsw ((who(v)::vector(2)) vector_l2_ops);
CREATE INDEX lured_ivf ON lured USING ivfflat ((who(v)::vector(2)) vector_l2_ops);
RESET client_min_messages;
ALTER TABLE lured OWNER TO regress_reader;
SELECT vector_index_recall('lured_hnsw', ARRAY['[1,1]'::vector]);
SELECT hnsw_verify('lured_hnsw');
SELECT ivfflat_verify('lured_ivf');

DROP TABLE measured CASCADE;
DROP TABLE odd, parts, lured;
DROP FUNCTION nearest_ids(vector), exact_ids(vector), who(vector);
DROP OWNED BY regress_reader;
DROP ROLE regress_reader;
