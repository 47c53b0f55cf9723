-- type modifiers of the vector types
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SELECT * FROM attempt_all($$NULL::vector(1)$$, $$NULL::vector(16000)$$, $$NULL::vector(0)$$, $$NULL::vector(-1)$$, $$NULL::vector(16001)$$,
	$$NULL::vector(1, 2)$$, $$NULL::vector(a)$$, $$NULL::vector(1.5)$$, $$NULL::vector(99999999999)$$);
SELECT * FROM attempt_all($$vector_typmod_in('{3}')$$, $$vector_typmod_in('{}')$$, $$vector_typmod_in('{1,2}')$$, $$vector_typmod_in('{NULL}')$$, $$vector_typmod_in('{{1}}')$$);
SELECT t, attempt(format('NULL::%s(%s)', t, n)) FROM (VALUES ('halfvec', 16000), ('sparsevec', 1000000000)) x(t, largest), unnest(ARRAY[1, largest, 0, -1, largest + 1]) n;
SELECT halfvec_typmod_in('{16000}'), sparsevec_typmod_in('{1000000000}'), format_type('halfvec'::regtype, 3), format_type('sparsevec'::regtype, 3);
SELECT * FROM attempt_all($$'[1,2]'::halfvec(2)$$, $$'[1,2]'::halfvec::halfvec(3)$$, $$halfvec('[1,2]'::halfvec, 3, false)$$, $$'{1,2}'::real[]::halfvec(3)$$, $$'[1,2]'::vector::halfvec(3)$$, $$'{}/2'::sparsevec::halfvec(3)$$,
	$$'{}/2'::sparsevec(2)$$, $$'{}/2'::sparsevec::sparsevec(3)$$, $$sparsevec('{}/2'::sparsevec, 3, false)$$, $$'{1,2}'::real[]::sparsevec(3)$$, $$'[1,2]'::vector::sparsevec(3)$$, $$'[1,2]'::halfvec::sparsevec(3)$$, $$'{}/2'::sparsevec::vector(3)$$, $$'[1,2]'::halfvec::vector(3)$$);

SELECT * FROM attempt_all($$'[1,2]'::vector(2)$$, $$'[1,2]'::vector(3)$$, $$'[1,2]'::vector::vector(3)$$, $$'[1,2]'::vector(2)::vector(1)$$,
	$$vector('[1,2]'::vector, 2, true)$$, $$vector('[1,2]'::vector, 3, false)$$, $$vector('[1,2]'::vector, -1, true)$$, $$'{1,2}'::real[]::vector(3)$$);

CREATE TABLE fixed (id int, v vector(2), a vector(2)[]);
SELECT attname, format_type(atttypid, atttypmod), atttypmod, attstorage FROM pg_attribute WHERE attrelid = 'fixed'::regclass AND attnum > 1;
INSERT INTO fixed VALUES (1, '[1,2]', '{"[1,2]","[3,4]"}'), (2, NULL, NULL), (3, ARRAY[5, 6], NULL);
INSERT INTO fixed VALUES (4, '[1,2,3]');
INSERT INTO fixed SELECT 4, '[1,2,3]'::vector;
INSERT INTO fixed VALUES (4, ARRAY[1, 2, 3]);
INSERT INTO fixed (a) VALUES (ARRAY['[1,2]', '[3]']::vector[]);
UPDATE fixed SET v = v || '[1]' WHERE id = 1;
SELECT * FROM fixed ORDER BY id;

ALTER TABLE fixed ALTER v TYPE vector(3);
ALTER TABLE fixed ALTER v TYPE vector;
ALTER TABLE fixed ALTER v TYPE vector(1) USING subvector(v, 1, 1);
ALTER TABLE fixed ALTER v TYPE real[];
SELECT id, v FROM fixed ORDER BY id;

CREATE DOMAIN unit AS vector(2) CHECK (abs(vector_norm(VALUE) - 1) < 1e-6);
SELECT attempt($$'[0.6,0.8]'::unit$$), attempt($$'[1,1]'::unit$$), attempt($$'[1]'::unit$$);
CREATE TABLE made (v vector(2) NOT NULL DEFAULT '[3,4]', n vector(2) GENERATED ALWAYS AS (l2_normalize(v)) STORED);
INSERT INTO made DEFAULT VALUES;
INSERT INTO made VALUES ('[5,0]');
SELECT * FROM made;
