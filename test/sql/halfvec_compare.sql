-- order, equality and hash of halfvec
\getenv input PG_ABS_SRCDIR
\set type halfvec
\set common :input '/helpers/compare.sql'
\i :common
