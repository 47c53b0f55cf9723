# Vector columns and their indexes live through pg_upgrade and through pg_dump.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

my $seed = test_seed();
my $old = new_node('old');
my @tables = (
	{ name => 'clusters', opclass => 'vector_l2_ops', dims => 40, rows => 900 },
	{ name => 'duplicates', opclass => 'vector_cosine_ops', dims => 3, rows => 200, with => 'm = 8' },
	{ name => 'uniform', opclass => 'vector_ip_ops', dims => 300, rows => 500 });

# Everything that a database can have of the extension: column types and their
# modifiers, arrays, domains, defaults, generated columns, constraints, indexes
# by expression and with conditions, functions, views and statistics.
$old->safe_psql('postgres', make_indexed_table($_, $seed)) foreach @tables;
$old->safe_psql('postgres', q{
	CREATE SCHEMA other;
	CREATE DOMAIN other.embedding AS vector(3) CHECK (vector_norm(VALUE) < 100);
	CREATE TYPE other.pair AS (name text, v vector(2));
	CREATE TABLE other.kinds (
		id int PRIMARY KEY,
		h halfvec(3) DEFAULT '[1,2,3]',
		s sparsevec(5) CHECK (sparsevec_cmp(s, '{1:100}/5') < 0),
		b bit(8),
		a vector(3)[],
		e other.embedding,
		p other.pair,
		g vector GENERATED ALWAYS AS (l2_normalize(h::vector)) STORED,
		wide vector(8000));
	INSERT INTO other.kinds (id, s, b, a, e, p, wide)
		SELECT n, format('{%s:%s}/5', 1 + n % 5, n * 0.25)::sparsevec, n::bit(8),
			ARRAY['[1,2,3]', NULL, format('[0.1,%s,1e-30]', n)]::vector(3)[],
			format('[%s,-0.5,0]', n % 50)::vector, ROW('x', '[1,2]')::other.pair,
			CASE WHEN n % 10 = 0 THEN (SELECT array_agg(sin(n + i)) FROM generate_series(1, 8000) i)::vector END
		FROM generate_series(1, 300) n;
	CREATE INDEX ON other.kinds USING hnsw (h halfvec_l2_ops);
	CREATE INDEX ON other.kinds USING hnsw (b bit_hamming_ops) WHERE id > 10;
	CREATE INDEX ON other.kinds USING hnsw ((wide::halfvec(3)) halfvec_ip_ops) WHERE vector_dims(wide) = 3;
	CREATE INDEX ON other.kinds USING hnsw ((binary_quantize(h)::bit(3)) bit_hamming_ops);
	CREATE UNIQUE INDEX ON other.kinds (e, id);
	CREATE INDEX ON other.kinds USING hash (e);
	CREATE VIEW other.nearest AS SELECT id, e <-> '[1,1,1]' AS distance FROM other.kinds ORDER BY 2, 1 LIMIT 10;
	CREATE MATERIALIZED VIEW other.means AS SELECT id % 7 AS k, avg(e), sum(h) FROM other.kinds GROUP BY 1;
	CREATE FUNCTION other.double(v vector) RETURNS vector LANGUAGE sql IMMUTABLE AS 'SELECT v + v';
	CREATE AGGREGATE other.total(vector) (SFUNC = vector_add, STYPE = vector);
	CREATE OPERATOR other.=== (FUNCTION = vector_eq, LEFTARG = vector, RIGHTARG = vector);
	ANALYZE});

# What must be the same afterwards, and the definitions, as text.
sub contents
{
	my ($node, $database) = @_;

	return $node->safe_psql($database, join(';', (map { "SELECT '$_->{name}', count(*), md5(string_agg(t::text, E'\n' ORDER BY t)) FROM $_->{name} t" } @tables), q{
		SELECT count(*), md5(string_agg(t::text, E'\n' ORDER BY t)) FROM other.kinds t;
		SELECT md5(string_agg(t::text, E'\n' ORDER BY t)) FROM other.means t;
		SELECT * FROM other.nearest;
		SELECT other.total(e), other.double('[1,2]'), '[1]'::vector OPERATOR(other.===) '[1]' FROM other.kinds;
		SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'other') ORDER BY indexname;
		SELECT attrelid::regclass, attname, format_type(atttypid, atttypmod), attstorage FROM pg_attribute
			WHERE attrelid::regclass::text ~ '^other.kinds$|^clusters$' AND attnum > 0 ORDER BY attrelid::regclass::text, attnum}));
}

