# Logical replication of tables with vector columns, with indexes on both sides.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

my $seed = test_seed();
my %options = (init => { allows_streaming => 'logical' }, conf => q{
max_worker_processes = 20
max_logical_replication_workers = 16
max_sync_workers_per_subscription = 4
logical_decoding_work_mem = 64kB
});
my $publisher = new_node('publisher', %options);
my $subscriber = new_node('subscriber', %options);
my $connection = $publisher->connstr . ' dbname=postgres';

# With a primary key changes are found by it; with "full" the subscriber finds
# the row by equality of all columns, vectors included.
my @tables = (
	{ name => 'keyed', kind => 'clusters', opclass => 'vector_l2_ops', dims => 24, identity => 'DEFAULT' },
	{ name => 'whole', kind => 'uniform', opclass => 'vector_cosine_ops', dims => 8, identity => 'FULL' },
	{ name => 'repeated', kind => 'duplicates', opclass => 'vector_l2_ops', dims => 3, identity => 'FULL' },
	{ name => 'toasted', kind => 'uniform', opclass => 'vector_ip_ops', dims => 700, identity => 'DEFAULT' });

sub rows
{
	my ($t, $first, $last) = @_;

	return "INSERT INTO $t->{name} SELECT n, make_vector('$t->{kind}', n, $t->{dims}, $seed),
		make_vector('uniform', n, 4, $seed), format('{%s:%s}/9', 1 + n % 9, n)::sparsevec, n % 5
		FROM generate_series($first, $last) n;";
}

sub same
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what) = @_;

	$publisher->wait_for_catchup('sub');
	foreach my $t (@tables)
	{
		my $sql = "SELECT count(*), md5(string_agg(r::text, E'\n' ORDER BY r)) FROM $t->{name} r";

		is($subscriber->safe_psql('postgres', $sql), $publisher->safe_psql('postgres', $sql),
			"$what: same rows in $t->{name}");
		agree($subscriber, $t, "$what, subscriber", 1);
	}
}

# True for what logical replication itself reports and then tries again: a slot
# or an origin that the worker before has not given up yet, no free worker, a
# lost connection.  What is raised while rows are copied or applied has a
# context that says so; the index, the types and all else are other files.
sub retried
{
	my ($entry) = @_;
	my $files = qr/applyparallelworker|bgworker|launcher|libpqwalreceiver|origin|pg_subscription|slot|tablesync|worker/;

	return $entry =~ /LOCATION:  \w+, $files\.c:\d+/ && $entry !~ /CONTEXT:  (?:processing remote data|COPY )/;
}

foreach my $t (@tables)
{
	my $key = $t->{identity} eq 'DEFAULT' ? 'PRIMARY KEY' : '';
	my $ddl = "CREATE TABLE $t->{name} (id int $key, v vector($t->{dims}), h halfvec(4), s sparsevec(9), n int);
		ALTER TABLE $t->{name} REPLICA IDENTITY $t->{identity};";

	$publisher->safe_psql('postgres', $ddl . rows($t, 1, 400));
	$subscriber->safe_psql('postgres', $ddl);
	# one table gets its index later, after the rows
	$subscriber->safe_psql('postgres', "CREATE INDEX ON $t->{name} USING hnsw (v $t->{opclass})")
		if $t->{name} ne 'whole';
	$subscriber->safe_psql('postgres', "CREATE INDEX ON $t->{name} USING hnsw (h halfvec_l2_ops)");
}
$publisher->safe_psql('postgres', 'CREATE PUBLICATION pub FOR ALL TABLES');
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION sub CONNECTION '$connection' PUBLICATION pub");
$subscriber->wait_for_subscription_sync($publisher, 'sub');
$subscriber->safe_psql('postgres', 'CREATE INDEX ON whole USING hnsw (v vector_cosine_ops)');
same('first copy');

$publisher->safe_psql('postgres', rows($_, 401, 600)) foreach @tables;
same('inserts');

# new vectors; the same vector again; only another column, which leaves values
# that are stored out of line unsent
$publisher->safe_psql('postgres', qq{
	UPDATE $_->{name} SET v = make_vector('$_->{kind}', id + 70000, $_->{dims}, $seed) WHERE id % 7 = 0;
	UPDATE $_->{name} SET n = n + 1 WHERE id % 3 = 0;
	UPDATE $_->{name} SET h = NULL, s = NULL WHERE id % 11 = 0;
	UPDATE $_->{name} SET v = NULL WHERE id % 50 = 1;}) foreach @tables;
same('updates');

# rows of which only a vector tells them apart, and rows that nothing does
$publisher->safe_psql('postgres', q{
	INSERT INTO whole SELECT 9000, make_vector('uniform', n, 8, 1), NULL, NULL, 0 FROM generate_series(1, 20) n;
	INSERT INTO whole SELECT 9001, '[-0,0,0,0,0,0,0,1]', NULL, NULL, 0 FROM generate_series(1, 3) n;
	INSERT INTO whole VALUES (9001, '[0,0,0,0,0,0,0,1]');});
$publisher->safe_psql('postgres', q{
	DELETE FROM whole WHERE v = make_vector('uniform', 7, 8, 1);
	UPDATE whole SET v = '[1,1,1,1,1,1,1,1]' WHERE v = make_vector('uniform', 8, 8, 1);
	DELETE FROM whole WHERE ctid = (SELECT max(ctid) FROM whole WHERE id = 9001);});
$publisher->safe_psql('postgres', "DELETE FROM $_->{name} WHERE id % 4 = 0") foreach @tables;
same('deletes');

$subscriber->safe_psql('postgres', "VACUUM $_->{name}") foreach @tables;
$publisher->safe_psql('postgres', 'TRUNCATE repeated');
$publisher->safe_psql('postgres', rows($_, 1001, 1300)) foreach @tables;
same('vacuum on the subscriber, truncate and more inserts');

# binary transfer uses send and receive
$subscriber->safe_psql('postgres', 'ALTER SUBSCRIPTION sub SET (binary = true, streaming = on)');
$publisher->safe_psql('postgres', rows($_, 2001, 2300) . "DELETE FROM $_->{name} WHERE id % 5 = 0;") foreach @tables;
same('binary and streamed transactions');

# a row filter and a column list
$publisher->safe_psql('postgres', q{
	CREATE PUBLICATION near FOR TABLE keyed (id, v) WHERE (id < 100);});
$subscriber->safe_psql('postgres', 'DROP SUBSCRIPTION sub; TRUNCATE keyed');
$subscriber->safe_psql('postgres',
	"CREATE SUBSCRIPTION sub CONNECTION '$connection' PUBLICATION near");
$subscriber->wait_for_subscription_sync($publisher, 'sub');
is( $subscriber->safe_psql('postgres', 'SELECT count(*), md5(string_agg(v::text, id::text ORDER BY id)) FROM keyed'),
	$publisher->safe_psql('postgres', 'SELECT count(*), md5(string_agg(v::text, id::text ORDER BY id)) FROM keyed WHERE id < 100'),
	'row filter and column list');
agree($subscriber, $tables[0], 'row filter and column list');

is(log_errors($subscriber, 0, \&retried), '', 'no errors on the subscriber');
$subscriber->stop;
$publisher->stop;
done_testing();
