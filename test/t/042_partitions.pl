# Partitioned tables and inheritance: an ordered search merges the indexes of
# the partitions, while partitions come and go.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

my $seed = test_seed();
my $node = new_node('partitions');

# Settings under which a search of a few rows finds the nearest for certain:
# partitions have fewer rows than ef_search.
my $settings = 'SET enable_seqscan = off; SET enable_sort = off; SET hnsw.ef_search = 1000;';

# The plan and the answer of a search, which is the same without indexes.
sub search
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($what, $table, $where, $operator, $plan, $limit) = @_;
	my $query = 1 + int(rand(1000));

	$limit //= 12;
	my $sql = "SELECT id, v $operator make_vector('uniform', $query, 8, 7) AS d FROM $table WHERE $where ORDER BY d LIMIT $limit";
	my $explain = $node->safe_psql('postgres', "$settings EXPLAIN (COSTS OFF) $sql");
	my $indexed = $node->safe_psql('postgres', "$settings SELECT string_agg(d::text, ' ' ORDER BY d), count(*), count(DISTINCT id) FROM ($sql) s");
	my $ordered = $node->safe_psql('postgres', "$settings SELECT count(*) FROM (SELECT d < lag(d) OVER () AS less FROM ($sql) s) s WHERE less");
	my $exact = $node->safe_psql('postgres', "SET enable_indexscan = off; SELECT string_agg(d::text, ' ' ORDER BY d), count(*), count(DISTINCT id) FROM ($sql) s");

	# the scans on partitions, in short
	my @scans = $explain =~ /Index Scan using (\w+)/g;
	my $shape = ($explain =~ /Merge Append/ ? 'merge ' : '') . join(' ', sort @scans);
	is($shape, $plan, "$what: plan") or diag $explain;
	unlike($explain, qr/Sort$|Seq Scan/m, "$what: no sort");
	is($indexed, $exact, "$what: rows (query $query)");
	is($ordered, '0', "$what: order");
}

sub rows
{
	my ($table, $first, $last) = @_;

	return "INSERT INTO $table SELECT n, n % 10, make_vector('clusters', n, 8, $seed) FROM generate_series($first, $last) n;";
}

# List partitions, one of them partitioned again, and a default one.  The index
# on the partitioned table makes one on each, also on those that come later.
$node->safe_psql('postgres', qq{
	CREATE TABLE items (id int, kind int, v vector(8), PRIMARY KEY (id, kind)) PARTITION BY LIST (kind);
	CREATE TABLE a PARTITION OF items FOR VALUES IN (0, 1, 2);
	CREATE TABLE b PARTITION OF items FOR VALUES IN (3, 4) PARTITION BY HASH (id);
	CREATE TABLE b0 PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE b1 PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 8);
	CREATE TABLE rest PARTITION OF items DEFAULT;
	@{[ rows('items', 1, 1500) ]}
	ANALYZE items});
is( $node->safe_psql('postgres', q{SELECT string_agg(indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' invalid' END, ' ' ORDER BY indexrelid::regclass::text)
	FROM pg_index JOIN pg_class c ON c.oid = indexrelid WHERE relam = (SELECT oid FROM pg_am WHERE amname = 'hnsw')}),
	'a_v_idx b0_v_idx b1_v_idx b_v_idx items_v rest_v_idx', 'every partition has its index');
search('all partitions', 'items', 'true', '<->', 'merge a_v_idx b0_v_idx b1_v_idx rest_v_idx');
search('pruned to one', 'items', 'kind = 1', '<->', 'a_v_idx');
search('pruned to two levels', 'items', 'kind IN (3, 4)', '<->', 'merge b0_v_idx b1_v_idx');
search('a filter besides', 'items', 'kind BETWEEN 0 AND 2 AND id % 2 = 0', '<->', 'merge a_v_idx rest_v_idx', 5);

# pruning when the query runs: a parameter of a generic plan
my $generic = $node->safe_psql('postgres', qq{
	$settings SET plan_cache_mode = force_generic_plan;
	PREPARE near(int, vector) AS SELECT id FROM items WHERE kind = \$1 ORDER BY v <-> \$2 LIMIT 3;
	EXPLAIN (COSTS OFF) EXECUTE near(0, '[0,0,0,0,0,0,0,0]')});
like($generic, qr/Subplans Removed: 3/, 'partitions are pruned when a generic plan runs');
like($generic, qr/Index Scan using a_v_idx/, 'and the one that is left uses its index');

