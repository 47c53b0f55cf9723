-- functions and operators of sparsevec
\getenv input PG_ABS_SRCDIR
\set helpers :input '/helpers/types.sql'
\i :helpers
SELECT '{1:3}/9'::sparsevec <-> '{9:4}/9', l2_distance('{1:1,2:1}/2'::sparsevec, '{1:4,2:5}/2'), sparsevec_l2_squared_distance('{1:1,2:1}/2', '{1:4,2:5}/2'), '{}/9'::sparsevec <-> '{}/9';
SELECT '{1:2,3:4}/4'::sparsevec <#> '{1:5,3:6,4:7}/4', inner_product('{1:2}/4'::sparsevec, '{2:5}/4'), sparsevec_negative_inner_product('{1:2}/4', '{1:-5}/4');
SELECT '{1:3,8:4}/9'::sparsevec <=> '{1:4,8:3}/9', cosine_distance('{1:3}/9'::sparsevec, '{1:-5}/9'), '{1:3}/9'::sparsevec <=> '{2:3}/9', '{}/9'::sparsevec <=> '{2:3}/9', '{}/9'::sparsevec <=> '{}/9';
SELECT '{1:-1,3:2}/4'::sparsevec <+> '{2:3,3:-4}/4', l1_distance('{}/4'::sparsevec, '{2:-3}/4');
SELECT '{1:1}/2'::sparsevec <-> NULL, NULL::sparsevec <=> '{}/1', inner_product('{}/1'::sparsevec, NULL);
SELECT * FROM attempt_all($$'{1:1}/2'::sparsevec <-> '{1:1}/3'$$, $$'{1:1}/2'::sparsevec <#> '{1:1}/3'$$, $$'{1:1}/2'::sparsevec <=> '{1:1}/3'$$, $$'{1:1}/2'::sparsevec <+> '{1:1}/3'$$, $$sparsevec_l2_squared_distance('{}/1', '{}/2')$$);

-- as the dense vectors have them: sparse and full, alike and of very different sizes
CREATE TABLE pair AS
	SELECT d, p, q, array_agg(CASE WHEN noise_bits(i, 1) & 255 < p THEN (noise_bits(i, 2) & 31) - 15 ELSE 0 END::real ORDER BY i)::vector AS a,
		array_agg(CASE WHEN noise_bits(i, 3) & 255 < q THEN (noise_bits(i, 4) & 31) - 15 ELSE 0 END::real ORDER BY i)::vector AS b
	FROM unnest(ARRAY[1, 2, 7, 8, 9, 31, 32, 33, 100, 500, 3000]) d, unnest(ARRAY[0, 2, 20, 128, 256]) p, unnest(ARRAY[1, 20, 128, 256]) q, generate_series(d * 10, d * 10 + d - 1) i GROUP BY d, p, q;
SELECT count(*), count(*) FILTER (WHERE (a <-> b) = (a::sparsevec <-> b::sparsevec) AND vector_l2_squared_distance(a, b) = sparsevec_l2_squared_distance(a, b)) AS l2,
	count(*) FILTER (WHERE inner_product(a, b) = inner_product(a::sparsevec, b::sparsevec) AND (a <#> b) = (a::sparsevec <#> b::sparsevec)) AS ip,
	count(*) FILTER (WHERE (a <=> b) = (a::sparsevec <=> b::sparsevec)) AS cosine, count(*) FILTER (WHERE (a <+> b) = (a::sparsevec <+> b::sparsevec)) AS l1,
	count(*) FILTER (WHERE vector_norm(a) = l2_norm(a::sparsevec)) AS norm, count(*) FILTER (WHERE l2_normalize(a)::sparsevec = l2_normalize(a::sparsevec)) AS direction,
	count(*) FILTER (WHERE a::sparsevec::vector = a AND a::halfvec::sparsevec = a::sparsevec) AS same FROM pair;

-- values whose squares leave the range of real: right, not infinite, zero or NaN
SELECT '{1:2e38}/2'::sparsevec <-> '{2:2e38}/2' BETWEEN 2.828e38 AND 2.829e38, '{1:1e-30}/2'::sparsevec <-> '{}/2' BETWEEN 0.999e-30 AND 1.001e-30, '{1:3e38}/2'::sparsevec <+> '{2:3e38}/2' BETWEEN 5.999e38 AND 6.001e38;
SELECT '{1:1e20}/2'::sparsevec <=> '{1:1e20}/2', '{1:1e20}/2'::sparsevec <=> '{2:1e20}/2', '{1:1e-30}/2'::sparsevec <=> '{1:-1e-30}/2', '{1:1e-45}/2'::sparsevec <=> '{1:3e38}/2';
SELECT inner_product('{1:1e20,2:1e20}/2'::sparsevec, '{1:1e20,2:-1e20}/2'), inner_product('{1:1e-30}/2'::sparsevec, '{1:1e-30}/2') BETWEEN 0.999e-60 AND 1.001e-60, inner_product('{1:1,2:1e-30}/2'::sparsevec, '{1:-1,2:1e-30}/2');

-- norm and direction
SELECT l2_norm('{2:3,7:4}/9'::sparsevec), l2_norm('{}/9'::sparsevec), l2_norm('{1:3e38,2:3e38}/2'::sparsevec) > 4e38, l2_norm('{1:1e-45}/1'::sparsevec) > 0;
SELECT l2_normalize('{2:3,7:4}/9'::sparsevec), l2_normalize('{}/9'::sparsevec), l2_normalize('{1:3e38,2:1e-30}/3'::sparsevec), l2_normalize('{1:1e-45}/2'::sparsevec);

-- values stored out of line
CREATE TABLE wide (id int, s sparsevec);
INSERT INTO wide SELECT k, (SELECT '{' || string_agg((i * k) || ':1', ',') || '}/100000' FROM generate_series(1, 5000) i)::sparsevec FROM generate_series(1, 3) k;
SELECT a.id, b.id, sparsevec_l2_squared_distance(a.s, b.s), inner_product(a.s, b.s), a.s <+> b.s AS l1 FROM wide a, wide b WHERE a.id <= b.id ORDER BY 1, 2;
SELECT id, s::sparsevec(100000) = s AS same FROM wide ORDER BY id;
SELECT attempt('(SELECT s::sparsevec(5) FROM wide WHERE id = 1)');
