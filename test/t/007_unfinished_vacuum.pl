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

sub put_protected
{
	my ($f, $n, $m, @targets) = @_;

	put($f, list_at($f, $n, $m), 'L*', scalar(@targets), map { $_ | PROTECTED } @targets);
	return;
}

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

			put_meta($f, 'repairing', 1);
			put_protected($f, $live, 2, values %numbers);
			foreach my $n (values %numbers)
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

$node->stop;
done_testing();
