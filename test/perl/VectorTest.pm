# VectorTest.pm -- what the TAP tests share.
#
# Servers with the extension, vectors that are the same for the same number and
# seed wherever they are made, and checks that an index agrees with its table.
#
# Tables under test have columns "id int" and "v vector(dims)"; a hash names
# their name, dims, opclass, and the options of their index (with); the type of
# v if it is another one, the kind of vectors if that is not the name, and the
# access method (am) if that is ivfflat.

package VectorTest;

use strict;
use warnings FATAL => 'all';

use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

our @EXPORT = qw(
	test_seed
	new_node
	make_indexed_table
	whole_scan
	index_state
	column_type
	agree
	verified
	wait_until
	start_load
	finish_load
	slow_vacuum
	meet_vacuum
	vacuum_phase
	end_vacuum
	crash
	log_size
	log_errors
	disable_checksums
	%METRICS
);

# Operator class -> operator.
our %METRICS = (
	vector_l2_ops => '<->',
	vector_ip_ops => '<#>',
	vector_cosine_ops => '<=>',
	vector_l1_ops => '<+>',
	halfvec_l2_ops => '<->',
	sparsevec_l2_ops => '<->',
	sparsevec_ip_ops => '<#>');

# Seed of a test's random choices, the same in every run unless
# VECTOR_TEST_SEED gives another; "time" takes the clock's.
sub test_seed
{
	my $seed = $ENV{VECTOR_TEST_SEED} || 1;
	$seed = time() % 100000 if $seed eq 'time';

	note "VECTOR_TEST_SEED=$seed";
	srand($seed);
	return $seed;
}

# The kinds of data that make_vector knows:
#   clusters    300 centers and noise around them
#   uniform     noise
#   duplicates  few different vectors, so chains of equal ones
#   star        points on the axes around a hub: each point's nearest is the
#               hub, which everybody wants as a neighbour
#   norms       noise of very different lengths: under inner product the long
#               ones are everybody's neighbours
my $functions = q{
CREATE FUNCTION noise(n bigint, seed bigint) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$SELECT (hashint8extended(n, seed) & 1048575) / 1048576.0 - 0.5$$;

CREATE FUNCTION make_vector(kind text, n bigint, dims int, seed bigint) RETURNS vector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT array_agg(CASE kind
		WHEN 'clusters' THEN noise(n % 300 * 20000 + d, seed + 1) + 0.1 * noise(n * 20000 + d, seed)
		WHEN 'uniform' THEN noise(n * 20000 + d, seed)
		WHEN 'duplicates' THEN noise(n % 13 * 20000 + d, seed)
		WHEN 'star' THEN CASE WHEN n % dims = d - 1 THEN 1 + 0.01 * noise(n, seed) ELSE 0.0001 * noise(n * 20000 + d, seed) END
		WHEN 'norms' THEN noise(n * 20000 + d, seed) * exp(4 * noise(n, seed))
		END ORDER BY d)::vector
	FROM generate_series(1, dims) d
$$;

-- A value for an index by expression.  CREATE INDEX stays in the phase that
-- matches, as long as it takes whoever waits for it there.
CREATE FUNCTION dwell(v vector, id int, at text) RETURNS vector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF id % 51 = 0 THEN
		PERFORM pg_stat_clear_snapshot();
		IF EXISTS (SELECT FROM pg_stat_progress_create_index WHERE pid = pg_backend_pid() AND phase ~ at) THEN
			PERFORM pg_sleep(3600);
		END IF;
	END IF;
	RETURN v;
END$$;

-- What a whole scan of an index, by relaxed or strict order, gives against
-- what a sequential scan gives.  "lost": rows of the table that the relaxed
-- scan does not return; "extra": rows it returns more than once, or that the
-- table does not have; "disorder": steps down of the distance in strict order;
-- "far": among the first 10 rows of a search with ef_search 1000, those
-- farther than the 10th nearest (0 is only certain up to 1000 rows).
CREATE FUNCTION index_state(tab regclass, op text, q text) RETURNS text
LANGUAGE plpgsql SET enable_seqscan = off SET enable_sort = off SET jit = off
SET hnsw.max_scan_tuples = 1000000000 SET hnsw.scan_mem_multiplier = 1000
SET ivfflat.probes = 32768 AS $$
DECLARE
	ordered text := format('SELECT ctid AS tid, v %s %L AS distance FROM %s ORDER BY v %1$s %2$L', op, q, tab);
	plan text;
	lost bigint;
	extra bigint;
	disorder bigint;
	far bigint;
BEGIN
	PERFORM set_config('hnsw.iterative_scan', 'relaxed_order', true);
	PERFORM set_config('hnsw.ef_search', '200', true);
	EXECUTE 'EXPLAIN (COSTS off) ' || ordered INTO plan;
	IF plan NOT LIKE 'Index Scan%' THEN
		RETURN 'not an index scan: ' || plan;
	END IF;
	EXECUTE format($q$
		WITH indexed AS MATERIALIZED (%s)
		SELECT (SELECT count(*) FROM %s t WHERE v IS NOT NULL AND NOT EXISTS
				   (SELECT FROM indexed i WHERE i.tid = t.ctid)),
			   (SELECT count(*) FROM indexed) -
			   (SELECT count(DISTINCT tid) FROM indexed i JOIN %2$s t ON i.tid = t.ctid)$q$,
		ordered, tab) INTO lost, extra;
	PERFORM set_config('hnsw.iterative_scan', 'strict_order', true);
	EXECUTE format($q$SELECT count(*) FROM
		(SELECT distance < lag(distance) OVER () AS less FROM (%s) r) s WHERE less$q$,
		ordered) INTO disorder;
	PERFORM set_config('hnsw.iterative_scan', 'off', true);
	PERFORM set_config('hnsw.ef_search', '1000', true);
	EXECUTE format($q$
		WITH near AS MATERIALIZED (%s LIMIT 10)
		SELECT count(*) FROM near WHERE distance >
			(SELECT max(d) FROM (SELECT (v %s %L) + 0 AS d FROM %s ORDER BY 1 LIMIT 10) e)$q$,
		ordered, op, q, tab) INTO far;
	RETURN format('lost=%s extra=%s disorder=%s far=%s', lost, extra, disorder, far);
END$$;
};

