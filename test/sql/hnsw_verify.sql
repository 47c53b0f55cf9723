-- hnsw_verify: invariants of an index, and whether it agrees with its table
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
CREATE TABLE verified (id int, v vector(40), few vector(2), half halfvec(20), bits bit(30));
CREATE INDEX verified_l2 ON verified USING hnsw (v vector_l2_ops);
CREATE INDEX verified_cosine ON verified USING hnsw (v vector_cosine_ops) WITH (m = 4, ef_construction = 8);
CREATE INDEX verified_few ON verified USING hnsw (few vector_l1_ops) WITH (m = 2, ef_construction = 4);
CREATE INDEX verified_half ON verified USING hnsw (half halfvec_ip_ops);
CREATE INDEX verified_bits ON verified USING hnsw (bits bit_jaccard_ops) WHERE id % 2 = 0;
CREATE INDEX verified_expression ON verified USING hnsw ((subvector(v, 1, 5)::vector(5)) vector_l2_ops);
CREATE FUNCTION verify_all() RETURNS bigint LANGUAGE sql AS
$$SELECT count(hnsw_verify(indexrelid)::text) FROM pg_index WHERE indrelid = 'verified'::regclass$$;
-- empty; then rows, equal rows, NULLs and zeros
SELECT verify_all();
INSERT INTO verified SELECT i, noise_vector(i % 900, 40, 41), noise_vector(i % 70, 2, 42), noise_vector(i, 20, 43), i::bit(30)
FROM generate_series(1, 1000) i;
INSERT INTO verified (id) VALUES (2000);
INSERT INTO verified VALUES (2001, ('[0' || repeat(',0', 39) || ']')::vector, '[0,0]', ('[0' || repeat(',0', 19) || ']')::halfvec, repeat('0', 30)::bit(30));
SELECT verify_all();
REINDEX TABLE verified;
SELECT verify_all();
-- dead rows, before and after vacuum, and slots used again
DELETE FROM verified WHERE id % 3 = 0;
SELECT verify_all();
VACUUM verified;
SELECT verify_all();
INSERT INTO verified SELECT i, noise_vector(i % 900, 40, 41), noise_vector(i % 70, 2, 42), noise_vector(i, 20, 43), i::bit(30)
FROM generate_series(3000, 3900) i;
UPDATE verified SET v = v + v WHERE id % 5 = 0;
SELECT verify_all();
VACUUM verified;
DELETE FROM verified;
VACUUM verified;
SELECT verify_all();
-- rows of transactions that failed
BEGIN;
INSERT INTO verified SELECT i, noise_vector(i, 40, 41), noise_vector(i, 2, 42), noise_vector(i, 20, 43), i::bit(30) FROM generate_series(1, 100) i;
ROLLBACK;
SELECT verify_all();

-- it is told when the table has changed behind an index's back
INSERT INTO verified SELECT i, noise_vector(i, 40, 41) FROM generate_series(1, 10) i;
UPDATE pg_index SET indisready = false WHERE indexrelid = 'verified_l2'::regclass;
INSERT INTO verified SELECT 11, noise_vector(11, 40, 41);
UPDATE pg_index SET indisready = true WHERE indexrelid = 'verified_l2'::regclass;
\set VERBOSITY sqlstate
SELECT hnsw_verify('verified_l2');
\set VERBOSITY default
REINDEX INDEX verified_l2;
SELECT verify_all();

-- what it is not for
SELECT hnsw_verify('verified');
CREATE INDEX verified_id ON verified (id);
SELECT hnsw_verify('verified_id');
SET ROLE pg_read_all_data;
SELECT hnsw_verify('verified_l2');
RESET ROLE;
-- codes made by another instruction set may differ in their last bits
CREATE TABLE rounded (id int, v vector(200));
INSERT INTO rounded SELECT i, noise_vector(i, 200, 71) FROM generate_series(1, 300) i;
CREATE INDEX rounded_8 ON rounded USING hnsw (v vector_cosine_ops);
CREATE INDEX rounded_rest ON rounded USING hnsw (v vector_l2_ops) WITH (rest_bits = 4);
CREATE INDEX rounded_4 ON rounded USING hnsw (v vector_l2_ops) WITH (code_bits = 4);
CREATE INDEX rounded_1 ON rounded USING hnsw (v vector_ip_ops) WITH (code_bits = 1);
CREATE INDEX rounded_inline ON rounded USING hnsw (v vector_l2_ops) WITH (inline_codes);
CREATE INDEX rounded_lists ON rounded USING ivfflat (v vector_l2_ops) WITH (lists = 5);
CREATE INDEX rounded_lists_4 ON rounded USING ivfflat (v vector_cosine_ops) WITH (lists = 5, code_bits = 4);
CREATE TABLE rounded_halves (id int, v vector(300));
INSERT INTO rounded_halves SELECT i, noise_vector(i, 300, 71) FROM generate_series(1, 300) i;
CREATE INDEX ON rounded_halves USING hnsw (v vector_cosine_ops);
CREATE INDEX ON rounded_halves USING hnsw (v vector_ip_ops) WITH (rest_bits = 4);
SET vector.instruction_set = baseline;
SELECT count(hnsw_verify(indexrelid)::text) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid
WHERE indrelid = ANY ('{rounded,rounded_halves}'::regclass[]) AND relam = (SELECT oid FROM pg_am WHERE amname = 'hnsw');
SELECT count(ivfflat_verify(indexrelid)::text) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid
WHERE indrelid = 'rounded'::regclass AND relam = (SELECT oid FROM pg_am WHERE amname = 'ivfflat');
RESET vector.instruction_set;
