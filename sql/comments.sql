-- Comments on what pgvector's catalog has as well.

COMMENT ON TYPE vector IS 'vector of float4 elements';
COMMENT ON TYPE halfvec IS 'vector of half-precision elements';
COMMENT ON TYPE sparsevec IS 'float4 elements of a vector that are not zero';

COMMENT ON ACCESS METHOD hnsw IS 'approximate nearest neighbour search in a navigable graph';
