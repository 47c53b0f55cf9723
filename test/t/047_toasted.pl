# Damaged TOAST tables: a scan in exact order has the same to say of a value that
# it cannot read as any other query, lets go of what it held, and does not crash.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Damage;
use VectorTest;

use constant {
	DIMS => 700,				# a chunk, and some
	ROWS => 60
};

my $seed = test_seed();
my $node = new_node('toasted');

# Do something with all tuples of a table, by the offsets of what they have behind
# their headers, and of their line pointers.  A chunk has the number of the value,
# its own number, and data with a header.
sub for_all
{
	my ($do) = @_;

	return sub {
		my ($f) = @_;

		foreach my $page (map { $_ * BLOCK } 0 .. length($f->{bytes}) / BLOCK - 1)
		{
			foreach my $item (map { $page + 24 + 4 * $_ } 0 .. (get($f, $page + 12, 'S') - 24) / 4 - 1)
			{
				my $pointer = get($f, $item, 'L');
				my $tuple = $page + ($pointer & 0x7fff);

				$do->($f, $tuple + get($f, $tuple + 22, 'C'), $item) if ($pointer >> 15 & 3) == 1;
			}
		}
	};
}
sub number { my ($f, $chunk) = @_; return get($f, $chunk + 4, 'L'); }
sub put_length { my ($f, $chunk, $bytes) = @_; put($f, $chunk + 8, 'L', $bytes << 2); return; }

# name, the file, what is done, whether any value can be read
my @cases = (
	[ 'nothing', 'table', sub { }, 1 ],
	[ 'all chunks gone', 'table', sub { cut($_[0], 0) } ],
	[ 'the second chunks gone', 'table', for_all(sub { put($_[0], $_[2], 'L', 0) if number(@_) == 1 }) ],
	[ 'pages zero', 'table', sub { zero_page($_[0], $_) foreach 0 .. length($_[0]{bytes}) / BLOCK - 1 } ],
	[ 'numbers of chunks', 'table', for_all(sub { put($_[0], $_[1] + 4, 'L', number(@_) + 7) }) ],
	[ 'numbers of chunks negative', 'table', for_all(sub { put($_[0], $_[1] + 4, 'l', -1) }) ],
	[ 'chunks twice', 'table', for_all(sub { put($_[0], $_[1] + 4, 'L', 0) }) ],
	[ 'a chunk too many', 'table', for_all(sub { put($_[0], $_[1] + 4, 'L', number(@_) + 1) if number(@_) == 1 }) ],
	[ 'chunks too short', 'table', for_all(sub { put_length(@_, 4 + 1000) }) ],
	[ 'chunks without data', 'table', for_all(sub { put_length(@_, 4) }) ],
	[ 'chunks too long', 'table', for_all(sub { put_length(@_, 4 + 1996) }) ],
	[ 'chunks compressed', 'table', for_all(sub { put($_[0], $_[1] + 8, 'L', get($_[0], $_[1] + 8, 'L') | 2) }) ],
	[ 'chunks out of line', 'table', for_all(sub { put($_[0], $_[1] + 8, 'C', 1) }) ],
	[ 'index zero', 'index', sub { zero_page($_[0], $_) foreach 1 .. length($_[0]{bytes}) / BLOCK - 1 } ],
	[ 'index empty', 'index', sub { cut($_[0], 0) } ]);

my $number = 0;
foreach my $case (@cases)
{
	my $name = 't' . ++$number;

	push @$case, $name if @$case == 4;
	push @$case, 0, $name if @$case == 3;
	$node->safe_psql('postgres', qq{
		CREATE TABLE $name (id int, v vector(@{[DIMS]}));
		INSERT INTO $name SELECT n, make_vector('uniform', n, @{[DIMS]}, $seed) FROM generate_series(1, @{[ROWS]}) n;
		CREATE INDEX ON $name USING hnsw (v vector_cosine_ops) WITH (rest_bits = 0);
		CREATE INDEX ON $name USING ivfflat (v vector_l2_ops) WITH (lists = 2);
		CHECKPOINT;});
}

my %paths;
foreach my $case (@cases)
{
	my $toast = "(SELECT reltoastrelid FROM pg_class WHERE relname = '$case->[4]')";

	$paths{ $case->[4] } = $node->safe_psql('postgres', $case->[1] eq 'table'
		? "SELECT pg_relation_filepath($toast)"
		: "SELECT pg_relation_filepath(indexrelid) FROM pg_index WHERE indrelid = $toast");
}
$node->stop;
disable_checksums($node);
foreach my $case (@cases)
{
	damage_file($node->data_dir . "/$paths{ $case->[4] }", $case->[2]);
}
$node->start;

# The error of a query, with all numbers alike: the same is wrong with all values,
# and it depends on the order of rows whose is met first.
sub error_of
{
	my ($sql) = @_;
	my ($out, $err);

	$node->psql('postgres', "SET jit = off; \\set VERBOSITY verbose\n$sql", stdout => \$out, stderr => \$err);
	($err) = $err =~ /ERROR:  (.*)/;
	return $err =~ s/\d+/N/gr if defined $err;
	return "rows: $out";
}

foreach my $case (@cases)
{
	my ($name, undef, undef, $readable, $t) = @$case;
	my $offset = log_size($node);
	my $query = "make_vector('uniform', 1000, @{[DIMS]}, $seed)";
	my $told = error_of("SELECT count(v <=> $query) FROM $t");

	like($told, $readable ? qr/^rows: 60$/ : qr/^(?!rows)\w+: /, "$name: a query without the index");
	foreach my $operator (qw(<=> <->))
	{
		my $scan = "SET enable_seqscan = off; SET enable_sort = off; SET hnsw.ef_search = 100; SET ivfflat.probes = 2;";

		is(error_of("$scan SELECT count(*) FROM (SELECT id FROM $t ORDER BY v $operator $query OFFSET 0) x"),
			$told, "$name: a scan by $operator");
		is($node->safe_psql('postgres', qq{$scan
				CREATE FUNCTION pg_temp.try() RETURNS text LANGUAGE plpgsql AS \$\$
				BEGIN
					PERFORM id FROM $t ORDER BY v $operator $query;
					RETURN 'rows';
				EXCEPTION WHEN OTHERS THEN
					RETURN 'error';
				END\$\$;
				BEGIN;
				SELECT pg_temp.try();
				SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND relation =
					(SELECT reltoastrelid FROM pg_class WHERE relname = '$t');
				COMMIT;}),
			($readable ? 'rows' : 'error') . "\n0", "$name: nothing is held after a scan by $operator");
	}
	is(join("\n", grep { /PANIC|TRAP|terminated by signal|WARNING/ } split /\n/, slurp_file($node->logfile, $offset)),
		'', "$name: no crash and no leak");
}

$node->stop;
done_testing();
