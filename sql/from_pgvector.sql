-- From the catalog of pgvector 0.8 to ours: what changes of the objects that both
-- have.  What is ours alone comes after this.
--
-- ALTER OPERATOR cannot set HASHES before PostgreSQL 17, and dropping the operators
-- would take the user's views, indexes and constraints with them.  So the flag is
-- set where CREATE OPERATOR would have set it.  The hash operator classes that it
-- promises follow below.

UPDATE pg_catalog.pg_operator
   SET oprcanhash = true
 WHERE oid OPERATOR(pg_catalog.=) ANY (ARRAY[
	'=(vector, vector)',
	'=(halfvec, halfvec)',
	'=(sparsevec, sparsevec)'
 ]::pg_catalog.regoperator[]::pg_catalog.oid[]);

-- as in vector.control
COMMENT ON EXTENSION vector IS 'vector types and nearest neighbour indexes';
