# Base backups taken under load, and recovery to points in time: to names, to
# times, and to places in WAL in the middle of transactions.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);
use VectorTest;

my $seed = test_seed();
my $primary = new_node(
	'primary',
	init => { has_archiving => 1, allows_streaming => 1, extra => ['--wal-segsize=1'] },
	conf => q{
max_wal_size = 16MB
checkpoint_warning = 0
wal_compression = on
});
my @tables = (
	{ name => 'clusters', opclass => 'vector_l2_ops', dims => 16, rows => 500 },
	{ name => 'duplicates', opclass => 'vector_cosine_ops', dims => 3, rows => 60 },
	{ name => 'star', opclass => 'vector_l2_ops', dims => 150, rows => 30, with => 'm = 4, ef_construction = 16' },
	{ name => 'uniform', opclass => 'vector_l2_ops', dims => 70, rows => 100, am => 'ivfflat' });

$primary->safe_psql('postgres', make_indexed_table($_, $seed)) foreach @tables;
$primary->safe_psql('postgres', 'CREATE SEQUENCE ids START 10000; CREATE TABLE happened (at timestamptz, what text)');

# Several rows each, so that there is much WAL between two commits.
my $load = start_load(
	$primary, 4, 3600,
	(map { [ 6, "INSERT INTO $_->{name} SELECT n, make_vector('$_->{name}', n, $_->{dims}, $seed)
		FROM (SELECT nextval('ids') AS n FROM generate_series(1, 12)) s;\n" =~ s/\n\s+/ /gr ] } @tables),
	(map { [ 3, "DELETE FROM $_->{name} WHERE id IN (SELECT id FROM $_->{name} ORDER BY random() LIMIT 15 FOR UPDATE SKIP LOCKED);\n" ] } @tables),
	(map { [ 1, "VACUUM $_->{name};\n" ] } @tables));

sleep 0.5;
$primary->backup('base', backup_options => ['--checkpoint=fast']);

# What is true at the targets is written down while the load goes on: the ids
# that are there under a lock which no insert or delete can pass.
my @targets;
foreach my $n (1 .. 2)
{
	sleep 0.5;
	my @facts = split /\|/, $primary->safe_psql('postgres', qq{
		BEGIN;
		LOCK TABLE clusters, duplicates, star IN SHARE MODE;
		INSERT INTO happened VALUES (clock_timestamp(), 'fact $n');
		CREATE TEMP TABLE facts AS SELECT
			(SELECT md5(string_agg(id || v::text, ' ' ORDER BY id, v)) FROM clusters) AS c,
			(SELECT md5(string_agg(id || v::text, ' ' ORDER BY id, v)) FROM duplicates) AS d,
			(SELECT md5(string_agg(id || v::text, ' ' ORDER BY id, v)) FROM star) AS s,
			pg_create_restore_point('fact $n') AS lsn, clock_timestamp() AS now;
		SELECT * FROM facts;
		COMMIT;});

	push @targets, { what => "name of fact $n", setting => "recovery_target_name = 'fact $n'", facts => [ @facts[ 0 .. 2 ] ] };
}

# Anywhere in between
sleep 0.5;
foreach my $n (1 .. 2)
{
	sleep rand(0.5);
	push @targets, { what => "place $n", setting => "recovery_target_lsn = '"
		. $primary->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()') . "'" };
}
sleep 0.3;
push @targets, { what => 'a time', setting => "recovery_target_time = '"
	. $primary->safe_psql('postgres', 'SELECT clock_timestamp()') . "'" };
sleep 0.5;

# A second backup, of a server whose indexes grow while it is copied; it is
# consistent at its own end.
$primary->backup('late', backup_options => ['--checkpoint=fast']);
push @targets, { what => 'the end of a backup', backup => 'late', setting => "recovery_target = 'immediate'" };
sleep 0.5;
# a time is reached when something is committed after it
$primary->safe_psql('postgres', q{INSERT INTO happened VALUES (clock_timestamp(), 'the end')});
my $last = $primary->safe_psql('postgres', 'SELECT pg_switch_wal()');
$primary->safe_psql('postgres', 'SELECT 1 FROM pg_switch_wal()');
$primary->poll_query_until('postgres',
	"SELECT last_archived_wal >= pg_walfile_name('$last') FROM pg_stat_archiver") or die 'WAL is not archived';
$primary->stop('immediate');
finish_load($load);

my $number = 0;
foreach my $target (@targets)
{
	my $node = PostgreSQL::Test::Cluster->new('restored' . ++$number);

	$node->init_from_backup($primary, $target->{backup} // 'base', has_restoring => 1, standby => 0);
	$node->append_conf('postgresql.conf', "$target->{setting}\nrecovery_target_action = promote\n"
		. "archive_mode = off\nwal_consistency_checking = generic\n");
	$node->start;
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
	agree($node, $_, "recovered to $target->{what}", 1) foreach @tables;
	foreach my $i (0 .. $#{ $target->{facts} // [] })
	{
		is( $node->safe_psql('postgres', "SELECT md5(string_agg(id || v::text, ' ' ORDER BY id, v)) FROM $tables[$i]->{name}"),
			$target->{facts}[$i], "recovered to $target->{what}: rows of $tables[$i]->{name}");
	}
	$node->safe_psql('postgres', "VACUUM $_->{name};") foreach @tables;
	$node->safe_psql('postgres', "INSERT INTO $_->{name} SELECT n, make_vector('$_->{name}', n, $_->{dims}, $seed)
		FROM generate_series(900001, 900200) n;") foreach @tables;
	agree($node, $_, "$target->{what}, then vacuum and inserts", 1) foreach @tables;
	is(log_errors($node, 0), '', "$target->{what}: no errors and warnings");
	$node->stop('immediate');
	$node->clean_node;
}
done_testing();
