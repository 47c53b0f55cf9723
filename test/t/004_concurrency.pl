# Inserts, searches, deletes, updates and vacuum at the same time; indexes made
# CONCURRENTLY under that load; statements that are cancelled anywhere.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VectorTest;

my $seed = test_seed();
my $node = new_node('concurrency', conf => q{
deadlock_timeout = 100ms
max_connections = 40
max_wal_size = 1GB
});

# Few edges and few candidates make lists overflow and inserts collide often.
my @tables = (
	{ name => 'clusters', opclass => 'vector_l2_ops', dims => 12, rows => 500 },
	{ name => 'uniform', opclass => 'vector_l1_ops', dims => 4, rows => 0, with => 'm = 4, ef_construction = 8' },
	{ name => 'duplicates', opclass => 'vector_cosine_ops', dims => 3, rows => 100 },
	{ name => 'star', opclass => 'vector_l2_ops', dims => 24, rows => 0, with => 'm = 2, ef_construction = 4' },
	{ name => 'norms', opclass => 'vector_ip_ops', dims => 5, rows => 0, with => 'm = 2, ef_construction = 8' },
	{ name => 'halved', kind => 'clusters', opclass => 'vector_cosine_ops', dims => 256, rows => 50, with => 'm = 4, ef_construction = 8, rest_bits = 1' },
	{ name => 'sparse', kind => 'clusters', type => 'sparsevec', opclass => 'sparsevec_l2_ops', dims => 200, rows => 0, with => 'm = 4, ef_construction = 8' });
$_->{kind} //= $_->{name} foreach @tables;

sub create
{
	foreach my $t (@tables)
	{
		my $with = $t->{with} ? "WITH ($t->{with})" : '';

		$node->safe_psql(
			'postgres', qq{
			DROP TABLE IF EXISTS $t->{name};
			DROP SEQUENCE IF EXISTS $t->{name}_ids;
			CREATE TABLE $t->{name} (id int, v @{[ column_type($t) ]});
			CREATE SEQUENCE $t->{name}_ids;
			INSERT INTO $t->{name} SELECT n, make_vector('$t->{kind}', n, $t->{dims}, $seed)
				FROM (SELECT nextval('$t->{name}_ids') AS n FROM generate_series(1, $t->{rows})) s;
			CREATE INDEX $t->{name}_index ON $t->{name} USING hnsw (v $t->{opclass}) $with;
			CREATE INDEX ON $t->{name} (id);});
	}
}

# One script that does the same to all tables.
sub script
{
	my ($weight, $sql) = @_;

	return [ $weight, join '', map {
		my ($t, $text) = ($_, $sql);
		$text =~ s/\{T\}/$t->{name}/g;
		$text =~ s/\{K\}/$t->{kind}/g;
		$text =~ s/\{D\}/$t->{dims}/g;
		$text =~ s/\{Y\}/column_type($t)/eg;
		$text =~ s/\{O\}/$METRICS{$t->{opclass}}/g;
		$text } @tables ];
}

my $insert = script(20, qq{INSERT INTO {T} SELECT n, make_vector('{K}', n, {D}, $seed)
	FROM (SELECT nextval('{T}_ids') AS n FROM generate_series(1, 5)) s;\n});
my $delete = script(8, qq{DELETE FROM {T} WHERE id IN
	(SELECT id FROM {T} ORDER BY random() LIMIT 9 FOR UPDATE SKIP LOCKED);\n});
my $update = script(3, qq{UPDATE {T} SET v = make_vector('{K}', id + 100000, {D}, $seed) WHERE id IN
	(SELECT id FROM {T} ORDER BY random() LIMIT 5 FOR UPDATE SKIP LOCKED);\n});
my $rollback = script(2, qq{BEGIN; INSERT INTO {T} SELECT -1, make_vector('{K}', n, {D}, $seed + 1)
	FROM generate_series(1, 5) n; ROLLBACK;\n});
my $search = script(20, qq{SET enable_seqscan = off; SET hnsw.iterative_scan = strict_order;
	SELECT id FROM {T} ORDER BY v {O} make_vector('uniform', (random() * 1000)::int, {D}, $seed)::{Y} LIMIT 20;\n} =~ s/;\s+S/;\nS/gr);
my $vacuum = script(3, "VACUUM {T};\n");

