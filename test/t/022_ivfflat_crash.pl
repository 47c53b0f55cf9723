# ivfflat: crashes while an index grows from nothing and splits its lists, amid
# CREATE INDEX, and amid a vacuum that writes lists anew; statements of many
# sessions cancelled anywhere; and recall after rows came from many sessions.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use VectorTest;

my $seed = test_seed();

# Replay checks every page that the changes touch.
my $node = new_node(
	'ivfflat_crash',
	init => { extra => ['--wal-segsize=1'] },
	conf => q{
max_wal_size = 16MB
min_wal_size = 2MB
checkpoint_warning = 0
log_checkpoints = off
wal_consistency_checking = generic
deadlock_timeout = 100ms
});

# Kinds of codes and segments: bits of coarse codes on the first page and on
# pages of their own, and floats.
my @tables = (
	{ name => 'clusters', opclass => 'vector_l2_ops', dims => 70 },
	{ name => 'uniform', opclass => 'vector_ip_ops', dims => 2100 },
	{ name => 'norms', opclass => 'vector_cosine_ops', dims => 6 });
$_->{am} = 'ivfflat' foreach @tables;
$_->{batch} = $_->{dims} > 1000 ? 2 : 40 foreach @tables;
my ($clusters) = @tables;

sub create_sql
{
	my ($t) = @_;

	return qq{
		SET client_min_messages = error;
		DROP TABLE IF EXISTS $t->{name};
		CREATE TABLE $t->{name} (id int, v vector($t->{dims}));
		CREATE INDEX $t->{name}_index ON $t->{name} USING ivfflat (v $t->{opclass});
		CREATE SEQUENCE IF NOT EXISTS $t->{name}_ids;};
}

sub create { my ($t) = @_; $node->safe_psql('postgres', create_sql($t)); return; }

# Inserts; the rows of a table are the same whoever inserts them.
sub insert_sql
{
	my ($t) = @_;

	return "INSERT INTO $t->{name} SELECT n, make_vector('$t->{name}', n, $t->{dims}, $seed)"
		. " FROM (SELECT nextval('$t->{name}_ids') AS n FROM generate_series(1, $t->{batch})) s;\n";
}

sub index_size { my ($t) = @_; return $node->safe_psql('postgres', "SELECT pg_relation_size('$t->{name}_index') / 8192"); }

# ------------------------------------------------------------------------
# From nothing to many segments and lists, most of which a crash ends
# ------------------------------------------------------------------------
my $offset = log_size($node);

foreach my $t (@tables)
{
	create($t);
	foreach my $how (qw(kill backend))
	{
		my $before = index_size($t);
		my $load = start_load($node, 4, 600, [ 1, insert_sql($t) ]);

		wait_until(sub { index_size($t) > $before + 60 }) or die 'the index does not grow';
		crash($node, $how);
		finish_load($load);
		agree($node, $t, "a crash while the index grows ($how)", 1);
		$node->safe_psql('postgres', insert_sql($t) x 3);
		agree($node, $t, "it grows on ($how)", 1);
	}
	$node->safe_psql('postgres', "DELETE FROM $t->{name} WHERE id % 3 = 0; VACUUM $t->{name}");
	agree($node, $t, 'delete and vacuum after crashes', 1);
}

# ------------------------------------------------------------------------
# A vacuum that is ended while it writes lists anew
# ------------------------------------------------------------------------
foreach my $how (qw(cancel kill))
{
	my $wait = rand(0.5);
	my $vacuum = meet_vacuum($node, 'clusters',
		create_sql($clusters) . insert_sql({ %$clusters, batch => 2400 }) . 'DELETE FROM clusters WHERE id % 2 = 0',
		sub { sleep $wait });

	ok($vacuum, "vacuum is at the lists after $wait s ($how)");
	end_vacuum($node, $vacuum, $how) if $vacuum;
	agree($node, $clusters, "vacuum ended early ($how)", 1);
	$node->safe_psql('postgres', 'VACUUM clusters');
	agree($node, $clusters, "the next vacuum ($how)", 1);
	is($node->safe_psql('postgres', q{SELECT dead_share < 0.2 FROM ivfflat_statistics('clusters_index')}),
		't', "it has written all lists anew ($how)");
}

# ------------------------------------------------------------------------
# CREATE INDEX, which rests where it reads the table
# ------------------------------------------------------------------------
foreach my $case (
	{ phase => 'initializing|k-means', how => 'backend', concurrently => '' },
	{ phase => 'assigning tuples', how => 'kill', concurrently => '' },
	{ phase => 'assigning tuples', how => 'backend', concurrently => 'CONCURRENTLY' })
{
	my $about = "crash in CREATE INDEX $case->{concurrently} ($case->{phase}, $case->{how})";
	my $load = start_load($node, 1, 60,
		[ 1, "CREATE INDEX $case->{concurrently} built_index ON clusters USING ivfflat ((dwell(v, id, '$case->{phase}')::vector(70)));\n" ]);

	ok(wait_until(sub { $node->safe_psql('postgres',
		"SELECT phase ~ '$case->{phase}' FROM pg_stat_progress_create_index") eq 't' }), "$about comes in time");
	crash($node, $case->{how});
	finish_load($load);
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_class c JOIN pg_index i ON c.oid = i.indexrelid
		WHERE relname = 'built_index' AND indisvalid}), '0', "$about leaves no valid index");
	agree($node, $clusters, $about, 1);
	$node->safe_psql('postgres', 'DROP INDEX IF EXISTS built_index');
}

