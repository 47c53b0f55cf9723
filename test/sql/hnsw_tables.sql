-- kinds of tables and indexes
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
-- seeds: 41 rows, 42 queries
SET hnsw.ef_search = 400;

-- unlogged
CREATE UNLOGGED TABLE ul (id int, v vector(8));
INSERT INTO ul SELECT i, noise_vector(i, 8, 41) FROM generate_series(1, 200) i;
CREATE INDEX ul_v ON ul USING hnsw (v vector_l2_ops);
INSERT INTO ul SELECT i, noise_vector(i, 8, 41) FROM generate_series(201, 300) i;
SELECT same_order('ul', '<->', 8, 300, 5, 42);
SELECT pg_relation_size('ul_v', 'init') > 0 AS has_init;
DELETE FROM ul WHERE id % 2 = 0;
VACUUM ul;
SELECT same_order('ul', '<->', 8, 150, 5, 42);
ALTER TABLE ul SET LOGGED;
SELECT pg_relation_size('ul_v', 'init') > 0 AS has_init;
SELECT same_order('ul', '<->', 8, 150, 5, 42);

-- temporary
CREATE TEMPORARY TABLE tt (id int, v vector(8));
INSERT INTO tt SELECT i, noise_vector(i, 8, 41) FROM generate_series(1, 200) i;
CREATE INDEX tt_v ON tt USING hnsw (v vector_l2_ops);
INSERT INTO tt SELECT i, noise_vector(i, 8, 41) FROM generate_series(201, 300) i;
DELETE FROM tt WHERE id % 3 = 0;
VACUUM tt;
SELECT same_order('tt', '<->', 8, 200, 5, 42);
BEGIN;
CREATE TEMPORARY TABLE fleeting (id int, v vector(8)) ON COMMIT DELETE ROWS;
CREATE INDEX fleeting_v ON fleeting USING hnsw (v vector_l2_ops);
INSERT INTO fleeting SELECT i, noise_vector(i, 8, 41) FROM generate_series(1, 20) i;
SELECT same_order('fleeting', '<->', 8, 20, 5, 42);
COMMIT;
SELECT nearest('fleeting', '<->', noise_vector(1, 8, 42), 5, true);
INSERT INTO fleeting VALUES (1, noise_vector(1, 8, 42));

-- partial
CREATE TABLE pa (id int, cat int, v vector(8));
INSERT INTO pa SELECT i, i % 10, noise_vector(i, 8, 41) FROM generate_series(1, 1000) i;
CREATE INDEX pa_3 ON pa USING hnsw (v vector_l2_ops) WHERE cat = 3;
ANALYZE pa;
SET enable_seqscan = off;
SELECT scans('SELECT id FROM pa WHERE cat = 3 ORDER BY v <-> noise_vector(1, 8, 42) LIMIT 5');
SET enable_seqscan = on;
SELECT scans('SELECT id FROM pa WHERE cat = 4 ORDER BY v <-> noise_vector(1, 8, 42) LIMIT 5');
SELECT scans('SELECT id FROM pa ORDER BY v <-> noise_vector(1, 8, 42) LIMIT 5');
SELECT scans('SELECT id FROM pa WHERE cat = 3');
CREATE VIEW pa_of_3 AS SELECT * FROM pa WHERE cat = 3;
SELECT same_order('pa_of_3', '<->', 8, 100, 5, 42);
UPDATE pa SET cat = 3 WHERE id <= 20;
UPDATE pa SET cat = 0 WHERE id IN (33, 43, 53);
SELECT same_order('pa_of_3', '<->', 8, 115, 5, 42);
SELECT cardinality(nearest('pa_of_3', '<->', noise_vector(1, 8, 42), 1000, true));

-- expressions
CREATE TABLE ex (id int, w vector, text_of_v text);
INSERT INTO ex SELECT i, noise_vector(i, 12, 41), noise_vector(i, 8, 41)::text FROM generate_series(1, 300) i;
INSERT INTO ex VALUES (301, NULL, NULL);
CREATE INDEX ex_sub ON ex USING hnsw ((subvector(w, 1, 8)::vector(8)) vector_l2_ops);
CREATE INDEX ex_text ON ex USING hnsw ((text_of_v::vector(8)) vector_cosine_ops);
CREATE VIEW ex_view AS SELECT id, subvector(w, 1, 8)::vector(8) AS v FROM ex;
CREATE VIEW ex_text_view AS SELECT id, text_of_v::vector(8) AS v FROM ex;
SELECT same_order('ex_view', '<->', 8, 300, 5, 42), same_order('ex_text_view', '<=>', 8, 300, 5, 42);
INSERT INTO ex SELECT i, noise_vector(i, 12, 41), noise_vector(i, 8, 41)::text FROM generate_series(302, 350) i;
UPDATE ex SET w = noise_vector(id + 5000, 12, 41) WHERE id % 5 = 0;
SELECT same_order('ex_view', '<->', 8, 300, 5, 42), same_order('ex_text_view', '<=>', 8, 300, 5, 42);
-- an expression that fails is the user's error
INSERT INTO ex VALUES (400, noise_vector(1, 5, 41), NULL);
INSERT INTO ex VALUES (400, NULL, 'not a vector');
-- a column after dropped ones
CREATE TABLE dropped (a int, b text, id int, v vector(8));
ALTER TABLE dropped DROP COLUMN a, DROP COLUMN b;
INSERT INTO dropped SELECT i, noise_vector(i, 8, 41) FROM generate_series(1, 100) i;
CREATE INDEX dropped_v ON dropped USING hnsw (v vector_l2_ops);
SELECT same_order('dropped', '<->', 8, 100, 5, 42);

