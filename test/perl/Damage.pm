# Damage.pm -- tests of indexes whose files are damaged.
#
# A case is a name, a function that damages an index file in memory, whether the
# first statement must fail then, and a table; see VectorTest.pm for tables,
# which here have a source, too: a table with rows to add.  A file in memory is
# a hash with its bytes.

package Damage;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

use constant {
	BLOCK => 8192,
	CONTENT => 32				# of a page, after its headers
};

our @EXPORT = qw(
	BLOCK
	CONTENT
	get
	put
	metapage
	get_meta
	put_meta
	zero_page
	random_bytes
	random_anywhere
	copy_page
	cut
	damage_file
	test_damage
);

# Numbers at an offset of the file; type as for pack.
sub get { my ($f, $at, $type) = @_; return unpack($type, substr($f->{bytes}, $at, length pack($type, 0))); }
sub put { my ($f, $at, $type, @values) = @_; my $b = pack($type, @values); substr($f->{bytes}, $at, length $b) = $b; return; }

# Fields of the metapage, by name: their offsets in what it has, and the types of
# those that are no 'L'.
my ($offsets, $types);
sub metapage { ($offsets, $types) = @_; return; }
sub get_meta { my ($f, $field) = @_; return get($f, CONTENT + $offsets->{$field}, $types->{$field} // 'L'); }
sub put_meta { my ($f, $field, $value) = @_; put($f, CONTENT + $offsets->{$field}, $types->{$field} // 'L', $value); return; }

sub zero_page { my ($f, $block) = @_; substr($f->{bytes}, $block * BLOCK, BLOCK) = "\0" x BLOCK; return; }
sub random_bytes { my ($f, $block) = @_; substr($f->{bytes}, $block * BLOCK + CONTENT, BLOCK - CONTENT) =
	pack('C*', map { int(rand(256)) } 1 .. BLOCK - CONTENT); return; }
sub random_anywhere { my ($f, $count) = @_; put($f, int(rand(length $f->{bytes})), 'C', int(rand(256))) foreach 1 .. $count; return; }
sub copy_page { my ($f, $from, $to) = @_; substr($f->{bytes}, $to * BLOCK, BLOCK) = substr($f->{bytes}, $from * BLOCK, BLOCK); return; }
sub cut { my ($f, $bytes) = @_; $f->{bytes} = substr($f->{bytes}, 0, $bytes); return; }

sub replace_file
{
	my ($path, $bytes) = @_;

	open my $out, '>:raw', $path or die "$path: $!";
	print $out $bytes;
	close $out;
	return;
}

# Damage a file; $do gets it as it is in memory.
sub damage_file
{
	my ($path, $do) = @_;
	my $f = { bytes => slurp_file($path) };

	$do->($f);
	replace_file($path, $f->{bytes});
	return;
}

# What users see of a table with a damaged index.  Errors show as their SQLSTATE.
sub run_statements
{
	my ($node, $t, $statements) = @_;
	# nothing here takes more than moments, unless it never ends
	my $patience = $PostgreSQL::Test::Utils::timeout_default;
	my $script = whole_scan() . "SET statement_timeout = '${patience}s'; SET client_min_messages = error;\n\\set VERBOSITY sqlstate\n";
	my ($out, $err, $timed_out, $statement) = ('', '', 0, -1);
	my @errors;

	foreach my $i (0 .. $#$statements)
	{
		my $sql = $statements->[$i] =~ s/\{T\}/$t->{name}/gr =~ s/\{D\}/$t->{dims}/gr =~ s/\{S\}/$t->{source}/gr =~ s/\{Y\}/column_type($t)/egr;

		$script .= "\\warn statement $i\n$sql;\n";
	}
	$node->psql('postgres', $script, stdout => \$out, stderr => \$err, on_error_stop => 0,
		timeout => 2 * $patience, timed_out => \$timed_out);
	foreach my $line (split /\n/, $err)
	{
		$statement = $1 if $line =~ /^statement (\d+)/;
		next unless $line =~ /ERROR:|FATAL|server closed|connection/;
		push @errors, [ $statement, $line =~ /ERROR:\s+(\w+)/ ? $1 : $line ];
	}
	push @errors, [ $statement, 'no answer in time' ] if $timed_out;
	return @errors;
}

# Damage the indexes "<table>_index" of all cases while the server is down, then
# let the statements meet them: they must work or report corruption, and REINDEX
# must repair everything.  %options: statements; check, which is shown a file
# before it is damaged; foreign_errors, which matches the names of cases that
# may lead the server to files that do not exist.
sub test_damage
{
	my ($node, $cases, %options) = @_;
	my $statements = $options{statements};
	my @paths = split /\n/, $node->safe_psql('postgres',
		join '', map { "SELECT pg_relation_filepath('$_->[3]{name}_index');" } @$cases);

	$node->stop;
	disable_checksums($node);
	foreach my $i (0 .. $#paths)
	{
		damage_file($node->data_dir . '/' . $paths[$i], sub {
			my ($f) = @_;

			$options{check}->($f, $cases->[$i]);
			$cases->[$i][1]->($f);
		});
	}
	$node->start;

	foreach my $case (@$cases)
	{
		my ($name, undef, $fails, $t) = @$case;
		my $offset = log_size($node);
		my @errors = run_statements($node, $t, $statements);

		# XX002 index_corrupted; XX001 data_corrupted is what the server itself
		# finds when it reads a block, XX000 what it says of missing files.
		my $right = $name =~ $options{foreign_errors} ? qr/^XX00[012]$/ : qr/^XX00[12]$/;

		is(join("\n", map { "$statements->[$_->[0]]: $_->[1]" } grep { $_->[1] !~ $right } @errors),
			'', "$name: statements work or report corruption");
		note join ' ', 'errors:', map { "$_->[0]:$_->[1]" } @errors;
		ok(scalar(grep { $_->[0] == 0 } @errors), "$name: the first search reports it") if $fails;
		is(scalar(@errors), 0, 'no damage, no errors') if $name =~ /nothing$/;
		is(join("\n", grep { /PANIC|TRAP|terminated by signal/ } split /\n/, slurp_file($node->logfile, $offset)),
			'', "$name: no crash");
		if (grep { $_->[1] eq 'no answer in time' } @errors)
		{
			# whoever hangs holding a lock would stop everything that follows
			$node->stop('immediate');
			$node->start;
		}
		$node->safe_psql('postgres', "REINDEX INDEX $t->{name}_index");
		agree($node, $t, "$name: REINDEX", 1);
	}
	return;
}

1;
