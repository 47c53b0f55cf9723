-- Verification of indexes.

CREATE FUNCTION hnsw_verify(index regclass) RETURNS void
	LANGUAGE C STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME';

-- it locks the table against changes
REVOKE EXECUTE ON FUNCTION hnsw_verify(regclass) FROM PUBLIC;

COMMENT ON FUNCTION hnsw_verify(regclass) IS 'raise an error unless an hnsw index keeps its invariants and agrees with its table';
