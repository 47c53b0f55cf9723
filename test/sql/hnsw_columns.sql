-- columns and what can be done to them, triggers, views, the extension itself
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
SET enable_seqscan = off;

-- a column that loses its dimensions keeps its index, which keeps to them;
-- but it cannot be built again
CREATE TABLE t (id int, v vector(3));
INSERT INTO t SELECT i, ARRAY[i, 1, 1] FROM generate_series(1, 20) i;
CREATE INDEX t_v ON t USING hnsw (v vector_l2_ops);
SELECT pg_relation_filenode('t_v') AS file \gset
ALTER TABLE t ALTER COLUMN v TYPE vector;
SELECT pg_relation_filenode('t_v') = :file AS kept;
INSERT INTO t VALUES (50, '[1,2]');
INSERT INTO t VALUES (51, '[3.1,1,1]');
SELECT nearest('t', '<->', '[3.2,1,1]', 2, true);
REINDEX INDEX t_v;
ALTER TABLE t ALTER COLUMN v TYPE vector(4);
ALTER TABLE t ALTER COLUMN v TYPE vector(3);
REINDEX INDEX t_v;
SELECT nearest('t', '<->', '[3.2,1,1]', 2, true);
-- other types want another operator class
ALTER TABLE t ALTER COLUMN v TYPE halfvec(3);
ALTER TABLE t ALTER COLUMN v TYPE real[];
-- names are no matter
ALTER INDEX t_v RENAME TO t_w;
ALTER TABLE t RENAME COLUMN v TO w;
SELECT id FROM t ORDER BY w <-> '[3.2,1,1]' LIMIT 2;
ALTER TABLE t RENAME COLUMN w TO v;
ALTER TABLE t ALTER COLUMN v SET STORAGE EXTERNAL, ALTER COLUMN v SET STATISTICS 1000, ALTER COLUMN v SET NOT NULL;
ANALYZE t;
SELECT nearest('t', '<->', '[3.2,1,1]', 2, true);

-- values of many lengths: the index needs to be told which
CREATE TABLE mixed (id int, v vector);
INSERT INTO mixed SELECT i, noise_vector(i, 1 + i % 3, 81) FROM generate_series(1, 90) i;
CREATE INDEX ON mixed USING hnsw ((v::vector(3)) vector_l2_ops);
CREATE INDEX mixed_v ON mixed USING hnsw ((v::vector(3)) vector_l2_ops) WHERE vector_dims(v) = 3;
INSERT INTO mixed SELECT i, noise_vector(i, 1 + i % 3, 81) FROM generate_series(91, 120) i;
CREATE VIEW of_three AS SELECT id, v::vector(3) AS v FROM mixed WHERE vector_dims(v) = 3;
SELECT same_order('of_three', '<->', 3, 40, 5, 82);
-- a domain does not tell its dimensions
CREATE DOMAIN vector3 AS vector(3);
CREATE TABLE of_domain (id int, v vector3);
CREATE INDEX ON of_domain USING hnsw (v vector_l2_ops);
CREATE INDEX of_domain_v ON of_domain USING hnsw ((v::vector(3)) vector_l2_ops);

-- no rows, one row, none that counts
CREATE TABLE few (id int, v vector(3));
INSERT INTO few SELECT i, NULL FROM generate_series(1, 100) i;
CREATE INDEX few_v ON few USING hnsw (v vector_l2_ops);
CREATE INDEX few_c ON few USING hnsw (v vector_cosine_ops);
CREATE FUNCTION counts() RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', coalesce(cardinality(nearest('few', '<->', '[1,2,3]', 1000, true)), 0),
		coalesce(cardinality(nearest('few', '<=>', '[1,2,3]', 1000, true)), 0))
$$;
SELECT counts();
UPDATE few SET v = '[1,1,1]' WHERE id = 1;
SELECT counts();
UPDATE few SET v = '[0,0,0]';
SELECT counts();
VACUUM few;
REINDEX TABLE few;
SELECT counts();
UPDATE few SET v = '[2,2,2]';
VACUUM FULL few;
SELECT counts();
UPDATE few SET v = NULL;
VACUUM few;
SELECT counts();

-- the largest floats
CREATE TABLE large (id int, v vector(3));
INSERT INTO large VALUES (1, '[3e38,3e38,3e38]'), (2, '[-3e38,-3e38,-3e38]'), (3, '[3.4e38,-3.4e38,3.4e38]'), (4, '[0,0,0]');
CREATE INDEX large_l2 ON large USING hnsw (v vector_l2_ops);
CREATE INDEX large_ip ON large USING hnsw (v vector_ip_ops);
CREATE INDEX large_l1 ON large USING hnsw (v vector_l1_ops);
INSERT INTO large SELECT 10 + i, ARRAY[i * 1e37, i * -1.3e37, 1] FROM generate_series(1, 20) i;
SELECT op, nearest('large', op, '[-3e38,-1e38,-2.9e38]', 24, true) = nearest('large', op, '[-3e38,-1e38,-2.9e38]', 24, false) AS same
FROM unnest(ARRAY['<->', '<#>', '<+>']) op;
INSERT INTO large VALUES (5, '[NaN,0,0]');
INSERT INTO large VALUES (5, '[Infinity,0,0]');
-- products beyond the largest float whose sum is not, or of another sign
CREATE TABLE cancel (id int, v vector(2));
INSERT INTO cancel SELECT i, ARRAY[i * 1e-3, i * 1e-3] FROM generate_series(1, 200) i;
INSERT INTO cancel VALUES (201, '[3e38,-3e38]'), (202, '[3.4e38,3.3e38]'), (203, '[3.3e38,3.4e38]');
CREATE INDEX cancel_v ON cancel USING hnsw (v vector_ip_ops);
SET hnsw.ef_search = 10;
SELECT q, nearest('cancel', '<#>', q, 1, true), nearest('cancel', '<#>', q, 1, false)
FROM unnest(ARRAY['[219,75]', '[-75,-219]', '[10,-9.9]', '[-9.9,10]']::vector[]) q;
RESET hnsw.ef_search;

