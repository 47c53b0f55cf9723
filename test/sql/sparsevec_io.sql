-- text form of sparsevec
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SELECT * FROM attempt_literals('sparsevec',
	'{1:4}/1', '{2:4,5:-6.5}/8', '{}/4', '{5:1,2:2,4:3}/6', '{3:3,2:2,1:1}/3', '{01:1,+2:2}/007', '{}/+3', '{1:1}/1000000000', '{1000000000:1}/1000000000');

-- elements of value zero are left out, whatever their index
SELECT * FROM attempt_literals('sparsevec', '{1:0,2:7,3:-0,4:0e5}/4', '{9:0}/2', '{1:0,1:5}/2', '{-3:0}/1');

-- numbers are those of vector; too small ones are refused
SELECT * FROM attempt_literals('sparsevec',
	'{1:+1.5,2:.25,3:25.,4:5e-2,5:0x1p-3}/5', '{1:0.1,2:1000000,3:123456,4:16777217}/4', '{1:3.4028235e38,2:1e-45}/2', '{1:3.5e38}/1', '{1:-1e39}/1',
	'{1:1e-50}/1', '{1:-1e-999}/1', '{1:0x1p-151}/1', '{1:NaN}/1', '{1:1,2:nan}/2', '{1:Inf}/1', '{1:-infinity}/1');

-- indexes and dimensions
SELECT * FROM attempt_literals('sparsevec',
	'{0:1}/3', '{-1:1}/3', '{4:1}/3', '{2147483647:1}/3', '{2147483648:1}/3', '{4294967297:1}/3', '{-2147483648:1}/3', '{18446744073709551617:1}/3', '{99999999999999999999999:1}/3',
	'{1:1,1:2}/3', '{2:1,1:1,2:1}/3', '{1:1}/0', '{}/0', '{}/-1', '{1:1}/1000000001', '{}/2147483648', '{}/4294967297', '{}/99999999999999999999', '{}/-99999999999999999999');

-- white space
SELECT * FROM attempt_literals('sparsevec', ' { 1 : 4 , 2 : 5 } / 3 ', '{ }/3', '{1:4 2:5}/3', '{1 2:4}/30', '{1:4}/3 0', '{- 1:4}/3', '{1:- 4}/3');
SELECT E'\t{\n1\r:\f4\x0b}\t/\n3\n'::sparsevec;

-- syntax
SELECT * FROM attempt_literals('sparsevec',
	'', ' ', '{', '{ ', '}', '{}', '{} ', '{}/', '{}/ ', '{}/x', '{}/3.5', '{}/1e3', '{}/3/3', '{}/3}', '{}3', '{},3', '{,}/3', '{,1:1}/3', '{1:1,}/3', '{1:1, }/3', '{1:1,,2:1}/3', '{1:1;2:1}/3',
	'{1', '{1:', '{1:1', '{1:1,', '{1:1}', '{1:1}}/3', '{{1:1}}/3', '1:1/3', '[1:1]/3', '[1,0]', '{1}/3', '{1,2}/3', '{1=1}/3', '{:1}/3', '{ :1}/3', '{1:}/3', '{1: }/3', '{x:1}/3', '{1:x}/3', '{1:1x}/3', '{1:1:1}/3',
	'{1.5:1}/3', '{1e0:1}/3', '{0x1:1}/3', '{1:1}/3x', '{--1:1}/3', '{+-1:1}/3', '{1:1}/--3');

-- number of elements
SELECT length(((SELECT '{' || string_agg(i || ':1', ',') FROM generate_series(1, 16000) i) || '}/16000')::sparsevec::text);
SELECT attempt($$((SELECT '{' || string_agg(i || ':1', ',') FROM generate_series(1, 16001) i) || '}/16001')::sparsevec$$);
SELECT ((SELECT '{1:1,' || string_agg(i || ':0', ',') FROM generate_series(1, 16001) i) || '}/3')::sparsevec;

-- what is written is read back, in any order of elements
CREATE TABLE sample AS
	SELECT n, string_agg(format('%s:%s', i, real_from_bits(bits)), ',' ORDER BY i) AS ordered, string_agg(format('%s:%s', i, real_from_bits(bits)), ',' ORDER BY bits) AS shuffled
	FROM (SELECT n, i, noise_bits(n * 1000 + i, 7) & 4294967295 AS bits FROM generate_series(1, 200) n, generate_series(1, 400) i) s
	WHERE bits & 2139095040 <> 2139095040 AND bits & 2147483647 > 0 AND (bits >> 7) % 5 = n % 5 GROUP BY n;
SELECT count(*), count(*) FILTER (WHERE format('{%s}/400', shuffled)::sparsevec::text = format('{%s}/400', ordered)) AS same FROM sample;

-- arrays, json, COPY
SELECT ARRAY['{1:4}/3'::sparsevec, '{}/2'], '{"{1:4}/3",NULL}'::sparsevec[], to_json('{1:4}/3'::sparsevec);
CREATE TABLE copied (id int, v sparsevec(3));
COPY copied FROM STDIN;
1	{2:1.5}/3
2	\N
3	{3:1,1:2,2:0}/3
\.
COPY copied TO STDOUT;
COPY copied TO STDOUT (FORMAT csv);
\set VERBOSITY terse
COPY copied FROM STDIN;
4	{1:1}/4
\.
COPY copied FROM STDIN;
4	{1:1
\.
