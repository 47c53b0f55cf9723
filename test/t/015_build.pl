# CREATE INDEX with parallel workers and with little memory: progress, and what
# stays behind when it is cancelled, when its processes are terminated or
# killed, and when there is too little shared memory.

use strict;
use warnings FATAL => 'all';

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);
use VectorTest;

my $seed = test_seed();

# segments as files of the data directory, where they can be counted
my $node = new_node(
	'build',
	conf => q{
dynamic_shared_memory_type = mmap
max_parallel_maintenance_workers = 2
min_parallel_table_scan_size = 0
client_min_messages = warning
});
my $clusters = { name => 'clusters', opclass => 'vector_l2_ops', dims => 48 };
my $noise = { name => 'noise', opclass => 'vector_l2_ops', dims => 48, am => 'ivfflat' };

$node->safe_psql(
	'postgres', qq{
	CREATE TABLE clusters (id int, v vector(48)) WITH (parallel_workers = 2);
	INSERT INTO clusters SELECT n, make_vector('clusters', n % 5000, 48, $seed) FROM generate_series(1, 6000) n;
	CREATE TABLE noise (id int, v vector(48)) WITH (parallel_workers = 2);
	SELECT setseed(@{[ $seed / 100000 ]});
	INSERT INTO noise SELECT n, ARRAY(SELECT random() + 0 * n FROM generate_series(1, 48))::vector(48)
		FROM generate_series(1, 20000) n;});

# Slow builds, so that something can happen meanwhile.  The phase is the longest;
# its counts go forward, unless it has several parts.
my $graph = q{ON clusters USING hnsw (v vector_l2_ops) WITH (m = 24, ef_construction = 300)};
my $lists = q{ON noise USING ivfflat (v vector_l2_ops) WITH (lists = 1500)};
my @cases = (
	{ what => $graph, table => $clusters, memory => '64MB', phase => 'building graph', forward => 1 },
	{ what => $graph, table => $clusters, memory => '1MB', phase => 'building graph' },
	{ what => $lists, table => $noise, memory => '64MB', phase => 'performing k-means' });

sub create_sql { my ($case) = @_; return "CREATE INDEX $case->{table}{name}_index $case->{what}"; }

sub start_build
{
	my ($case) = @_;
	my $build = { out => '', err => '' };

	$build->{run} = IPC::Run::start(
		[ $node->installed_command('psql'), '-X', '-q', '-d', $node->connstr('postgres'),
			'-c', "SET maintenance_work_mem = '$case->{memory}'", '-c', create_sql($case) ],
		'<', \undef, '>', \$build->{out}, '2>', \$build->{err},
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return $build;
}

sub finish_build
{
	my ($build) = @_;

	$build->{run}->finish;
	return $build->{run}->result(0) == 0;
}

sub pids
{
	my ($what) = @_;

	return split /\n/, $node->safe_psql('postgres', $what eq 'leader'
		? q{SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX %'
			AND backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()}
		: q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'parallel worker'});
}

# Shared memory segments and temporary files.
sub leftovers
{
	my @segments = glob($node->data_dir . '/pg_dynshmem/mmap.*');
	my @files = glob($node->data_dir . '/base/pgsql_tmp/*');

	return scalar(@segments) . ' segments, ' . scalar(@files) . ' files';
}

my $nothing = leftovers();

foreach my $case (@cases)
{
	my ($table, $memory) = @$case{qw(table memory)};
	my $create = create_sql($case);
	my $about = "$table->{name} with $memory";
	my %phases;
	my $saw_workers = 0;
	my $backwards = 0;
	# a session that looks often
	my $observer = $node->background_psql('postgres');
	my $started = time;
	my $build = start_build($case);
	my $duration;

	while ($build->{run}->pumpable)
	{
		my $row = $observer->query_safe(q{SELECT phase, tuples_done,
			(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker')
			FROM pg_stat_progress_create_index WHERE command = 'CREATE INDEX'});

		$build->{run}->pump_nb;
		sleep 0.01;
		next if $row eq '';
		my ($phase, $done, $workers) = split /\|/, $row;
		my $last = $phases{$phase};

		$saw_workers ||= $workers > 0;
		$phases{$phase} = $done if !defined $last || $done > $last;
		$backwards++ if defined $last && $done < $last;
	}
	$observer->quit;
	ok(finish_build($build), "build of $about");
	is($build->{err}, '', 'without a message');
	$duration = time - $started;
	ok($saw_workers, 'with workers');
	cmp_ok($phases{"building index: $case->{phase}"} // 0, '>', 0, 'progress is reported');
	is($backwards, 0, 'and goes forward') if $case->{forward};
	agree($node, $table, "build of $about", 1);
	is(leftovers(), $nothing, 'nothing is left');
	$node->safe_psql('postgres', "DROP INDEX $table->{name}_index");

	foreach my $how (qw(cancel leader worker cancel worker leader))
	{
		my $delay = rand($duration * 0.8);
		my $ended = 0;

		$build = start_build($case);
		sleep $delay;
		foreach my $pid ($how eq 'worker' ? (pids('worker'))[0] : pids('leader'))
		{
			next if !defined $pid;
			$node->safe_psql('postgres', $how eq 'cancel'
				? "SELECT pg_cancel_backend($pid)" : "SELECT pg_terminate_backend($pid)");
			$ended = 1;
		}
		my $complete = finish_build($build);

		note "$how after $delay s: " . ($complete ? 'complete' : $build->{err});
		ok($complete || $ended, "the build ends if told to ($how, $about)");
		ok(wait_until(sub { pids('worker') == 0 && leftovers() eq $nothing }),
			'nothing is left') or diag leftovers();
		$node->safe_psql('postgres', "DROP INDEX IF EXISTS $table->{name}_index");
	}

	foreach my $how (qw(leader worker))
	{
		$build = start_build($case);
		wait_until(sub { pids('worker') > 0 });
		sleep rand($duration * 0.5);
		my ($pid) = pids($how);
		crash($node, 'backend', $pid) if defined $pid;
		finish_build($build);
		is(leftovers(), $nothing, "nothing is left after a crash ($how, $about)");
		$node->safe_psql('postgres', "DROP INDEX IF EXISTS $table->{name}_index");
	}
	$node->safe_psql('postgres', "SET maintenance_work_mem = '$memory'; $create");
	agree($node, $table, "build of $about after crashes", 1);
	$node->safe_psql('postgres', "DROP INDEX $table->{name}_index");
}

# Segments are files, so a limit of the size of files makes shared memory scarce.
SKIP:
{
	my $limit = 48 * 1024 * 1024;

	skip 'prlimit is not there', 3
	  if system('prlimit', "--pid=$$", "--fsize=$limit:") != 0;
	$node->append_conf('postgresql.conf', 'log_min_messages = debug1');
	$node->restart;
	system('prlimit', "--pid=$$", '--fsize=unlimited:');

	my $offset = log_size($node);

	# with so much memory one segment is larger than the limit
	$node->safe_psql('postgres', "SET maintenance_work_mem = '8GB'; " . create_sql($cases[0]));
	like(PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset),
		qr/no shared memory for a build/, 'shared memory is short');
	agree($node, $clusters, 'build with little shared memory', 1);
	is(leftovers(), $nothing, 'nothing is left');
}

$node->stop;
done_testing();
