-- functions and operators of vector
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
-- distances
SELECT '[1,2]'::vector <-> '[4,6]', l2_distance('[1,2]'::vector, '[4,6]'), vector_l2_squared_distance('[1,2]', '[4,6]');
SELECT '[1,2,3]'::vector <#> '[4,5,6]', inner_product('[1,2,3]'::vector, '[4,5,6]'), vector_negative_inner_product('[1,2,3]', '[4,5,6]');
SELECT '[3,4]'::vector <=> '[4,3]', cosine_distance('[1,1]'::vector, '[-2,-2]'), cosine_distance('[1,1]'::vector, '[2,2]'), '[1,0]'::vector <=> '[0,2]';
SELECT '[1,2]'::vector <+> '[4,-6]', l1_distance('[1,2]'::vector, '[4,-6]');
SELECT vector_spherical_distance('[1,0]', '[0,1]'), vector_spherical_distance('[1,0]', '[-1,0]'), vector_spherical_distance('[3,0]', '[3,0]');
SELECT '[0,0]'::vector <=> '[1,2]', '[1,2]'::vector <=> '[0,-0]', '[0]'::vector <=> '[0]', '[0]'::vector <-> '[-0]';
SELECT '[1]'::vector <-> NULL, NULL::vector <=> '[1]', NULL::vector <#> NULL, inner_product(NULL::vector, '[1]');
SELECT * FROM attempt_all($$'[1]'::vector <-> '[1,2]'$$, $$'[1,2]'::vector <#> '[1]'$$, $$'[1]'::vector <=> '[1,2]'$$, $$'[1]'::vector <+> '[1,2]'$$,
	$$vector_spherical_distance('[1]', '[1,2]')$$, $$vector_l2_squared_distance('[1]', '[1,2]')$$);

-- every length, since kernels handle remainders apart
CREATE TABLE pair AS
	SELECT d, array_agg(((noise_bits(i, 1) & 63) - 32)::real ORDER BY i)::vector AS a, array_agg(((noise_bits(i, 2) & 63) - 32)::real ORDER BY i)::vector AS b
	FROM generate_series(1, 140) d, generate_series(d * 1000, d * 1000 + d - 1) i GROUP BY d;
INSERT INTO pair
	SELECT d, array_agg(((noise_bits(i, 1) & 63) - 32)::real ORDER BY i)::vector, array_agg(((noise_bits(i, 2) & 63) - 32)::real ORDER BY i)::vector
	FROM unnest(ARRAY[768, 1001, 1536, 3072, 16000]) d, generate_series(1, d) i GROUP BY d;
CREATE TABLE reference AS
	SELECT d, sum((x - y) ^ 2) AS l2sq, sum(x * y) AS ip, sum(abs(x - y)) AS l1, sum(x * x) AS aa, sum(y * y) AS bb
	FROM (SELECT d, unnest(a::real[])::float8 AS x, unnest(b::real[])::float8 AS y FROM pair) e GROUP BY d;