-- partitioned, attached and detached
CREATE TABLE pt (id int, v vector(8)) PARTITION BY RANGE (id);
CREATE TABLE pt_1 PARTITION OF pt FOR VALUES FROM (1) TO (101);
CREATE TABLE pt_2 PARTITION OF pt FOR VALUES FROM (101) TO (201);
INSERT INTO pt SELECT i, noise_vector(i, 8, 41) FROM generate_series(1, 200) i;
CREATE INDEX pt_v ON pt USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 32);
SELECT relname, reloptions FROM pg_class WHERE relname LIKE 'pt%' AND relkind IN ('i', 'I') ORDER BY 1;
CREATE TABLE pt_3 (id int, v vector(8));
INSERT INTO pt_3 SELECT i, noise_vector(i, 8, 41) FROM generate_series(201, 300) i;
ALTER TABLE pt ATTACH PARTITION pt_3 FOR VALUES FROM (201) TO (301);
SELECT same_order('pt', '<->', 8, 300, 5, 42);
SET enable_seqscan = off;
SELECT scans('SELECT id FROM pt ORDER BY v <-> noise_vector(1, 8, 42) LIMIT 5');
SELECT scans('SELECT id FROM pt WHERE id BETWEEN 120 AND 180 ORDER BY v <-> noise_vector(1, 8, 42) LIMIT 5');
RESET enable_seqscan;
UPDATE pt SET id = id + 100 WHERE id <= 50;
SELECT same_order('pt', '<->', 8, 300, 5, 42);
ALTER TABLE pt DETACH PARTITION pt_2;
SELECT same_order('pt', '<->', 8, 150, 5, 42), same_order('pt_2', '<->', 8, 150, 5, 42);
CREATE TABLE pu (id int, v vector) PARTITION BY RANGE (id);
CREATE TABLE pu_1 PARTITION OF pu FOR VALUES FROM (1) TO (101);
CREATE INDEX pu_v ON pu USING hnsw (v vector_l2_ops);

-- inheritance, materialized views
CREATE TABLE child (extra text) INHERITS (dropped);
INSERT INTO child SELECT i, noise_vector(i, 8, 41) FROM generate_series(101, 150) i;
CREATE INDEX child_v ON child USING hnsw (v vector_l2_ops);
SELECT same_order('dropped', '<->', 8, 150, 5, 42);
CREATE MATERIALIZED VIEW mv AS SELECT id, v FROM pa WHERE id <= 200;
CREATE INDEX mv_v ON mv USING hnsw (v vector_l2_ops);
SELECT same_order('mv', '<->', 8, 200, 5, 42);
DELETE FROM pa WHERE id <= 100;
REFRESH MATERIALIZED VIEW mv;
SELECT same_order('mv', '<->', 8, 100, 5, 42);

-- prepared in a function, across a rebuild of the index
CREATE FUNCTION first_of(q vector) RETURNS int LANGUAGE plpgsql AS
$$BEGIN RETURN (SELECT id FROM mv ORDER BY v <-> q LIMIT 1); END$$;
SELECT first_of(v) = id FROM mv WHERE id = 150;
REINDEX INDEX mv_v;
SELECT first_of(v) = id FROM mv WHERE id = 151;
DROP INDEX mv_v;
SELECT first_of(v) = id FROM mv WHERE id = 152;

-- an error in the middle of a build leaves nothing behind
CREATE FUNCTION stop_at_101(id int, v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS
$$BEGIN IF id = 101 THEN RAISE EXCEPTION 'stopped'; END IF; RETURN v; END$$;
CREATE INDEX broken ON ul USING hnsw ((stop_at_101(id, v)::vector(8)) vector_l2_ops);
DELETE FROM ul WHERE id = 101;
CREATE INDEX whole ON ul USING hnsw ((stop_at_101(id, v)::vector(8)) vector_l2_ops);
INSERT INTO ul VALUES (101, noise_vector(1, 8, 43));
SELECT to_regclass('broken'), to_regclass('whole');
