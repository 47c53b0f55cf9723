# Damaged index files: queries, inserts and VACUUM raise errors of corruption or
# work, but they neither crash nor hang, and REINDEX repairs all.
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
	DIMS => 40,
	HALVED_DIMS => 256,
	M => 6,
	LIST_BYTES => 4 + 8 * 6,
	# from a cache line's beginning on a block of 256 + 16 * 12 bytes, rounded up
	INLINE_OFFSET => 96,
	INLINE_LIST_BYTES => 576,
	ENTRY_BYTES => 20,
	ROWS => 1500,
	NO_BLOCK => 0xFFFFFFFF
};

my $seed = test_seed();
my $node = new_node('corruption', conf => 'max_wal_size = 1GB');

# ------------------------------------------------------------------------
# The parts of an index file
# ------------------------------------------------------------------------

# The offsets are those of the tables in src/hnsw/hnsw_format.h.
my %meta = (
	magic => 0, version => 4, dimensions => 8, m => 12, ef_construction => 14, code_bytes => 16,
	code_kind => 20, metric => 21, entry_point => 32, entry_level => 36, num_extents => 88,
	refinement_bytes => 92, refinement => 96, refinement_form => 97, inline_codes => 99);

my %bytes = (m => 'S', ef_construction => 'S', map { $_ => 'C' } qw(code_kind metric refinement refinement_form inline_codes));
metapage(\%meta, \%bytes);

# supply 0: elements, 1: further rows, 2: chunks; field 0 insert_block, 1 free_head,
# 2 fresh_block, 3 fresh_end
sub put_supply { my ($f, $supply, $field, $value) = @_; put($f, CONTENT + 40 + 16 * $supply + 4 * $field, 'L', $value); return; }

# field 0 first, 1 elements, 2 row_pages, 3 overflow_pages, 4 start
sub get_extent { my ($f, $i, $field) = @_; return get($f, CONTENT + 104 + 20 * $i + 4 * $field, 'L'); }
sub put_extent { my ($f, $i, $field, $value) = @_; put($f, CONTENT + 104 + 20 * $i + 4 * $field, 'L', $value); return; }

sub per_page { my ($slot_bytes) = @_; return int((BLOCK - CONTENT) / $slot_bytes); }
sub pages { my ($slots, $per_page) = @_; return int(($slots + $per_page - 1) / $per_page); }

# Slot size of each array, and the first block of each in an extent.
sub layout
{
	my ($f, $i) = @_;
	my %l = (
		entry_bytes => ENTRY_BYTES,
		list_bytes => $f->{list_bytes},
		upper_bytes => 4 + 4 * M,
		code_bytes => $f->{code_bytes});
	my ($elements, $uppers, $n) = (get_extent($f, $i, 1), 0);

	$n = $elements;
	$uppers += $n while $n = int($n / M);
	$l{entries} = get_extent($f, $i, 4);
	$l{rows} = $l{entries} + pages($elements, per_page($l{entry_bytes}));
	$l{lists} = $l{rows} + get_extent($f, $i, 2);
	$l{uppers} = $l{lists} + pages($elements, per_page($l{list_bytes}));
	$l{codes} = $l{uppers} + pages($uppers, per_page($l{upper_bytes}));
	$l{refinements} = $l{codes} + pages($elements, per_page($l{code_bytes}));
	$l{overflow} = $l{refinements} + ($f->{refinement_bytes} ? pages($elements, per_page($f->{refinement_bytes})) : 0);
	$l{end} = $l{overflow} + get_extent($f, $i, 3);
	$l{first} = get_extent($f, $i, 0);
	$l{first_row} = $l{first} + pages($elements, per_page($l{entry_bytes})) * per_page($l{entry_bytes});
	return \%l;
}

sub slot_at { my ($block, $bytes, $slot) = @_; return $block * BLOCK + CONTENT + $bytes * $slot; }

