# Damaged files of ivfflat indexes: queries, inserts, VACUUM and the functions
# that look at an index raise errors of corruption or work, but they neither
# crash nor hang, and REINDEX repairs all.
#
# Every case has a table and an index of its own, made alike and then damaged
# while the server is down.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Damage;
use VectorTest;

use constant {
	ROWS => 900,
	LISTS => 3,
	NONE => 0xFFFFFFFF
};

my $seed = test_seed();
my $node = new_node('ivfflat_corruption', conf => 'max_wal_size = 1GB');

# ------------------------------------------------------------------------
# The parts of an index file
# ------------------------------------------------------------------------

# The offsets are those of the tables in src/ivfflat/ivf_format.h.
my %meta = (
	magic => 0, version => 4, dimensions => 8, code_bytes => 12, code_kind => 16, metric => 17, rotated => 18,
	coarse => 19, lists_option => 20, num_lists => 32, next_version => 36, epoch => 40, num_segments => 44,
	fresh_segment => 48, free_head => 52, used_segments => 56, num_directory => 60, capacity => 176, directory => 184);
my %segment = (list => 0, next => 4, depth => 8, next_free => 12, count => 16, dead => 18, state => 20, tids => 24);
my %kinds = (meta => 1, lists => 2, segment => 3, coarse => 4, fine => 5);
my %bytes = (count => 'S', dead => 'S', state => 'C', code_kind => 'C', metric => 'C', rotated => 'C', coarse => 'C');

metapage(\%meta, \%bytes);

