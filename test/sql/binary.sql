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

SELECT halfvec_send('[1,-2,0]'), halfvec_send('[-0,6e-8,65504,0.1]'), sparsevec_send('{1:1,3:2}/5'), sparsevec_send('{}/5'), sparsevec_send('{1000000000:-0.5}/1000000000');
SELECT t, b, receive(t, b) FROM (VALUES
	('halfvec', '\x00030000 3c00 4000 4200'::bytea), ('halfvec', '\x00040000 7bff 0001 8000 0400'), ('halfvec(2)', '\x00030000 3c00 4000 4200'),
	('halfvec', '\x00000000'), ('halfvec', '\x3e810000 3c00'), ('halfvec', '\x00010001 3c00'), ('halfvec', '\x00020000 3c00'), ('halfvec', '\x00010000 3c00 4000'), ('halfvec', '\x00010000 3c'),
	('halfvec', '\x00010000 7c00'), ('halfvec', '\x00010000 fc00'), ('halfvec', '\x00010000 7e00'), ('halfvec', '\x00010000 fc01'),
	('sparsevec', '\x00000005 00000002 00000000 00000000 00000002 3f800000 40000000'), ('sparsevec', '\x00000005 00000000 00000000'), ('sparsevec(4)', '\x00000005 00000000 00000000'),
	('sparsevec', '\x00000000 00000000 00000000'), ('sparsevec', '\xffffffff 00000000 00000000'), ('sparsevec', '\x3b9aca01 00000000 00000000'),
	('sparsevec', '\x00000005 ffffffff 00000000'), ('sparsevec', '\x00000001 00000002 00000000'), ('sparsevec', '\x0000ffff 00003e81 00000000'), ('sparsevec', '\x00000005 00000000 00000001'),
	('sparsevec', '\x00000005 00000001 00000000 00000005 3f800000'), ('sparsevec', '\x00000005 00000001 00000000 ffffffff 3f800000'), ('sparsevec', '\x00000005 00000001 00000000 80000000 3f800000'),
	('sparsevec', '\x00000005 00000002 00000000 00000002 00000000 3f800000 40000000'), ('sparsevec', '\x00000005 00000002 00000000 00000002 00000002 3f800000 40000000'),
	('sparsevec', '\x00000005 00000001 00000000 00000000 00000000'), ('sparsevec', '\x00000005 00000001 00000000 00000000 80000000'),
	('sparsevec', '\x00000005 00000001 00000000 00000000 7fc00000'), ('sparsevec', '\x00000005 00000001 00000000 00000000 ff800000'),
	('sparsevec', '\x00000005 00000001 00000000 00000000 3f800000 00'), ('sparsevec', '\x00000005 00000001 00000000 00000000'), ('sparsevec', '\x00000005 00000001')) x(t, b);

-- what is sent is received, for every length of tail
SELECT count(*), count(*) FILTER (WHERE receive('vector', vector_send(v)) = v::text) AS same
	FROM (SELECT array_agg(real_from_bits(noise_bits(n * 100 + i, 4) & 2130706431))::vector AS v FROM generate_series(1, 40) n, generate_series(1, n) i GROUP BY n) s;
SELECT count(*), count(*) FILTER (WHERE receive('halfvec', halfvec_send(v)) = v::halfvec::text) AS same_half, count(*) FILTER (WHERE receive('sparsevec', sparsevec_send(v)) = v::sparsevec::text) AS same_sparse
	FROM (SELECT array_agg((noise_bits(n * 100 + i, 4) % 60000) * (noise_bits(i, n) & 1) / 7.0)::vector AS v FROM generate_series(1, 40) n, generate_series(1, n) i GROUP BY n) s;

-- bytes at random never do more than raise an error
SELECT count(*) AS accepted FROM (
	SELECT receive('vector', int2send((noise_bits(n, 5) & 3)::int2) || '\x0000' || substr(decode(md5(n::text), 'hex'), 1, (noise_bits(n, 6) & 15)::int)) AS r FROM generate_series(1, 300) n) s
	WHERE r LIKE '[%';
SELECT count(*) AS accepted FROM (
	SELECT receive('sparsevec', '\x000000'::bytea || substr(decode(md5(n::text), 'hex'), 1, 1) || int4send((noise_bits(n, 5) & 3)::int) || '\x00000000' || substr(decode(md5(n::text) || md5(n::text || 'x'), 'hex'), 1, (noise_bits(n, 6) & 31)::int)) AS r FROM generate_series(1, 300) n) s
	WHERE r LIKE '{%';

-- arrays and records use the functions of their elements
SELECT right(array_send(ARRAY['[1]'::vector])::text, 24), right(record_send(ROW('[1]'::vector))::text, 24);
