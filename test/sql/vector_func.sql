-- functions and operators of vector
\getenv input PG_ABS_SRCDIR
\set type vector
\set norm vector_norm
\set common :input '/helpers/dense_func.sql'
\i :common
-- values whose squares leave the range of real: right, not infinite or NaN
SELECT '[2e38]'::vector <-> '[-2e38]' BETWEEN 3.999e38 AND 4.001e38, '[1e-30]'::vector <-> '[0]' BETWEEN 0.999e-30 AND 1.001e-30, '[3e38,3e38]'::vector <+> '[0,0]' BETWEEN 5.999e38 AND 6.001e38;
SELECT '[1e20,0]'::vector <=> '[1e20,0]', '[1e20,0]'::vector <=> '[0,1e20]', '[1e-30]'::vector <=> '[-1e-30]', '[1e-45,0]'::vector <=> '[3e38,0]', '[3e38,3e38]'::vector <=> '[-3e38,-3e38]';
SELECT '[1e-30,0]'::vector <=> '[0,1e-30]', '[1e30,1]'::vector <=> '[-1,1e30]', '[1e20]'::vector <=> '[0]';
SELECT inner_product('[1e20,1e20]'::vector, '[1e20,-1e20]'), inner_product('[1e20]'::vector, '[1e20]') BETWEEN 0.999e40 AND 1.001e40, inner_product('[1e-30]'::vector, '[1e-30]') BETWEEN 0.999e-60 AND 1.001e-60;
SELECT d, abs((a <=> b) - (1 - sqrt(0.5))) < 1e-6 AS is_right FROM (VALUES ('[1e38,0]'::vector, '[1e38,1e38]'::vector), ('[1e-38,0]', '[1e-38,1e-38]'), ('[1e-44,0]', '[1e-44,1e-44]'), ('[1e15,0]', '[1e-15,1e-15]')) x(a, b), LATERAL (SELECT a::text) y(d);

-- norm, direction, arithmetic and bits at the ends of the range
SELECT vector_norm('[3e38,3e38]') > 4e38, vector_norm('[1e-45]') > 0;
SELECT l2_normalize('[6,8]'::vector), l2_normalize('[3e38,3e38]'::vector), l2_normalize('[1e-45,1e-45]'::vector);
SELECT binary_quantize('[1e-45,-1e-45]'::vector);
SELECT * FROM attempt_all($$'[3e38]'::vector + '[3e38]'$$, $$'[0,-3e38]'::vector - '[0,3e38]'$$, $$'[1e30]'::vector * '[1e30]'$$, $$'[1e-30]'::vector * '[1e-30]'$$,
	$$'[1e-30,1e30]'::vector * '[1e-30,1e30]'$$, $$'[1e-20]'::vector * '[1e-20]'$$, $$'[0,1e-45]'::vector * '[1e-45,0]'$$, $$'[1e-45]'::vector - '[1e-45]'$$,
	$$array_fill(3e38::real, ARRAY[40])::vector + array_fill(3e38::real, ARRAY[40])::vector$$);
