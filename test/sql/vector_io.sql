-- text form of vector
\getenv input PG_ABS_SRCDIR
\set type vector
\set common :input '/helpers/dense_io.sql'
\i :common
-- numbers
SELECT * FROM attempt_literals('vector',
	'[1]', '[1,2,3]', '[0]', '[-0,+0]', '[+1.5,-1.5]', '[.25,25.]', '[007.50]',
	'[5e2,5E2,5e+2,5e-2]', '[1e+00000000000000000002]',
	'[0.1,0.2,0.30000001192092896]', '[2.718281828459045]',
	'[100000,999999,1000000,1000001,12345678]',
	'[0.001,0.0001,0.00001,0.00012345678]',
	'[16777216,16777217,16777218,16777219]', '[8388609.5]',
	'[123456789012345678901234567890]', '[0.000000000000000000000000000012345]',
	'[1.00000005960464477539062500000000000000000000000001]',
	'[1.000000059604644775390625]', '[0x10,0x1.8p1,-0X.8P-1]');

-- ends of the range
SELECT * FROM attempt_literals('vector',
	'[3.4028235e38,-3.4028235e38]', '[3.40282356e38]', '[3.4028235677973366e38]',
	'[-1e39]', '[0,1e999,0]', '[1e-37]', '[1.1754942e-38]', '[1e-45]', '[7.1e-46]',
	'[7e-46,-7e-46]', '[1e-999999999999999999999]', '[1e999999999999999999999]');

-- values that are not allowed
SELECT * FROM attempt_literals('vector',
	'[NaN]', '[1,-nan]', '[Inf]', '[-infinity]', '[1,+INF,x]', '[NaN');

-- output does not depend on settings
SET extra_float_digits = 0;
SELECT '[0.1,0.33333333]'::vector;
SET extra_float_digits = -15;
SELECT '[0.1,0.33333333]'::vector;
RESET extra_float_digits;

-- numbers are written as those of real, and read back as they were
SELECT real_from_bits(1), real_from_bits(2139095039), real_from_bits(3212836864);
CREATE TABLE number AS
	SELECT array_agg(real_from_bits(b) ORDER BY b) AS x
	FROM (SELECT noise_bits(i, 1) & 4294967295 AS b, i FROM generate_series(1, 20000) i) s
	WHERE b & 2139095040 <> 2139095040 GROUP BY i % 100;
INSERT INTO number
	SELECT array_agg((noise_bits(i, 2) % 2000000 / 1000.0)::real) FROM generate_series(1, 20000) i GROUP BY i % 100;
INSERT INTO number
	SELECT array_agg((noise_bits(i, 3) % 2000000)::real) FROM generate_series(1, 20000) i GROUP BY i % 100;
SELECT count(*), count(*) FILTER (WHERE translate(x::text, '{}', '[]') = x::vector::text) AS same_text,
	count(*) FILTER (WHERE (x::vector::text)::vector::real[] = x) AS same_value
	FROM number;
-- digits behind those that matter do not change the value
SELECT count(*) FROM (SELECT unnest(x) AS x FROM number) s
	WHERE (format('[%s]', x::float8)::vector::real[])[1] IS DISTINCT FROM x;

-- rows that cannot be copied
\set VERBOSITY terse
COPY copied FROM STDIN;
4	[1,2,3]
\.
COPY copied FROM STDIN;
4	[1,2
\.
