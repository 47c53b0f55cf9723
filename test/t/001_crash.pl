# Crashes during inserts, deletes, updates, vacuum, growth and CREATE INDEX:
# afterwards every committed row is found through the index, and it still works.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use VectorTest;

my $seed = test_seed();

# Small segments and a small limit make a checkpoint every second or so.
my $node = new_node(
	'crash',
	init => { extra => ['--wal-segsize=1'] },
	conf => q{
max_wal_size = 8MB
min_wal_size = 2MB
checkpoint_warning = 0
wal_compression = on
log_checkpoints = off
});

# What is under load at the same time; "rows" are there when the index is made.
my @tables = (
	{ name => 'clusters', opclass => 'vector_l2_ops', dims => 16, rows => 400 },
	{ name => 'duplicates', opclass => 'vector_l2_ops', dims => 3, rows => 30 },
	{ name => 'star', opclass => 'vector_cosine_ops', dims => 24, rows => 0, with => 'm = 4, ef_construction = 16' },
	{ name => 'norms', opclass => 'vector_ip_ops', dims => 5, rows => 200, with => 'm = 2, ef_construction = 8' },
	# refinements: codes on one page, and values that go on from page to page
	{ name => 'refined', kind => 'clusters', opclass => 'vector_ip_ops', dims => 48, rows => 100, with => 'm = 4, ef_construction = 8, code_bits = 2' },
	{ name => 'valued', kind => 'clusters', opclass => 'vector_l2_ops', dims => 700, rows => 20, with => 'm = 4, ef_construction = 8, code_bits = 4, store_values' },
	# rests of codes
	{ name => 'rested', kind => 'clusters', opclass => 'vector_cosine_ops', dims => 48, rows => 100, with => 'm = 4, ef_construction = 8, rest_bits = 1' },
	# codes in two halves, of whose upper one a search finds candidates
	{ name => 'halved', kind => 'clusters', opclass => 'vector_l2_ops', dims => 260, rows => 50, with => 'm = 4, ef_construction = 8, rest_bits = 2' },
	# codes of the neighbours next to lists
	{ name => 'inlined', kind => 'clusters', opclass => 'vector_l2_ops', dims => 100, rows => 100, with => 'm = 4, ef_construction = 8, inline_codes' },
	# codes of several pages, and codes that go on in overflow pages
	{ name => 'wide', kind => 'uniform', type => 'halfvec', opclass => 'halfvec_l2_ops', dims => 8300, rows => 5, with => 'm = 4, ef_construction = 8' },
	{ name => 'sparse', kind => 'clusters', type => 'sparsevec', opclass => 'sparsevec_ip_ops', dims => 150, rows => 50, with => 'm = 4, ef_construction = 8' });
$_->{kind} //= $_->{name} foreach @tables;

foreach my $t (@tables)
{
	my $with = $t->{with} ? "WITH ($t->{with})" : '';

	$node->safe_psql(
		'postgres', qq{
		CREATE TABLE $t->{name} (id int, v @{[ column_type($t) ]});
		CREATE SEQUENCE $t->{name}_ids;
		INSERT INTO $t->{name} SELECT n, make_vector('$t->{kind}', n, $t->{dims}, $seed)
			FROM (SELECT nextval('$t->{name}_ids') AS n FROM generate_series(1, $t->{rows})) s;
		CREATE INDEX $t->{name}_index ON $t->{name} USING hnsw (v $t->{opclass}) $with;
		CREATE INDEX ON $t->{name} (id);});
}

# One script that does the same to all tables.
sub script
{
	my ($weight, $sql) = @_;

	return [ $weight, join '', map { $sql =~ s/\{T\}/$_->{name}/gr =~ s/\{K\}/$_->{kind}/gr =~ s/\{D\}/$_->{dims}/gr } @tables ];
}

my @load = (
	script(20, qq{INSERT INTO {T} SELECT n, make_vector('{K}', n, {D}, $seed)
		FROM (SELECT nextval('{T}_ids') AS n FROM generate_series(1, 5)) s;\n}),
	script(6, qq{DELETE FROM {T} WHERE id IN
		(SELECT id FROM {T} ORDER BY random() LIMIT 9 FOR UPDATE SKIP LOCKED);\n}),
	script(3, qq{UPDATE {T} SET v = make_vector('{K}', id + 100000, {D}, $seed) WHERE id IN
		(SELECT id FROM {T} ORDER BY random() LIMIT 5 FOR UPDATE SKIP LOCKED);\n}),
	script(2, qq{BEGIN; INSERT INTO {T} SELECT -1, make_vector('{K}', n, {D}, $seed + 1)
		FROM generate_series(1, 5) n; ROLLBACK;\n}),
	script(2, "VACUUM {T};\n"),
	[ 1, "CHECKPOINT;\n" ]);

