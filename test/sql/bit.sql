-- distances of bit
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SELECT B'0110' <~> B'0011', hamming_distance('1', '0'), B'' <~> B'', '1010'::varbit <~> '0101', X'ff' <~> X'0f';
SELECT B'0110' <%> B'0011', jaccard_distance('11101', '11101'), B'1100' <%> B'0011', B'0000' <%> B'0000', B'' <%> B'';
SELECT B'1' <~> NULL, NULL::bit <%> B'1';
SELECT * FROM attempt_all($$B'101' <~> B'10'$$, $$B'1' <%> B''$$, $$hamming_distance('101'::varbit, '1010')$$);

-- every length, since kernels handle remainders apart
CREATE TABLE pair AS
	SELECT d, string_agg((noise_bits(i, 1) & 1)::text, '' ORDER BY i)::varbit AS a, string_agg((noise_bits(i, 2) & 1)::text, '' ORDER BY i)::varbit AS b
	FROM generate_series(1, 1100) d, generate_series(d * 7, d * 7 + d - 1) i GROUP BY d;
INSERT INTO pair SELECT d, repeat('1', d)::varbit, repeat('0', d - 1)::varbit || B'1' FROM unnest(ARRAY[4096, 64000, 1000001]) d;
SELECT count(*), count(*) FILTER (WHERE (a <~> b) = bit_count(a # b)) AS hamming,
	count(*) FILTER (WHERE (a <%> b) = CASE bit_count(a & b) WHEN 0 THEN 1 ELSE 1 - bit_count(a & b)::float8 / bit_count(a | b) END) AS jaccard,
	count(*) FILTER (WHERE (a <~> ~a) = d AND (a <~> a) = 0) AS extremes FROM pair;
SELECT binary_quantize('[1,-1,1,1]'::vector) <~> binary_quantize('[1,1,-1,1]'::halfvec);
