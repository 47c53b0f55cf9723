-- binary form of the types
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SELECT vector_send('[1,2,3]'), vector_send('[-0,1e-45,3.4028235e38,0.1]'), vector_send(NULL);
SELECT length(vector_send(array_fill(1, ARRAY[16000])::vector));

SELECT t, b, receive(t, b) FROM (VALUES
	('vector', '\x00010000 3f800000'::bytea), ('vector', '\x00020000 80000000 00000001'), ('vector', '\x00010000 7f7fffff'),
	('vector(2)', '\x00020000 3f800000 40000000'), ('vector(3)', '\x00020000 3f800000 40000000'),
	('vector', '\x00000000'), ('vector', '\xffff0000'), ('vector', '\x80000000 3f800000'), ('vector', '\x3e810000 3f800000'),
	('vector', '\x00010001 3f800000'), ('vector', '\x0001ffff 3f800000'), ('vector(2)', '\x00010001 7fc00000'),
	('vector', '\x'), ('vector', '\x00'), ('vector', '\x0001'), ('vector', '\x000100'), ('vector', '\x00010000'), ('vector', '\x00010000 3f8000'),
	('vector', '\x00020000 3f800000'), ('vector', '\x3e800000 3f800000'), ('vector', '\x00010000 3f800000 00'), ('vector', '\x00010000 3f800000 3f800000'),
	('vector', '\x00010000 7f800000'), ('vector', '\x00010000 ff800000'), ('vector', '\x00010000 7fc00000'), ('vector', '\x00010000 ff800001'),
	('vector', '\x00030000 3f800000 7f800000 7fc00000')) x(t, b);

-- what is sent is received, for every length of tail
SELECT count(*), count(*) FILTER (WHERE receive('vector', vector_send(v)) = v::text) AS same
	FROM (SELECT array_agg(real_from_bits(noise_bits(n * 100 + i, 4) & 2130706431))::vector AS v FROM generate_series(1, 40) n, generate_series(1, n) i GROUP BY n) s;

-- bytes at random never do more than raise an error
SELECT count(*) AS accepted FROM (
	SELECT receive('vector', int2send((noise_bits(n, 5) & 3)::int2) || '\x0000' || substr(decode(md5(n::text), 'hex'), 1, (noise_bits(n, 6) & 15)::int)) AS r FROM generate_series(1, 300) n) s
	WHERE r LIKE '[%';

-- arrays and records use the functions of their elements
SELECT right(array_send(ARRAY['[1]'::vector])::text, 24), right(record_send(ROW('[1]'::vector))::text, 24);
