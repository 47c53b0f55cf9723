# Random values through every form they can take: text, binary, arrays, the
# other types, COPY.  Elements are random bits, so numbers of all magnitudes,
# subnormal ones and both zeros occur.  What is right is told by the bits they
# were made of and by the server's own functions of real and real[].

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

use constant ROWS => 2000;

my $seed = test_seed();
my $node = new_node('round_trip');
my $dir = PostgreSQL::Test::Utils::tempdir();

# A finite float4, as its bits.
sub float_bits
{
	my $bits = int(rand(2**32));

	# every second one is of ordinary size, one of eight is a zero
	$bits = unpack('L', pack('f', int(rand(20001) - 10000) / 10**int(rand(6)))) if rand() < 0.5;
	$bits &= 0x80000000 if rand() < 0.125;
	$bits &= 0xbfffffff if ($bits & 0x7f800000) == 0x7f800000;
	return $bits;
}

# A finite half, as its bits, and what it is worth.
sub half_bits
{
	my $bits = int(rand(2**16));

	return ($bits & 0x7c00) == 0x7c00 ? $bits & 0xbfff : $bits;
}

sub half_value
{
	my $bits = shift;
	my $exponent = ($bits >> 10) & 31;
	my $value = $exponent == 0
		? ($bits & 0x3ff) * 2**-24
		: (0x400 | ($bits & 0x3ff)) * 2**($exponent - 25);

	return ($bits & 0x8000 ? '-' : '') . sprintf('%.17g', $value);
}

# id, elements as an array, and the bytes that a binary form has after its head
sub write_rows
{
	my ($file, $bits, $value, $format) = @_;

	open my $out, '>', "$dir/$file" or die "$dir/$file: $!";
	foreach my $id (1 .. ROWS)
	{
		my $dims = 1 + int(rand() < 0.9 ? rand(40) : rand(1000));
		my @bits = map { $bits->() } 1 .. $dims;

		print $out join("\t", $id, '{' . join(',', map { $value->($_) } @bits) . '}',
			'\\\\x' . unpack('H*', pack("$format*", @bits))), "\n";
	}
	close $out;
}

write_rows('floats', \&float_bits, sub { sprintf('%.9g', unpack('f', pack('L', $_[0]))) }, 'L>');
write_rows('halves', \&half_bits, \&half_value, 'S>');

$node->safe_psql(
	'postgres', qq{
	CREATE TABLE floats (id int, a real[], bytes bytea);
	CREATE TABLE halves (LIKE floats);
	COPY floats FROM '$dir/floats';
	COPY halves FROM '$dir/halves';
	CREATE FUNCTION head(a real[]) RETURNS bytea LANGUAGE sql AS
		\$\$SELECT int2send(cardinality(a)::int2) || int2send(0::int2)\$\$;
	CREATE TABLE vectors AS SELECT id, a, a::vector AS v, head(a) || bytes AS bytes FROM floats;
	CREATE TABLE halfvecs AS SELECT id, a, a::halfvec AS v, head(a) || bytes AS bytes FROM halves;
	-- a sparsevec has no zeros, so no negative ones
	CREATE TABLE sparsevecs AS
		SELECT id, array_agg(CASE WHEN x = 0 THEN 0 ELSE x END ORDER BY n) AS a,
			array_agg(CASE WHEN x = 0 THEN 0 ELSE x END ORDER BY n)::vector::sparsevec AS v,
			int4send(cardinality(a)) || int4send((count(*) FILTER (WHERE x <> 0))::int) || int4send(0) ||
			coalesce(string_agg(int4send(n::int - 1), '' ORDER BY n) FILTER (WHERE x <> 0), '') ||
			coalesce(string_agg(float4send(x), '' ORDER BY n) FILTER (WHERE x <> 0), '') AS bytes
		FROM floats, unnest(a) WITH ORDINALITY e(x, n) GROUP BY id, floats.a;});

# How many rows of a table do not satisfy a condition.
sub all_rows
{
	my ($table, $condition, $what) = @_;

	is($node->safe_psql('postgres', "SELECT count(*) FILTER (WHERE ($condition) IS NOT TRUE), count(*) FROM $table"),
		'0|' . ROWS, "$table: $what");
}

foreach my $type (qw(vector halfvec sparsevec))
{
	my $table = "${type}s";
	my $send = "${type}_send";

	all_rows($table, "$send(v) = bytes", 'the bits they were made of');
	all_rows($table, "$send(v::text::$type) = bytes", 'text and back');
	all_rows($table, "$send((' ' || replace(v::text, ',', E' ,\\t') || ' ')::$type) = bytes",
		'text with white space');

	# single values, and as elements of an array and a composite value
	foreach my $format (qw(text csv binary))
	{
		$node->safe_psql(
			'postgres', qq{
			COPY (SELECT id, v, ARRAY[v, NULL, v] AS vs, bytes FROM $table) TO '$dir/$table.$format' (FORMAT $format);
			CREATE TABLE ${table}_$format (id int, v $type, vs ${type}[], bytes bytea);
			COPY ${table}_$format FROM '$dir/$table.$format' (FORMAT $format);});
		all_rows("${table}_$format",
			"$send(v) = bytes AND $send(vs[1]) = bytes AND vs[2] IS NULL AND $send(vs[3]) = bytes",
			"COPY as $format and back");
	}
}

all_rows('vectors', q{v::text = '[' || array_to_string(a, ',') || ']'}, 'text as of real[]');
all_rows('halfvecs', q{v::text = '[' || array_to_string(a, ',') || ']'}, 'text as of real[]');
all_rows('sparsevecs',
	q{v::text = (SELECT '{' || coalesce(string_agg(n || ':' || x, ',' ORDER BY n) FILTER (WHERE x <> 0), '') || '}/' || cardinality(a)
				 FROM unnest(a) WITH ORDINALITY e(x, n))}, 'text as of real');

all_rows('vectors', 'array_send(v::real[]) = array_send(a)', 'cast to real[]');
all_rows('vectors', 'vector_send(a::float8[]::vector) = bytes', 'cast from double precision[]');
all_rows('vectors', 'v::sparsevec::vector = v AND (v::sparsevec::vector)::real[] = a', 'cast to sparsevec and back');
all_rows('halfvecs', 'array_send(v::real[]) = array_send(a)', 'cast to real[]');
all_rows('halfvecs', 'halfvec_send(a::float8[]::halfvec) = bytes', 'cast from double precision[]');
all_rows('halfvecs', 'halfvec_send(v::vector::halfvec) = bytes', 'cast to vector and back');
all_rows('halfvecs', 'v::sparsevec::halfvec = v', 'cast to sparsevec and back');
all_rows('sparsevecs', 'sparsevec_send(v::vector::sparsevec) = bytes', 'cast to vector and back');

$node->stop;
done_testing();
