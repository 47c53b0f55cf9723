-- functions and operators of halfvec
\getenv input PG_ABS_SRCDIR
\set type halfvec
\set norm l2_norm
\set common :input '/helpers/dense_func.sql'
\i :common
-- the ends of the range
SELECT '[65504]'::halfvec <-> '[-65504]', '[6e-8]'::halfvec <-> '[0]', '[65504,65504]'::halfvec <+> '[-65504,0]', inner_product('[6e-8]'::halfvec, '[6e-8]');
SELECT '[65504,0]'::halfvec <=> '[65504,65504]', '[6e-8,0]'::halfvec <=> '[6e-8,6e-8]', '[6e-8]'::halfvec <=> '[-65504]';
SELECT l2_norm('[65504,65504]'::halfvec), l2_norm('[6e-8]'::halfvec), l2_normalize('[6,8]'::halfvec), l2_normalize('[65504,65504]'::halfvec), l2_normalize('[6e-8,6e-8]'::halfvec);
SELECT binary_quantize('[6e-8,-6e-8]'::halfvec);
SELECT * FROM attempt_all($$'[65504]'::halfvec + '[15.99]'$$, $$'[65504]'::halfvec + '[16]'$$, $$'[0,-65504]'::halfvec - '[0,65504]'$$, $$'[256]'::halfvec * '[256]'$$, $$'[1e-4]'::halfvec * '[1e-4]'$$,
	$$'[1e-4,300]'::halfvec * '[1e-4,300]'$$, $$'[0.001]'::halfvec * '[0.001]'$$, $$'[0,6e-8]'::halfvec * '[6e-8,0]'$$, $$'[2048]'::halfvec + '[1]'$$, $$'[2048]'::halfvec + '[3]'$$, $$'[6e-8]'::halfvec - '[6e-8]'$$);

-- a sum, difference or product of halves is the half next to the exact one
CREATE TABLE operand AS SELECT i, (noise_bits(i, 8) % 65504)::real AS x, ((noise_bits(i, 9) % 2048) / 1024.0)::real AS y FROM generate_series(1, 5000) i;
UPDATE operand SET x = (ARRAY[x]::halfvec::real[])[1], y = (ARRAY[y]::halfvec::real[])[1];
SELECT count(*),
	count(*) FILTER (WHERE abs(x::float8 + y) < 65520 AND ARRAY[x]::halfvec + ARRAY[y]::halfvec = ARRAY[x::float8 + y]::halfvec) AS sums,
	count(*) FILTER (WHERE abs(x::float8 - y) < 65520 AND ARRAY[x]::halfvec - ARRAY[y]::halfvec = ARRAY[x::float8 - y]::halfvec) AS differences,
	count(*) FILTER (WHERE abs(x::float8 * y / 4) < 65520 AND ARRAY[x / 4]::halfvec * ARRAY[y]::halfvec = ARRAY[(ARRAY[x / 4]::halfvec::real[])[1]::float8 * y]::halfvec) AS products FROM operand;
