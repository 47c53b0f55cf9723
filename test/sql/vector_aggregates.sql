-- aggregates of vector
\getenv input PG_ABS_SRCDIR
\set type vector
\set norm vector_norm
\set big 3000
\set common :input '/helpers/dense_aggregates.sql'
\i :common
-- the ends of the range, and the precision of sums
SELECT * FROM attempt_all(
	$$(SELECT sum(v) FROM (VALUES ('[3e38]'::vector), ('[3e38]')) x(v))$$, $$(SELECT avg(v) FROM (VALUES ('[3e38]'::vector), ('[3e38]')) x(v))$$,
	$$(SELECT avg(v) FROM (VALUES ('[16777216]'::vector), ('[1]'), ('[1]')) x(v))$$, $$(SELECT avg(v) FROM (VALUES ('[-0]'::vector)) x(v))$$);
