-- avg, sum, max and min; run for :type, with the name of its norm in :norm and
-- a number of rows whose sums fit it in :big
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SET types_test.type = :type;
\set accum :type _accum
\set combine :type _combine
\set sub :type _sub
\set mul :type _mul
CREATE TABLE item (id int, g int, v :type);
INSERT INTO item VALUES (1, 1, '[1,2]'), (2, 1, '[3,5]'), (3, 2, '[-7,0.5]'), (4, 2, NULL), (5, 3, NULL);
SELECT avg(v), sum(v) FROM item;
SELECT g, avg(v), sum(v) FROM item GROUP BY g ORDER BY g;
SELECT avg(v) FILTER (WHERE id < 3), sum(DISTINCT v), sum(v ORDER BY id DESC) FROM item;
SELECT id, sum(v) OVER (ORDER BY id), avg(v) OVER (ORDER BY id), sum(v) OVER (ORDER BY id ROWS 1 PRECEDING), avg(v) OVER () FROM item ORDER BY id;
SELECT id, lag(s) OVER (ORDER BY id), s FROM (SELECT id, sum(v) OVER (ORDER BY id) AS s FROM item) x ORDER BY id DESC;
SELECT avg(v), sum(v) FROM item WHERE false;
SELECT avg(v), sum(v) FROM item WHERE id = 5;
SELECT g, avg(v), sum(v) FROM item GROUP BY ROLLUP (g) ORDER BY g;

-- an aggregate does not change the values of the table
SELECT avg(v), sum(v), count(*) FROM item;
SELECT * FROM item ORDER BY id;

SELECT * FROM attempt_all(
	$$(SELECT sum(v) FROM (VALUES ('[1]'::@), ('[1,2]')) x(v))$$, $$(SELECT avg(v) FROM (VALUES ('[1]'::@), ('[1,2]')) x(v))$$);

-- transition functions by hand; their arguments stay as they were
SELECT * FROM attempt_all(
	$$@_accum('{0}', '[1,2]')$$, $$@_accum('{2,3,4}', '[1,2]')$$, $$@_accum('{2,3}', '[1,2]')$$, $$@_accum('{1,-Infinity}', '[1]')$$,
	$$@_accum('{}', '[1]')$$, $$@_accum('{NULL}', '[1]')$$, $$@_accum('{{1,2}}', '[1]')$$,
	$$@_combine('{0}', '{0}')$$, $$@_combine('{0}', '{1,2}')$$, $$@_combine('{1,2}', '{0}')$$, $$@_combine('{1,2}', '{3,4}')$$,
	$$@_combine('{1,2}', '{3,4,5}')$$, $$@_combine('{1,1.7e308}', '{1,1.7e308}')$$, $$@_combine('{}', '{0}')$$, $$@_combine('{0}', '{NULL}')$$,
	$$@_avg('{0}'::float8[])$$, $$@_avg('{2,3,4}')$$, $$@_avg('{3}')$$, $$@_avg('{1,1e300}')$$, $$@_avg('{1,NaN}')$$, $$@_avg('{}'::float8[])$$,
	$$@_avg(array_fill(1::float8, ARRAY[16002]))$$);
WITH x AS MATERIALIZED (SELECT '{1,2}'::float8[] AS a, '{3,4}'::float8[] AS b) SELECT :combine(a, b), :accum(a, '[1]'), a, b FROM x;

-- partial aggregation, with and without rows in the parts
CREATE TABLE big (id int, v :type);
INSERT INTO big SELECT i, ARRAY[i % 10, i % 3, -1]:: :type FROM generate_series(1, :big) i;
INSERT INTO big SELECT i, NULL FROM generate_series(:big + 1, :big + 100) i;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
SELECT avg(v), sum(v) FROM big;
SELECT avg(v), sum(v) FROM big WHERE id < 0;
SELECT avg(v), sum(v) FROM big WHERE id > :big;
SELECT avg(v), sum(v) FROM big WHERE id = 7;
SELECT id % 3, avg(v), sum(v) FROM big GROUP BY 1 ORDER BY 1;
RESET max_parallel_workers_per_gather;

-- values stored out of line
CREATE TABLE wide AS SELECT i AS id, array_fill(i, ARRAY[5000]):: :type AS v FROM generate_series(1, 10) i;
SELECT subvector(avg(v), 4999, 2), subvector(sum(v), 4999, 2), :norm(avg(v)) = 5.5 * sqrt(5000) FROM wide;

-- the functions of sum and of others in user-defined aggregates
CREATE AGGREGATE difference(:type) (SFUNC = :sub, STYPE = :type, INITCOND = '[100,100]');
CREATE AGGREGATE product(:type) (SFUNC = :mul, STYPE = :type);
SELECT difference(v), product(v) FROM item;
SELECT g, difference(v) FROM item GROUP BY g ORDER BY g;

-- the largest and the smallest value
SELECT max(v), min(v), max(v) FILTER (WHERE g = 1), min(v) FILTER (WHERE false) FROM item;
SELECT g, max(v), min(v) FROM item GROUP BY g ORDER BY g;
SET max_parallel_workers_per_gather = 2;
SELECT max(v), min(v) FROM big;
RESET max_parallel_workers_per_gather;
CREATE INDEX ON big (v);
SET enable_seqscan = off;
SELECT max(v), min(v) FROM big;