SELECT count(*),
	count(*) FILTER (WHERE vector_l2_squared_distance(a, b) = l2sq AND (a <-> b) = sqrt(l2sq)) AS l2,
	count(*) FILTER (WHERE inner_product(a, b) = ip AND (a <#> b) = -ip) AS ip,
	count(*) FILTER (WHERE (a <+> b) = l1) AS l1,
	count(*) FILTER (WHERE abs((a <=> b) - (1 - ip / sqrt(aa * bb))) < 1e-12) AS cosine,
	count(*) FILTER (WHERE vector_norm(a) = sqrt(aa)) AS norm
	FROM pair JOIN reference USING (d);

-- values whose squares leave the range of real: right, not infinite or NaN
SELECT '[2e38]'::vector <-> '[-2e38]' BETWEEN 3.999e38 AND 4.001e38, '[1e-30]'::vector <-> '[0]' BETWEEN 0.999e-30 AND 1.001e-30, '[3e38,3e38]'::vector <+> '[0,0]' BETWEEN 5.999e38 AND 6.001e38;
SELECT '[1e20,0]'::vector <=> '[1e20,0]', '[1e20,0]'::vector <=> '[0,1e20]', '[1e-30]'::vector <=> '[-1e-30]', '[1e-45,0]'::vector <=> '[3e38,0]', '[3e38,3e38]'::vector <=> '[-3e38,-3e38]';
SELECT '[1e-30,0]'::vector <=> '[0,1e-30]', '[1e30,1]'::vector <=> '[-1,1e30]', '[1e20]'::vector <=> '[0]';
SELECT inner_product('[1e20,1e20]'::vector, '[1e20,-1e20]'), inner_product('[1e20]'::vector, '[1e20]') BETWEEN 0.999e40 AND 1.001e40, inner_product('[1e-30]'::vector, '[1e-30]') BETWEEN 0.999e-60 AND 1.001e-60;
SELECT d, abs((a <=> b) - (1 - sqrt(0.5))) < 1e-6 AS is_right FROM (VALUES ('[1e38,0]'::vector, '[1e38,1e38]'::vector), ('[1e-38,0]', '[1e-38,1e-38]'), ('[1e-44,0]', '[1e-44,1e-44]'), ('[1e15,0]', '[1e-15,1e-15]')) x(a, b), LATERAL (SELECT a::text) y(d);

-- norm and direction
SELECT vector_norm('[3,4]'), vector_norm('[-5]'), vector_norm('[0,0]'), vector_norm('[3e38,3e38]') > 4e38, vector_norm('[1e-45]') > 0;
SELECT l2_normalize('[6,8]'::vector), l2_normalize('[-7]'::vector), l2_normalize('[0,-0]'::vector), l2_normalize('[3e38,3e38]'::vector), l2_normalize('[1e-45,1e-45]'::vector);

-- dimensions and parts
SELECT vector_dims('[1,2,3]'::vector), vector_dims(NULL::vector);
SELECT s, n, attempt(format('subvector(%L::vector, %s, %s)', '[1,2,3,4]', s, n))
	FROM unnest(ARRAY[-2147483648, -1, 0, 1, 3, 4, 5, 2147483647]) s, unnest(ARRAY[-2147483648, 0, 1, 2, 4, 2147483647]) n;

-- arithmetic
SELECT '[1,2,3]'::vector + '[4,5,6]', '[1,2,3]'::vector - '[4,5,6]', '[1,2,3]'::vector * '[4,5,-6]', '[1,2]'::vector || '[3]';
SELECT vector_add('[1]', '[2]'), vector_sub('[1]', '[2]'), vector_mul('[-1]', '[0]'), vector_concat('[1]', '[2]');
SELECT d, a + b - b = a, a - a = a * array_fill(0, ARRAY[d])::vector FROM pair WHERE d IN (1, 15, 16, 17, 33, 768, 16000) ORDER BY d;
SELECT * FROM attempt_all($$'[3e38]'::vector + '[3e38]'$$, $$'[0,-3e38]'::vector - '[0,3e38]'$$, $$'[1e30]'::vector * '[1e30]'$$, $$'[1e-30]'::vector * '[1e-30]'$$,
	$$'[1e-30,1e30]'::vector * '[1e-30,1e30]'$$, $$'[1e-20]'::vector * '[1e-20]'$$, $$'[0,1e-45]'::vector * '[1e-45,0]'$$, $$'[1e-45]'::vector - '[1e-45]'$$,
	$$array_fill(3e38::real, ARRAY[40])::vector + array_fill(3e38::real, ARRAY[40])::vector$$,
	$$'[1]'::vector + '[1,2]'$$, $$'[1]'::vector - '[1,2]'$$, $$'[1]'::vector * '[1,2]'$$,
	$$vector_dims(array_fill(1, ARRAY[15999])::vector || '[1]')$$, $$array_fill(1, ARRAY[16000])::vector || '[1]'$$);

-- operands stay as they were
WITH x AS MATERIALIZED (SELECT '[1,2]'::vector AS a, '[3,4]'::vector AS b) SELECT a + b, a - b, a * b, a || b, a, b FROM x;

-- bits
SELECT binary_quantize('[1,0,-1,-0,1e-45,-1e-45]'::vector), binary_quantize('[1]'::vector), pg_typeof(binary_quantize('[1]'::vector));
SELECT n, binary_quantize(array_agg((i % 3) - 1 ORDER BY i)::vector) = string_agg((i % 3 = 2)::int::text, '' ORDER BY i)::varbit
	FROM unnest(ARRAY[7, 8, 9, 15, 16, 17, 100, 16000]) n, generate_series(1, n) i GROUP BY n ORDER BY n;

-- values stored out of line, in whole and in part
CREATE TABLE stored (id int, v vector);
ALTER TABLE stored ADD c vector;
ALTER TABLE stored ALTER c SET STORAGE extended;
INSERT INTO stored SELECT 1, v, v FROM (SELECT array_agg(i % 10)::vector AS v FROM generate_series(1, 16000) i) s;
INSERT INTO stored VALUES (2, '[1,2,3]', '[1,2,3]');
SELECT id, pg_column_size(v), pg_column_size(c) < 10000 AS compressed, vector_dims(v), vector_dims(c), v = c AS same, vector_norm(v) = vector_norm(c) AS same_norm FROM stored ORDER BY id;
SELECT id, subvector(v, 1, 3), subvector(c, 1, 3) FROM stored ORDER BY id;
SELECT subvector(v, 15999, 5), subvector(c, 15999, 5), subvector(v, 8000, 3), subvector(v, -5, 8) FROM stored WHERE id = 1;
SELECT subvector(v, 1, 16000) = v AS whole FROM stored;
UPDATE stored SET v = v::vector(3), c = c::vector(3) WHERE id = 2;
INSERT INTO stored SELECT 3, v::vector(16000), c FROM stored WHERE id = 1;
SELECT id, vector_dims(v), v = c AS same FROM stored ORDER BY id;