# Start a server with the extension.  %options: conf (text), init (arguments),
# no_start.
sub new_node
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%{ $options{init} // {} });
	$node->append_conf('postgresql.conf', <<"CONF");
shared_buffers = 64MB
maintenance_work_mem = 32MB
max_parallel_maintenance_workers = 0
autovacuum = off
jit = off
full_page_writes = on
log_error_verbosity = verbose
log_min_messages = warning
restart_after_crash = on
@{[ $options{conf} // '' ]}
CONF
	$node->start;
	$node->safe_psql('postgres', "CREATE EXTENSION vector; $functions");
	return $node;
}

# SQL that makes a table with its first rows and its index.
sub make_indexed_table
{
	my ($t, $seed) = @_;
	my $with = $t->{with} ? "WITH ($t->{with})" : '';

	return qq{CREATE TABLE $t->{name} (id int, v vector($t->{dims}));
		INSERT INTO $t->{name} SELECT n, make_vector('$t->{name}', n, $t->{dims}, $seed)
			FROM generate_series(1, $t->{rows}) n;
		CREATE INDEX $t->{name}_index ON $t->{name} USING @{[ $t->{am} // 'hnsw' ]} (v $t->{opclass}) $with;};
}

# Let a stopped server read pages whatever their checksums; new clusters have
# them since 18.
sub disable_checksums
{
	my ($node) = @_;
	my ($control) = run_command([ 'pg_controldata', $node->data_dir ]);

	system_or_bail('pg_checksums', '--disable', '-D', $node->data_dir)
		if $control =~ /^Data page checksum version: +[1-9]/m;
	return;
}

# Settings under which a query over a whole table goes through its index and
# returns all that can be reached.
sub whole_scan
{
	return q{SET enable_seqscan = off; SET enable_sort = off; SET jit = off;
		SET hnsw.iterative_scan = relaxed_order; SET hnsw.ef_search = 200;
		SET hnsw.max_scan_tuples = 1000000000; SET hnsw.scan_mem_multiplier = 1000;
		SET ivfflat.probes = 32768;};
}

# Compare the index on a table with the table.  $query is the number of the
# uniform vector that the scans start from.
# The type of a table's column v, "vector" unless it says otherwise.
sub column_type { my ($table) = @_; return ($table->{type} // 'vector') . "($table->{dims})"; }

sub index_state
{
	my ($node, $table, $query) = @_;
	my ($status, $out, $err);

	$query //= 1 + int(rand(1000));
	$status = $node->psql(
		'postgres', qq{
		SELECT index_state('$table->{name}', '$METRICS{$table->{opclass}}',
			(make_vector('uniform', $query, $table->{dims}, 7)::@{[ column_type($table) ]})::text)},
		stdout => \$out, stderr => \$err);
	$out = "error: $err" if $status != 0 || $err ne '';
	return $out;
}

# Test that they agree; $far_allowed for tables that may have more than 1000
# rows, where a search need not find the very nearest.
# What hnsw_verify and ivfflat_verify have to say of a table's indexes: nothing.
sub verified
{
	my ($node, $table) = @_;
	my ($status, $out, $err) = $node->psql(
		'postgres', join '', map { qq{
		SELECT ${_}_verify(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid
		WHERE NOT pg_is_in_recovery() AND indrelid = '$table->{name}'::regclass AND indisvalid
			AND relam = (SELECT oid FROM pg_am WHERE amname = '$_');} } qw(hnsw ivfflat));

	return $err;
}

sub agree
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $table, $what, $far_allowed) = @_;
	my $query = 1 + int(rand(1000));
	my $state = index_state($node, $table, $query);

	$state =~ s/far=\d+/far=0/ if $far_allowed;
	# one in millions of the bounds of coarse codes is wrong
	$state =~ s/disorder=[12] /disorder=0 / if ($table->{am} // '') eq 'ivfflat';
	$state .= verified($node, $table);
	return is($state, 'lost=0 extra=0 disorder=0 far=0',
		"$what: index and table of $table->{name} agree (query $query)");
}

# Poll a condition several times a second; false if it never comes true.
sub wait_until
{
	my ($condition, $seconds) = @_;
	my $polls = 50 * ($seconds // $PostgreSQL::Test::Utils::timeout_default);

	while ($polls-- > 0)
	{
		return 1 if $condition->();
		sleep 0.02;
	}
	return 0;
}

# Start pgbench in the background and wait until all clients are connected, so
# that a crash ends them all.  $duration: seconds, or a reference to the number
# of transactions of each client; $scripts: [weight, text] each.
sub start_load
{
	my ($node, $clients, $duration, @scripts) = @_;
	my $load = { out => '', err => '' };
	my ($option, $limit) = ref $duration ? ('-t', $$duration) : ('-T', $duration);
	my @command = (
		$node->installed_command('pgbench'),
		'-n', '-M', 'simple', '-c', $clients, '-j', 1, $option, $limit,
		"--random-seed=" . int(rand(1 << 30)),
		'-h', $node->host, '-p', $node->port);
	my $number = 0;
	my $connected = "SELECT count(*) >= $clients FROM pg_stat_activity WHERE application_name = 'load'";
	local $ENV{PGAPPNAME} = 'load';

	foreach my $script (@scripts)
	{
		my $file = PostgreSQL::Test::Utils::tempdir() . "/script" . $number++ . ".sql";

		PostgreSQL::Test::Utils::append_to_file($file, $script->[1]);
		push @command, '-f', "$file\@$script->[0]";
	}
	$load->{run} = IPC::Run::start(
		[ @command, 'postgres' ],
		'<', \undef, '>', \$load->{out}, '2>', \$load->{err},
		IPC::Run::timeout($limit + $PostgreSQL::Test::Utils::timeout_default));
	wait_until(sub { !$load->{run}->pumpable || $node->safe_psql('postgres', $connected) eq 't' })
		or die 'pgbench does not connect';
	return $load;
}

# Wait for its end; true if no client failed.
sub finish_load
{
	my ($load) = @_;

	$load->{run}->finish;
	return $load->{run}->result(0) == 0 && $load->{err} !~ /error|aborted/i;
}

# Start a vacuum that sleeps for $delay ms (100 at most) at every page, and wait
# until it is at the graph or the lists of an index.  Returns the session, or
# nothing if the vacuum has ended before it was met.
sub slow_vacuum
{
	my ($node, $table, $delay) = @_;
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	my $phase;

	$session->{stdin} .= "SET vacuum_cost_delay = $delay; SET vacuum_cost_limit = 1; VACUUM $table; SELECT 'done';\n";
	wait_until(sub {
		$session->{run}->pump_nb;
		$phase = vacuum_phase($node);
		$session->{stdout} =~ /done/ || $phase =~ /^cleaning up/ })
		or die 'vacuum does not come to the index';
	return $session if $phase =~ /^cleaning up/;
	$session->quit;
	return;
}

# The same, after SQL that makes the table; then $during is called, and if the
# vacuum is not at work any longer after that, all is done again, slower.
sub meet_vacuum
{
	my ($node, $table, $sql, $during) = @_;

	foreach my $delay (1, 10, 100)
	{
		$node->safe_psql('postgres', $sql);
		my $session = slow_vacuum($node, $table, $delay) // next;

		$during->();
		return $session if vacuum_phase($node) ne '';
		$session->quit;
	}
	return;
}

sub vacuum_phase
{
	my ($node) = @_;

	return $node->safe_psql('postgres', 'SELECT phase FROM pg_stat_progress_vacuum');
}

# End it early: by "cancel", or in one of the ways to crash.
sub end_vacuum
{
	my ($node, $session, $how) = @_;

	if ($how eq 'cancel')
	{
		$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_progress_vacuum});
		$session->query('SELECT 1');
		$session->quit;
	}
	else
	{
		crash($node, $how);
		eval { $session->quit };
	}
	return;
}

# Crash a server and start it again.  $how:
#   backend    a backend, $victim if given, is killed; the postmaster ends the
#              others and recovers
#   immediate  all are told to quit at once
#   kill       the postmaster and all of its children are killed
sub crash
{
	my ($node, $how, $victim) = @_;

	if ($how eq 'immediate')
	{
		$node->stop('immediate');
		$node->start;
	}
	elsif ($how eq 'kill')
	{
		# with the one that tells, which may not have ended yet
		my @pids = split /\n/, $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_activity');

		push @pids, $node->{_pid};
		$node->kill9;
		kill 'KILL', @pids;
		# the server cannot start while one of them, or one that was about to end,
		# is attached to its memory
		wait_until(sub { !grep { kill 0, $_ } @pids })
			or die 'killed processes do not end';
		wait_until(sub { $node->start(fail_ok => 1) })
			or die 'the server does not start';
	}
	elsif ($how eq 'backend')
	{
		my $offset = log_size($node);
		my ($pid) = $victim // split /\n/, $node->safe_psql(
			'postgres', q{SELECT pid FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
			ORDER BY state = 'active' DESC, random()});

		# without a client there is nobody to kill but the checkpointer
		$pid //= $node->safe_psql('postgres',
			q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'});
		# until the postmaster knows of it, it lets clients in
		wait_until(sub {
			PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset) =~ /terminated by signal 9/ })
			if kill 'KILL', $pid;
		# a psql that is refused may be gone before it gets its query: that dies
		wait_until(sub { eval { $node->psql('postgres', 'SELECT 1') == 0 } })
			or die 'the server does not recover';
	}
	else
	{
		die "unknown way to crash: $how";
	}
}

sub log_size
{
	my ($node) = @_;

	return -s $node->logfile // 0;
}

# What a log tells, one message each: its first line, and below that its
# details.
sub log_entries
{
	my ($log) = @_;
	my @entries;

	foreach my $line (split /\n/, $log)
	{
		if (@entries
			&& $line =~ /^(?:\t|\d{4}-\d\d-\d\d .*?\b(?:DETAIL|HINT|QUERY|CONTEXT|BACKTRACE|LOCATION|STATEMENT):  )/)
		{
			$entries[-1] .= "\n$line";
		}
		else
		{
			push @entries, $line;
		}
	}
	return @entries;
}

# Messages of the server's log from $offset on that tell of errors, but for
# those that $allowed matches in the first line, or is true for if it is a
# function.
sub log_errors
{
	my ($node, $offset, $allowed) = @_;
	my @entries = grep { /^.*(?:ERROR:|PANIC:|TRAP:|WARNING:|was terminated by|inconsistent page)/ }
		log_entries(PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset));

	# what every crash brings
	@entries = grep { !/^.*(?:terminated by signal 9|terminating connection because of crash)/ } @entries;
	if (ref $allowed eq 'CODE')
	{
		@entries = grep { !$allowed->($_) } @entries;
	}
	elsif (defined $allowed)
	{
		@entries = grep { !/^.*$allowed/ } @entries;
	}
	return join "\n", @entries;
}

1;
