-- text form of halfvec
\getenv input PG_ABS_SRCDIR
\set type halfvec
\set common :input '/helpers/dense_io.sql'
\i :common
-- numbers
SELECT * FROM attempt_literals('halfvec',
	'[1]', '[0]', '[-0,+0]', '[+1.5,-1.5]', '[.25,25.]', '[007.50]', '[5e2,5E2,5e+2,5e-2]',
	'[0.1,0.2,0.3]', '[1234.5,12345,54321]', '[0.001,0.0001]', '[0x10,0x1.8p1,-0X.8P-1]');

-- ends of the range
SELECT * FROM attempt_literals('halfvec',
	'[65504,-65504]', '[65519.99]', '[65519.9999]', '[65519.99999999999999999999]', '[65520]', '[-65520]', '[65520.00000000000000000001]', '[1e5]', '[-1e39]', '[0,1e999]',
	'[6.1035156e-5]', '[6.097555160522461e-05]', '[5.9604645e-8]', '[2.98023223876953125e-8]', '[2.980232238769531250000000000000000000000000000000000000001e-8]',
	'[2.9e-8,-2.9e-8]', '[1e-50]', '[-1e-999]', '[0x1p-25]', '[0x1.000000000000000001p-25]', '[0xffeffff.ffffffp-12]', '[0xfff0p0]');

-- a number is rounded once, ties to even
SELECT * FROM attempt_literals('halfvec',
	'[2049,2051]', '[2049.00001,2050.99999]', '[2048.99999999999999999999,2049.00000000000000000001]', '[1.00048828125]', '[1.0004882812500000000000000000000000001]', '[1.0004882812499999999999999999999999999]',
	'[1.0004883,1.0014648,1.0014649]', '[8.9406967e-08,8.94069671630859375e-08,8.94069671630859376e-08]');
SELECT '{2049,2049.0000001,2048.9999999,1e-300}'::float8[]::halfvec, '{2049,2049.0000000000000000000000001,2048.9999999999999999999999}'::numeric[]::halfvec, '{2049,2051}'::int[]::halfvec;

-- values that are not allowed
SELECT * FROM attempt_literals('halfvec', '[NaN]', '[1,-nan]', '[Inf]', '[-infinity]', '[1,+INF,x]', '[NaN');

-- every half is written as real is, and read back as it was
CREATE TABLE half AS
	SELECT sign * CASE WHEN bits < 1024 THEN bits * 2::float8 ^ -24 ELSE (1024 + bits % 1024) * 2::float8 ^ (bits / 1024 - 25) END AS x
	FROM generate_series(0, 31743) bits, unnest(ARRAY[1, -1]) sign;
SELECT count(*), count(*) FILTER (WHERE ARRAY[x]::halfvec::text = format('[%s]', x::real)) AS same_text,
	count(*) FILTER (WHERE (format('[%s]', x)::halfvec::real[])[1] = x) AS same_value,
	count(*) FILTER (WHERE ARRAY[x]::halfvec::text::halfvec = ARRAY[x]::halfvec) AS same_again FROM half;
-- and the middle to the next one is read as the even one, a little more as the next
CREATE TABLE middle AS
	SELECT rank, x, next, ((x * 2::float8 ^ 24)::int8 + (next * 2::float8 ^ 24)::int8)::numeric * 0.0000000298023223876953125 AS middle
	FROM (SELECT row_number() OVER (ORDER BY x) - 1 AS rank, x, lead(x) OVER (ORDER BY x) AS next FROM half WHERE x >= 0 GROUP BY x) s;
SELECT count(*), count(*) FILTER (WHERE (ARRAY[(x + next) / 2]::halfvec::real[])[1] = CASE rank % 2 WHEN 0 THEN x ELSE next END) AS even,
	count(*) FILTER (WHERE (format('[%s]', middle)::halfvec::real[])[1] = CASE rank % 2 WHEN 0 THEN x ELSE next END) AS even_decimal,
	count(*) FILTER (WHERE (ARRAY[(x + next) / 2 * (1 + 1e-15)]::halfvec::real[])[1] = next AND (ARRAY[(x + next) / 2 * (1 - 1e-15)]::halfvec::real[])[1] = x) AS nearest,
	count(*) FILTER (WHERE (ARRAY[middle + 1e-40]::halfvec::real[])[1] = next AND (ARRAY[middle - 1e-40]::halfvec::real[])[1] = x) AS nearest_decimal
	FROM middle WHERE next IS NOT NULL AND (rank < 3000 OR rank % 16 < 2);

-- rows that cannot be copied
\set VERBOSITY terse
COPY copied FROM STDIN;
4	[1,2,3]
\.
COPY copied FROM STDIN;
4	[1,2
\.
