-- order, equality and hash of sparsevec
\getenv input PG_ABS_SRCDIR
\set type sparsevec
\set common :input '/helpers/compare.sql'
\i :common
