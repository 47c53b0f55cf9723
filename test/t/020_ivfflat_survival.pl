# ivfflat under load: inserts that split lists, deletes, vacuum that rewrites
# them, and scans that must find every row once at any moment; crashes in the
# middle of all that; a standby that replays it; builds that are interrupted.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use VectorTest;

my $seed = test_seed();
my $node = new_node(
	'ivfflat',
	init => { allows_streaming => 1, extra => ['--wal-segsize=1'] },
	conf => q{
max_wal_size = 16MB
min_wal_size = 2MB
checkpoint_warning = 0
log_checkpoints = off
deadlock_timeout = 100ms
max_connections = 40
wal_keep_size = 1GB
});

# Rows with id below 0 stay; the others come and go.
my $fixed = 200;
my @tables = (
	{ name => 'clusters', opclass => 'vector_l2_ops', dims => 70 },
	{ name => 'uniform', opclass => 'vector_cosine_ops', dims => 8 },
	{ name => 'norms', opclass => 'vector_ip_ops', dims => 5, with => 'WITH (lists = 40)' });

foreach my $t (@tables)
{
	$t->{with} //= '';
	$node->safe_psql(
		'postgres', qq{
		CREATE TABLE $t->{name} (id int, v vector($t->{dims}));
		CREATE SEQUENCE $t->{name}_ids;
		CREATE INDEX $t->{name}_index ON $t->{name} USING ivfflat (v $t->{opclass}) $t->{with};
		INSERT INTO $t->{name} SELECT -n, make_vector('$t->{name}', n, $t->{dims}, $seed) FROM generate_series(1, $fixed) n;
		CREATE INDEX ON $t->{name} (id);});
}

# A scan of all lists, in one statement: the rows it gives.
sub whole
{
	my ($t) = @_;

	return qq{SELECT id, ctid AS tid FROM $t->{name} ORDER BY v $METRICS{$t->{opclass}} make_vector('uniform', 7, $t->{dims}, $seed)};
}

my $by_index = q{SET enable_seqscan = off; SET enable_sort = off; SET jit = off; SET ivfflat.probes = 32768;};

# Does the index agree with its table?
sub check
{
	my ($server, $t, $what) = @_;

	is( $server->safe_psql('postgres', qq{$by_index
		WITH found AS MATERIALIZED (@{[ whole($t) ]})
		SELECT (SELECT count(*) FROM $t->{name} WHERE id + 0 IS NOT NULL) - count(*), count(*) - count(DISTINCT tid) FROM found}),
		'0|0', "$t->{name}: every row once, $what");
	return if $server ne $node;
	is($server->safe_psql('postgres', "SELECT ivfflat_verify('$t->{name}_index')"), '', "$t->{name}: invariants, $what");
}

# One script that does the same to all tables.
sub script
{
	my ($weight, $sql) = @_;

	return [ $weight, join '', map {
		my ($t, $text) = ($_, $sql);
		$text =~ s/\{T\}/$t->{name}/g;
		$text =~ s/\{D\}/$t->{dims}/g;
		$text =~ s/\{WHOLE\}/whole($t)/ge;
		$text } @tables ];
}

my $insert = script(12, qq{INSERT INTO {T} SELECT n, make_vector('{T}', n, {D}, $seed)
	FROM (SELECT nextval('{T}_ids') AS n FROM generate_series(1, 40)) s;\n});
my $delete = script(6, qq{DELETE FROM {T} WHERE id IN
	(SELECT id FROM {T} WHERE id > 0 ORDER BY random() LIMIT 60 FOR UPDATE SKIP LOCKED);\n});
my $rollback = script(2, qq{BEGIN; INSERT INTO {T} SELECT 0, make_vector('{T}', n, {D}, $seed + 1)
	FROM generate_series(1, 20) n; ROLLBACK;\n});
