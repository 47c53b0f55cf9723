-- operator classes: which ones there are, and what validation finds in others
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/hnsw.sql'
\i :helpers
SELECT opcname, opcintype::regtype, opcdefault, amvalidate(c.oid)
FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod
WHERE amname = 'hnsw' AND opcintype = 'vector'::regtype ORDER BY 1;

SELECT opfname, amopopr::regoperator, amopstrategy, amoppurpose, amopsortfamily = (
	SELECT oid FROM pg_opfamily WHERE opfname = 'float_ops' AND opfmethod = (SELECT oid FROM pg_am WHERE amname = 'btree')) AS by_float
FROM pg_amop JOIN pg_opfamily f ON f.oid = amopfamily JOIN pg_am a ON a.oid = opfmethod
WHERE amname = 'hnsw' AND amoplefttype = 'vector'::regtype ORDER BY 1;

SELECT opfname, amprocnum, amproc::regprocedure
FROM pg_amproc JOIN pg_opfamily f ON f.oid = amprocfamily JOIN pg_am a ON a.oid = opfmethod
WHERE amname = 'hnsw' AND amproclefttype = 'vector'::regtype ORDER BY 1, 2;

CREATE FUNCTION valid(class text) RETURNS bool LANGUAGE sql AS
$$SELECT amvalidate(c.oid) FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'hnsw' AND opcname = class$$;

-- a class of one's own with the extension's functions is fine
CREATE OPERATOR CLASS own_l2_ops DEFAULT FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_l2_squared_distance(vector, vector);
SELECT valid('own_l2_ops');
CREATE TABLE t (id int, v vector(2));
INSERT INTO t SELECT i, ARRAY[i, 0] FROM generate_series(1, 20) i;
CREATE INDEX t_own ON t USING hnsw (v);
SET enable_seqscan = off;
SELECT scans('SELECT id FROM t ORDER BY v <-> ''[4.25,0]'''), nearest('t', '<->', '[4.25,0]', 3, true);
DROP INDEX t_own;

-- a distance function that is not the extension's
CREATE FUNCTION always_one(vector, vector) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 1.0::float8';
CREATE OPERATOR CLASS foreign_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 always_one(vector, vector);
SELECT valid('foreign_ops');
CREATE INDEX ON t USING hnsw (v foreign_ops);

-- classes with something wrong
CREATE OPERATOR CLASS empty_ops FOR TYPE vector USING hnsw AS STORAGE vector;
SELECT valid('empty_ops');
CREATE OPERATOR CLASS no_distance_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops;
SELECT valid('no_distance_ops');
CREATE OPERATOR CLASS no_operator_ops FOR TYPE vector USING hnsw AS
	FUNCTION 1 vector_l2_squared_distance(vector, vector);
SELECT valid('no_operator_ops');
CREATE OPERATOR CLASS search_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 = (vector, vector),
	FUNCTION 1 vector_l2_squared_distance(vector, vector);
SELECT valid('search_ops');
CREATE OPERATOR CLASS signature_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
	FUNCTION 1 vector_norm(vector),
	FUNCTION 2 vector_dims(vector),
	FUNCTION 3 vector_l2_squared_distance(vector, vector);
SELECT valid('signature_ops');
CREATE OPERATOR CLASS sort_ops FOR TYPE vector USING hnsw AS
	OPERATOR 1 <-> (vector, vector) FOR ORDER BY integer_ops,
	FUNCTION 1 vector_l2_squared_distance(vector, vector);
SELECT valid('sort_ops');
-- numbers beyond the last do not get that far
CREATE OPERATOR CLASS strategy_ops FOR TYPE vector USING hnsw AS
	OPERATOR 2 <-> (vector, vector) FOR ORDER BY float_ops;
CREATE OPERATOR CLASS support_ops FOR TYPE vector USING hnsw AS
	FUNCTION 4 vector_l2_squared_distance(vector, vector);
