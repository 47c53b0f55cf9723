# A streaming standby gives the same rows in the same order as its primary,
# while rows come and go and after it is promoted.  Replay verifies every page.
# And an unlogged index is empty but usable after a crash.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

my $seed = test_seed();
my $primary = new_node(
	'primary',
	init => { allows_streaming => 1 },
	conf => q{
wal_consistency_checking = generic
wal_compression = on
max_wal_size = 1GB
max_standby_streaming_delay = 60s
});
my $standby;
my @tables = (
	{ name => 'clusters', opclass => 'vector_l2_ops', dims => 16, rows => 600 },
	{ name => 'duplicates', opclass => 'vector_cosine_ops', dims => 3, rows => 40 },
	{ name => 'uniform', opclass => 'vector_l1_ops', dims => 6, rows => 0, with => 'm = 4, ef_construction = 16' },
	{ name => 'norms', opclass => 'vector_ip_ops', dims => 5, rows => 150, with => 'm = 8, ef_construction = 32' },
	{ name => 'star', opclass => 'vector_l2_ops', dims => 70, rows => 100, am => 'ivfflat' });

sub rows
{
	my ($t, $first, $last) = @_;

	return "INSERT INTO $t->{name} SELECT n, make_vector('$t->{name}', n, $t->{dims}, $seed)
		FROM generate_series($first, $last) n;";
}

# What searches return, with their order: ids of ordinary searches, and of a
# whole iterative scan, from several queries.
sub answers
{
	my ($node, $t) = @_;
	my $operator = $METRICS{ $t->{opclass} };
	my $sql = 'SET enable_seqscan = off; SET enable_sort = off;';

	foreach my $query (1 .. 4)
	{
		my $order = "FROM $t->{name} ORDER BY v $operator make_vector('uniform', $query, $t->{dims}, 7)";

		$sql .= "SET hnsw.iterative_scan = off; SET hnsw.ef_search = 40;
			SELECT string_agg(id::text, ' ') FROM (SELECT id $order LIMIT 25) s;";
		$sql .= whole_scan() . "SELECT md5(string_agg(id::text, ' ')), count(*) FROM (SELECT id $order) s;"
			if $query == 1;
	}
	return $node->safe_psql('postgres', $sql);
}

sub same_answers
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($when) = @_;

	$primary->wait_for_catchup($standby);
	is(answers($standby, $_), answers($primary, $_), "$when: same answers on $_->{name}") foreach @tables;
	agree($standby, $_, "$when, standby", 1) foreach @tables;
}