my $vacuum = script(2, "VACUUM {T};\n");
my $scan = script(4, qq{DO \$\$
DECLARE
	fixed int;
	twice int;
BEGIN
	PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true),
			set_config('ivfflat.probes', '32768', true);
	SELECT count(*) FILTER (WHERE id < 0), count(*) - count(DISTINCT tid) INTO fixed, twice
	FROM ({WHOLE} LIMIT 1000000) x;
	IF fixed <> $fixed OR twice <> 0 THEN
		RAISE EXCEPTION '{T}: % of $fixed rows, % rows twice', fixed, twice;
	END IF;
END\$\$;\n});
# one that reads list after list, while these change
my $slow_scan = script(2, qq{BEGIN;
SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;
SET LOCAL ivfflat.iterative_scan = relaxed_order;
DECLARE c CURSOR FOR {WHOLE};
MOVE 30 FROM c;
SELECT pg_sleep(0.05);
MOVE 100 FROM c;
SELECT pg_sleep(0.05);
MOVE ALL FROM c;
COMMIT;\n});

my $offset = log_size($node);

# ---- concurrency
finish_load(start_load($node, 8, 6, $insert, $delete, $rollback, $vacuum, $scan, $slow_scan));
check($node, $_, 'after concurrent changes') foreach @tables;
is(log_errors($node, $offset), '', 'no scan missed a row or saw one twice');

# how much that was depends on the machine, so that lists are split by this
$node->safe_psql('postgres', qq{INSERT INTO clusters SELECT nextval('clusters_ids'), make_vector('clusters', n, 70, $seed)
	FROM generate_series(1, 4000) n});
cmp_ok($node->safe_psql('postgres', "SELECT lists FROM ivfflat_statistics('clusters_index')"),
	'>', 5, 'lists were split');

# ---- a standby
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('ivfflat_standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nmax_standby_streaming_delay = -1\n");
$standby->start;
my $load = start_load($node, 4, 4, $insert, $delete, $vacuum);
foreach my $round (1 .. 6)
{
	foreach my $t (@tables)
	{
		is( $standby->safe_psql('postgres', qq{$by_index
			SELECT count(*) FILTER (WHERE id < 0), count(*) - count(DISTINCT tid) FROM (@{[ whole($t) ]} LIMIT 1000000) x}),
			"$fixed|0", "$t->{name}: standby during replay");
	}
}
finish_load($load);
$node->wait_for_catchup($standby);
check($standby, $_, 'on the standby') foreach @tables;
$standby->stop;

# ---- crashes
$offset = log_size($node);
foreach my $how (qw(backend immediate kill))
{
	my $crash_load = start_load($node, 6, 600, $insert, $delete, $rollback, $vacuum, [ 1, "CHECKPOINT;\n" ]);

	sleep 1 + rand(0.8);
	crash($node, $how);
	finish_load($crash_load);
	check($node, $_, "after a crash ($how)") foreach @tables;
}
is(log_errors($node, $offset), '', 'no errors and warnings in recovery');
foreach my $t (@tables)
{
	$node->safe_psql('postgres', "DELETE FROM $t->{name} WHERE id % 3 = 0; VACUUM $t->{name}");
	check($node, $t, 'vacuum after crashes');
	$node->safe_psql('postgres', "REINDEX INDEX CONCURRENTLY $t->{name}_index");
	check($node, $t, 'rebuilt concurrently');
}

# ---- statements that are cancelled anywhere leave nothing behind but room
foreach my $timeout (1, 2, 4, 8, 15, 30)
{
	$node->psql('postgres', qq{SET statement_timeout = $timeout;
		INSERT INTO clusters SELECT n, make_vector('clusters', n, 70, $seed) FROM generate_series(1000000, 1000500) n});
	$node->psql('postgres', "SET statement_timeout = $timeout; VACUUM clusters");
	$node->psql('postgres', "SET statement_timeout = $timeout; REINDEX INDEX clusters_index");
}
check($node, $tables[0], 'after cancelled statements');
$node->safe_psql('postgres', 'VACUUM clusters');
check($node, $tables[0], 'after vacuum');

# ---- an unlogged index starts empty after a crash
$node->safe_psql('postgres', qq{
	CREATE UNLOGGED TABLE loose (id int, v vector(70));
	INSERT INTO loose SELECT n, make_vector('clusters', n, 70, $seed) FROM generate_series(1, 500) n;
	CREATE INDEX loose_index ON loose USING ivfflat (v);});
crash($node, 'kill');
my $loose = { name => 'loose', opclass => 'vector_l2_ops', dims => 70 };
check($node, $loose, 'after the reset');
$node->safe_psql('postgres', qq{INSERT INTO loose SELECT n, make_vector('clusters', n, 70, $seed) FROM generate_series(1, 500) n});
check($node, $loose, 'filled again');

done_testing();
