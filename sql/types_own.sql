-- What the types have beyond those of pgvector: hashing, min and max.

-- Hashing; the operators = in types.sql say HASHES.

CREATE FUNCTION vector_hash(vector) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION vector_hash_extended(vector, bigint) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION halfvec_hash(halfvec) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION halfvec_hash_extended(halfvec, bigint) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION sparsevec_hash(sparsevec) RETURNS integer
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION sparsevec_hash_extended(sparsevec, bigint) RETURNS bigint
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

CREATE OPERATOR CLASS vector_ops
	DEFAULT FOR TYPE vector USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 vector_hash(vector),
	FUNCTION 2 vector_hash_extended(vector, bigint);
CREATE OPERATOR CLASS halfvec_ops
	DEFAULT FOR TYPE halfvec USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 halfvec_hash(halfvec),
	FUNCTION 2 halfvec_hash_extended(halfvec, bigint);
CREATE OPERATOR CLASS sparsevec_ops
	DEFAULT FOR TYPE sparsevec USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 sparsevec_hash(sparsevec),
	FUNCTION 2 sparsevec_hash_extended(sparsevec, bigint);

-- The lesser and the greater of two, which are the aggregates' steps.

CREATE FUNCTION vector_larger(vector, vector) RETURNS vector
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION vector_smaller(vector, vector) RETURNS vector
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION halfvec_larger(halfvec, halfvec) RETURNS halfvec
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION halfvec_smaller(halfvec, halfvec) RETURNS halfvec
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION sparsevec_larger(sparsevec, sparsevec) RETURNS sparsevec
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';
CREATE FUNCTION sparsevec_smaller(sparsevec, sparsevec) RETURNS sparsevec
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

CREATE AGGREGATE max(vector) (
	SFUNC = vector_larger,
	STYPE = vector,
	COMBINEFUNC = vector_larger,
	SORTOP = >,
	PARALLEL = SAFE
);
CREATE AGGREGATE min(vector) (
	SFUNC = vector_smaller,
	STYPE = vector,
	COMBINEFUNC = vector_smaller,
	SORTOP = <,
	PARALLEL = SAFE
);
CREATE AGGREGATE max(halfvec) (
	SFUNC = halfvec_larger,
	STYPE = halfvec,
	COMBINEFUNC = halfvec_larger,
	SORTOP = >,
	PARALLEL = SAFE
);
CREATE AGGREGATE min(halfvec) (
	SFUNC = halfvec_smaller,
	STYPE = halfvec,
	COMBINEFUNC = halfvec_smaller,
	SORTOP = <,
	PARALLEL = SAFE
);
CREATE AGGREGATE max(sparsevec) (
	SFUNC = sparsevec_larger,
	STYPE = sparsevec,
	COMBINEFUNC = sparsevec_larger,
	SORTOP = >,
	PARALLEL = SAFE
);
CREATE AGGREGATE min(sparsevec) (
	SFUNC = sparsevec_smaller,
	STYPE = sparsevec,
	COMBINEFUNC = sparsevec_smaller,
	SORTOP = <,
	PARALLEL = SAFE
);

COMMENT ON FUNCTION vector_hash(vector) IS 'hash';
COMMENT ON FUNCTION vector_hash_extended(vector, bigint) IS 'hash';
COMMENT ON FUNCTION vector_larger(vector, vector) IS 'larger of two';
COMMENT ON FUNCTION vector_smaller(vector, vector) IS 'smaller of two';
COMMENT ON AGGREGATE max(vector) IS 'maximum value of all vector input values';
COMMENT ON AGGREGATE min(vector) IS 'minimum value of all vector input values';
COMMENT ON FUNCTION halfvec_hash(halfvec) IS 'hash';
COMMENT ON FUNCTION halfvec_hash_extended(halfvec, bigint) IS 'hash';
COMMENT ON FUNCTION halfvec_larger(halfvec, halfvec) IS 'larger of two';
COMMENT ON FUNCTION halfvec_smaller(halfvec, halfvec) IS 'smaller of two';
COMMENT ON AGGREGATE max(halfvec) IS 'maximum value of all halfvec input values';
COMMENT ON AGGREGATE min(halfvec) IS 'minimum value of all halfvec input values';
COMMENT ON FUNCTION sparsevec_hash(sparsevec) IS 'hash';
COMMENT ON FUNCTION sparsevec_hash_extended(sparsevec, bigint) IS 'hash';
COMMENT ON FUNCTION sparsevec_larger(sparsevec, sparsevec) IS 'larger of two';
COMMENT ON FUNCTION sparsevec_smaller(sparsevec, sparsevec) IS 'smaller of two';
COMMENT ON AGGREGATE max(sparsevec) IS 'maximum value of all sparsevec input values';
COMMENT ON AGGREGATE min(sparsevec) IS 'minimum value of all sparsevec input values';