# ------------------------------------------------------------------------
# Inserts that are cancelled while they split lists: copies of entries stay in
# other lists, and come back to none
# ------------------------------------------------------------------------
my $cancelled = { %$clusters, name => 'uniform', dims => 16 };
$node->safe_psql('postgres', qq{
	CREATE TABLE ready (id int PRIMARY KEY, v vector(16));
	INSERT INTO ready SELECT n, make_vector('uniform', n, 16, $seed) FROM generate_series(1, 20000) n});
foreach my $round (1 .. 5)
{
	create($cancelled);
	$node->psql('postgres', join '', map {
		'SET statement_timeout = ' . (2 + int(rand(8))) . ';'
			. "INSERT INTO uniform SELECT * FROM ready WHERE id > $_ * 500 AND id <= $_ * 500 + 500;\n" } 0 .. 39, on_error_stop => 0);
	$node->safe_psql('postgres', 'DELETE FROM uniform WHERE id % 3 = 0; VACUUM uniform');
	agree($node, $cancelled, "inserts cancelled, round $round", 1);
}

# a line of the log per crash of what was running is all there is
is(log_errors($node, $offset, qr/canceling statement/), '', 'no errors and warnings under load and in recovery');

# ------------------------------------------------------------------------
# Statements of several sessions that end anywhere
# ------------------------------------------------------------------------
create($_) foreach @tables;

sub any_statement
{
	my $t = $tables[ rand @tables ];
	my @statements = (
		(insert_sql($t)) x 6,
		"DELETE FROM $t->{name} WHERE id % 5 = " . int(rand(5)) . ";\n",
		("VACUUM $t->{name};\n") x 2,
		"SELECT count(*) FROM (SELECT id FROM $t->{name} ORDER BY v $METRICS{$t->{opclass}} make_vector('uniform', 3, $t->{dims}, 7)) s;\n",
		"REINDEX INDEX $t->{name}_index;\n");

	return 'SET statement_timeout = ' . int(2 ** rand(7)) . ";\n" . $statements[ rand @statements ];
}

my @sessions;
foreach my $session (1 .. 4)
{
	my $script = whole_scan() . join '', map { any_statement() } 1 .. 120;
	my $s = { out => '', err => '' };

	$s->{run} = IPC::Run::start(
		[ $node->installed_command('psql'), '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ],
		'<', \$script, '>', \$s->{out}, '2>', \$s->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	push @sessions, $s;
}
$_->{run}->finish foreach @sessions;
my @errors = grep { /ERROR|FATAL|server/ } map { split /\n/, $_->{err} } @sessions;
cmp_ok(scalar(grep { /statement timeout/ } @errors), '>', 0, 'statements were cancelled: ' . scalar(@errors));
is(join("\n", grep { !/statement timeout|deadlock detected/ } @errors), '', 'with no other errors');
foreach my $t (@tables)
{
	agree($node, $t, 'after cancelled statements', 1);
	$node->safe_psql('postgres', insert_sql($t) x 3 . "VACUUM $t->{name}");
	agree($node, $t, 'then more rows and vacuum', 1);
}

# ------------------------------------------------------------------------
# Recall of an index that many sessions filled
# ------------------------------------------------------------------------
$node->safe_psql('postgres', q{
CREATE FUNCTION recall(tab regclass, probes int, op text) RETURNS numeric LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off AS $$
DECLARE
	found bigint := 0;
	q text;
	near bigint;
BEGIN
	FOR i IN 1 .. 300 LOOP
		EXECUTE format('SELECT make_vector(%L, %s, 70, 99)::text', tab::text, i) INTO q;
		PERFORM set_config('ivfflat.probes', probes::text, true);
		EXECUTE format('WITH a AS MATERIALIZED (SELECT id FROM %1$s ORDER BY v %3$s %2$L LIMIT 10),
			b AS MATERIALIZED (SELECT id FROM %1$s ORDER BY (v %3$s %2$L) + 0 LIMIT 10)
			SELECT count(*) FROM a JOIN b USING (id)', tab, q, op) INTO near;
		found := found + near;
	END LOOP;
	RETURN round(found / 3000.0, 3);
END$$});
$node->append_conf('postgresql.conf', q{wal_consistency_checking = ''});
$node->reload;
create($clusters);
ok(finish_load(start_load($node, 8, \60, [ 10, insert_sql($clusters) ], [ 1, "VACUUM clusters;\n" ],
	[ 2, "DELETE FROM clusters WHERE id IN (SELECT id FROM clusters ORDER BY random() LIMIT 20 FOR UPDATE SKIP LOCKED);\n" ])),
	'many sessions fill an index');
agree($node, $clusters, 'filled by many sessions', 1);
# half of the lists, where it does not depend on how just these were divided
my $recall = q{SELECT recall('clusters', (SELECT lists / 2 FROM ivfflat_statistics('clusters_index'))::int, '<->')};
my %recall = (many => $node->safe_psql('postgres', $recall));
$node->safe_psql('postgres', q{
	CREATE TABLE source AS TABLE clusters;
	TRUNCATE clusters;
	INSERT INTO clusters SELECT * FROM source ORDER BY id});
$recall{one} = $node->safe_psql('postgres', $recall);
note join ' ', 'recall:', %recall, $node->safe_psql('postgres', q{SELECT lists, entries FROM ivfflat_statistics('clusters_index')});
cmp_ok($recall{many}, '>=', $recall{one} - 0.1, 'recall is about that of a serial load');

$node->stop;
done_testing();