# Byte offset of an element's entry, list or code, for those of extent 0.
sub entry_at { my ($f, $n) = @_; my $l = layout($f, 0); return $n < $l->{first_row}
	? slot_at($l->{entries} + int($n / per_page(ENTRY_BYTES)), ENTRY_BYTES, $n % per_page(ENTRY_BYTES))
	: slot_at($l->{rows} + int(($n - $l->{first_row}) / per_page(ENTRY_BYTES)), ENTRY_BYTES, ($n - $l->{first_row}) % per_page(ENTRY_BYTES)); }
sub list_at { my ($f, $n) = @_; my $l = layout($f, 0); my $p = per_page($l->{list_bytes});
	return slot_at($l->{lists} + int($n / $p), $l->{list_bytes}, $n % $p); }
sub code_at { my ($f, $n) = @_; my $l = layout($f, 0); my $p = per_page($l->{code_bytes});
	return slot_at($l->{codes} + int($n / $p), $l->{code_bytes}, $n % $p); }
sub refinement_at { my ($f, $n) = @_; my $l = layout($f, 0); my $p = per_page($f->{refinement_bytes});
	return slot_at($l->{refinements} + int($n / $p), $f->{refinement_bytes}, $n % $p); }

# The element with the chain, and its first further row.
sub chain
{
	my ($f) = @_;

	foreach my $n (0 .. get_extent($f, 0, 1) - 1)
	{
		my $next = get($f, entry_at($f, $n) + 8, 'L');

		return ($n, $next) if get($f, entry_at($f, $n) + 6, 'C') == 1 && $next < 0x7FFFFFFF;
	}
	die 'no chain';
}

# Of each array of each extent the first page.
sub each_extent { my ($f, $array, $do) = @_;
	foreach my $i (0 .. get_meta($f, 'num_extents') - 1)
	{
		my $l = layout($f, $i);
		my %end = (entries => 'rows', rows => 'lists', lists => 'uppers', uppers => 'codes', codes => 'refinements', refinements => 'overflow', overflow => 'end');
		next if $end{$array} && $l->{$array} == $l->{ $end{$array} };
		$do->($f, $l->{$array});
	}
	return; }

# ------------------------------------------------------------------------
# The damage: name, what is done, and whether the first search must fail
# ------------------------------------------------------------------------
my $FAILS = 1;

sub supply_cases
{
	my ($supply) = @_;

	return (
		[ "supply $supply: insert block 0", sub { put_supply($_[0], $supply, 0, 0) } ],
		[ "supply $supply: insert block of lists", sub { put_supply($_[0], $supply, 0, layout($_[0], 0)->{lists}) } ],
		[ "supply $supply: insert block beyond", sub { put_supply($_[0], $supply, 0, 77777777) } ],
		[ "supply $supply: free list at the metapage", sub { put_supply($_[0], $supply, 0, NO_BLOCK); put_supply($_[0], $supply, 1, 0) } ],
		[ "supply $supply: free list at codes", sub { put_supply($_[0], $supply, 0, NO_BLOCK); put_supply($_[0], $supply, 1, layout($_[0], 0)->{codes}) } ],
		[ "supply $supply: free list beyond", sub { put_supply($_[0], $supply, 0, NO_BLOCK); put_supply($_[0], $supply, 1, 77777777) } ],
		[ "supply $supply: full page twice in the free list", sub {
			my $block = layout($_[0], 0)->{ (qw(entries rows overflow))[$supply] };
			put_supply($_[0], $supply, 0, NO_BLOCK);
			put_supply($_[0], $supply, 1, $block);
			put($_[0], $block * BLOCK + 28, 'L', $block) } ],
		[ "supply $supply: free list returns to the metapage", sub {
			my $block = layout($_[0], 0)->{ (qw(entries rows overflow))[$supply] };
			put_supply($_[0], $supply, 0, NO_BLOCK);
			put_supply($_[0], $supply, 1, $block);
			put($_[0], $block * BLOCK + 28, 'L', 0) } ],
		[ "supply $supply: fresh pages of lists", sub { put_supply($_[0], $supply, 0, NO_BLOCK); put_supply($_[0], $supply, 2, layout($_[0], 0)->{lists}) } ],
		[ "supply $supply: fresh pages without end", sub { put_supply($_[0], $supply, 0, NO_BLOCK); put_supply($_[0], $supply, 2, 77777777) } ]);
}

