-- aggregates of halfvec
\getenv input PG_ABS_SRCDIR
\set type halfvec
\set norm l2_norm
\set big 400
\set common :input '/helpers/dense_aggregates.sql'
\i :common
-- the ends of the range, and the precision of sums
SELECT * FROM attempt_all(
	$$(SELECT sum(v) FROM (VALUES ('[65504]'::halfvec), ('[65504]')) x(v))$$, $$(SELECT avg(v) FROM (VALUES ('[65504]'::halfvec), ('[65504]')) x(v))$$,
	$$(SELECT sum(v) FROM (VALUES ('[2048]'::halfvec), ('[1]'), ('[1]')) x(v))$$, $$(SELECT avg(v) FROM (VALUES ('[2048]'::halfvec), ('[1]'), ('[1]')) x(v))$$, $$(SELECT avg(v) FROM (VALUES ('[-0]'::halfvec)) x(v))$$,
	$$halfvec_avg('{1,65519.99}')$$, $$halfvec_avg('{1,65520}')$$, $$halfvec_avg('{-2,131040}')$$);