# First of all without concurrency: rows come and go, so that most elements are
# taken out and most lists repaired several times.  With m = 2 there is hardly
# room for the edges that keep elements reachable.
foreach my $t (
	{ name => 'star', opclass => 'vector_l2_ops', dims => 24, with => 'm = 2, ef_construction = 4' },
	{ name => 'norms', opclass => 'vector_ip_ops', dims => 5, with => 'm = 2, ef_construction = 8' },
	{ name => 'uniform', opclass => 'vector_l1_ops', dims => 3, with => 'm = 3, ef_construction = 8' })
{
	foreach my $data_seed (3, $seed)
	{
		my @states;

		$node->safe_psql('postgres', qq{
			DROP TABLE IF EXISTS $t->{name};
			CREATE TABLE $t->{name} (id int, v vector($t->{dims}));
			CREATE INDEX ON $t->{name} USING hnsw (v $t->{opclass}) WITH ($t->{with});
			INSERT INTO $t->{name} SELECT n, make_vector('$t->{name}', n, $t->{dims}, $data_seed)
				FROM generate_series(1, 600) n;});
		foreach my $round (0 .. 11)
		{
			my $share = (-0.3, -0.1, 0.2)[ $round % 3 ];

			$node->safe_psql('postgres', "DELETE FROM $t->{name} WHERE noise(id, $round) < $share");
			$node->safe_psql('postgres', "VACUUM $t->{name}");
			push @states, "vacuum $round: " . index_state($node, $t, 4);
			$node->safe_psql('postgres', qq{INSERT INTO $t->{name}
				SELECT n, make_vector('$t->{name}', n, $t->{dims}, $data_seed)
				FROM generate_series(10000 * ($round + 1), 10000 * ($round + 1) + 300) n});
			push @states, "insert $round: " . index_state($node, $t, 4);
		}
		is(join("\n", grep { !/lost=0 extra=0 disorder=0/ } @states), '',
			"delete, vacuum, insert: index and table of $t->{name} agree (seed $data_seed)");
	}
}

# Many inserts alone, from nothing: first elements, growth, lists that are full
# of edges which must not be dropped.
foreach my $round (1 .. 2)
{
	my $offset = log_size($node);

	create();
	ok(finish_load(start_load($node, 10, 3, $insert)), "inserts: no client fails (round $round)");
	agree($node, $_, "inserts", 1) foreach @tables;
	is(log_errors($node, $offset), '', "inserts: no errors (round $round)");
}

# Everything at once.
{
	my $offset = log_size($node);
	my $load = start_load($node, 8, 15, $insert, $delete, $update, $rollback, $search, $vacuum);

	ok(finish_load($load), 'mixed load: no client fails');
	is(log_errors($node, $offset), '', 'mixed load: no errors and no deadlocks');
	foreach my $t (@tables)
	{
		agree($node, $t, 'mixed load', 1);
		$node->safe_psql('postgres', "VACUUM $t->{name}");
		agree($node, $t, 'mixed load and vacuum', 1);
	}
}

# Nearly all rows go again and again, so that slots change hands all the time.
{
	my $offset = log_size($node);
	my $turnover = script(4, qq{DELETE FROM {T} WHERE id IN
		(SELECT id FROM {T} ORDER BY id LIMIT 120 FOR UPDATE SKIP LOCKED);\n});
	my $load;

	create();
	$load = start_load($node, 6, 8, $insert, $turnover, $search, script(6, "VACUUM {T};\n"));
	ok(finish_load($load), 'turnover: no client fails');
	is(log_errors($node, $offset), '', 'turnover: no errors and no deadlocks');
	agree($node, $_, 'turnover', 1) foreach @tables;
}

# While a slow vacuum takes elements out, scans find all rows all the time.
{
	my $t = { name => 'slow', opclass => 'vector_l2_ops', dims => 12 };
	my %states;
	my $scans = 0;

	# slower, if too few scans came in between
	foreach my $delay (1, 10, 100)
	{
		my $session;

		$node->safe_psql('postgres', qq{
			DROP TABLE IF EXISTS slow;
			CREATE TABLE slow (id int, v vector(12));
			INSERT INTO slow SELECT n, make_vector('clusters', n, 12, $seed) FROM generate_series(1, 3000) n;
			CREATE INDEX ON slow USING hnsw (v vector_l2_ops) WITH (m = 4, ef_construction = 8);
			DELETE FROM slow WHERE noise(id, $seed) < 0.2;});
		$session = slow_vacuum($node, 'slow', $delay) // next;
		for ($scans = 0; $scans < 150 && vacuum_phase($node) ne ''; $scans++)
		{
			$states{ index_state($node, $t) =~ s/far=\d+/far=0/r }++;
		}
		end_vacuum($node, $session, 'cancel');
		last if $scans > 2;
	}
	$node->safe_psql('postgres', 'VACUUM slow');
	cmp_ok($scans, '>', 2, "scans during vacuum: $scans");
	is_deeply([ sort keys %states ], ['lost=0 extra=0 disorder=0 far=0'], 'scans during vacuum miss nothing');
	agree($node, $t, 'after the slow vacuum', 1);
}

# CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY under load.
{
	my $offset = log_size($node);
	my $load = start_load($node, 3, 12, $insert, $delete, $update, $rollback);

	foreach my $t (@tables)
	{
		my $with = $t->{with} ? "WITH ($t->{with})" : '';

		$node->safe_psql('postgres', qq{DROP INDEX CONCURRENTLY $t->{name}_index});
		$node->safe_psql('postgres',
			qq{CREATE INDEX CONCURRENTLY $t->{name}_index ON $t->{name} USING hnsw (v $t->{opclass}) $with});
		$node->safe_psql('postgres', qq{REINDEX INDEX CONCURRENTLY $t->{name}_index});
	}
	ok(finish_load($load), 'CONCURRENTLY: no client fails');
	is(log_errors($node, $offset), '', 'CONCURRENTLY: no errors and no deadlocks');
	agree($node, $_, 'indexes made CONCURRENTLY', 1) foreach @tables;
}

# Statements that are cancelled at any moment, also vacuum, leave an index that
# agrees with its table.
{
	my $offset = log_size($node);
	my $load = start_load($node, 2, 8, $insert, $delete);
	my $until = time() + 8;
	my $cancelled = 0;

	foreach my $attempt (1 .. 1000)
	{
		my $t = $tables[ int(rand(@tables)) ];
		last if time() >= $until && $cancelled > 5;
		my ($timeout, $sql) = (1 + int(rand(25)), '');
		my $kind = int(rand(3));

		$sql = "INSERT INTO $t->{name} SELECT n, make_vector('$t->{kind}', n, $t->{dims}, $seed)
			FROM (SELECT nextval('$t->{name}_ids') AS n FROM generate_series(1, 500)) s" if $kind == 0;
		$sql = "VACUUM $t->{name}" if $kind == 1;
		$sql = "UPDATE $t->{name} SET v = make_vector('$t->{kind}', id + 7, $t->{dims}, $seed)
			WHERE id IN (SELECT id FROM $t->{name} ORDER BY random() LIMIT 300 FOR UPDATE SKIP LOCKED)" if $kind == 2;
		$cancelled++ if $node->psql('postgres', "SET statement_timeout = $timeout; $sql") != 0;
		$node->safe_psql('postgres', "DELETE FROM $t->{name} WHERE id IN
			(SELECT id FROM $t->{name} ORDER BY random() LIMIT 100 FOR UPDATE SKIP LOCKED)") if $kind == 1;
	}
	ok(finish_load($load), 'cancelled statements: no other client fails');
	cmp_ok($cancelled, '>', 5, "cancelled statements: $cancelled");
	is(log_errors($node, $offset, qr/canceling statement due to statement timeout/), '',
		'cancelled statements: no other errors');
	foreach my $t (@tables)
	{
		agree($node, $t, 'cancelled statements', 1);
		$node->safe_psql('postgres', "DELETE FROM $t->{name} WHERE id % 2 = 0; VACUUM $t->{name}");
		agree($node, $t, 'delete and vacuum', 1);
	}
}

# Vacuums that are cancelled one after the other: what one has begun to take out
# of full lists the next one may have to leave in, and inserts come in between.
{
	my ($t) = grep { $_->{name} eq 'star' } @tables;
	my ($cancelled, $milliseconds, @damage) = (0);

	create();
	foreach my $round (0 .. 119)
	{
		my ($first, $last) = (200 * $round, 200 * $round + ($round ? 149 : 999));
		my $rows = "SELECT id, make_vector('$t->{kind}', id, $t->{dims}, $seed) FROM generate_series";

		$node->safe_psql('postgres', qq{
			INSERT INTO $t->{name} $rows($first, $last) id;
			DELETE FROM $t->{name} WHERE noise(id, $round) < -0.2});
		if ($round % 10 == 0)
		{
			my $now = "SELECT 1000 * extract(epoch FROM clock_timestamp());\n";
			my ($begin, $end) = split /\n/, $node->safe_psql('postgres', "$now VACUUM $t->{name};\n$now");

			$milliseconds = $end - $begin;
		}
		else
		{
			my $timeout = 1 + int($milliseconds * (0.3 + rand(0.7)));

			$cancelled++ if $node->psql('postgres', "SET statement_timeout = $timeout; VACUUM $t->{name}") != 0;
		}
		$node->safe_psql('postgres', qq{
			INSERT INTO $t->{name} $rows($first - 4000, $last) id WHERE noise(id, $round) < -0.35});
		push @damage, "round $round: " . verified($node, $t);
	}
	cmp_ok($cancelled, '>', 5, "vacuums cancelled: $cancelled");
	is(join("\n", grep { !/: $/ } @damage), '', 'vacuums cancelled one after the other leave no damage');
	agree($node, $t, 'vacuums cancelled', 1);
}

$node->stop;
done_testing();
