-- functions and operators of the dense types; run for :type, with the name of
-- its norm in :norm
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SET types_test.type = :type;
\set l2sq :type _l2_squared_distance
\set negative_ip :type _negative_inner_product
\set spherical :type _spherical_distance
\set add :type _add
\set sub :type _sub
\set mul :type _mul
\set concat :type _concat
-- distances
SELECT '[1,2]':: :type <-> '[4,6]', l2_distance('[1,2]':: :type, '[4,6]'), :l2sq('[1,2]', '[4,6]');
SELECT '[1,2,3]':: :type <#> '[4,5,6]', inner_product('[1,2,3]':: :type, '[4,5,6]'), :negative_ip('[1,2,3]', '[4,5,6]');
SELECT '[3,4]':: :type <=> '[4,3]', cosine_distance('[1,1]':: :type, '[-2,-2]'), cosine_distance('[1,1]':: :type, '[2,2]'), '[1,0]':: :type <=> '[0,2]';
SELECT '[1,2]':: :type <+> '[4,-6]', l1_distance('[1,2]':: :type, '[4,-6]');
SELECT :spherical('[1,0]', '[0,1]'), :spherical('[1,0]', '[-1,0]'), :spherical('[3,0]', '[3,0]');
SELECT '[0,0]':: :type <=> '[1,2]', '[1,2]':: :type <=> '[0,-0]', '[0]':: :type <=> '[0]', '[0]':: :type <-> '[-0]';
SELECT '[1]':: :type <-> NULL, NULL:: :type <=> '[1]', NULL:: :type <#> NULL, inner_product(NULL:: :type, '[1]');
SELECT * FROM attempt_all($$'[1]'::@ <-> '[1,2]'$$, $$'[1,2]'::@ <#> '[1]'$$, $$'[1]'::@ <=> '[1,2]'$$, $$'[1]'::@ <+> '[1,2]'$$,
	$$@_spherical_distance('[1]', '[1,2]')$$, $$@_l2_squared_distance('[1]', '[1,2]')$$);

-- every length, since kernels handle remainders apart
CREATE TABLE pair AS
	SELECT d, array_agg(((noise_bits(i, 1) & 63) - 32)::real ORDER BY i):: :type AS a, array_agg(((noise_bits(i, 2) & 63) - 32)::real ORDER BY i):: :type AS b
	FROM generate_series(1, 140) d, generate_series(d * 1000, d * 1000 + d - 1) i GROUP BY d;
INSERT INTO pair
	SELECT d, array_agg(((noise_bits(i, 1) & 63) - 32)::real ORDER BY i):: :type, array_agg(((noise_bits(i, 2) & 63) - 32)::real ORDER BY i):: :type
	FROM unnest(ARRAY[768, 1001, 1536, 3072, 16000]) d, generate_series(1, d) i GROUP BY d;
CREATE TABLE reference AS
	SELECT d, sum((x - y) ^ 2) AS l2sq, sum(x * y) AS ip, sum(abs(x - y)) AS l1, sum(x * x) AS aa, sum(y * y) AS bb
	FROM (SELECT d, unnest(a::real[])::float8 AS x, unnest(b::real[])::float8 AS y FROM pair) e GROUP BY d;
SELECT count(*),
	count(*) FILTER (WHERE :l2sq(a, b) = l2sq AND (a <-> b) = sqrt(l2sq)) AS l2,
	count(*) FILTER (WHERE inner_product(a, b) = ip AND (a <#> b) = -ip) AS ip,
	count(*) FILTER (WHERE (a <+> b) = l1) AS l1,
	count(*) FILTER (WHERE abs((a <=> b) - (1 - ip / sqrt(aa * bb))) < 1e-12) AS cosine,
	count(*) FILTER (WHERE :norm(a) = sqrt(aa)) AS norm
	FROM pair JOIN reference USING (d);

-- norm and direction
SELECT :norm('[3,4]':: :type), :norm('[-5]':: :type), :norm('[0,0]':: :type);
SELECT l2_normalize('[0,8]':: :type), l2_normalize('[-7]':: :type), l2_normalize('[0,-0]':: :type), l2_normalize('[2,2,2,-2]':: :type);

-- dimensions and parts
SELECT vector_dims('[1,2,3]':: :type), vector_dims(NULL:: :type);
SELECT s, n, attempt(format('subvector(%L::@, %s, %s)', '[1,2,3,4]', s, n))
	FROM unnest(ARRAY[-2147483648, -1, 0, 1, 3, 4, 5, 2147483647]) s, unnest(ARRAY[-2147483648, 0, 1, 2, 4, 2147483647]) n;

-- arithmetic
SELECT '[1,2,3]':: :type + '[4,5,6]', '[1,2,3]':: :type - '[4,5,6]', '[1,2,3]':: :type * '[4,5,-6]', '[1,2]':: :type || '[3]';
SELECT :add('[1]', '[2]'), :sub('[1]', '[2]'), :mul('[-1]', '[0]'), :concat('[1]', '[2]');
SELECT d, a + b - b = a, a - a = a * array_fill(0, ARRAY[d]):: :type FROM pair WHERE d IN (1, 15, 16, 17, 33, 768, 16000) ORDER BY d;
SELECT * FROM attempt_all(
	$$'[1]'::@ + '[1,2]'$$, $$'[1]'::@ - '[1,2]'$$, $$'[1]'::@ * '[1,2]'$$,
	$$vector_dims(array_fill(1, ARRAY[15999])::@ || '[1]')$$, $$array_fill(1, ARRAY[16000])::@ || '[1]'$$);

-- operands stay as they were
WITH x AS MATERIALIZED (SELECT '[1,2]':: :type AS a, '[3,4]':: :type AS b) SELECT a + b, a - b, a * b, a || b, a, b FROM x;

-- bits
SELECT binary_quantize('[1,0,-1,-0]':: :type), binary_quantize('[1]':: :type), pg_typeof(binary_quantize('[1]':: :type));
SELECT n, binary_quantize(array_agg((i % 3) - 1 ORDER BY i):: :type) = string_agg((i % 3 = 2)::int::text, '' ORDER BY i)::varbit
	FROM unnest(ARRAY[7, 8, 9, 15, 16, 17, 100, 16000]) n, generate_series(1, n) i GROUP BY n ORDER BY n;

-- values stored out of line, in whole and in part
CREATE TABLE stored (id int, v :type);
ALTER TABLE stored ADD c :type;
ALTER TABLE stored ALTER c SET STORAGE extended;
INSERT INTO stored SELECT 1, v, v FROM (SELECT array_agg(i % 10):: :type AS v FROM generate_series(1, 16000) i) s;
INSERT INTO stored VALUES (2, '[1,2,3]', '[1,2,3]');
SELECT id, pg_column_size(v), pg_column_size(c) < 10000 AS compressed, vector_dims(v), vector_dims(c), v = c AS same, :norm(v) = :norm(c) AS same_norm FROM stored ORDER BY id;
SELECT id, subvector(v, 1, 3), subvector(c, 1, 3) FROM stored ORDER BY id;
SELECT subvector(v, 15999, 5), subvector(c, 15999, 5), subvector(v, 8000, 3), subvector(v, -5, 8) FROM stored WHERE id = 1;
SELECT subvector(v, 1, 16000) = v AS whole FROM stored;
UPDATE stored SET v = v:: :type(3), c = c:: :type(3) WHERE id = 2;
INSERT INTO stored SELECT 3, v:: :type(16000), c FROM stored WHERE id = 1;
SELECT id, vector_dims(v), v = c AS same FROM stored ORDER BY id;
