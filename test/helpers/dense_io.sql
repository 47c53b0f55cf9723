-- text form of the dense types, without what numbers are; run for :type
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SET types_test.type = :type;
-- white space
SELECT * FROM attempt_literals(:'type',
	'  [1,2]', '[1,2]  ', '[ 1 , 2 ]', '[1 2]', '[1, 2', '[- 1]', '[1e 2]');
SELECT E'\n[\t1\r,\x0b2\f]\n':: :type;

-- syntax
SELECT * FROM attempt_literals(:'type',
	'', ' ', '[', '[ ', ']', '[]', '[ ]', '[,]', '[,1]', '[1,]', '[1, ]', '[1,,2]',
	'[1;2]', '[1', '[1,2', '1,2', '1,2]', '{1,2}', '(1,2)', '[[1,2]]', '[1,2]]',
	'[1,2}', '[1,2] 3', '[1,2],', 'a[1,2]', '[a]', '[1,a]', '[1a]', '[1e]', '[1e+]',
	'[e1]', '[.]', '[-]', '[+-1]', '[--1]', '[1.2.3]', '[1e1.5]', '[0x]', '[0xg]',
	'[1_000]', '[''1'']', '["1"]', '[true]', '[null]');

-- number of dimensions
SELECT vector_dims(('[' || repeat('1,', 15999) || '1]'):: :type);
SELECT attempt($$('[' || repeat('1,', 16000) || '1]')::@$$);
SELECT attempt($$('[' || repeat('1,', 16000) || 'x]')::@$$);
SELECT attempt($$'[1,2,3]'::@(2)$$), attempt($$'[1,2,x]'::@(2)$$);

-- arrays, composite values, json
SELECT ARRAY['[1,2]':: :type, '[3]'], '{"[1,2]",NULL,"[3]"}':: :type[];
CREATE TYPE named AS (name text, v :type(2));
SELECT '(a,"[1,2]")'::named, attempt($$'(a,"[1,2,3]")'::named$$);
SELECT to_json('[1,2.5]':: :type), '[1, 2.5]'::jsonb::text:: :type;
SELECT * FROM jsonb_to_record('{"v": [1, 2.5]}') AS r(v :type(2));

-- COPY
CREATE TABLE copied (id int, v :type(2));
COPY copied FROM STDIN;
1	[1,2]
2	\N
3	[ 1e-3 , -0 ]
\.
COPY copied TO STDOUT;
COPY copied TO STDOUT (FORMAT csv);
