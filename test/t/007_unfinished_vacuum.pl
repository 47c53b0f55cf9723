# What a VACUUM that died has left of an hnsw index, made while the server is
# down: inserts, scans and the next VACUUM go on with it.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Damage;
use VectorTest;

use constant {
	ENTRY_BYTES => 20,
	DYING => 2,
	BEGUN => 1,
	FREEING => 4,
	PROTECTED => 0x80000000
};

my $seed = test_seed();
my $node = new_node('unfinished_vacuum');

# The offsets are those of the tables in src/hnsw/hnsw_format.h.
metapage({ repairing => 23, elements => 108, row_pages => 112 }, { repairing => 'C' });

# Of an index with few rows and one extent: the slots of an element, and the numbers
# of all by the places of their rows in the table's first page.
sub entry_at { my ($n) = @_; return BLOCK + CONTENT + ENTRY_BYTES * $n; }
sub list_at
{
	my ($f, $n, $m) = @_;
	my $per_page = int((BLOCK - CONTENT) / ENTRY_BYTES);
	my $entry_pages = int((get_meta($f, 'elements') + $per_page - 1) / $per_page) + get_meta($f, 'row_pages');

	return BLOCK * (1 + $entry_pages) + CONTENT + (4 + 8 * $m) * $n;
}
sub numbers { my ($f, $rows) = @_; return map { get($f, entry_at($_) + 4, 'S') => $_ } 0 .. $rows - 1; }

sub leave_dying
{
	my ($f, $n) = @_;

	put($f, entry_at($n), 'S3', 0xFFFF, 0xFFFF, 0);
	put($f, entry_at($n) + 6, 'C', DYING);
	return;
}

# The list of an element on level 0, as edges.
sub get_list
{
	my ($f, $n, $m) = @_;
	my $at = list_at($f, $n, $m);

	return map { get($f, $at + 4 * $_, 'L') } 1 .. get($f, $at, 'L');
}

sub put_list { my ($f, $n, $m, @edges) = @_; put($f, list_at($f, $n, $m), 'L*', scalar(@edges), @edges); return; }
sub put_protected { my ($f, $n, $m, @targets) = @_; put_list($f, $n, $m, map { $_ | PROTECTED } @targets); return; }
sub target { my ($edge) = @_; return $edge & ~PROTECTED; }

sub damage_stopped
{
	my ($table, $do) = @_;
	my $path = $node->data_dir . '/' . $node->safe_psql('postgres', "SELECT pg_relation_filepath('$table->{name}_index')");

	$node->stop;
	disable_checksums($node);
	damage_file($path, $do);
	$node->start;
	return;
}

# The only live element has a list full of protected edges to dying ones, as
# bridges leave it.
{
	my $t = { name => 'clusters', opclass => 'vector_l2_ops', dims => 3, rows => 5, with => 'm = 2, ef_construction = 4' };
	my $offset = log_size($node);

	$node->safe_psql('postgres', make_indexed_table($t, $seed) . 'DELETE FROM clusters WHERE id > 1');
	damage_stopped(
		$t,
		sub {
			my ($f) = @_;
			my %numbers = numbers($f, 5);
			my $live = delete $numbers{1};

			put_meta($f, 'repairing', BEGUN);
			put_protected($f, $live, 2, sort values %numbers);
			foreach my $n (sort values %numbers)
			{
				leave_dying($f, $n);
				put_protected($f, $n, 2, $live);
			}
		});
	foreach my $round (1 .. 2)
	{
		$node->safe_psql('postgres', qq{
			INSERT INTO clusters SELECT n, make_vector('clusters', n, 3, $seed) FROM generate_series(10 * $round, 10 * $round + 4) n;
			VACUUM (INDEX_CLEANUP off) clusters;});
		agree($node, $t, "few live elements among dying ones, inserts $round");
		$node->safe_psql('postgres', 'VACUUM clusters') if $round == 2;
	}
	agree($node, $t, 'few live elements among dying ones, VACUUM');
	is(log_errors($node, $offset), '', 'few live elements among dying ones: no errors');
}

# VACUUM was freeing elements: the rest has no chunks any more, and its lists lead
# to what the slots of the others were given to.
{
	my $t = { name => 'sparse', type => 'sparsevec', opclass => 'sparsevec_l2_ops', dims => 200 };
	my $value = sub { my ($dims) = @_; return qq{(SELECT array_agg(CASE WHEN d <= $dims THEN 1 + noise(n * 1000 + d, $seed) ELSE 0 END ORDER BY d)
		FROM generate_series(1, 200) d)::vector::sparsevec} };
	my $offset = log_size($node);

	$node->safe_psql('postgres', qq{
		CREATE TABLE sparse (id int, v sparsevec(200));
		INSERT INTO sparse SELECT n, @{[ $value->(5) ]} FROM generate_series(1, 8) n;
		CREATE INDEX sparse_index ON sparse USING hnsw (v sparsevec_l2_ops) WITH (m = 2, ef_construction = 4);
		INSERT INTO sparse SELECT n, @{[ $value->(150) ]} FROM generate_series(9, 9) n;
		DELETE FROM sparse WHERE id = 9;
		VACUUM sparse;});
	damage_stopped(
		$t,
		sub {
			my ($f) = @_;
			my %numbers = numbers($f, 8);
			my ($next, $freed) = ($numbers{2}, 8);
			my @edges;

			cmp_ok(scalar(get_list($f, $freed, 2)), '>', 0, 'an element has been freed');
			put_meta($f, 'repairing', FREEING);
			leave_dying($f, $freed);

			# it leads to another one, which has no room in its list
			put_protected($f, $freed, 2, $next);
			@edges = get_list($f, $next, 2);
			foreach my $n (sort values %numbers)
			{
				push @edges, $n unless @edges == 4 || $n == $next || grep { target($_) == $n } @edges;
			}
			put_list($f, $next, 2, @edges);
		});
	agree($node, $t, 'elements left to be freed');
	$node->safe_psql('postgres', 'DELETE FROM sparse WHERE id = 2; VACUUM sparse');
	agree($node, $t, 'elements left to be freed, VACUUM');
	$node->safe_psql('postgres', qq{INSERT INTO sparse SELECT n, @{[ $value->(120) ]} FROM generate_series(10, 15) n});
	agree($node, $t, 'elements left to be freed, inserts');
	is(log_errors($node, $offset), '', 'elements left to be freed: no errors');
}

$node->stop;
done_testing();
