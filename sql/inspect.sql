-- Verification of indexes.

CREATE FUNCTION hnsw_verify(index regclass) RETURNS void
	LANGUAGE C STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME';

-- it locks the table against changes
REVOKE EXECUTE ON FUNCTION hnsw_verify(regclass) FROM PUBLIC;

COMMENT ON FUNCTION hnsw_verify(regclass) IS 'raise an error unless an hnsw index keeps its invariants and agrees with its table';

CREATE FUNCTION ivfflat_verify(index regclass) RETURNS void
	LANGUAGE C STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME';

REVOKE EXECUTE ON FUNCTION ivfflat_verify(regclass) FROM PUBLIC;

COMMENT ON FUNCTION ivfflat_verify(regclass) IS 'raise an error unless an ivfflat index keeps its invariants and agrees with its table';

-- Statistics.

CREATE FUNCTION ivfflat_lists(index regclass, OUT list integer, OUT entries bigint, OUT dead bigint, OUT segments integer)
	RETURNS SETOF record
	LANGUAGE C STRICT PARALLEL SAFE AS 'MODULE_PATHNAME';

REVOKE EXECUTE ON FUNCTION ivfflat_lists(regclass) FROM PUBLIC;

COMMENT ON FUNCTION ivfflat_lists(regclass) IS 'lists of an ivfflat index: live and dead entries, and segments of pages';

-- imbalance: the work of a scan against that with lists of equal size
CREATE FUNCTION ivfflat_statistics(index regclass, OUT lists bigint, OUT entries numeric, OUT largest bigint, OUT imbalance float8, OUT dead_share float8, OUT segments bigint)
	LANGUAGE sql STRICT PARALLEL SAFE
	BEGIN ATOMIC
		SELECT count(*), coalesce(sum(l.entries), 0), max(l.entries),
			count(*) * sum(l.entries::float8 ^ 2) / nullif(sum(l.entries::float8) ^ 2, 0),
			coalesce(sum(l.dead)::float8 / nullif(sum(l.entries + l.dead), 0), 0),
			coalesce(sum(l.segments), 0)
		FROM ivfflat_lists(index) l;
	END;

REVOKE EXECUTE ON FUNCTION ivfflat_statistics(regclass) FROM PUBLIC;

COMMENT ON FUNCTION ivfflat_statistics(regclass) IS 'sizes of the lists of an ivfflat index and the share of dead entries';

-- Recall, measured.

CREATE FUNCTION vector_index_recall(index regclass, queries anyarray, k integer DEFAULT 10) RETURNS double precision
	LANGUAGE C STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'vector_index_recall_of_queries';

COMMENT ON FUNCTION vector_index_recall(regclass, anyarray, integer) IS 'share of the k nearest rows that an index finds, over these queries';

CREATE FUNCTION vector_index_recall(index regclass, sample integer DEFAULT 100, k integer DEFAULT 10) RETURNS double precision
	LANGUAGE C STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'vector_index_recall_of_sample';

COMMENT ON FUNCTION vector_index_recall(regclass, integer, integer) IS 'share of the k nearest other rows that an index finds, over some rows of its table';
