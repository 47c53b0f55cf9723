-- order, equality and hash of vector
\getenv input PG_ABS_SRCDIR
\set type vector
\set common :input '/helpers/compare.sql'
\i :common
