-- casts of the vector types and arrays
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SELECT ARRAY[1, -2, 2147483647]::vector, '{1.5,-0,1e-45,3.4028235e38}'::real[]::vector, '{0.1,1e-300,-1e-300,3.4028235677e38}'::float8[]::vector, '{0.1,12345678901234567890,1e-30,1e-60,-0.0}'::numeric[]::vector;
SELECT * FROM attempt_all(
	$$'{}'::int[]::vector$$, $$'{}'::real[]::vector$$, $$'{}'::float8[]::vector$$, $$'{}'::numeric[]::vector$$,
	$$'{1,NULL}'::int[]::vector$$, $$'{NULL}'::real[]::vector$$, $$'{NULL,1}'::float8[]::vector$$, $$'{1,NULL}'::numeric[]::vector$$,
	$$'{{1,2}}'::int[]::vector$$, $$'{{1},{2}}'::real[]::vector$$, $$'{{1}}'::float8[]::vector$$, $$'{{{1}}}'::numeric[]::vector$$,
	$$'{1,NaN}'::real[]::vector$$, $$'{Infinity}'::real[]::vector$$, $$'{-Infinity,NaN}'::float8[]::vector$$, $$'{NaN}'::float8[]::vector$$,
	$$'{NaN}'::numeric[]::vector$$, $$'{-Infinity}'::numeric[]::vector$$,
	$$'{1e39}'::float8[]::vector$$, $$'{1e39}'::numeric[]::vector$$,
	$$'{1,2}'::int[]::vector(1)$$, $$array_to_vector('{1,2}'::real[], 3, true)$$, $$array_to_vector('{1,2}'::float8[], 2, false)$$,
	$$vector_dims(array_fill(1, ARRAY[16000])::vector)$$, $$array_fill(1, ARRAY[16001])::vector$$, $$array_fill(1::real, ARRAY[16001])::vector$$);
SELECT '[5:6]={1,2}'::int[]::vector, (ARRAY[1,2,3,4])[2:3]::vector, array_remove(ARRAY[1,NULL,2], NULL)::vector;
SELECT '[1,-0,0.1]'::vector::real[], vector_to_float4('[1,2]', 7, true), array_dims('[1,2]'::vector::real[]), cardinality(array_fill(1, ARRAY[16000])::vector::real[]);
SELECT attempt($$'{1}'::bigint[]::vector$$), attempt($$'{1}'::text[]::vector$$), attempt($$1::vector$$), attempt($$'[1]'::vector::int[]$$);
SELECT NULL::int[]::vector, NULL::vector::real[];

-- numeric is rounded once
SELECT '{16777217.0000000000000000001,1.000000059604644775390625,1.0000000596046447753906250000000001}'::numeric[]::vector;

-- implicit in one direction, on assignment in the other
CREATE TABLE target (r real[], v vector(2));
INSERT INTO target VALUES ('[1,2]'::vector, ARRAY[1.5, 2.5]);
INSERT INTO target (v) SELECT ARRAY[3, 4]::float8[];
SELECT * FROM target;
CREATE FUNCTION total(real[]) RETURNS real LANGUAGE sql AS 'SELECT sum(x) FROM unnest($1) x';
SELECT total('[1,2]'::vector), attempt($$vector_norm(ARRAY[3, 4])$$);

-- the same checks for the other types
SELECT t, e, attempt(replace(e, '@', t)) FROM unnest(ARRAY['halfvec', 'sparsevec']) t, unnest(ARRAY[
	$$ARRAY[1, 0, -2]::@$$, $$'{1.5,-0,6e-8,65504}'::real[]::@$$, $$'{0.1,1e-300,0,-1e-300}'::float8[]::@$$, $$'{0.1,0.0,12345}'::numeric[]::@$$,
	$$'{}'::int[]::@$$, $$'{1,NULL}'::int[]::@$$, $$'{NULL}'::numeric[]::@$$, $$'{{1,2}}'::int[]::@$$, $$'{{1},{2}}'::real[]::@$$,
	$$'{1,NaN}'::real[]::@$$, $$'{Infinity}'::real[]::@$$, $$'{-Infinity,NaN}'::float8[]::@$$, $$'{NaN}'::numeric[]::@$$, $$'{1e39}'::float8[]::@$$, $$'{1e39}'::numeric[]::@$$,
	$$'{65519.99}'::float8[]::@$$, $$'{65520}'::float8[]::@$$, $$'{-65520}'::real[]::@$$, $$ARRAY[-100000]::@$$, $$'{1e30}'::real[]::@$$, $$'{65520}'::numeric[]::@$$,
	$$'{1,2}'::int[]::@(1)$$, $$array_to_@('{1,2}'::real[], 3, true)$$, $$length(array_fill(1, ARRAY[16000])::@::text)$$, $$array_fill(1, ARRAY[16001])::@$$, $$'{1}'::bigint[]::@$$]) e;

-- between the types
SELECT '[1,0,-2.5]'::vector::halfvec, '[1,0,-2.5]'::vector::sparsevec, '[1,0,-2.5]'::halfvec::vector, '[1,0,-2.5]'::halfvec::sparsevec, '{1:1,3:-2.5}/3'::sparsevec::vector, '{1:1,3:-2.5}/3'::sparsevec::halfvec, '[0.1,-0]'::halfvec::real[];
SELECT * FROM attempt_all($$'[65519.9,2.98023225e-8,2.98e-8,2049]'::vector::halfvec$$, $$'[65520]'::vector::halfvec$$, $$'[1,-1e30]'::vector::halfvec$$, $$'{2:65520}/3'::sparsevec::halfvec$$, $$'{1:1e-10}/2'::sparsevec::halfvec$$, $$'[0,-0,0]'::vector::sparsevec$$,
	$$'{1:1}/16001'::sparsevec::vector$$, $$'{1:1}/1000000000'::sparsevec::halfvec$$, $$vector_dims('{16000:1}/16000'::sparsevec::vector)$$, $$l2_norm(array_fill(0::float8, ARRAY[20000])::sparsevec)$$, $$'{1:1}/2'::sparsevec::real[]$$, $$'[1]'::halfvec::bit(1)$$);
CREATE TABLE every_type (v vector, h halfvec, s sparsevec);
INSERT INTO every_type VALUES ('[1,0]'::halfvec, '{1:1}/2'::sparsevec, '[1,0]'::vector), ('{2:1}/2'::sparsevec, '[1,0]'::vector, '[1,0]'::halfvec);
SELECT *, v = h, v = s, h = s FROM every_type;