sub get_segment { my ($f, $block, $field) = @_; return get($f, $block * BLOCK + CONTENT + $segment{$field}, $bytes{$field} // 'L'); }
sub put_segment { my ($f, $block, $field, $value) = @_;
	put($f, $block * BLOCK + CONTENT + $segment{$field}, $bytes{$field} // 'L', $value); return; }

# Blocks of a kind; of segments only those that are in lists.
sub blocks
{
	my ($f, $kind) = @_;
	my @blocks = grep { get($f, $_ * BLOCK + 26, 'S') == $kinds{$kind} } 0 .. length($f->{bytes}) / BLOCK - 1;

	@blocks = grep { get_segment($f, $_, 'state') == 1 } @blocks if $kind eq 'segment';
	die "no $kind" unless @blocks;
	return @blocks;
}

# All segments have the same number of pages, and the first one is in block 1.
sub number_of
{
	my ($f, $block) = @_;
	my @first = grep { get($f, $_ * BLOCK + 26, 'S') == $kinds{segment} } 0 .. length($f->{bytes}) / BLOCK - 1;

	return ($block - 1) / ($first[1] - $first[0]);
}

# Byte offsets of the lists, and of their centroids behind 16 bytes.
sub lists { my ($f) = @_; my ($block) = blocks($f, 'lists');
	return map { $block * BLOCK + CONTENT + $_ * (16 + get_meta($f, 'code_bytes')) } 0 .. get_meta($f, 'num_lists') - 1; }

# Do something to all pages of a kind, all segments, all lists.
sub each_page { my ($kind, $do) = @_; return sub { my ($f) = @_; $do->($f, $_) foreach blocks($f, $kind) }; }
sub each_segment { my ($field, $value) = @_; return each_page('segment', sub { put_segment($_[0], $_[1], $field, ref $value ? $value->(@_) : $value) }); }
sub each_list { my ($at, $value) = @_; return sub { my ($f) = @_; put($f, $_ + $at, 'L', ref $value ? $value->($f) : $value) foreach lists($f) }; }
sub no_free_segments { my ($f) = @_; put_meta($f, 'free_head', NONE); put_meta($f, 'fresh_segment', get_meta($f, 'num_segments')); return; }

# ------------------------------------------------------------------------
# The damage: name, what is done, and whether the first search must fail
# ------------------------------------------------------------------------
my $FAILS = 1;

sub page_cases
{
	my ($kind) = @_;
	my $fails = $kind =~ /segment|lists/ ? $FAILS : 0;

	return (
		[ "$kind zero", each_page($kind, \&zero_page), $fails ],
		[ "$kind: one page zero", sub { zero_page($_[0], (blocks($_[0], $kind))[-1]) } ],
		[ "$kind random", each_page($kind, \&random_bytes), $kind eq 'segment' ? $FAILS : 0 ],
		[ "$kind of another kind", sub { my ($from) = blocks($_[0], $kind eq 'fine' ? 'segment' : 'fine');
			each_page($kind, sub { copy_page($_[0], $from, $_[1]) })->($_[0]) }, $fails ],
		[ "$kind swapped", sub { my ($f) = @_; my @blocks = blocks($f, $kind); my $first = { bytes => $f->{bytes} };
			foreach my $i (0 .. $#blocks)
			{
				substr($f->{bytes}, $blocks[$i] * BLOCK, BLOCK) =
					substr($first->{bytes}, $blocks[ ($i + 1) % @blocks ] * BLOCK, BLOCK);
			} } ],
		[ "$kind with a wrong page id", each_page($kind, sub { put($_[0], $_[1] * BLOCK + 24, 'S', 0) }), $fails ],
		[ "$kind with a broken header", each_page($kind, sub { put($_[0], $_[1] * BLOCK, 'L6', (NONE) x 6) }), $fails ],
		[ "$kind of another version", each_page($kind, sub { put($_[0], $_[1] * BLOCK + 28, 'L', 7777) }),
			$kind eq 'lists' ? 0 : $FAILS ]);
}

# Runs on both shapes of segments: coarse codes on the first page, and on pages of
# their own.
my @page_cases = map { page_cases($_) } qw(lists segment fine);
my @cases = (
	[ 'nothing', sub { } ],
	[ 'magic', sub { put_meta($_[0], 'magic', 0xA953A953) }, $FAILS ],
	[ 'version', sub { put_meta($_[0], 'version', 999) }, $FAILS ],
	[ 'dimensions 0', sub { put_meta($_[0], 'dimensions', 0) }, $FAILS ],
	[ 'dimensions too many', sub { put_meta($_[0], 'dimensions', 1 << 30) }, $FAILS ],
	[ 'dimensions other', sub { put_meta($_[0], 'dimensions', 78) }, $FAILS ],
	[ 'code_bytes', sub { put_meta($_[0], 'code_bytes', 1) }, $FAILS ],
	[ 'code kind', sub { put_meta($_[0], 'code_kind', 77) }, $FAILS ],
	[ 'metric', sub { put_meta($_[0], 'metric', 77) }, $FAILS ],
	[ 'rotated', sub { put_meta($_[0], 'rotated', 77) }, $FAILS ],
	[ 'no coarse codes', sub { put_meta($_[0], 'coarse', 0) }, $FAILS ],
	[ 'lists option', sub { put_meta($_[0], 'lists_option', NONE) }, $FAILS ],
	[ 'lists: too many', sub { put_meta($_[0], 'num_lists', NONE) }, $FAILS ],
	[ 'lists: one more', sub { put_meta($_[0], 'num_lists', get_meta($_[0], 'num_lists') + 1) } ],
	[ 'lists: none', sub { put_meta($_[0], 'num_lists', 0) } ],
	[ 'next version', sub { put_meta($_[0], 'next_version', 1) } ],
	[ 'no versions left', sub { put_meta($_[0], 'next_version', NONE) } ],
	[ 'epoch', sub { put_meta($_[0], 'epoch', NONE) } ],
	[ 'segments: one more', sub { put_meta($_[0], 'num_segments', get_meta($_[0], 'num_segments') + 1) } ],
	[ 'segments: more than the file has', sub { put_meta($_[0], 'num_segments', 77777777) } ],
	[ 'segments: more in use than the file has', sub { put_meta($_[0], $_, 77777777) foreach qw(num_segments fresh_segment);
		put_meta($_[0], 'free_head', NONE) } ],
	[ 'segments: as many as can be', sub { put_meta($_[0], $_, NONE) foreach qw(num_segments fresh_segment free_head) } ],
	[ 'segments: less', sub { put_meta($_[0], 'num_segments', 1) }, $FAILS ],
	[ 'fresh segment: too early', sub { no_free_segments($_[0]); put_meta($_[0], 'fresh_segment', 1) } ],
	[ 'fresh segment: none used', sub { no_free_segments($_[0]); put_meta($_[0], 'fresh_segment', 0) } ],
	[ 'free segments: the directory', sub { put_meta($_[0], 'free_head', get_meta($_[0], 'directory')) } ],
	[ 'free segments: one of a list', sub { put_meta($_[0], 'free_head', number_of($_[0], (blocks($_[0], 'segment'))[0])) } ],
	[ 'free segments: beyond the end', sub { put_meta($_[0], 'free_head', 77777777) } ],
	[ 'free segments: a ring', sub { my ($f) = @_; my ($block) = blocks($f, 'segment');
		put_segment($f, $block, 'state', 0); put_segment($f, $block, 'next_free', number_of($f, $block));
		put_meta($f, 'free_head', number_of($f, $block)) } ],
	[ 'used segments', sub { put_meta($_[0], 'used_segments', 0) } ],
	[ 'used segments too many', sub { put_meta($_[0], 'used_segments', NONE) } ],
	[ 'directory: none', sub { put_meta($_[0], 'num_directory', 0) }, $FAILS ],
	[ 'directory: too long', sub { put_meta($_[0], 'num_directory', NONE) }, $FAILS ],
	[ 'directory: twice', sub { put_meta($_[0], 'num_directory', 2); put($_[0], CONTENT + 180, 'L', get_meta($_[0], 'directory')) } ],
	[ 'directory: a segment of a list', sub { put_meta($_[0], 'directory', number_of($_[0], (blocks($_[0], 'segment'))[0])) }, $FAILS ],
	[ 'directory: beyond the end', sub { put_meta($_[0], 'directory', NONE) }, $FAILS ],
	[ 'tuning: NaN', sub { put($_[0], CONTENT + 64, 'L28', 900, 0, LISTS, 0, (0x7FC00000) x 24) } ],
	[ 'tuning: infinite', sub { put($_[0], CONTENT + 64, 'L28', 900, 0, LISTS, 0, (0x7F800000) x 24) } ],
	[ 'tuning: below zero', sub { put($_[0], CONTENT + 64, 'L28', 900, 0, LISTS, 0, (0xFF7FFFFF) x 24) } ],
	[ 'tuning: beyond all', sub { put($_[0], CONTENT + 64, 'L28', (NONE) x 3, 0, (0x7F7FFFFF) x 24) } ],
	[ 'metapage zero', sub { zero_page($_[0], 0) }, $FAILS ],
	[ 'metapage random', sub { random_bytes($_[0], 0) }, $FAILS ],
	[ 'metapage of another kind', sub { copy_page($_[0], 1, 0) }, $FAILS ],
	@page_cases,
	[ 'lists: heads none', each_list(0, NONE) ],
	[ 'lists: one head for all', each_list(0, sub { number_of($_[0], (blocks($_[0], 'segment'))[0]) }), $FAILS ],
	[ 'lists: heads beyond the end', each_list(0, 77777777), $FAILS ],
	[ 'lists: heads beyond all blocks', each_list(0, NONE - 1), $FAILS ],
	[ 'lists: head is the directory', each_list(0, sub { get_meta($_[0], 'directory') }), $FAILS ],
	[ 'lists: another version', each_list(4, 7777), $FAILS ],
	[ 'lists: entries on the move', sub { my ($f) = @_; put($f, $_ + 14, 'S', 1) foreach lists($f) } ],
	[ 'lists: written_entries', each_list(8, NONE) ],
	[ 'lists: lists of the index by then', each_list(12, 0xFFFF) ],
	[ 'lists: entries are being moved', each_list(12, 0x00010000) ],
	[ 'lists: centroids NaN', sub { my ($f) = @_; put($f, $_ + 16, 'L5', (0x7FC00000) x 5) foreach lists($f) } ],
	[ 'lists: centroids infinite', sub { my ($f) = @_; put($f, $_ + 16, 'L2', 0x7F800000, 0xFF800000) foreach lists($f) } ],
	[ 'lists: centroids largest', sub { my ($f) = @_; put($f, $_ + 16, 'L5', 0x7F7FFFFF, 0x7F7FFFFF, NONE, NONE, 0x7F7FFFFF) foreach lists($f) } ],
	[ 'segments: of another list', each_segment('list', 77), $FAILS ],
	[ 'segments: follow themselves', each_segment('next', \&number_of), $FAILS ],
	[ 'segments: end early', each_segment('next', NONE) ],
	[ 'segments: lead beyond the end', each_segment('next', 77777777), $FAILS ],
	[ 'segments: lead beyond all blocks', each_segment('next', NONE - 1), $FAILS ],
	[ 'segments: depth 0', each_segment('depth', 0) ],
	[ 'segments: depth huge', each_segment('depth', NONE) ],
	[ 'segments: more entries than room', each_segment('count', 65535), $FAILS ],
	[ 'segments: more dead than entries', each_segment('dead', 65535), $FAILS ],
	[ 'segments: all dead', each_segment('dead', sub { get_segment($_[0], $_[1], 'count') }) ],
	[ 'segments: no entries', each_segment('count', 0) ],
	[ 'segments: free', each_segment('state', 0) ],
	[ 'segments: closed', each_segment('state', 2) ],
	[ 'segments: of the directory', each_segment('state', 3) ],
	[ 'segments: unknown state', each_segment('state', 77) ],
	[ 'segments: TIDs beyond the table', each_page('segment', sub { put($_[0], $_[1] * BLOCK + CONTENT + 24, 'S30', (0x7FFF, 5, 9999) x 10) }) ],
	[ 'segments: TIDs alike', each_page('segment', sub { put($_[0], $_[1] * BLOCK + CONTENT + 24, 'S30', (0, 0, 1) x 10) }) ],
	[ 'segments: TIDs invalid', each_page('segment', sub { put($_[0], $_[1] * BLOCK + CONTENT + 24, 'S30', (0, 0, 0) x 10) }) ],
	[ 'fine: NaN', each_page('fine', sub { put($_[0], $_[1] * BLOCK + CONTENT, 'L*', (0x7FC00000) x 400) }) ],
	[ 'fine: infinite', each_page('fine', sub { put($_[0], $_[1] * BLOCK + CONTENT, 'L*', (0x7F800000) x 400) }) ],
	[ 'fine: largest', each_page('fine', sub { put($_[0], $_[1] * BLOCK + CONTENT, 'L*', (0x7F7FFFFF, NONE) x 200) }) ],
	[ 'coarse codes NaN', each_page('segment', sub { put($_[0], $_[1] * BLOCK + 4096, 'L*', (0x7FC00000) x 1000) }) ],
	[ 'coarse codes largest', each_page('segment', sub { put($_[0], $_[1] * BLOCK + 4096, 'L*', (0x7F7FFFFF) x 1000) }) ],
	[ 'file of half the blocks', sub { cut($_[0], int(length($_[0]{bytes}) / BLOCK / 2) * BLOCK) } ],
	[ 'file cut amid a block', sub { cut($_[0], int(length($_[0]{bytes}) / BLOCK / 2) * BLOCK + 1000) } ],
	[ 'file of the metapage', sub { cut($_[0], BLOCK) }, $FAILS ],
	[ 'file without bytes', sub { cut($_[0], 0) }, $FAILS ]);
my @wide_cases = (
	[ 'nothing', sub { } ],
	page_cases('coarse'),
	[ 'coarse: NaN', each_page('coarse', sub { put($_[0], $_[1] * BLOCK + CONTENT, 'L*', (0x7FC00000) x 2000) }) ],
	[ 'coarse: largest', each_page('coarse', sub { put($_[0], $_[1] * BLOCK + CONTENT, 'L*', (0x7F7FFFFF) x 2000) }) ],
	[ 'fine: largest', each_page('fine', sub { put($_[0], $_[1] * BLOCK + CONTENT, 'L*', (0x7F7FFFFF, NONE) x 200) }) ]);

my @small_cases = (
	[ 'nothing', sub { } ],
	page_cases('fine'),
	[ 'fine: NaN', each_page('fine', sub { put($_[0], $_[1] * BLOCK + CONTENT, 'L*', (0x7FC00000) x 400) }) ],
	[ 'fine: infinite', each_page('fine', sub { put($_[0], $_[1] * BLOCK + CONTENT, 'L*', (0x7F800000) x 400) }) ],
	[ 'fine: largest', each_page('fine', sub { put($_[0], $_[1] * BLOCK + CONTENT, 'L*', (0x7F7FFFFF, NONE) x 200) }) ],
	[ 'lists: centroids NaN', sub { my ($f) = @_; put($f, $_ + 16, 'L5', (0x7FC00000) x 5) foreach lists($f) } ],
	[ 'lists: centroids largest', sub { my ($f) = @_; put($f, $_ + 16, 'L5', 0x7F7FFFFF, 0x7F7FFFFF, NONE, NONE, 0x7F7FFFFF) foreach lists($f) } ]);

# Any byte anywhere.
foreach my $round (1 .. 8)
{
	push @cases, [ "random bytes $round", sub { random_anywhere($_[0], 4000) } ];
	push @cases, [ "random bytes in the metapage $round", sub {
		my $f = $_[0];
		put($f, CONTENT + 8 + int(rand(60)), 'C', int(rand(256))) foreach 1 .. 3 } ];
	push @wide_cases, [ "random bytes $round", sub { random_anywhere($_[0], 8000) } ] if $round <= 4;
	push @small_cases, [ "random bytes $round", sub { random_anywhere($_[0], 4000) } ] if $round <= 4;
	push @cases, [ "lists: random bytes $round", each_page('lists', sub {
		my ($f, $block) = @_;
		put($f, $block * BLOCK + CONTENT + int(rand(300)), 'C', int(rand(256))) foreach 1 .. 20 }) ] if $round <= 4;
}

# ------------------------------------------------------------------------
# The test
# ------------------------------------------------------------------------

# Lists of several segments, and segments that a rewrite has left free.
my $number = 0;
$_->[3] = { name => 'c' . ++$number, dims => 70, source => 'source' } foreach @cases;
foreach my $case (@wide_cases)
{
	$case->[3] = { name => 'w' . ++$number, dims => 2100, source => 'wide_source' };
	$case->[0] = "wide: $case->[0]";
}
foreach my $case (@small_cases)
{
	$case->[3] = { name => 's' . ++$number, dims => 70, source => 'source', options => ', code_bits = 4' };
	$case->[0] = "4 bits: $case->[0]";
}
push @cases, @wide_cases, @small_cases;
@{ $_->[3] }{qw(am opclass)} = ('ivfflat', 'vector_l2_ops') foreach @cases;
$node->safe_psql('postgres', qq{
CREATE TABLE source AS SELECT n AS id, make_vector('clusters', n, 70, $seed)::vector(70) AS v
	FROM generate_series(1, 2 * @{[ROWS]}) n;
-- few and wide rows
CREATE TABLE wide_source AS SELECT n AS id, make_vector('clusters', n, 2100, $seed)::vector(2100) AS v
	FROM generate_series(6, 2 * @{[ROWS]}, 6) n;
CREATE PROCEDURE make_case(name text, source text, options text) LANGUAGE plpgsql AS \$\$
BEGIN
	EXECUTE format('CREATE TABLE %I (LIKE %I)', name, source);
	EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE id <= @{[ROWS / 2]}', name, source);
	EXECUTE format('CREATE INDEX %I ON %I USING ivfflat (v) WITH (lists = @{[LISTS]}%s)', name || '_index', name, options);
	EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE id BETWEEN @{[ROWS / 2]} + 1 AND @{[ROWS]}', name, source);
END\$\$;});
$node->safe_psql('postgres', join '', map { sprintf("CALL make_case('%s', '%s', '%s');", @{ $_->[3] }{qw(name source)}, $_->[3]{options} // '') } @cases);

sub check_file
{
	my ($f, $case) = @_;

	is(join(' ', get_meta($f, 'magic'), get_meta($f, 'dimensions'), get_meta($f, 'coarse'), scalar(lists($f)),
			scalar(blocks($f, 'segment')) > LISTS ? 'segments' : '', get($f, (blocks($f, 'fine'))[0] * BLOCK + 24, 'S')),
		join(' ', 0x46565831, $case->[3]{dims}, 1, LISTS, 'segments', 0xFFA2), 'the file is as this test expects')
	  if $case->[0] =~ /nothing$/;
	return;
}

# What users do with a table.
my $whole = q{SELECT count(*) FROM (SELECT id FROM {T} ORDER BY v <-> make_vector('uniform', 3, {D}, 7)) s};
test_damage($node, \@cases,
	statements => [
		$whole,
		q{SET ivfflat.probes = 1},
		(map { "SELECT id FROM {T} ORDER BY v <-> (SELECT v FROM {S} WHERE id = $_) LIMIT 10" } (6, 780)),
		q{SET ivfflat.target_recall = 0.99},
		q{SELECT id FROM {T} ORDER BY v <-> make_vector('uniform', 4, {D}, 7) LIMIT 10},
		q{RESET ivfflat.target_recall},
		q{SET ivfflat.iterative_scan = relaxed_order},
		$whole,
		q{SELECT count(*) FROM ivfflat_lists('{T}_index')},
		q{SELECT * FROM ivfflat_statistics('{T}_index')},
		q{SELECT ivfflat_verify('{T}_index')},
		(map { "INSERT INTO {T} SELECT * FROM {S} WHERE id = @{[ROWS + $_]}" } (6, 12, 18)),
		"INSERT INTO {T} SELECT * FROM {S} WHERE id BETWEEN @{[ROWS + 24]} AND @{[ROWS + 400]}",
		'UPDATE {T} SET v = (SELECT v FROM {S} WHERE id = 30) WHERE id BETWEEN 300 AND 320',
		'DELETE FROM {T} WHERE id % 3 = 0',
		'VACUUM {T}',
		"INSERT INTO {T} SELECT * FROM {S} WHERE id BETWEEN @{[ROWS + 401]} AND @{[ROWS * 2]}",
		'DELETE FROM {T} WHERE id % 3 = 1',
		'VACUUM {T}',
		$whole,
		q{SELECT count(*) FROM ivfflat_lists('{T}_index')},
		q{SELECT ivfflat_verify('{T}_index')} ],
	check => \&check_file,
	foreign_errors => qr/TIDs|random bytes \d|segment random|swapped/);

$node->stop;
done_testing();