sub array_cases
{
	my ($array) = @_;

	return (
		[ "$array zero", sub { each_extent($_[0], $array, \&zero_page) } ],
		[ "$array random", sub { each_extent($_[0], $array, \&random_bytes) } ],
		[ "$array of another kind", sub { my $from = layout($_[0], 0)->{ $array eq 'codes' ? 'lists' : 'codes' };
			each_extent($_[0], $array, sub { copy_page($_[0], $from, $_[1]) }) } ],
		[ "$array with a wrong page id", sub { each_extent($_[0], $array, sub { put($_[0], $_[1] * BLOCK + 24, 'S', 0) }) } ],
		[ "$array with a broken header", sub { each_extent($_[0], $array, sub { put($_[0], $_[1] * BLOCK, 'L6', (0xFFFFFFFF) x 6) }) } ]);
}

my @cases = (
	[ 'nothing', sub { } ],
	[ 'magic', sub { put_meta($_[0], 'magic', 0xA953A953) }, $FAILS ],
	[ 'version', sub { put_meta($_[0], 'version', 999) }, $FAILS ],
	[ 'dimensions 0', sub { put_meta($_[0], 'dimensions', 0) }, $FAILS ],
	[ 'dimensions too many', sub { put_meta($_[0], 'dimensions', 1 << 30) }, $FAILS ],
	[ 'dimensions other', sub { put_meta($_[0], 'dimensions', DIMS + 8) }, $FAILS ],
	[ 'm 0', sub { put_meta($_[0], 'm', 0) }, $FAILS ],
	[ 'm too large', sub { put_meta($_[0], 'm', 60000) }, $FAILS ],
	[ 'm other', sub { put_meta($_[0], 'm', M + 1) } ],
	[ 'ef_construction 0', sub { put_meta($_[0], 'ef_construction', 0) }, $FAILS ],
	[ 'code_bytes', sub { put_meta($_[0], 'code_bytes', 1) }, $FAILS ],
	[ 'code kind', sub { put_meta($_[0], 'code_kind', 77) }, $FAILS ],
	[ 'metric', sub { put_meta($_[0], 'metric', 77) } ],
	[ 'extents too many', sub { put_meta($_[0], 'num_extents', 60000) }, $FAILS ],
	[ 'extents one more', sub { put_meta($_[0], 'num_extents', get_meta($_[0], 'num_extents') + 1) } ],
	[ 'extents none', sub { put_meta($_[0], 'num_extents', 0) }, $FAILS ],
	[ 'extent first', sub { put_extent($_[0], 1, 0, 7) }, $FAILS ],
	[ 'extent huge', sub { put_extent($_[0], 0, 1, 0x7FFFFFFD) }, $FAILS ],
	[ 'extent without elements', sub { put_extent($_[0], 0, 1, 0) }, $FAILS ],
	[ 'extent row pages', sub { put_extent($_[0], 1, 2, 5000000) }, $FAILS ],
	[ 'extent at the metapage', sub { put_extent($_[0], 0, 4, 0) }, $FAILS ],
	[ 'extent beyond the end', sub { put_extent($_[0], 0, 4, 1000000) }, $FAILS ],
	[ 'extent beyond all blocks', sub { put_extent($_[0], 0, 4, NO_BLOCK - 3) }, $FAILS ],
	[ 'extent at no block', sub { put_extent($_[0], 1, 4, NO_BLOCK) } ],
	[ 'extents overlap', sub { put_extent($_[0], 1, 4, get_extent($_[0], 0, 4)) } ],
	[ 'entry point beyond', sub { put_meta($_[0], 'entry_point', 0x7FFFFFFE) }, $FAILS ],
	[ 'entry point is a row', sub { put_meta($_[0], 'entry_point', (chain($_[0]))[1]) }, $FAILS ],
	[ 'entry level', sub { put_meta($_[0], 'entry_level', 31) }, $FAILS ],
	[ 'entry level huge', sub { put_meta($_[0], 'entry_level', 0xFFFFFFFF) }, $FAILS ],
	[ 'entry point none', sub { put_meta($_[0], 'entry_point', 0x7FFFFFFF) } ],
	[ 'metapage zero', sub { zero_page($_[0], 0) }, $FAILS ],
	[ 'metapage random', sub { random_bytes($_[0], 0) }, $FAILS ],
	[ 'metapage of another kind', sub { copy_page($_[0], layout($_[0], 0)->{lists}, 0) }, $FAILS ],
	(map { supply_cases($_) } 0 .. 1),
	(map { array_cases($_) } qw(entries rows lists uppers codes)),
	[ 'chain: row follows itself', sub { my ($head, $row) = chain($_[0]); put($_[0], entry_at($_[0], $row) + 8, 'L', $row) } ],
	[ 'chain: element follows itself', sub { my ($head, $row) = chain($_[0]); put($_[0], entry_at($_[0], $head) + 8, 'L', $head) } ],
	[ 'chain: row leads to its element', sub { my ($head, $row) = chain($_[0]); put($_[0], entry_at($_[0], $row) + 8, 'L', $head) } ],
	[ 'chain: leads nowhere', sub { my ($head, $row) = chain($_[0]); put($_[0], entry_at($_[0], $row) + 8, 'L', 0x7FFFFF00) } ],
	[ 'chain: number with the top bit', sub { my ($head, $row) = chain($_[0]); put($_[0], entry_at($_[0], $row) + 8, 'L', 0x80000001) } ],
	[ 'chain: all rows free', sub { my ($head, $row) = chain($_[0]); put($_[0], entry_at($_[0], $row) + 6, 'C', 0) } ],
	[ 'entries: unknown state', sub { put($_[0], entry_at($_[0], $_) + 6, 'C', 200) foreach 0 .. 99 } ],
	[ 'entries: all dying', sub { put($_[0], entry_at($_[0], $_) + 6, 'C', 2) foreach 0 .. 99 } ],
	[ 'entries: rows of no element', sub { put($_[0], entry_at($_[0], $_) + 6, 'C', 3) foreach 0 .. 99 } ],
	[ 'entries: TIDs beyond the table', sub { put($_[0], entry_at($_[0], $_), 'S3', 0x7FFF, 5, 9999) foreach 0 .. 99 } ],
	[ 'lists: too long', sub { put($_[0], list_at($_[0], $_), 'S', 65535) foreach 0 .. 99 }, $FAILS ],
	[ 'lists: to themselves', sub { put($_[0], list_at($_[0], $_), 'S2L*', 2 * M, 0, ($_) x (2 * M)) foreach 0 .. 99 } ],
	[ 'lists: all alike and protected', sub { put($_[0], list_at($_[0], $_), 'S2L*', 2 * M, 0, (0x80000005) x (2 * M)) foreach 0 .. 99 } ],
	[ 'lists: to nowhere', sub { put($_[0], list_at($_[0], $_), 'S2L*', 2 * M, 0, (0x7FFFFFF0) x (2 * M)) foreach 0 .. 399 } ],
	[ 'lists: to no element', sub { put($_[0], list_at($_[0], $_), 'S2L*', 2 * M, 0, (0x7FFFFFFF) x (2 * M)) foreach 0 .. 399 } ],
	[ 'lists: empty', sub { put($_[0], list_at($_[0], $_), 'S', 0) foreach 0 .. 399 } ],
	[ 'codes: NaN', sub { put($_[0], code_at($_[0], $_), 'L5', (0x7FC00000) x 5) foreach 0 .. 399 } ],
	[ 'codes: infinite', sub { put($_[0], code_at($_[0], $_), 'L2', 0x7F800000, 0x7F800000) foreach 0 .. 399 } ],
	[ 'codes: largest', sub { put($_[0], code_at($_[0], $_), 'L5', 0x7F7FFFFF, 0x7F7FFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0x7F7FFFFF) foreach 0 .. 399 } ],
	[ 'file of half the blocks', sub { cut($_[0], int(length($_[0]{bytes}) / BLOCK / 2) * BLOCK) } ],
	[ 'file cut amid a block', sub { cut($_[0], int(length($_[0]{bytes}) / BLOCK / 2) * BLOCK + 1000) } ],
	[ 'file of the metapage', sub { cut($_[0], BLOCK) }, $FAILS ],
	[ 'file without bytes', sub { cut($_[0], 0) }, $FAILS ]);

