# A table whose partitions lie on other servers (postgres_fdw): an ordered search
# with a limit runs on each shard's index, and is merged here.
#
# PostgreSQL gives a foreign partition no limit, but reads it through a cursor,
# fetch_size rows at a time.  A cursor is planned for its first rows, and so the
# shard scans its index.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

my $seed = test_seed();

# The shards log the plans of what they are asked.
my $conf = q{
session_preload_libraries = 'auto_explain'
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_timing = off
auto_explain.log_level = log
};
my @shards = map { new_node("shard$_", conf => $conf) } 0 .. 2;
my $front = new_node('front');

if ($front->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'}) eq '0')
{
	plan skip_all => 'no postgres_fdw';
}

# So few that a shard finds the nearest for certain, and would rather sort;
# enable_sort in its options decides that.
my $rows = 2000;
my $columns = 'id int, kind int, v vector(16), h halfvec(16), b bit(16)';
my $values = "n, n % 4, make_vector('clusters', n, 16, $seed), make_vector('clusters', n, 16, $seed)::halfvec(16),
	binary_quantize(make_vector('clusters', n, 16, $seed))::bit(16)";

$front->safe_psql('postgres', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE TABLE items ($columns) PARTITION BY HASH (id)});
foreach my $n (0 .. 2)
{
	$shards[$n]->safe_psql('postgres', "CREATE TABLE items ($columns)");
	$front->safe_psql('postgres', qq{
		CREATE SERVER shard$n FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '@{[ $shards[$n]->host ]}',
			port '@{[ $shards[$n]->port ]}', dbname 'postgres', extensions 'vector', batch_size '100', fetch_size '20',
			options '-c hnsw.ef_search=1000 -c enable_sort=off');
		CREATE USER MAPPING FOR CURRENT_USER SERVER shard$n;
		CREATE FOREIGN TABLE items_$n PARTITION OF items FOR VALUES WITH (MODULUS 3, REMAINDER $n)
			SERVER shard$n OPTIONS (table_name 'items');});
}

# Rows go to their shards through the front.
$front->safe_psql('postgres', "INSERT INTO items SELECT $values FROM generate_series(1, $rows) n");
$_->safe_psql('postgres', q{
	CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops);
	CREATE INDEX items_cosine ON items USING hnsw (v vector_cosine_ops);
	CREATE INDEX items_h ON items USING hnsw (h halfvec_ip_ops);
	CREATE INDEX items_b ON items USING hnsw (b bit_hamming_ops);
	ANALYZE items}) foreach @shards;
$front->safe_psql('postgres', qq{
	ANALYZE items;
	CREATE TABLE here ($columns);
	INSERT INTO here SELECT $values FROM generate_series(1, $rows) n});
is( $front->safe_psql('postgres', 'SELECT count(*) FROM items JOIN here USING (id, kind, v, h, b)'),
	$rows, 'values come back from the shards as they went');

# One search: its remote SQL orders and limits, each shard's plan is a scan of
# its index, and the answer is that of a table here.
sub search
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what, $order, $index, $where) = @_;
	my @offsets = map { log_size($_) } @shards;
	my $sql = "SELECT id, $order AS d FROM {T} WHERE @{[ $where // 'true' ]} ORDER BY $order LIMIT 7";
	my ($remote, $here) = map { $sql =~ s/\{T\}/$_/r } qw(items here);
	my $explain = $front->safe_psql('postgres', "EXPLAIN (VERBOSE, COSTS OFF) $remote");
	my $answer = "SELECT string_agg(round(d::numeric, 5)::text, ' ' ORDER BY d), count(DISTINCT id) FROM";

	like($explain, qr/Merge Append.*(Foreign Scan.*){3}/s, "$what: the front merges the shards");
	unlike($explain, qr/ Sort$/m, "$what: and does not sort");
	is(() = $explain =~ /Remote SQL: SELECT .* ORDER BY /g, 3, "$what: remote queries order") or diag $explain;
	is( $front->safe_psql('postgres', "$answer ($remote) s"),
		$front->safe_psql('postgres', "SET enable_indexscan = off; $answer ($here) s"),
		"$what: the nearest of all shards");
	foreach my $n (0 .. 2)
	{
		my $log = PostgreSQL::Test::Utils::slurp_file($shards[$n]->logfile, $offsets[$n]);
		my ($scanned) = $log =~ /Index Scan using $index on items .*\(actual rows=(\d+)/;

		ok($scanned && $scanned <= 20, "$what: shard $n scans $index for @{[ $scanned // 'no' ]} rows") or diag $log;
	}
}

my $query = "'" . $front->safe_psql('postgres', "SELECT make_vector('uniform', 5, 16, 7)") . "'";
search('L2', "v <-> $query", 'items_v');
search('cosine', "v <=> $query", 'items_cosine');
search('halfvec, inner product', "h <#> $query", 'items_h');
search('bit, Hamming', "b <~> B'1010101010101010'", 'items_b');
search('with a filter', "v <-> $query", 'items_v', 'kind <> 3');

# A parameter, of a generic plan: it goes to the shards as one.
$front->safe_psql('postgres', qq{
	SET plan_cache_mode = force_generic_plan;
	PREPARE near(vector) AS SELECT id FROM items ORDER BY v <-> \$1 LIMIT 5;
	EXECUTE near($query)});
like(
	$front->safe_psql('postgres', qq{
		SET plan_cache_mode = force_generic_plan;
		PREPARE near(vector) AS SELECT id FROM items ORDER BY v <-> \$1 LIMIT 5;
		EXPLAIN (VERBOSE, COSTS OFF) EXECUTE near($query)}),
	qr/Remote SQL: .* ORDER BY \(v \S*<->\)? ?\$1/,
	'a parameter is shipped');

# One shard alone: the limit goes there, too.
my $alone = $front->safe_psql('postgres', "EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM items_1 ORDER BY v <-> $query LIMIT 4");
like($alone, qr/Remote SQL: SELECT id.* ORDER BY .* LIMIT 4/, 'a single shard gets the limit');
unlike($alone, qr/Limit/, 'which is not applied here again');

# Without the option the operators are not known to be the same over there.
$front->safe_psql('postgres', "ALTER SERVER shard1 OPTIONS (DROP extensions)");
$alone = $front->safe_psql('postgres', "EXPLAIN (VERBOSE, COSTS OFF) SELECT id FROM items_1 ORDER BY v <-> $query LIMIT 4");
unlike($alone, qr/Remote SQL: .*<->/, 'without extensions = vector nothing is shipped');
$front->safe_psql('postgres', "ALTER SERVER shard1 OPTIONS (ADD extensions 'vector')");

# Changes through the front reach the shards' indexes.
$front->safe_psql('postgres', qq{
	DELETE FROM items WHERE id % 3 = 0;
	UPDATE items SET v = v + v WHERE id % 5 = 0;
	DELETE FROM here WHERE id % 3 = 0;
	UPDATE here SET v = v + v WHERE id % 5 = 0});
search('after changes', "v <-> $query", 'items_v');
$_->safe_psql('postgres', q{VACUUM items; }) foreach @shards;
search('after vacuum', "v <-> $query", 'items_v');
agree($_, { name => 'items', opclass => 'vector_l2_ops', dims => 16 }, 'shard') foreach @shards;

# An error on a shard is one here.
my (undef, undef, $error) = $front->psql('postgres', "SELECT id FROM items ORDER BY v <-> '[1,2]' LIMIT 1");
like($error, qr/different vector dimensions/, 'an error of a shard comes through');

$_->stop foreach $front, @shards;
done_testing();