my $offset = log_size($node);

foreach my $how (qw(backend immediate kill backend kill))
{
	my $load = start_load($node, 5, 600, @load);
	my $duration = 0.7 + rand(0.8);

	sleep $duration;
	crash($node, $how);
	finish_load($load);
	note "$how after $duration s";
	agree($node, $_, "after a crash ($how)", 1) foreach @tables;
}
is(log_errors($node, $offset), '',
	'no errors and warnings under load and in recovery');

foreach my $t (@tables)
{
	$node->safe_psql(
		'postgres', qq{
		DELETE FROM $t->{name} WHERE id % 3 = 0;
		VACUUM $t->{name};
		INSERT INTO $t->{name} SELECT 2000000 + n, make_vector('$t->{kind}', 2000000 + n, $t->{dims}, $seed)
			FROM generate_series(1, @{[ $t->{dims} > 1000 ? 20 : 200 ]}) n;});
	agree($node, $t, 'delete, vacuum and insert after crashes', 1);
	$node->safe_psql('postgres', "REINDEX INDEX $t->{name}_index");
	agree($node, $t, 'reindex after crashes', 1);
}

# From nothing to many extents in a few transactions, most of which the crash
# ends; replay checks every page that the changes touch.
$node->append_conf('postgresql.conf', 'wal_consistency_checking = generic');
$node->reload;
my $growing = { name => 'growing', opclass => 'vector_l2_ops', dims => 200 };
$node->safe_psql('postgres', q{
	CREATE TABLE growing (id int, v vector(200));
	CREATE INDEX ON growing USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 8);
	CREATE SEQUENCE growing_ids});
foreach my $how (qw(backend kill))
{
	my $load = start_load($node, 3, 600,
		[ 1, qq{INSERT INTO growing SELECT n, make_vector('clusters', n, 200, $seed)
			FROM (SELECT nextval('growing_ids') AS n FROM generate_series(1, 20)) s;\n} ]);

	wait_until(sub { $node->safe_psql('postgres', q{
		SELECT pg_relation_size('growing_v_idx') > 8192 * } . ($how eq 'kill' ? 250 : 100)) eq 't' })
		or die 'the index does not grow';
	crash($node, $how);
	finish_load($load);
	agree($node, $growing, "crash while the index grows ($how)", 1);
	$node->safe_psql('postgres', qq{INSERT INTO growing SELECT n, make_vector('clusters', n, 200, $seed)
		FROM (SELECT nextval('growing_ids') AS n FROM generate_series(1, 300)) s});
	agree($node, $growing, 'it grows on', 1);
}

# An extent that was added and never named: zeros, and pages that were logged, here
# of other kinds.  The next extents begin there, so the file becomes no longer.
{
	my $file = $node->data_dir . '/' . $node->safe_psql('postgres', q{SELECT pg_relation_filepath('growing_v_idx')});
	my $before;
	my $index;

	$node->stop;
	disable_checksums($node);
	$index = slurp_file($file);
	append_to_file($file, "\0" x (8192 * 2) . substr($index, 8192, 8192) x 8 . "\0" x (8192 * 800));
	$node->start;
	$before = $node->safe_psql('postgres', q{SELECT pg_relation_size('growing_v_idx')});
	$node->safe_psql('postgres', qq{INSERT INTO growing SELECT n, make_vector('clusters', n, 200, $seed)
		FROM (SELECT nextval('growing_ids') AS n FROM generate_series(1, 4000)) s});
	is($node->safe_psql('postgres', q{SELECT pg_relation_size('growing_v_idx')}), $before, 'pages of nobody are used');
	crash($node, 'kill');
	agree($node, $growing, 'after a growth into pages of nobody', 1);
}
$node->append_conf('postgresql.conf', q{wal_consistency_checking = ''});
$node->reload;