# Attach and detach: an index that is there is taken, else one is made.
$node->safe_psql('postgres', qq{
	CREATE TABLE c (id int NOT NULL, kind int NOT NULL, v vector(8));
	@{[ rows('c', 2000, 2400) ]}
	DELETE FROM c WHERE kind <> 5;
	CREATE INDEX c_own ON c USING hnsw (v vector_l2_ops) WITH (m = 8);
	DELETE FROM items WHERE kind = 5;
	ALTER TABLE items ATTACH PARTITION c FOR VALUES IN (5);
	CREATE TABLE d (id int NOT NULL, kind int NOT NULL, v vector(8));
	@{[ rows('d', 3000, 3300) ]}
	DELETE FROM d WHERE kind <> 6;
	DELETE FROM items WHERE kind = 6;
	ALTER TABLE items ATTACH PARTITION d FOR VALUES IN (6);});
search('attached', 'items', 'true', '<->', 'merge a_v_idx b0_v_idx b1_v_idx c_own d_v_idx rest_v_idx');
search('attached, pruned', 'items', 'kind = 6', '<->', 'd_v_idx');
$node->safe_psql('postgres', 'ALTER TABLE items DETACH PARTITION a');
$node->safe_psql('postgres', 'ALTER TABLE items DETACH PARTITION c');
search('detached', 'items', 'true', '<->', 'merge b0_v_idx b1_v_idx d_v_idx rest_v_idx');
search('detached, by itself', 'a', 'true', '<->', 'a_v_idx');

# Rows move between partitions; vacuum goes through all of them.
$node->safe_psql('postgres', 'UPDATE items SET kind = 9 WHERE kind = 4 AND id % 3 = 0');
$node->safe_psql('postgres', 'VACUUM items');
search('rows moved', 'items', 'true', '<->', 'merge b0_v_idx b1_v_idx d_v_idx rest_v_idx');
$node->safe_psql('postgres', 'REINDEX INDEX items_v');
search('reindexed', 'items', 'kind = 9', '<->', 'rest_v_idx');
agree($node, { name => $_, opclass => 'vector_l2_ops', dims => 8 }, 'partition') foreach qw(a b0 b1 c d rest);

# An index of the parent alone, made valid by attaching those of its partitions.
$node->safe_psql('postgres', q{
	DROP INDEX items_v;
	CREATE INDEX items_v ON ONLY items USING hnsw (v vector_cosine_ops);
	CREATE INDEX b_v ON ONLY b USING hnsw (v vector_cosine_ops);});
foreach my $partition (qw(b0 b1 d rest))
{
	my $parent = $partition =~ /^b/ ? 'b_v' : 'items_v';

	$node->safe_psql('postgres', "CREATE INDEX CONCURRENTLY ${partition}_cosine ON $partition USING hnsw (v vector_cosine_ops)");
	$node->safe_psql('postgres', "ALTER INDEX $parent ATTACH PARTITION ${partition}_cosine");
}
$node->safe_psql('postgres', 'ALTER INDEX items_v ATTACH PARTITION b_v');
is($node->safe_psql('postgres', q{SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_v'::regclass}),
	't', 'indexes attached one by one');
search('cosine', 'items', 'true', '<=>', 'merge b0_cosine b1_cosine d_cosine rest_cosine');

# Inheritance: children with and without columns of their own.
$node->safe_psql('postgres', qq{
	CREATE TABLE base (id int, kind int, v vector(8));
	CREATE TABLE child (extra text) INHERITS (base);
	CREATE TABLE grandchild (w vector(2)) INHERITS (child);
	@{[ rows('base', 1, 300), rows('child', 301, 700), rows('grandchild', 701, 900) ]}
	CREATE INDEX base_v ON base USING hnsw (v vector_l2_ops);
	CREATE INDEX child_v ON child USING hnsw (v vector_l2_ops);
	CREATE INDEX grandchild_v ON grandchild USING hnsw (v vector_l2_ops);
	ANALYZE base, child, grandchild});
search('inheritance', 'base', 'true', '<->', 'merge base_v child_v grandchild_v');
search('only the parent', 'ONLY base', 'true', '<->', 'base_v');
$node->safe_psql('postgres', 'ALTER TABLE grandchild NO INHERIT child');
search('a child less', 'base', 'true', '<->', 'merge base_v child_v');

# UNION ALL is merged in the same way.
search('union all', '(SELECT id, v FROM base UNION ALL SELECT id, v FROM grandchild) u', 'true', '<->',
	'merge base_v child_v grandchild_v');

is(log_errors($node, 0), '', 'no errors');
$node->stop;
done_testing();