# Any byte anywhere.
foreach my $round (1 .. 8)
{
	push @cases, [ "random bytes $round", sub { random_anywhere($_[0], 4000) } ];
	push @cases, [ "random bytes in the metapage $round", sub {
		my $f = $_[0];
		put($f, CONTENT + 8 + int(rand(160)), 'C', int(rand(256))) foreach 1 .. 3 } ];
}

# An index of codes of varying size.  The slots of those that go on in overflow
# pages, and all chunks in use, as offsets.
sub long_slots { my ($f) = @_; return grep { get($f, $_ + 8, 'L') != 0 && get($f, $_ + 8, 'L') != NO_BLOCK }
	map { code_at($f, $_) } 0 .. get_extent($f, 0, 1) - 1; }
sub chunks { my ($f) = @_; my $l = layout($f, 0); return grep { get($f, $_ + 16, 'L') == 1 }
	map { my $block = $_; map { slot_at($block, 252, $_) } 0 .. 31 } $l->{overflow} .. $l->{end} - 1; }
sub for_all { my ($offsets, $do) = @_; return sub { my ($f) = @_; my @at = $offsets->($f); die 'none' unless @at; $do->($f, $_) foreach @at }; }
my $slots = sub { my ($f) = @_; return map { code_at($f, $_) } 0 .. 299 };
my @sparse_cases = (
	[ 'nothing', sub { } ],
	[ 'code_bytes', sub { put_meta($_[0], 'code_bytes', 20) }, $FAILS ],
	[ 'code_bytes of more than a page', sub { put_meta($_[0], 'code_bytes', 9000) }, $FAILS ],
	[ 'code kind of bits', sub { put_meta($_[0], 'code_kind', 3) }, $FAILS ],
	[ 'overflow pages too many', sub { put_extent($_[0], 0, 3, 0xFFFFFFFF) }, $FAILS ],
	supply_cases(2),
	(map { array_cases($_) } qw(codes overflow)),
	[ 'slots: no length', for_all($slots, sub { put($_[0], $_[1], 'L', 0) }), $FAILS ],
	[ 'slots: length beyond all', for_all($slots, sub { put($_[0], $_[1], 'L', 0xFFFFFFFF) }), $FAILS ],
	[ 'slots: more elements than bytes', for_all($slots, sub { put($_[0], $_[1] + 16, 'L', 0x20000001) }), $FAILS ],
	[ 'slots: lead to the metapage', for_all(\&long_slots, sub { put($_[0], $_[1] + 8, 'L2', 0, 0) }) ],
	[ 'slots: lead to lists', for_all(\&long_slots, sub { put($_[0], $_[1] + 8, 'L', layout($_[0], 0)->{lists}) }) ],
	[ 'slots: lead beyond the end', for_all(\&long_slots, sub { put($_[0], $_[1] + 8, 'L', 77777777) }) ],
	[ 'slots: lead to no slot', for_all(\&long_slots, sub { put($_[0], $_[1] + 12, 'L', 0x7FFFFFFF) }) ],
	[ 'slots: lead nowhere', for_all(\&long_slots, sub { put($_[0], $_[1] + 8, 'L', NO_BLOCK) }) ],
	[ 'slots: another stamp', for_all(\&long_slots, sub { put($_[0], $_[1] + 4, 'L', 1) }) ],
	[ 'chunks: of another element', for_all(\&chunks, sub { put($_[0], $_[1], 'L', 1) }) ],
	[ 'chunks: lead to themselves', for_all(\&chunks, sub { my $block = int($_[1] / BLOCK);
		put($_[0], $_[1] + 8, 'L2', $block, ($_[1] - $block * BLOCK - CONTENT) / 252) }) ],
	[ 'chunks: lead nowhere', for_all(\&chunks, sub { put($_[0], $_[1] + 8, 'L', NO_BLOCK) }) ],
	[ 'chunks: free', for_all(\&chunks, sub { put($_[0], $_[1] + 16, 'L', 0) }) ],
	[ 'chunks: neither free nor in use', for_all(\&chunks, sub { put($_[0], $_[1] + 16, 'L', 77) }) ],
	[ 'codes: indexes all alike', for_all($slots, sub { put($_[0], $_[1] + 24, 'L2', 5, 5) }) ],
	[ 'codes: indexes negative', for_all($slots, sub { put($_[0], $_[1] + 24, 'L3', 0x80000000, 0, 0x80000000) }) ],
	[ 'codes: indexes beyond the dimensions', for_all($slots, sub { put($_[0], $_[1] + 24, 'L2', 0x7FFFFFF0, 0x7FFFFFFF) }) ],
	[ 'codes: NaN', for_all($slots, sub { put($_[0], $_[1] + 20, 'L', 0x7FC00000); put($_[0], $_[1] + 56, 'L6', (0x7FC00000) x 6) }) ]);
