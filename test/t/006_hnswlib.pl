# Recall against hnswlib with the same parameters, on the same data: ours is at
# most 0.01 lower, and the rows come in the order of their exact distances.

use strict;
use warnings FATAL => 'all';

use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

use constant {
	DIMS => 96,
	K => 10,
	MARGIN => 0.01
};

my $python = '/usr/bin/python3';

plan skip_all => "$python has no hnswlib (Debian: python3-hnswlib)"
	if system("$python -c 'import hnswlib, numpy' 2>/dev/null") != 0;

my $seed = test_seed();
my $dir = PostgreSQL::Test::Utils::tempdir();
my $node = new_node('hnswlib');

# rows and queries, the exact answers, and those of hnswlib
system_or_bail($python, dirname(__FILE__) . '/hnswlib_reference.py', $seed, $dir);
$node->safe_psql('postgres', qq{
	CREATE TABLE rows (id int PRIMARY KEY, v vector(@{[DIMS]}));
	CREATE TABLE queries (id int, v vector(@{[DIMS]}));
	CREATE TABLE answers (source text, metric text, query int, ids int[])});
$node->safe_psql('postgres', "\\copy $_->[0] FROM '$dir/$_->[1]' $_->[2]")
	foreach [ 'rows', 'rows.bin', 'BINARY' ], [ 'queries', 'queries.bin', 'BINARY' ], [ 'answers', 'answers.txt', '' ];

# share of the exact answers that a source has
sub recall
{
	my ($source, $metric) = @_;

	return $node->safe_psql('postgres', qq{
		SELECT round(count(*)::numeric / (@{[K]} * (SELECT count(*) FROM queries)), 4)
		FROM answers a JOIN answers e USING (metric, query), unnest(a.ids) id
		WHERE a.source = '$source' AND e.source = 'exact' AND metric = '$metric' AND id = ANY (e.ids)});
}

foreach my $case (
	[ 'l2', 'vector_l2_ops' ],
	[ 'cosine', 'vector_cosine_ops' ],
	[ 'ip', 'vector_ip_ops' ])
{
	my ($metric, $opclass) = @$case;
	my $operator = $METRICS{$opclass};
	my $search = "SELECT q.id AS query, r.id FROM queries q,
		LATERAL (SELECT id FROM rows ORDER BY v $operator q.v LIMIT @{[K]}) r";
	my ($ours, $theirs);

	$node->safe_psql('postgres', "DROP INDEX IF EXISTS rows_v;
		CREATE INDEX rows_v ON rows USING hnsw (v $opclass) WITH (m = 16, ef_construction = 64)");
	like($node->safe_psql('postgres', "SET enable_seqscan = off; EXPLAIN $search"),
		qr/Index Scan using rows_v/, "$metric: the index is used");
	$node->safe_psql('postgres', qq{
		SET enable_seqscan = off; SET hnsw.ef_search = 40;
		INSERT INTO answers SELECT 'index', '$metric', query, array_agg(id ORDER BY n)
		FROM (SELECT *, row_number() OVER () AS n FROM ($search) s) t GROUP BY query});

	($ours, $theirs) = (recall('index', $metric), recall('hnswlib', $metric));
	cmp_ok($ours, '>=', $theirs - MARGIN, "$metric: recall $ours, hnswlib $theirs");

	# by the distances that a join computes, without the index
	is( $node->safe_psql('postgres', qq{
		SELECT count(*), count(DISTINCT (query, id)), count(*) FILTER (WHERE down) FROM
		(SELECT query, id, d < lag(d) OVER (PARTITION BY query ORDER BY n) AS down FROM
			(SELECT a.query, u.id, n, r.v $operator q.v AS d
			FROM answers a JOIN queries q ON q.id = a.query,
				unnest(a.ids) WITH ORDINALITY u (id, n) JOIN rows r USING (id)
			WHERE source = 'index' AND metric = '$metric') x) y}),
		join('|', (K * 500) x 2, 0), "$metric: @{[K]} rows a query, once each, in exact order");
}

$node->stop;
done_testing();