$primary->safe_psql('postgres', 'CREATE SEQUENCE ids START 10000');
foreach my $t (@tables)
{
	my $with = $t->{with} ? "WITH ($t->{with})" : '';

	$primary->safe_psql('postgres', qq{CREATE TABLE $t->{name} (id int, v vector($t->{dims}));
		@{[ rows($t, 1, $t->{rows}) ]}
		CREATE INDEX $t->{name}_index ON $t->{name} USING @{[ $t->{am} // 'hnsw' ]} (v $t->{opclass}) $with;});
}
$primary->backup('base');
$standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

same_answers('from a backup');

$primary->safe_psql('postgres', rows($_, 1001, 1800)) foreach @tables;
same_answers('inserts');

$primary->safe_psql('postgres', "DELETE FROM $_->{name} WHERE id % 2 = 0 OR id > 1700") foreach @tables;
same_answers('deletes');

$primary->safe_psql('postgres', "VACUUM $_->{name}") foreach @tables;
same_answers('vacuum');

$primary->safe_psql('postgres', rows($_, 2001, 2600)) foreach @tables;
$primary->safe_psql('postgres', "UPDATE $_->{name} SET v = make_vector('$_->{name}', id + 50000, $_->{dims}, $seed)
	WHERE id BETWEEN 2001 AND 2200") foreach @tables;
same_answers('slots used again');

$primary->safe_psql('postgres', $_) foreach (
	'REINDEX TABLE clusters',
	'DROP INDEX norms_index',
	'CREATE INDEX CONCURRENTLY norms_index ON norms USING hnsw (v vector_ip_ops)',
	'REINDEX INDEX CONCURRENTLY duplicates_index');
same_answers('reindex');

# Searches on the standby while it replays.
{
	my $offset = log_size($standby);
	my $load = start_load($primary, 2, 8,
		(map { [ 4, "INSERT INTO $_->{name} SELECT n, make_vector('$_->{name}', n, $_->{dims}, $seed)
			FROM (SELECT nextval('ids') AS n FROM generate_series(1, 10)) s;\n" =~ s/\n\s+/ /gr ] } @tables),
		(map { [ 2, "DELETE FROM $_->{name} WHERE id IN (SELECT id FROM $_->{name} ORDER BY random() LIMIT 20 FOR UPDATE SKIP LOCKED);\n" ] } @tables),
		(map { [ 1, "VACUUM $_->{name};\n" ] } @tables));
	my $queries = start_load($standby, 3, 8,
		map { [ 1, "SET enable_seqscan = off; SET hnsw.iterative_scan = relaxed_order;
			SELECT count(*) FROM (SELECT id FROM $_->{name}
			ORDER BY v $METRICS{$_->{opclass}} make_vector('uniform', (random() * 1000)::int, $_->{dims}, 7) LIMIT 100) s;\n"
				=~ s/\n\s+/ /gr =~ s/; S/;\nS/gr ] } @tables);

	ok(finish_load($load), 'load on the primary: no client fails');
	# a query that reads rows which the primary removes may be cancelled
	finish_load($queries);
	is(log_errors($standby, $offset, qr/conflict with recovery/), '', 'replay under queries: no errors');
	same_answers('replay under queries');
}

# Promotion amid changes.
{
	my $load = start_load($primary, 2, 600,
		map { [ 4, "INSERT INTO $_->{name} SELECT n, make_vector('$_->{name}', n, $_->{dims}, $seed)
			FROM (SELECT nextval('ids') AS n FROM generate_series(1, 10)) s;\n" =~ s/\n\s+/ /gr ] } @tables);
	my $queries = $standby->background_psql('postgres');
	my $last = $primary->safe_psql('postgres', 'SELECT last_value FROM ids');

	$queries->query_safe('SELECT 1');
	wait_until(sub { $standby->safe_psql('postgres', "SELECT count(*) > 50 FROM clusters WHERE id > $last") eq 't' })
		or die 'changes do not arrive';
	$primary->stop('immediate');
	finish_load($load);
	$standby->promote;
	agree($standby, $_, 'promotion amid changes', 1) foreach @tables;
	# a session that began in recovery inserts now
	$queries->query_safe(rows($_, 3001, 3400) . "DELETE FROM $_->{name} WHERE id % 3 = 0;") foreach @tables;
	$queries->quit;
	$standby->safe_psql('postgres', "VACUUM $_->{name}") foreach @tables;
	$standby->safe_psql('postgres', rows($_, 4001, 4300)) foreach @tables;
	agree($standby, $_, 'changes after promotion', 1) foreach @tables;
	crash($standby, 'immediate');
	agree($standby, $_, 'crash after promotion', 1) foreach @tables;
}

# An unlogged index.
{
	my $unlogged = { name => 'unlogged', opclass => 'vector_l2_ops', dims => 8 };

	$standby->safe_psql('postgres', qq{
		CREATE UNLOGGED TABLE unlogged (id int, v vector(8));
		INSERT INTO unlogged SELECT n, make_vector('clusters', n, 8, $seed) FROM generate_series(1, 500) n;
		CREATE INDEX ON unlogged USING hnsw (v vector_l2_ops);
		INSERT INTO unlogged SELECT n, make_vector('clusters', n, 8, $seed) FROM generate_series(501, 1000) n;});
	agree($standby, $unlogged, 'unlogged');
	$standby->restart;
	agree($standby, $unlogged, 'unlogged, after a clean restart');
	crash($standby, 'kill');
	is($standby->safe_psql('postgres', 'SELECT count(*) FROM unlogged'), '0', 'unlogged: empty after a crash');
	agree($standby, $unlogged, 'unlogged, after a crash');
	$standby->safe_psql('postgres', qq{
		INSERT INTO unlogged SELECT n, make_vector('clusters', n, 8, $seed) FROM generate_series(1, 800) n;
		DELETE FROM unlogged WHERE id < 100;
		VACUUM unlogged;});
	agree($standby, $unlogged, 'unlogged, filled again');
	$standby->safe_psql('postgres', 'ALTER TABLE unlogged SET LOGGED');
	crash($standby, 'immediate');
	agree($standby, $unlogged, 'made logged, after a crash');
	is($standby->safe_psql('postgres', 'SELECT count(*) FROM unlogged'), '701', 'made logged: all rows are there');
}

$standby->stop;
done_testing();