push @sparse_cases, [ "random bytes $_", sub { random_anywhere($_[0], 4000) } ] foreach 1 .. 4;

# Indexes with a refinement: an 8-bit code, the value, or the rest of an 8-bit code.
my $refinements = sub { my ($f) = @_; return map { refinement_at($f, $_) } 0 .. 299 };
my @refined_cases = (
	[ 'nothing', sub { } ],
	[ 'refinement_bytes', sub { put_meta($_[0], 'refinement_bytes', 20) }, $FAILS ],
	[ 'refinement_bytes huge', sub { put_meta($_[0], 'refinement_bytes', 0xFFFFFFF0) }, $FAILS ],
	[ 'no refinement', sub { put_meta($_[0], 'refinement', 0) }, $FAILS ],
	[ 'other refinement', sub { put_meta($_[0], 'refinement', abs(3 - get_meta($_[0], 'refinement'))) }, $FAILS ],
	[ 'refinement unknown', sub { put_meta($_[0], 'refinement', 77) }, $FAILS ],
	[ 'other code kind', sub { put_meta($_[0], 'code_kind', get_meta($_[0], 'code_kind') == 1 ? 5 : 1) }, $FAILS ],
	array_cases('refinements'),
	[ 'refinements: NaN', for_all($refinements, sub { put($_[0], $_[1], 'L5', (0x7FC00000) x 5) }) ],
	[ 'refinements: all ones', for_all($refinements, sub { put($_[0], $_[1], 'L5', (0xFFFFFFFF) x 5) }) ],
	[ 'codes: all ones', for_all($slots, sub { put($_[0], $_[1], 'L5', (0xFFFFFFFF) x 5) }) ]);
