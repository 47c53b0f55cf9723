# When the disk is full, memory runs out or a statement is cancelled, the error is
# reported, the index stays intact, and it works again afterwards.
#
# The limits are those of a process (prlimit): a file that may not grow fails as
# a full disk does, in the same calls, with EFBIG for ENOSPC; and malloc fails.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VectorTest;

my $seed = test_seed();

if (system('prlimit --pid $$ >/dev/null 2>&1') != 0)
{
	plan skip_all => 'no prlimit';
}

# Small segments of WAL and no temporary files, so that indexes are the largest
# files.
my $node = new_node(
	'limits',
	init => { extra => ['--wal-segsize=1'] },
	conf => q{
max_wal_size = 32MB
checkpoint_warning = 0
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 0
});

# A session whose process can be limited.
sub session
{
	my $psql = $node->background_psql('postgres', on_error_stop => 0);

	$psql->query('\set VERBOSITY verbose');
	return { psql => $psql, pid => $psql->query_safe('SELECT pg_backend_pid()') };
}

sub limit
{
	my ($pid, $what, $bytes) = @_;

	system_or_bail('prlimit', '--pid', $pid, "--$what=$bytes:");
}

# The address space of a process, in bytes
sub address_space
{
	my ($pid) = @_;
	my ($kilobytes) = slurp_file("/proc/$pid/status") =~ /^VmSize:\s+(\d+) kB/m;

	return 1024 * $kilobytes;
}

# Run SQL in a session; what it says of errors.
sub attempt
{
	my ($session, $sql) = @_;

	$session->{psql}->{stderr} = '';
	$session->{psql}->query($sql);
	return $session->{psql}->{stderr};
}

sub rows
{
	my ($t, $first, $last) = @_;

	return "INSERT INTO $t->{name} SELECT n, make_vector('clusters', n, $t->{dims}, $seed) FROM generate_series($first, $last) n;";
}

# Indexes that are larger than their tables and grow faster: by large lists of
# edges, or by many lists of vectors, most of them nearly empty, of which more
# rows make some long.  Small ones for all the rest.
my %table = (name => 'items', kind => 'clusters', opclass => 'vector_l2_ops', dims => 8);
my @tables = (
	{ %table, am => 'hnsw', with => 'WITH (m = 80, ef_construction = 160)', small => 'WITH (m = 8)' },
	{ %table, am => 'ivfflat', with => 'WITH (lists = 300)', small => '', more => 'duplicates' });

sub index_bytes { return $node->safe_psql('postgres', q{SELECT pg_relation_size('items_v_idx')}) }

sub create
{
	my ($t, $rows, $with) = @_;

	$node->safe_psql('postgres', qq{
		SET client_min_messages = error;
		DROP TABLE IF EXISTS items;
		CREATE TABLE items (id int, v vector(8));
		@{[ rows($t, 1, $rows) ]}
		CREATE INDEX ON items USING $t->{am} (v vector_l2_ops) $with;});
	return;
}