# A vacuum that is ended while it takes elements out of the graph: by a crash,
# and by a cancel.  It is slowed down so that it can be met there; and more, if
# it has got through before this test came to it.
my $vacuumed = { name => 'vacuumed', opclass => 'vector_l2_ops', dims => 12 };
foreach my $how (qw(cancel kill cancel backend cancel))
{
	my $wait = 0.1 + rand(1.5);
	my $vacuum = meet_vacuum($node, 'vacuumed', qq{
		DROP TABLE IF EXISTS vacuumed;
		CREATE TABLE vacuumed (id int, v vector(12));
		INSERT INTO vacuumed SELECT n, make_vector('clusters', n, 12, $seed) FROM generate_series(1, 3000) n;
		CREATE INDEX ON vacuumed USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 8);
		DELETE FROM vacuumed WHERE noise(id, $seed) < 0.2;},
		sub {
			sleep $wait;
			# hnsw_verify would wait for its end
			is(index_state($node, $vacuumed, 4) =~ s/far=\d+/far=0/r, 'lost=0 extra=0 disorder=0 far=0',
				"during vacuum, before its end ($how)");
		});

	ok($vacuum, "vacuum is at work after $wait s");
	end_vacuum($node, $vacuum, $how) if $vacuum;
	agree($node, $vacuumed, "vacuum ended early ($how)", 1);
	$node->safe_psql('postgres', q{
		VACUUM vacuumed;
		INSERT INTO vacuumed SELECT 3000 + n, make_vector('clusters', n, 12, 1) FROM generate_series(1, 300) n;
		DELETE FROM vacuumed WHERE id < 600;
		VACUUM vacuumed;});
	agree($node, $vacuumed, "the next vacuum ($how)", 1);
}

# CREATE INDEX, which rests where its rows are read, and takes long for the graph
$node->safe_psql('postgres', qq{
	CREATE TABLE built AS
	SELECT n AS id, make_vector('clusters', n, 32, $seed)::vector(32) AS v FROM generate_series(1, 12000) n});
foreach my $case (
	{ phase => 'loading tuples', how => 'backend', concurrently => '', key => "(dwell(v, id, 'loading tuples')::vector(32))" },
	{ phase => 'building graph', how => 'kill', concurrently => '', key => 'v' },
	{ phase => 'building graph', how => 'backend', concurrently => 'CONCURRENTLY', key => 'v' })
{
	my $load = start_load($node, 1, 60,
		[ 1, "CREATE INDEX $case->{concurrently} built_index ON built
			USING hnsw ($case->{key} vector_l2_ops) WITH (m = 100, ef_construction = 1000);\n" =~ s/\n\s+/ /gr ]);
	my $about = "crash in CREATE INDEX $case->{concurrently} ($case->{phase}, $case->{how})";
	my $met = wait_until(sub { $node->safe_psql('postgres',
		"SELECT phase LIKE '%$case->{phase}%' FROM pg_stat_progress_create_index") eq 't' });

	ok($met, "$about comes in time");
	crash($node, $case->{how});
	finish_load($load);
	is( $node->safe_psql('postgres', q{SELECT count(*) FROM pg_class c JOIN pg_index i ON c.oid = i.indexrelid
		WHERE relname = 'built_index' AND indisvalid}),
		'0', "$about leaves no valid index");
	$node->safe_psql('postgres', "INSERT INTO built SELECT n, make_vector('uniform', n, 32, 1) FROM generate_series(20000, 20100) n");
	is( $node->safe_psql('postgres', q{SELECT count(*) FROM (SELECT id FROM built ORDER BY v <-> make_vector('uniform', 1, 32, 1) LIMIT 5) s}),
		'5', "$about: queries go on");
	$node->safe_psql('postgres', q{DROP INDEX IF EXISTS built_index; DELETE FROM built WHERE id >= 20000});
}
$node->safe_psql('postgres', 'CREATE INDEX built_index ON built USING hnsw (v vector_l2_ops)');
agree($node, { name => 'built', opclass => 'vector_l2_ops', dims => 32 }, 'CREATE INDEX in the end', 1);
crash($node, 'immediate');
agree($node, { name => 'built', opclass => 'vector_l2_ops', dims => 32 }, 'crash after CREATE INDEX', 1);

is(log_errors($node, $offset, qr/canceling statement|could not serialize/), '',
	'no unexpected errors and warnings in the log');
$node->stop;
done_testing();