push @refined_cases, [ "random bytes $_", sub { random_anywhere($_[0], 4000) } ] foreach 1 .. 2;

# An index with inline codes.
my $inline_codes = sub { my ($f) = @_; return map { list_at($f, $_) + INLINE_OFFSET } 0 .. 299 };
my @inline_cases = (
	[ 'nothing', sub { } ],
	[ 'no inline codes', sub { put_meta($_[0], 'inline_codes', 0) }, $FAILS ],
	[ 'inline codes of another kind', sub { put_meta($_[0], 'inline_codes', 2) }, $FAILS ],
	[ 'm too large for inline codes', sub { put_meta($_[0], 'm', 100) }, $FAILS ],
	array_cases('lists'),
	[ 'lists: too long', sub { put($_[0], list_at($_[0], $_), 'S', 65535) foreach 0 .. 99 }, $FAILS ],
	[ 'inline codes: NaN', for_all($inline_codes, sub { put($_[0], $_[1], 'L64', (0x7FC00000) x 64) }) ],
	[ 'inline codes: infinite', for_all($inline_codes, sub { put($_[0], $_[1], 'L64', (0x7F800000, 0xFF800000) x 32) }) ],
	[ 'inline codes: all ones', for_all($inline_codes, sub { put($_[0], $_[1], 'L112', (0xFFFFFFFF) x 112) }) ],
	[ 'codes: NaN', sub { put($_[0], code_at($_[0], $_), 'L5', (0x7FC00000) x 5) foreach 0 .. 399 } ]);
