# Recall on data like that of embeddings: clusters of low intrinsic dimension.
# For each metric: recall of a built index, exact order of what it returns, and
# that an index filled by inserts, or one that has seen half of its rows
# replaced, or a tenth taken away by VACUUM, is as good as a new one.  Of
# ivfflat, that it finds what ivfflat.target_recall asks for, built or grown.

use strict;
use warnings FATAL => 'all';

use List::Util qw(sum);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

use constant {
	ROWS => 10000,
	DIMS => 96,
	LATENT_DIMS => 16,
	CLUSTERS => 300,
	QUERIES => 200,
	K => 10,
	TOLERANCE => 0.02,
	NARROW => 10,			# an ef_search at which the lists make a difference
	NARROW_TOLERANCE => 0.01
};

my $seed = test_seed();
my $node = new_node('recall', conf => 'max_wal_size = 2GB
maintenance_work_mem = 128MB');
my $dir = PostgreSQL::Test::Utils::tempdir();

sub gaussian
{
	return sqrt(-2 * log(1 - rand())) * cos(2 * 3.14159265358979 * rand());
}

# A point is its cluster's center, noise in the latent dimensions, a little
# noise in all dimensions, and a shift that all points share.
my @basis = map { [ map { gaussian() } 1 .. DIMS ] } 1 .. LATENT_DIMS;
my @centers = map { [ map { gaussian() } 1 .. LATENT_DIMS ] } 1 .. CLUSTERS;
my @shift = map { 0.5 * gaussian() } 1 .. DIMS;

sub point
{
	my $center = $centers[ int(rand(CLUSTERS)) ];
	my @v = map { $_ + 0.1 * rand() } @shift;

	foreach my $l (0 .. LATENT_DIMS - 1)
	{
		my $x = $center->[$l] + 0.8 * gaussian();
		my $b = $basis[$l];

		$v[$_] += $x * $b->[$_] for 0 .. DIMS - 1;
	}
	return '[' . join(',', map { sprintf '%.5g', $_ } @v) . ']';
}

sub load
{
	my ($table, $first, $last) = @_;
	my $file = "$dir/$table.txt";

	open my $out, '>', $file or die "$file: $!";
	print $out "$_\t" . point() . "\n" for $first .. $last;
	close $out;
	$node->safe_psql('postgres', "CREATE TABLE $table (id int, v vector(@{[DIMS]}))");
	$node->safe_psql('postgres', "\\copy $table FROM '$file'");
}

# "later" replaces rows, so its ids follow.
load('rows', 1, ROWS);
load('later', ROWS + 1, ROWS * 3 / 2);
load('queries', 1, QUERIES);

# recall: share of the K nearest that the index finds, a row as far as the Kth
# counting as one of them; unordered: queries whose rows do not come by
# distance.  Rows of the table t.
$node->safe_psql('postgres', q{
CREATE FUNCTION exact(operator text, k int) RETURNS TABLE (query int, kth float8) LANGUAGE plpgsql
SET enable_indexscan = off SET jit = off AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT q.id, (SELECT max(d) FROM
		(SELECT (t.v %1$s q.v) AS d FROM t ORDER BY t.v %1$s q.v LIMIT %2$s) s) FROM queries q', operator, k);
END$$;
CREATE FUNCTION measure(operator text, k int, OUT recall numeric, OUT unordered bigint) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_sort = off SET jit = off AS $$
DECLARE
	line text;
	by_index bool := false;
BEGIN
	FOR line IN EXECUTE format('EXPLAIN SELECT FROM queries q,
		LATERAL (SELECT FROM t ORDER BY t.v %s q.v LIMIT %s) r', operator, k)
	LOOP
		by_index := by_index OR line LIKE '%Index Scan using t_index%';
	END LOOP;
	IF NOT by_index THEN
		RAISE 'the index is not used';
	END IF;
	EXECUTE format($q$
		WITH found AS MATERIALIZED (
			SELECT q.id, r.d, row_number() OVER (PARTITION BY q.id) AS n
			FROM queries q, LATERAL (SELECT t.v %1$s q.v AS d FROM t ORDER BY t.v %1$s q.v LIMIT %2$s) r),
		steps AS (SELECT id, d < lag(d) OVER (PARTITION BY id ORDER BY n) AS down FROM found)
		SELECT (SELECT round(count(*)::numeric / (%2$s * (SELECT count(*) FROM queries)), 4)
				FROM found f JOIN kth e ON f.id = e.query AND f.d <= e.kth),
			   (SELECT count(DISTINCT id) FROM steps WHERE down)$q$, operator, k) INTO recall, unordered;
END$$});

# Recall and order of the index on t; the exact result is computed when the
# rows have changed.
sub measure
{
	my ($opclass, $rows_changed, $ef_search) = @_;
	my $operator = $METRICS{$opclass};

	$node->safe_psql('postgres', qq{DROP TABLE IF EXISTS kth;
		CREATE TABLE kth AS SELECT * FROM exact('$operator', @{[K]})}) if $rows_changed;
	return split /\|/, $node->safe_psql('postgres',
		($ef_search ? "SET hnsw.ef_search = $ef_search; " : '') . "SELECT * FROM measure('$operator', @{[K]})");
}

# Compare an index that has changed with one built anew.  Recall with a narrow
# beam tells more, but varies by a hundredth among builds: so it is added up, and
# compared in the end.
my %narrow;

sub as_good_as_anew
{
	my ($opclass, $what) = @_;
	my ($changed, $changed_narrow, $anew, $anew_narrow);

	($changed, undef) = measure($opclass, 1);
	($changed_narrow, undef) = measure($opclass, 0, NARROW);
	$node->safe_psql('postgres', 'REINDEX INDEX t_index');
	($anew, undef) = measure($opclass, 0);
	($anew_narrow, undef) = measure($opclass, 0, NARROW);
	cmp_ok($changed, '>=', $anew - TOLERANCE, "$opclass: recall $changed after $what, $anew when built anew");
	note "with a narrow beam $changed_narrow, $anew_narrow when built anew";
	push @{ $narrow{$what} }, $changed_narrow - $anew_narrow;
	return;
}

# With ef_search 40, m 16 and ef_construction 64 a fresh index reaches 0.993 or
# more here, 0.98 for the inner product; the thresholds lie 0.02 below that.
my %threshold = (
	vector_l2_ops => 0.97,
	vector_cosine_ops => 0.97,
	vector_ip_ops => 0.96,
	vector_l1_ops => 0.97);

foreach my $opclass (sort keys %threshold)
{
	my $create = "CREATE INDEX t_index ON t USING hnsw (v $opclass) WITH (m = 16, ef_construction = 64)";
	my $t = { name => 't', opclass => $opclass, dims => DIMS };
	my ($built, $inserted, $unordered);

	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS t;
		CREATE TABLE t (id int, v vector(@{[DIMS]}));
		INSERT INTO t SELECT * FROM rows;
		$create;});
	($built, $unordered) = measure($opclass, 1);
	cmp_ok($built, '>=', $threshold{$opclass}, "$opclass: recall $built of a built index");
	is($unordered, '0', "$opclass: all rows come by exact distance");

	$node->safe_psql('postgres', "TRUNCATE t; INSERT INTO t SELECT * FROM rows");
	($inserted, $unordered) = measure($opclass, 0);
	cmp_ok($inserted, '>=', $built - TOLERANCE, "$opclass: recall $inserted of an index filled by inserts");
	is($unordered, '0', "$opclass: all rows come by exact distance, inserts");
	agree($node, $t, "$opclass, inserts", 1);

	foreach my $batch (0 .. 3)
	{
		my $size = ROWS / 8;

		$node->safe_psql('postgres', $_) foreach (
			"DELETE FROM t WHERE id % 8 = $batch",
			'VACUUM t',
			"INSERT INTO t SELECT * FROM later ORDER BY id LIMIT $size OFFSET " . $batch * $size);
	}
	$node->safe_psql('postgres', 'VACUUM t');
	(undef, $unordered) = measure($opclass, 1);
	is($unordered, '0', "$opclass: all rows come by exact distance, half replaced");
	agree($node, $t, "$opclass, half replaced", 1);
	as_good_as_anew($opclass, 'half was replaced');
	agree($node, $t, "$opclass, built anew", 1);

	$node->safe_psql('postgres', $_) foreach ('DELETE FROM t WHERE id % 10 = 9', 'VACUUM t');
	as_good_as_anew($opclass, 'VACUUM of a tenth');
}

