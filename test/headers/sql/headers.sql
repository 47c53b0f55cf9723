-- Functions of another extension (test/headers), built with installed headers,
-- read and make values of the types.
CREATE EXTENSION headers_test CASCADE;

SELECT reversed('[1,2,3]'::vector), reversed('[1,2,3]'::vector) = '[3,2,1]' AS equal;
SELECT unit_vector(5, 2), vector_norm(unit_vector(16000, 16000));
SELECT reversed('[1,-2,65504]'::halfvec), half_bits('[1,-2,65504,0,0.1]');
SELECT reversed('{1:1,3:2}/5'::sparsevec), reversed('{}/5'::sparsevec);

-- values as tables hold them: with short headers, compressed, out of line
CREATE TABLE stored (v vector, h halfvec, s sparsevec);
ALTER TABLE stored ALTER v SET STORAGE extended, ALTER h SET STORAGE external;
INSERT INTO stored VALUES ('[1,2]', '[1,2]', '{1:1,2:2}/2');
INSERT INTO stored
	SELECT a::vector, a::halfvec, a::vector::sparsevec
	FROM (SELECT array_agg(n % 7 ORDER BY n) AS a FROM generate_series(1, 4000) n) x;

-- a new session, in which nothing has called into vector before
\c -
SET client_min_messages = warning;
LOAD 'vector';
SELECT reversed(reversed(v)) = v AS vector, reversed(v) = v AS same,
	reversed(reversed(h)) = h AS halfvec, reversed(reversed(s)) = s AS sparsevec,
	reversed(s) = reversed(v)::sparsevec AS agree
FROM stored;