-- the largest code with the longest lists
CREATE TABLE wide (id int, v vector(8140));
INSERT INTO wide SELECT i, noise_vector(i, 8140, 3) FROM generate_series(1, 20) i;
CREATE INDEX wide_v ON wide USING hnsw (v vector_l2_ops) WITH (m = 100, ef_construction = 1000);
INSERT INTO wide SELECT i, noise_vector(i, 8140, 3) FROM generate_series(21, 40) i;
DELETE FROM wide WHERE id % 2 = 0;
VACUUM wide;
SELECT same_order('wide', '<->', 8140, 20, 2, 4);

-- generated columns, views over them
CREATE TABLE made (id int, a real, b real, v vector(2) GENERATED ALWAYS AS (ARRAY[a, b]::vector(2)) STORED);
CREATE INDEX made_v ON made USING hnsw (v vector_l2_ops);
INSERT INTO made (id, a, b) SELECT i, i, -i FROM generate_series(1, 100) i;
UPDATE made SET a = a + 0.25;
SELECT nearest('made', '<->', '[50,-50]', 3, true);
CREATE VIEW upper_part AS SELECT id, v FROM made WHERE a > 60;
SET hnsw.iterative_scan = strict_order;
SELECT nearest('upper_part', '<->', '[50,-50]', 2, true);
RESET hnsw.iterative_scan;

-- triggers that search the table they belong to
ALTER TABLE made ADD COLUMN before int;
CREATE TABLE seen (id int, nearest int);
CREATE FUNCTION search() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_WHEN = 'BEFORE' THEN
		NEW.before = (SELECT id FROM made ORDER BY v <-> ARRAY[NEW.a, NEW.b]::vector LIMIT 1);
		RETURN NEW;
	END IF;
	INSERT INTO seen SELECT NEW.id, id FROM made ORDER BY v <-> NEW.v LIMIT 1;
	RETURN NULL;
END$$;
CREATE TRIGGER before BEFORE INSERT ON made FOR EACH ROW EXECUTE FUNCTION search();
CREATE TRIGGER after AFTER INSERT ON made FOR EACH ROW EXECUTE FUNCTION search();
INSERT INTO made (id, a, b) SELECT 200 + i, i * 10 + 0.5, i * -10 FROM generate_series(1, 3) i;
SELECT id, before, nearest FROM made JOIN seen USING (id) ORDER BY 1;

-- dropping what the index depends on
DROP OPERATOR CLASS vector_l2_ops USING hnsw;
DROP ACCESS METHOD hnsw;
\set VERBOSITY terse
SET client_min_messages = warning;
BEGIN;
DROP EXTENSION vector CASCADE;
SELECT to_regclass('made_v'), (SELECT count(*) FROM made);
ROLLBACK;
SELECT nearest('made', '<->', '[50,-50]', 3, true);

-- ALTER TABLE takes the dimensions of the column away, and keeps the indexes:
-- they can be rebuilt as long as there is a row
CREATE TABLE altered (id int, v vector(3));
INSERT INTO altered SELECT i, CASE WHEN i > 5 THEN ARRAY[i, 1, 2]::vector END FROM generate_series(1, 50) i;
CREATE INDEX altered_hnsw ON altered USING hnsw (v vector_l2_ops);
CREATE INDEX altered_ivfflat ON altered USING ivfflat (v vector_l2_ops) WITH (lists = 2);
ALTER TABLE altered ALTER v TYPE vector;
REINDEX INDEX altered_hnsw;
VACUUM FULL altered;
SELECT hnsw_verify('altered_hnsw'), ivfflat_verify('altered_ivfflat');
SELECT nearest('altered', '<->', '[20,1,2]', 3, true);
INSERT INTO altered VALUES (51, '[1,2,3,4]');
INSERT INTO altered VALUES (51, '[51,2,3]');
CREATE INDEX ON altered USING hnsw (v vector_l2_ops);
CREATE INDEX ON altered USING ivfflat (v vector_l2_ops);
TRUNCATE altered;
ALTER TABLE altered ALTER v TYPE vector(3);
TRUNCATE altered;
SELECT hnsw_verify('altered_hnsw'), ivfflat_verify('altered_ivfflat');