push @inline_cases, [ "random bytes $_", sub { random_anywhere($_[0], 4000) } ] foreach 1 .. 2;

# ------------------------------------------------------------------------
# The test
# ------------------------------------------------------------------------

# Rows with a chain of equal ones, built; then some more, for further extents;
# and a vacuum, for a list of pages with free slots.
my $number = 0;
foreach my $case (@cases)
{
	$case->[3] = { name => 'c' . ++$number, dims => DIMS, opclass => 'vector_l2_ops', source => 'source' };
}
foreach my $case (@sparse_cases)
{
	$case->[3] = { name => 's' . ++$number, dims => DIMS, type => 'sparsevec', opclass => 'sparsevec_l2_ops', source => 'sparse_source' };
	$case->[0] = "sparse: $case->[0]";
}
push @cases, @sparse_cases;
foreach my $with ('code_bits = 2', 'code_bits = 1, store_values', 'rest_bits = 2')
{
	foreach my $case (@refined_cases)
	{
		push @cases, [ "$with: $case->[0]", $case->[1], $case->[2],
			{ name => 'r' . ++$number, dims => DIMS, opclass => 'vector_l2_ops', source => 'source', with => $with } ];
	}
}
push @cases, [ 'rest_bits = 2: 3 bits', sub { put_meta($_[0], 'refinement_form', 3) }, $FAILS,
	{ name => 'r' . ++$number, dims => DIMS, opclass => 'vector_l2_ops', source => 'source', with => 'rest_bits = 2' } ];
# Codes in halves, for which it takes more dimensions; the first half is as large as
# codes of 4 bits are, and no part of an index without the other.
my @half_cases = (
	@refined_cases,
	[ 'bits of a rest unknown', sub { put_meta($_[0], 'refinement_form', 3) }, $FAILS ],
	[ 'no bits of a rest', sub { put_meta($_[0], 'refinement_form', 0) }, $FAILS ],
	[ 'upper halves alone', sub { put_meta($_[0], 'refinement', 0); put_meta($_[0], 'refinement_bytes', 0) }, $FAILS ],
	[ 'upper halves of other codes', sub { put_meta($_[0], 'refinement', 1); put_meta($_[0], 'refinement_form', 1) }, $FAILS ],
	[ 'codes of 4 bits', sub { put_meta($_[0], 'code_kind', 5) }, $FAILS ],
	[ 'codes: infinite steps', for_all($slots, sub { put($_[0], $_[1] + 4, 'L', 0x7F800000) }) ]);
