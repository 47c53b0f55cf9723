-- Exact order by indexes of many kinds, if candidates are all rows: of an index
-- that was built, has grown, and was vacuumed.  After hnsw.sql and with a table
-- "cases": n, type, name and op of a metric, dims, options.
\set ECHO none
-- clusters, with a few equal rows
CREATE FUNCTION rows(first int, last int, dims int) RETURNS TABLE (id int, v vector) LANGUAGE sql AS
$$SELECT i, noise_vector(i % 13, dims, 31) + noise_vector(i % 290, dims, 32) FROM generate_series(first, last) i$$;

\ir same_distances.sql

CREATE FUNCTION verified() RETURNS bigint LANGUAGE sql AS
$$SELECT count(hnsw_verify(('c' || n || '_v')::regclass)::text) FROM cases$$;
CREATE FUNCTION wrong() RETURNS TABLE (type text, op text, dims int, options text) LANGUAGE sql AS
$$SELECT type, op, dims, options FROM cases WHERE same_distances('c' || n, op, type, dims, 150) IS NOT TRUE ORDER BY n$$;

-- a statement for each case: %1$s is its number, %2$s how many dimensions it has
CREATE FUNCTION for_each_case(statement text) RETURNS SETOF text LANGUAGE sql AS
$$SELECT format(statement, n, dims, type, name, options) FROM cases ORDER BY n$$;

SET hnsw.ef_search = 400;
SELECT for_each_case('CREATE TABLE c%1$s (id int, v %3$s(%2$s))') \gexec
SELECT for_each_case('INSERT INTO c%1$s SELECT * FROM rows(1, 200, %2$s)') \gexec
SELECT for_each_case('CREATE INDEX c%1$s_v ON c%1$s USING hnsw (v %3$s_%4$s_ops) WITH (%5$s)') \gexec
SELECT for_each_case('INSERT INTO c%1$s SELECT * FROM rows(201, 300, %2$s)') \gexec
SELECT count(*) AS cases, verified() AS built FROM cases;
SELECT * FROM wrong();
SELECT for_each_case('DELETE FROM c%1$s WHERE id %% 3 <> 1') \gexec
SELECT for_each_case('VACUUM c%1$s') \gexec
SELECT verified() AS vacuumed;
SELECT for_each_case('INSERT INTO c%1$s SELECT * FROM rows(301, 400, %2$s)') \gexec
SELECT verified() AS grown;
SELECT * FROM wrong();
RESET hnsw.ef_search;
\set ECHO all