# The indexes are valid, agree with their tables, and go on to work.
sub check_indexes
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $database, $what) = @_;

	is( $node->safe_psql($database, q{
		SELECT count(*) || ' ' || count(*) FILTER (WHERE indisvalid AND indisready AND hnsw_verify(indexrelid) IS NOT NULL)
		FROM pg_index JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam WHERE amname = 'hnsw'}),
		'7 7', "$what: indexes are valid");
	return if $database ne 'postgres';
	agree($node, $_, $what) foreach @tables;
	foreach my $t (@tables)
	{
		$node->safe_psql($database, qq{
			INSERT INTO $t->{name} SELECT n, make_vector('$t->{name}', n, $t->{dims}, $seed) FROM generate_series(5001, 5050) n;
			DELETE FROM $t->{name} WHERE id % 4 = 1;
			VACUUM $t->{name};});
		agree($node, $t, "$what, then changes");
	}
}

my $expected = contents($old, 'postgres');
my @dump = ('pg_dump', '-d', $old->connstr('postgres'));
my $dir = PostgreSQL::Test::Utils::tempdir();

# pg_dump in every format, restored in parallel where that is possible, into
# another database of the same server; with TOAST and index data made anew.
command_ok([ @dump, '-Fd', '-j2', '-f', "$dir/dir" ], 'pg_dump -Fd -j');
command_ok([ @dump, '-Fc', '-f', "$dir/custom" ], 'pg_dump -Fc');
command_ok([ @dump, '-f', "$dir/plain.sql" ], 'pg_dump');
command_ok([ @dump, '--inserts', '--rows-per-insert=50', '--quote-all-identifiers', '-f', "$dir/inserts.sql" ], 'pg_dump --inserts');
foreach my $case (
	[ 'dir', 'pg_restore', '-j3', '--exit-on-error', '-d' ],
	[ 'custom', 'pg_restore', '--single-transaction', '--exit-on-error', '-d' ],
	[ 'plain.sql', 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d' ],
	[ 'inserts.sql', 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-d' ])
{
	my ($file, @command) = @$case;
	my $database = "from_$file" =~ s/\..*//r;

	$old->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0");
	command_ok([ @command, $old->connstr($database), ($command[0] eq 'psql' ? '-f' : ()), "$dir/$file" ],
		"$command[0] of $file");
	is(contents($old, $database), $expected, "$file: same contents");
	check_indexes($old, $database, $file);
}
$old->safe_psql('postgres', "DROP DATABASE $_") foreach qw(from_dir from_custom from_plain);

# COPY in binary, to a table of the same types
$old->safe_psql('postgres', qq{
	COPY (SELECT id, h, s, b, a, e, p, wide FROM other.kinds) TO '$dir/binary' (FORMAT binary);
	CREATE TABLE copied AS SELECT id, h, s, b, a, e, p, wide FROM other.kinds WHERE false;
	COPY copied FROM '$dir/binary' (FORMAT binary)});
is($old->safe_psql('postgres', q{SELECT count(*) FROM (SELECT id, h, s, b, a, e, p, wide FROM other.kinds EXCEPT SELECT * FROM copied) d}),
	'0', 'COPY in binary');
$old->safe_psql('postgres', 'DROP TABLE copied');

# pg_upgrade, which keeps the files of tables and indexes
my $new = PostgreSQL::Test::Cluster->new('new');
my $bindir = $old->config_data('--bindir');
$new->init;
$old->stop;
my @upgrade = (
	'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bindir, '-B', $bindir,
	'-s', $new->host, '-p', $old->port, '-P', $new->port, '-j', 2);
chdir $dir or die;
command_ok([ @upgrade, '--check' ], 'pg_upgrade --check');
command_ok(\@upgrade, 'pg_upgrade');
$new->start;
is(contents($new, 'postgres'), $expected, 'pg_upgrade: same contents');
is(contents($new, 'from_inserts'), $expected, 'pg_upgrade: the same in another database');
check_indexes($new, 'from_inserts', 'pg_upgrade, another database');
check_indexes($new, 'postgres', 'pg_upgrade');
$new->safe_psql('postgres', 'REINDEX DATABASE postgres');
$new->stop;
done_testing();