# ----------------------------------------------------------------------------
# A full disk
# ----------------------------------------------------------------------------
sub full_disk
{
	my ($items, $batch, @rooms) = @_;
	my $session = session();
	my $next = 10001;
	my $with = $items->{with};
	my $more = { %$items, kind => $items->{more} // $items->{kind} };

	create($items, 3000, $with);
	cmp_ok(index_bytes() / 2, '>', 1024 * 1024, "$items->{am}: half an index is larger than a segment of WAL");
	my ($file, $heap) = map { $node->safe_psql('postgres', "SELECT pg_relation_filepath('$_')") } qw(items_v_idx items);
	foreach my $room (@rooms)
	{
		my $error = '';
		my $first = $next;

		limit($session->{pid}, 'fsize', index_bytes() + $room);
		foreach (1 .. 400)
		{
			$error = attempt($session, rows($more, $next, $next + $batch - 1));
			last if $error ne '';
			$next += $batch;
		}
		note 'rows inserted: ' . ($next - $first) . ', bytes of the index: ' . index_bytes();
		# an index with room left by vacuum may take so many that the table comes first
		like($error, qr/ERROR:  \w+: could not extend file "(?:$file@{[ $room ? "|$heap" : '' ]})".*(File too large|wrote only)/,
			"no room ($room bytes): inserts are refused");
		agree($node, $items, "no room ($room bytes)", 1);

		# what needs no room goes on; to write a list anew takes some
		my $vacuum = attempt($session, "DELETE FROM items WHERE id % 9 = 1; VACUUM items;");
		$vacuum = '' if $items->{am} eq 'ivfflat' && $vacuum =~ /could not extend file/;
		is($vacuum, '', "no room ($room bytes): delete and vacuum");
		is(attempt($session, "SET enable_seqscan = off; SELECT count(*) FROM (SELECT FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 10) s"),
			'', "no room ($room bytes): search");
		agree($node, $items, "no room ($room bytes), after vacuum", 1);

		limit($session->{pid}, 'fsize', 'unlimited');
		is(attempt($session, rows($items, $next, $next + 99)), '', "room again: inserts");
		$next += 100;
		agree($node, $items, 'room again', 1);
		crash($node, 'immediate') if $room == 8192;
		$session = session() if $room == 8192;
	}

	# CREATE INDEX and REINDEX leave what was there, and no files.
	my $files = "SELECT count(*) FROM pg_ls_dir('base/' || oid) FROM pg_database WHERE datname = 'postgres'" =~ s/FROM pg_database/f, pg_database/r;
	my $before = $node->safe_psql('postgres', q{SELECT pg_relation_filenode('items_v_idx')});
	my $half = index_bytes() / 2;

	$half = $half - $half % 8192;
	foreach my $workers (0, 2)
	{
		limit($session->{pid}, 'fsize', $half);
		foreach my $sql ('REINDEX INDEX items_v_idx', "CREATE INDEX failed ON items USING $items->{am} (v vector_cosine_ops) $with")
		{
			like(attempt($session, "SET max_parallel_maintenance_workers = $workers; $sql"), qr/ERROR:.*(File too large|wrote only)/,
				"no room: $sql with $workers workers");
		}
		limit($session->{pid}, 'fsize', 'unlimited');
		is($node->safe_psql('postgres', q{SELECT pg_relation_filenode('items_v_idx') || ' ' || count(*) FROM pg_class WHERE relname = 'failed'}),
			"$before 0", 'the old index is kept, and no new one');
		agree($node, $items, "no room for another index, $workers workers", 1);
	}
	is(attempt($session, 'REINDEX INDEX items_v_idx'), '', 'room again: REINDEX');
	agree($node, $items, 'REINDEX', 1);
	$session->{psql}->quit;
	return;
}

full_disk($tables[0], 10, 0, 8192, 3 * 8192, 100_000, 300_000);
full_disk($tables[1], 300, 0, 8192, 100_000);

# ----------------------------------------------------------------------------
# No memory
# ----------------------------------------------------------------------------
sub no_memory
{
	my ($items, $workers) = @_;
	my %outcome = (refused => 0, done => 0);

	foreach my $room (0, 128, 512, 2048, 8192, 4194304)
	{
		my $session = session();
		my $number = 0;

		# what is loaded and cached at first is not the matter
		attempt($session, "SET maintenance_work_mem = '1GB'; SET max_parallel_maintenance_workers = $workers; SET enable_seqscan = off;
			SET hnsw.iterative_scan = relaxed_order; SET hnsw.scan_mem_multiplier = 100;
			SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1]' LIMIT 1");
		limit($session->{pid}, 'as', address_space($session->{pid}) + 1024 * $room);
		foreach my $sql (
			rows($items, 5001, 5200),
			"SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1]' OFFSET 1500) s",
			'DELETE FROM items WHERE id % 7 = 0 OR id > 5000; VACUUM (PARALLEL 0) items',
			'REINDEX INDEX items_v_idx',
			"CREATE INDEX more ON items USING $items->{am} (v vector_ip_ops); DROP INDEX more")
		{
			my $error = attempt($session, $sql);

			$outcome{ $error eq '' ? 'done' : 'refused' }++;
			like($error, qr/\A\z|ERROR:  53\w\w\w: |ERROR:  58030: could not map|Cannot allocate memory/,
				"$room kB of memory, $workers workers, statement @{[ ++$number ]}: done or refused");
		}
		eval { $session->{psql}->quit };
		agree($node, $items, "$room kB of memory", 1);
		$node->safe_psql('postgres', rows($items, 6001, 6300));
	}
	note "$workers workers: $outcome{done} statements done, $outcome{refused} refused";
	cmp_ok($outcome{refused}, '>', 0, 'some limits were too small');
	cmp_ok($outcome{done}, '>', 5, 'and others were not');
	return;
}

foreach my $items (@tables)
{
	create($items, 2000, $items->{small});
	no_memory($items, $_) foreach (0, 2);
}

# ----------------------------------------------------------------------------
# Cancelled
# ----------------------------------------------------------------------------
sub cancelled
{
	my ($items, $build) = @_;
	my %cancelled;
	my %statements = (
		insert => rows($items, 7001, 7400),
		build => "$build; DROP INDEX more",
		'parallel build' => "SET max_parallel_maintenance_workers = 2; REINDEX INDEX items_v_idx",
		vacuum => 'VACUUM items',
		scan => q{SET enable_seqscan = off; SET hnsw.iterative_scan = strict_order; SET ivfflat.probes = 1000;
			SELECT count(*) FROM generate_series(1, 20) n,
				LATERAL (SELECT id FROM items ORDER BY v <-> make_vector('uniform', n, 8, 7) OFFSET 1000) s});

	foreach my $round (1 .. 10)
	{
		foreach my $name (sort keys %statements)
		{
			my $started = time();
			my ($out, $error);

			$node->safe_psql('postgres', 'DELETE FROM items WHERE random() < 0.1') if $name eq 'vacuum';
			# once in full, to know how long it takes
			$cancelled{$name} //= { count => 0, ms => 100 };
			my $limit = $round == 1 ? 0 : 1 + int(rand($cancelled{$name}->{ms}));
			$node->psql('postgres', "SET statement_timeout = $limit;\n$statements{$name}", stderr => \$error);
			$cancelled{$name}->{ms} = 1000 * (time() - $started) if $round == 1;
			like($error, qr/\A\z|ERROR:  canceling statement due to statement timeout/, "$name, timeout $limit ms");
			if ($error =~ /timeout/)
			{
				$cancelled{$name}->{count}++;
			}
			elsif ($round > 1)
			{
				# the first time may have been slow for other reasons
				$cancelled{$name}->{ms} /= 2;
			}
			$node->safe_psql('postgres', 'SET client_min_messages = error; DROP INDEX IF EXISTS more');
		}
		agree($node, $items, "round $round of cancelled statements", 1);
	}
	cmp_ok($cancelled{$_}->{count}, '>', 0, "$_: some were cancelled") foreach sort keys %cancelled;
	return;
}

create($tables[0], 2000, $tables[0]->{small});
cancelled($tables[0], 'CREATE INDEX more ON items USING hnsw (v vector_l1_ops) WITH (ef_construction = 200)');

unlike(log_errors($node, 0), qr/PANIC|TRAP|WARNING|inconsistent|terminated/, 'nothing worse than errors in the log');
$node->stop;
done_testing();