foreach my $what (sort keys %narrow)
{
	my $difference = sprintf '%.4f', sum(@{ $narrow{$what} }) / @{ $narrow{$what} };

	cmp_ok($difference, '>=', -NARROW_TOLERANCE, "recall with a narrow beam after $what, less that of indexes built anew: $difference");
}

# Codes of fewer bits, of the neighbours, and values in the index: 0.996 or more are reached with 8, 4
# and 2 bits here, 0.95 with 1; the thresholds lie 0.025 below that.
my %coarse_threshold = (
	'code_bits = 8, store_values' => 0.97,
	'code_bits = 4' => 0.97,
	'code_bits = 4, store_values' => 0.97,
	'code_bits = 2' => 0.97,
	'code_bits = 1' => 0.925,
	'inline_codes' => 0.97);

foreach my $options (sort keys %coarse_threshold)
{
	my $t = { name => 't', opclass => 'vector_cosine_ops', dims => DIMS };
	my ($recall, $unordered);

	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS t;
		CREATE TABLE t (id int, v vector(@{[DIMS]}));
		INSERT INTO t SELECT * FROM rows WHERE id % 4 <> 0;
		CREATE INDEX t_index ON t USING hnsw (v vector_cosine_ops) WITH ($options);
		INSERT INTO t SELECT * FROM rows WHERE id % 4 = 0;});
	($recall, $unordered) = measure('vector_cosine_ops', 1);
	cmp_ok($recall, '>=', $coarse_threshold{$options}, "$options: recall $recall");
	is($unordered, '0', "$options: all rows come by exact distance");
	agree($node, $t, $options, 1);
}

# Asked for a recall, ivfflat reaches it.  What was measured on a sample, for
# queries of the same kind, is right to 0.02 or so, and QUERIES * K neighbours
# are no more exact.
foreach my $opclass ('vector_l2_ops', 'vector_cosine_ops', 'vector_ip_ops')
{
	$node->safe_psql('postgres', qq{
		DROP TABLE IF EXISTS t;
		CREATE TABLE t (id int, v vector(@{[DIMS]}));
		INSERT INTO t SELECT * FROM rows;
		CREATE INDEX t_index ON t USING ivfflat (v $opclass);});
	foreach my $grown (0, 1)
	{
		$node->safe_psql('postgres', $_)
		  foreach $grown ? ('TRUNCATE t', 'INSERT INTO t SELECT * FROM rows', 'VACUUM t') : ();
		foreach my $target (0.9, 0.95, 0.99)
		{
			$node->safe_psql('postgres', "ALTER DATABASE postgres SET ivfflat.target_recall = $target");
			my ($reached, $unordered) = measure($opclass, !$grown && $target == 0.9);

			cmp_ok($reached, '>=', $target - 0.03,
				"$opclass: recall $reached where $target was asked for" . ($grown ? ', grown' : ''));
			is($unordered, '0', "$opclass: all rows come by exact distance");
		}
	}
}

$node->stop;
done_testing();