foreach my $case (@half_cases)
{
	push @cases, [ "halves: $case->[0]", $case->[1], $case->[2],
		{ name => 'h' . ++$number, dims => HALVED_DIMS, opclass => 'vector_l2_ops', source => 'halved_source', with => 'rest_bits = 2' } ];
}
foreach my $case (@inline_cases)
{
	push @cases, [ "inline_codes: $case->[0]", $case->[1], $case->[2],
		{ name => 'i' . ++$number, dims => DIMS, opclass => 'vector_l2_ops', source => 'source', with => 'inline_codes' } ];
}
$node->safe_psql('postgres', qq{
CREATE TABLE source AS SELECT n AS id,
	make_vector('clusters', CASE WHEN n % 30 = 0 THEN 30 ELSE n END, @{[DIMS]}, $seed)::vector(@{[DIMS]}) AS v
	FROM generate_series(1, 2 * @{[ROWS]}) n;
CREATE TABLE halved_source AS SELECT n AS id,
	make_vector('clusters', CASE WHEN n % 30 = 0 THEN 30 ELSE n END, @{[HALVED_DIMS]}, $seed)::vector(@{[HALVED_DIMS]}) AS v
	FROM generate_series(1, 2 * @{[ROWS]}) n;
CREATE TABLE sparse_source AS SELECT id,
	CASE WHEN id % 6 = 0 THEN v ELSE subvector(v, 1, 8) || array_fill(0::real, ARRAY[@{[DIMS - 8]}])::vector END::sparsevec(@{[DIMS]}) AS v
	FROM source;
CREATE PROCEDURE make_case(name text, source text, opclass text, options text) LANGUAGE plpgsql AS \$\$
BEGIN
	EXECUTE format('CREATE TABLE %I (LIKE %I)', name, source);
	EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE id <= @{[ROWS / 2]}', name, source);
	EXECUTE format('CREATE INDEX %I ON %I USING hnsw (v %s)
		WITH (m = @{[M]}, ef_construction = 16%s)', name || '_index', name, opclass, options);
	EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE id BETWEEN @{[ROWS / 2]} + 1 AND @{[ROWS]}', name, source);
END\$\$;});
$node->safe_psql('postgres', join '', map { "CALL make_case('$_->[3]{name}', '$_->[3]{source}', '$_->[3]{opclass}', '" . ($_->[3]{with} ? ", $_->[3]{with}" : '') . "');" } @cases);

# What users do with a table.
my @statements = (
	q{SELECT id FROM {T} ORDER BY v <-> make_vector('uniform', 1, {D}, 7)::{Y} LIMIT 10},
	(map { "SELECT id FROM {T} ORDER BY v <-> (SELECT v FROM {S} WHERE id = $_) LIMIT 10" } (30, 1, 777)),
	q{SELECT count(*) FROM (SELECT id FROM {T} ORDER BY v <-> make_vector('uniform', 3, {D}, 7)::{Y}) s},
	(map { "INSERT INTO {T} SELECT * FROM {S} WHERE id = $_" } (ROWS + 30, ROWS + 1, ROWS + 2)),
	'INSERT INTO {T} SELECT * FROM {S} WHERE id BETWEEN 1510 AND 1900',
	'UPDATE {T} SET v = (SELECT v FROM {S} WHERE id = 30) WHERE id BETWEEN 300 AND 320',
	'DELETE FROM {T} WHERE id % 3 = 0',
	'VACUUM {T}',
	'INSERT INTO {T} SELECT * FROM {S} WHERE id BETWEEN 1901 AND 2600',
	'DELETE FROM {T} WHERE id % 3 = 1',
	'VACUUM {T}',
	q{SELECT count(*) FROM (SELECT id FROM {T} ORDER BY v <-> make_vector('uniform', 4, {D}, 7)::{Y}) s});

sub check_file
{
	my ($f, $case) = @_;

	$f->{code_bytes} = get_meta($f, 'code_bytes');
	$f->{refinement_bytes} = get_meta($f, 'refinement_bytes');
	$f->{list_bytes} = get_meta($f, 'inline_codes') ? INLINE_LIST_BYTES : LIST_BYTES;
	is(join(' ', get_meta($f, 'magic'), get_meta($f, 'm'), get_meta($f, 'dimensions'), get_meta($f, 'num_extents') > 2 ? 'extents' : ''),
		join(' ', 0x48565831, M, DIMS, 'extents'), 'the file is as this test expects') if $case == $cases[0];
	return;
}

test_damage($node, \@cases,
	statements => \@statements,
	check => \&check_file,
	foreign_errors => qr/TIDs|random bytes \d|^entries random/);

$node->stop;
done_testing();
