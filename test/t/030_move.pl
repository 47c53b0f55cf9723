# Moving over from pgvector: by dump and restore in both directions, and in
# place, by putting this library where pgvector's was.
#
# With pgvector itself where tools/run-tests.sh found it (PGVECTOR_CONFIG names
# the pg_config of a copy of the server that has it); else with its catalog as
# our own install script makes it, without what is ours alone, and with index
# files that carry pgvector's marks.

use strict;
use warnings FATAL => 'all';

use Cwd qw(getcwd);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

my $real = $ENV{PGVECTOR_CONFIG};
my $top = getcwd();
my $share = output_of($real // 'pg_config', '--sharedir') . '/extension';

plan skip_all => "cannot write to $share" unless -w $share;
plan skip_all => 'not in the top directory of the sources' unless -f "$top/sql/from_pgvector.sql";

sub output_of { my ($out) = run_command([@_]); return $out; }

sub write_file
{
	my ($path, $bytes) = @_;

	open my $file, '>:raw', $path or die "$path: $!";
	print $file $bytes;
	close $file or die "$path: $!";
	return;
}

# Test that two texts are equal; say which lines differ.
sub same
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($got, $expected, $name) = @_;
	my %got = map { $_ => 1 } split /\n/, $got;
	my %expected = map { $_ => 1 } split /\n/, $expected;

	return ok($got eq $expected, $name)
		|| diag(join "\n", (map { "- $_" } grep { !$got{$_} } sort keys %expected),
			(map { "+ $_" } grep { !$expected{$_} } sort keys %got));
}

# ------------------------------------------------------------------------
# What moves
# ------------------------------------------------------------------------

# Tables of every type and of what is made of the types.
my $tables = q{
CREATE DOMAIN direction AS vector(3) CHECK (vector_norm(VALUE) > 0);
CREATE TYPE labelled AS (label text, v vector(2));
CREATE TABLE item (
	id int PRIMARY KEY,
	v vector(3) NOT NULL DEFAULT '[1,2,3]' CHECK (v <> '[9,9,9]'),
	h halfvec(3),
	s sparsevec(4),
	b bit(8),
	d direction,
	vs vector(2)[],
	l labelled,
	any_v vector,
	any_h halfvec,
	any_s sparsevec,
	half halfvec(3) GENERATED ALWAYS AS (v::halfvec(3)) STORED,
	category int,
	UNIQUE (v, id));
INSERT INTO item (id, v, h, s, b, d, vs, l, any_v, any_h, any_s, category)
SELECT n, a, a::vector::halfvec, (a || 0::real)::sparsevec(4), n::bit(8), ARRAY[n, 1, 2]::vector,
	ARRAY[ARRAY[n, 0]::vector, '[0,1]', NULL], ROW('x', ARRAY[0, n]::vector)::labelled,
	array_fill(n::real, ARRAY[n])::vector, ARRAY[n]::halfvec,
	format('{%s:%s}/1000000', n, n)::sparsevec, n % 4
FROM (SELECT n, ARRAY[n, n * n % 101, 300 - n]::real[] AS a FROM generate_series(1, 120) n) x;
INSERT INTO item (id) VALUES (1000);
INSERT INTO item (id, v) VALUES (1001, '[1e-40,-0,250.5]');
CREATE INDEX item_btree ON item (h, s);
CREATE VIEW near AS SELECT id, v <-> '[1,2,3]' AS distance FROM item ORDER BY v <-> '[1,2,3]' LIMIT 3;
CREATE MATERIALIZED VIEW average AS SELECT category, avg(v) AS v, sum(h) AS h FROM item GROUP BY 1;
CREATE FUNCTION nearest(q vector) RETURNS int LANGUAGE sql
	BEGIN ATOMIC SELECT id FROM item ORDER BY v <-> q LIMIT 1; END;
CREATE TABLE part (id int, v vector(3)) PARTITION BY RANGE (id);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (60);
CREATE TABLE part_2 PARTITION OF part DEFAULT;
INSERT INTO part SELECT id, v FROM item WHERE id <= 120;
CREATE UNLOGGED TABLE scratch AS SELECT id, v::vector(3) FROM item WHERE id <= 120;
CREATE TABLE changing AS SELECT id, v::vector(3) FROM item WHERE id <= 120;
CREATE TABLE listed AS TABLE changing;
CREATE TABLE calm AS TABLE changing;
};

# Indexes: name, table, access method, key, operator class, options, condition;
# and the ORDER BY that they serve.
my @indexes = (
	[ 'hnsw_l2', 'item', 'hnsw', 'v', 'vector_l2_ops', 'm = 8, ef_construction = 32', '', q{v <-> '[7,7,7]'} ],
	[ 'hnsw_cosine', 'item', 'hnsw', 'v', 'vector_cosine_ops', '', '', q{v <=> '[7,8,9]'} ],
	[ 'hnsw_ip', 'item', 'hnsw', 'v', 'vector_ip_ops', '', '', q{v <#> '[7,1,5]'} ],
	[ 'hnsw_l1', 'item', 'hnsw', 'v', 'vector_l1_ops', '', '', q{v <+> '[70,7,7]'} ],
	[ 'hnsw_half', 'item', 'hnsw', 'h', 'halfvec_cosine_ops', '', '', q{h <=> '[70,7,7]'} ],
	[ 'hnsw_cast', 'item', 'hnsw', '(v::halfvec(3))', 'halfvec_l2_ops', '', '', q{v::halfvec(3) <-> '[9,8,7]'} ],
	[ 'hnsw_part', 'item', 'hnsw', 'half', 'halfvec_l2_ops', '', 'category = 1', q{half <-> '[9,8,7]'}, 'category = 1' ],
	[ 'hnsw_bit', 'item', 'hnsw', 'b', 'bit_hamming_ops', '', '', q{b <~> B'00000000'}, ],
	[ 'hnsw_quantized', 'item', 'hnsw', '(binary_quantize(v)::bit(3))', 'bit_jaccard_ops', '', '', q{binary_quantize(v)::bit(3) <%> B'111'} ],
	[ 'hnsw_sparse', 'item', 'hnsw', 's', 'sparsevec_l2_ops', 'm = 5', '', q{s <-> '{1:7,3:1}/4'} ],
	[ 'hnsw_partitioned', 'part', 'hnsw', 'v', 'vector_l2_ops', '', '', q{v <-> '[7,7,7]'} ],
	[ 'hnsw_changing', 'changing', 'hnsw', 'v', 'vector_cosine_ops', '', '', q{v <=> '[7,7,7]'} ],
	[ 'hnsw_unlogged', 'scratch', 'hnsw', 'v', 'vector_l2_ops', '', '', q{v <-> '[7,7,7]'} ],
	[ 'ivf_l2', 'item', 'ivfflat', 'v', 'vector_l2_ops', 'lists = 2', '', q{v <-> '[7,7,7]'} ],
	[ 'ivf_cosine', 'item', 'ivfflat', 'v', 'vector_cosine_ops', 'lists = 2', '', q{v <=> '[7,8,9]'} ],
	[ 'ivf_half', 'item', 'ivfflat', 'h', 'halfvec_ip_ops', 'lists = 1', '', q{h <#> '[7,8,9]'} ],
	[ 'ivf_bit', 'item', 'ivfflat', 'b', 'bit_hamming_ops', 'lists = 1', '', q{b <~> B'00000000'} ],
	[ 'ivf_listed', 'listed', 'ivfflat', 'v', 'vector_cosine_ops', 'lists = 1', '', q{v <=> '[7,7,7]'} ],
	[ 'ivf_calm', 'calm', 'ivfflat', 'v', 'vector_l2_ops', 'lists = 1', '', q{v <-> '[7,7,7]'} ],
	[ 'ivf_unlogged', 'scratch', 'ivfflat', 'v', 'vector_ip_ops', 'lists = 1', '', q{v <#> '[7,7,7]'} ]);

sub make_indexes
{
	return join '', map {
		my ($name, $table, $am, $key, $opclass, $options, $condition) = @$_;

		"CREATE INDEX $name ON $table USING $am ($key $opclass)"
			. ($options ? " WITH ($options)" : '') . ($condition ? " WHERE $condition" : '') . ';';
	} @indexes;
}

# All rows and what is derived from them, in a form that does not depend on the server.
sub contents
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, q{
		SELECT md5(string_agg(i::text, E'\n' ORDER BY id)), count(*) FROM item i;
		SELECT * FROM near;
		SELECT * FROM average ORDER BY 1;
		SELECT nearest('[50,50,50]');
		SELECT md5(string_agg(p::text, E'\n' ORDER BY id)) FROM part p;
		SELECT md5(string_agg(p::text, E'\n' ORDER BY id)) FROM scratch p;
		SELECT id FROM item WHERE v >= '[5,1,1]' ORDER BY v LIMIT 3;
		SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
		 WHERE attrelid = 'item'::regclass AND attnum > 0 ORDER BY attnum;
		SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'later' ORDER BY indexname;
		SELECT relname, reloptions FROM pg_class
		 WHERE relnamespace = 'public'::regnamespace AND reloptions IS NOT NULL ORDER BY 1;});
}

# The answer to each index's query: the distances of the nearest rows.
# The settings make the answers of so few rows exact.
sub answers
{
	my ($node, $db, $settings) = @_;
	my $sql = "LOAD 'vector'; SET hnsw.ef_search = 1000; SET ivfflat.probes = 10; $settings;";

	foreach my $index (@indexes)
	{
		my ($name, $table, $order, $condition) = (@$index)[ 0, 1, 7, 8 ];
		my $where = $condition ? "WHERE $condition" : '';
		my ($distance) = $order;

		$sql .= "SELECT '$name', string_agg(round(d::numeric, 3)::text, ' ') FROM
			(SELECT $distance AS d FROM $table $where ORDER BY $order LIMIT 5) x;";
	}
	return $node->safe_psql($db, $sql);
}

# Which of our indexes the planner takes for its query when nothing is cheaper.
# Several indexes may serve one query, so the others are dropped for a moment.
sub usable
{
	my ($node, $db) = @_;
	my @usable;

	foreach my $index (@indexes)
	{
		my ($name, $table, $order, $condition) = (@$index)[ 0, 1, 7, 8 ];
		my $where = $condition ? "WHERE $condition" : '';
		my @rivals = grep { $_ ne $name } map { $_->[0] } @indexes;
		my $rivals = join ', ', map { "'$_'" } @rivals;
		my $plan = $node->safe_psql($db, qq{
			SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off;
			BEGIN;
			DO \$\$ DECLARE i regclass; BEGIN
				FOR i IN SELECT oid FROM pg_class WHERE relname IN ($rivals) LOOP
					EXECUTE 'DROP INDEX ' || i; END LOOP; END \$\$;
			EXPLAIN (COSTS OFF) SELECT id FROM $table $where ORDER BY $order LIMIT 5;
			ROLLBACK;});
		push @usable, $name if $plan =~ /Index Scan using (?:$name|part_\d_\w*idx) on/;
	}
	return join ' ', @usable;
}

my $all_indexes;
my $seqscan = 'SET enable_indexscan = off; SET enable_bitmapscan = off';
my $indexscan = 'SET enable_seqscan = off; SET enable_sort = off';

# The catalog as test/compat/catalog.sql shows it, with what that leaves out.
sub catalog
{
	my ($node, $db) = @_;
	my ($out, $err) = ('', '');

	$node->psql($db, slurp_file("$top/test/compat/catalog.sql"),
		stdout => \$out, stderr => \$err, on_error_die => 1);
	return "$out\n" . $node->safe_psql($db, q{
		SELECT 'member', pg_describe_object(d.classid, d.objid, 0), d.deptype,
			obj_description(d.objid, d.classid::regclass::name)
		FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
		WHERE d.refclassid = 'pg_extension'::regclass AND e.extname = 'vector' ORDER BY 2;
		SELECT 'depends', pg_describe_object(d.classid, d.objid, 0),
			pg_describe_object(d.refclassid, d.refobjid, 0), d.deptype
		FROM pg_depend d JOIN pg_depend m ON m.classid = d.classid AND m.objid = d.objid AND m.deptype = 'e'
		JOIN pg_extension e ON m.refobjid = e.oid AND m.refclassid = 'pg_extension'::regclass
		WHERE e.extname = 'vector' ORDER BY 2, 3;
		SELECT 'symbol', p.oid::regprocedure, prosrc, probin FROM pg_proc p
		WHERE probin LIKE '%vector%' ORDER BY p.oid::regprocedure::text;
		SELECT 'rights', objoid::regprocedure, initprivs FROM pg_init_privs
		WHERE classoid = 'pg_proc'::regclass AND privtype = 'e' ORDER BY 2;
		SELECT 'extension', extname, extversion, extrelocatable, obj_description(oid, 'pg_extension')
		FROM pg_extension WHERE extname = 'vector';});
}

# ------------------------------------------------------------------------
# pgvector's side
# ------------------------------------------------------------------------

# Our install script without what is ours alone is pgvector's catalog.
my ($contract_parts) = slurp_file("$top/Makefile") =~ /^CONTRACT_PARTS = (.*)$/m;
my ($versions) = slurp_file("$top/Makefile") =~ /^PGVECTOR_VERSIONS = (.*)$/m;
my @versions = split ' ', $versions;
my ($our_version) = slurp_file("$top/vector.control") =~ /^default_version = '(.*)'/m;

if (!$real)
{
	my $script = join "\n", map { slurp_file("$top/$_") } split ' ', $contract_parts;

	$script =~ s/^\tHASHES,\n//mg;
	write_file("$share/vector--$versions[0].sql", $script);
}

my $ours = new_node('ours');
my $old;
my $old_version = $versions[0];

if ($real)
{
	$old = PostgreSQL::Test::Cluster->new('old', install_path => dirname(output_of($real, '--bindir')));
	$old->init;
	$old->append_conf('postgresql.conf', "jit = off\nautovacuum = off\nmax_prepared_transactions = 0\n");
	$old->start;
	($old_version) = $old->safe_psql('postgres',
		q{SELECT default_version FROM pg_available_extensions WHERE name = 'vector'});
	note "pgvector $old_version";
}
else
{
	$old = new_node('old');
}

sub make_old_database
{
	my ($db, $version) = @_;

	$old->safe_psql('postgres', "CREATE DATABASE $db");
	$old->safe_psql($db, "CREATE EXTENSION vector VERSION '$old_version'");
	# the scripts for all versions start from the same catalog
	$old->safe_psql($db, "UPDATE pg_extension SET extversion = '$version' WHERE extname = 'vector'")
		if $version ne $old_version;
	return;
}

# Only what this build has; all of it is in test/compat/catalog.txt.
my %have = map { $_ => 1 } split /\n/, $ours->safe_psql('postgres',
	'SELECT amname || opcname FROM pg_opclass c JOIN pg_am a ON a.oid = opcmethod');
my @missing = grep { !$have{ $_->[2] . $_->[4] } } @indexes;
@indexes = grep { $have{ $_->[2] . $_->[4] } } @indexes;
note 'left out, not in this build: ', join ' ', map { $_->[0] } @missing if @missing;
$all_indexes = join ' ', map { $_->[0] } @indexes;

make_old_database('app', $old_version);
$old->safe_psql('app', $tables . make_indexes() . 'ANALYZE');
my $old_contents = contents($old, 'app');
my $old_answers = answers($old, 'app', $seqscan);

if (!$real)
{
	my %recorded = map { $_ => 1 } grep { /^\w/ && !/^(members|extension|setting) / }
		split /\n/, slurp_file("$top/test/compat/catalog.txt");
	my @more = grep { /^\w+ \w+=/ && !/^(members|extension|setting) / && !$recorded{$_} }
		split /\n/, (catalog($old, 'app') =~ s/^member\|.*//msr);

	is(join("\n", @more), '', 'the parts of the install script that pgvector has have nothing else');
}

# With pgvector's catalog and our library everything is as with pgvector.
SKIP:
{
	skip 'pgvector itself is there', 2 if $real;
	my ($result, $complaints) = run_command([ 'bash', "$top/test/compat/run.sh",
		PostgreSQL::Test::Utils::tempdir_short() . '/compat', output_of('which', 'pg_config'), $old_version ]);

	skip 'nothing was recorded for this version of PostgreSQL', 2 if $result =~ /^1\.\.0/;
	same(join("\n", grep { !/^(?:ok|1\.\.)/ } split /\n/, $result), '',
		"pgvector's catalog, our library: results are those of pgvector");
	like($result, qr/^ok 1 /m, 'and there are results');
	diag $complaints if $complaints;
}

# Statements on tables with such indexes, before and after the update.
sub check_foreign
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($node, $when) = @_;
	my $out_of_date = qr/was made by pgvector and has to be rebuilt/;

	same(contents($node, 'app'), $old_contents, "$when: rows and definitions are what they were");
	same(answers($node, 'app', 'SET enable_seqscan = off'), $old_answers, "$when: queries go on, without the indexes");
	is(usable($node, 'app'), '', "$when: the planner takes none of them");

	# the first row is far from where the queries look
	$node->safe_psql('app', "DELETE FROM $_ WHERE id = (SELECT min(id) FROM $_)") foreach qw(changing listed);
	foreach my $command (
		q{INSERT INTO part VALUES (7, '[1,1,1]')},
		q{UPDATE scratch SET v = '[1,1,1]' WHERE id = 2},
		(map { ("INSERT INTO $_ VALUES (7, '[1,1,1]')", "VACUUM $_") } qw(changing listed)))
	{
		my ($status, $out, $err) = $node->psql('app', "\\set VERBOSITY verbose\n$command");

		like($err, qr/^psql:.*ERROR:  55000: index "\w+" $out_of_date/, "$when: refused: $command");
		like($err, qr/HINT:  Rebuild it with "REINDEX INDEX public\.\w+"/, "$when: with the remedy");
	}
	is($node->psql('app', 'VACUUM (INDEX_CLEANUP off) changing, listed'), 0, "$when: VACUUM without index cleanup works");
	is($node->psql('app', 'ANALYZE'), 0, "$when: ANALYZE works");

	foreach my $table (qw(part_2 calm))
	{
		my ($status, $out, $err) = $node->psql('app', "VACUUM (FREEZE) $table");

		is($status, 0, "$when: VACUUM of $table, without dead rows, works");
		like($err, qr/WARNING:  index "\w+" $out_of_date/, "$when: and warns");
	}
	return;
}

# ------------------------------------------------------------------------
# Dump and restore
# ------------------------------------------------------------------------

# The dump is made and restored by the programs of the newer of two servers,
# which are the same here.
sub dump_and_restore
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($from, $from_db, $to, $to_db, $format) = @_;
	my $file = "$PostgreSQL::Test::Utils::tmp_check/$to_db.dump";

	$to->safe_psql('postgres', "CREATE DATABASE $to_db");
	$from->command_ok([ 'pg_dump', '-F', $format, '-f', $file, $from_db ], "pg_dump of $from_db, format $format");
	if ($format eq 'p')
	{
		$to->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $to_db, '-f', $file ], "restore into $to_db");
	}
	else
	{
		$to->command_ok([ 'pg_restore', '--exit-on-error', '-d', $to_db, $file ], "restore into $to_db");
	}
	return;
}

dump_and_restore($old, 'app', $ours, 'from_old', 'p');
same(contents($ours, 'from_old'), $old_contents, 'restored here: rows, definitions and options as in pgvector');
$ours->safe_psql('from_old', 'ANALYZE');
is(usable($ours, 'from_old'), $all_indexes, 'restored here: every index serves its query');
same(answers($ours, 'from_old', $indexscan), $old_answers, 'restored here: the answers are those of pgvector');
is($ours->safe_psql('from_old', 'SELECT extversion FROM pg_extension WHERE extname = \'vector\''),
	$our_version, 'restored here: our version');

SKIP:
{
	skip 'no pgvector for this version of PostgreSQL', 5 unless $real;
	dump_and_restore($ours, 'from_old', $old, 'back', 'c');
	same(contents($old, 'back'), $old_contents, 'back in pgvector: rows, definitions and options as before');
	is(usable($old, 'back'), $all_indexes, 'back in pgvector: every index serves its query');
	# its graph under inner product does not reach all of so few rows
	same(answers($old, 'back', $indexscan) =~ s/^hnsw_ip.*\n//mr, $old_answers =~ s/^hnsw_ip.*\n//mr,
		'back in pgvector: the answers are the same');
}

# ------------------------------------------------------------------------
# pg_upgrade: the new server has our library
# ------------------------------------------------------------------------
my $upgraded = PostgreSQL::Test::Cluster->new('upgraded');

$upgraded->init;
$upgraded->append_conf('postgresql.conf', "jit = off\nautovacuum = off\n");
$old->safe_psql('postgres', 'DROP DATABASE IF EXISTS back');
$old->stop;
chdir $PostgreSQL::Test::Utils::tmp_check or die;
command_ok([
		'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $upgraded->data_dir,
		'-b', output_of($real // 'pg_config', '--bindir'), '-B', output_of('pg_config', '--bindir'),
		'-s', $upgraded->host, '-p', $old->port, '-P', $upgraded->port ], 'pg_upgrade');
chdir $top or die;
$upgraded->start;
same(contents($upgraded, 'app'), $old_contents, 'pg_upgrade: rows and definitions are what they were');
$upgraded->safe_psql('app', 'ANALYZE');
check_foreign($upgraded, 'pg_upgrade') if $real;
$upgraded->safe_psql('app', 'ALTER EXTENSION vector UPDATE');
same(catalog($upgraded, 'app'), catalog($ours, 'postgres'), 'pg_upgrade: updated, the catalog is that of a new install');
$upgraded->safe_psql('app', 'REINDEX DATABASE app');
is(usable($upgraded, 'app'), $all_indexes, 'pg_upgrade: rebuilt, every index serves its query');
same(answers($upgraded, 'app', $indexscan), $old_answers, 'pg_upgrade: the answers are those of pgvector');
$upgraded->stop;
$old->start;

# ------------------------------------------------------------------------
# In place: the library is another one, the databases are what they were
# ------------------------------------------------------------------------

# An index file as pgvector's, as far as one can tell without its format.
sub foreign_file
{
	my ($am) = @_;
	my ($mark, $magic) = $am eq 'hnsw' ? (0xFF90, 0xA953A953) : (0xFF84, 0x014FF1A7);
	my $file = '';

	foreach my $block (0 .. 2)
	{
		my $content = $block == 0 ? pack('L2', $magic, 1) : '';

		$content .= pack('C*', map { int(rand(256)) } length($content) + 1 .. 200);
		# LSN, checksum, flags, lower, upper, special, size and version, prune XID
		$file .= pack('L2S6L', 0, 0, 0, 0, 24 + 200, 8184, 8184, 8192 | 4, 0) . $content;
		$file .= "\0" x (8184 - 24 - 200) . pack('LS2', 0xFFFFFFFF, 0, $mark);
	}
	return $file;
}

my @files = split /\n/, $old->safe_psql('app', q{
	SELECT amname, pg_relation_filepath(c.oid), relpersistence
	FROM pg_class c JOIN pg_am a ON a.oid = relam
	WHERE amname IN ('hnsw', 'ivfflat') AND relkind = 'i'});
$old->stop;
if ($real)
{
	command_ok([ 'make', '-s', '-C', $top, 'install', "PG_CONFIG=$real" ], 'make install over pgvector');
}
else
{
	foreach my $file (@files)
	{
		my ($am, $path, $persistence) = split /\|/, $file;

		$path = $old->data_dir . "/$path";
		write_file($path, foreign_file($am));
		write_file("${path}_init", substr(foreign_file($am), 0, 8192)) if $persistence eq 'u';
	}
	disable_checksums($old);
}
$old->start;

check_foreign($old, 'without update');

# What is not an index works with our library and pgvector's catalog, too.
is($old->safe_psql('app', q{SELECT extversion FROM pg_extension WHERE extname = 'vector'}),
	$old_version, 'the catalog is still that of pgvector');
same(answers($old, 'app', $seqscan), $old_answers, 'without update: all operators work');

# A table made now gets indexes that work.
$old->safe_psql('app', q{CREATE TABLE later AS SELECT id, v::vector(3) FROM item WHERE id <= 120;
	CREATE INDEX later_v ON later USING hnsw (v vector_l2_ops);});
like($old->safe_psql('app', q{SET enable_seqscan = off; EXPLAIN SELECT id FROM later ORDER BY v <-> '[1,1,1]' LIMIT 1}),
	qr/Index Scan using later_v/, 'without update: a new index serves queries');

# ------------------------------------------------------------------------
# ALTER EXTENSION ... UPDATE
# ------------------------------------------------------------------------

my $fresh = catalog($ours, 'postgres');

is($ours->safe_psql('postgres', q{
		SELECT pg_describe_object(d.classid, d.objid, 0)
		FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
		WHERE d.refclassid = 'pg_extension'::regclass AND e.extname = 'vector' AND d.deptype = 'e'
		AND d.classid IN ('pg_type'::regclass, 'pg_proc'::regclass, 'pg_operator'::regclass, 'pg_am'::regclass)
		AND d.objid NOT IN (SELECT typarray FROM pg_type)
		AND obj_description(d.objid, d.classid::regclass::name) IS NULL}),
	'', 'everything has a comment, so the scripts replace those of pgvector');

# A prepared statement lives through it.
my $session = $old->background_psql('app') if $old->can('background_psql');
$session->query_safe(q{PREPARE pairs AS SELECT count(*) FROM item a JOIN item b ON a.v = b.v; EXECUTE pairs})
	if $session && $session->can('query_safe');
$old->safe_psql('app', 'ALTER EXTENSION vector UPDATE');
is($session->query_safe('EXECUTE pairs'), '122', 'a statement that was prepared before works')
	if $session && $session->can('query_safe');
$session->quit if $session;

same(catalog($old, 'app'), $fresh, 'updated: the catalog is that of a new install');
check_foreign($old, 'updated');
$old->stop('immediate');
$old->start;
is(usable($old, 'app'), '', 'after a crash: indexes of unlogged tables are still those of pgvector');
$old->safe_psql('app', q{INSERT INTO later SELECT 1000, '[1,1,1]'});

foreach my $version (@versions)
{
	make_old_database("v", $version);
	$old->safe_psql('v', 'ALTER EXTENSION vector UPDATE');
	same(catalog($old, 'v'), $fresh, "updated from $version: the catalog is that of a new install");
	$old->safe_psql('postgres', 'DROP DATABASE v');
}

# ------------------------------------------------------------------------
# REINDEX, as the README says
# ------------------------------------------------------------------------

my @reindex = split /\n/, $old->safe_psql('app', q{
	SELECT format('REINDEX INDEX CONCURRENTLY %s', c.oid::regclass)
	  FROM pg_class c JOIN pg_am a ON a.oid = c.relam
	 WHERE a.amname IN ('hnsw', 'ivfflat') AND c.relkind = 'i'});
$reindex[0] =~ s/CONCURRENTLY //;
foreach my $statement (@reindex)
{
	is($old->psql('app', $statement), 0, $statement);
}
# the crash has emptied it
$old->safe_psql('app', 'INSERT INTO scratch SELECT id, v FROM item WHERE id <= 120; ANALYZE');
is(usable($old, 'app'), $all_indexes, 'rebuilt: every index serves its query');
same(answers($old, 'app', $indexscan), $old_answers, 'rebuilt: the answers are those of pgvector');
same(contents($old, 'app'), $old_contents, 'rebuilt: rows and definitions are what they were');
is($old->psql('app', q{
	SELECT hnsw_verify(c.oid) FROM pg_class c JOIN pg_am a ON a.oid = c.relam
	WHERE amname = 'hnsw' AND relkind = 'i'}), 0, 'rebuilt: the indexes are sound');
is($old->psql('app', q{INSERT INTO part VALUES (7, '[1,1,1]'); DELETE FROM part WHERE id = 7 AND v = '[1,1,1]';
	UPDATE item SET v = v + '[0,0,1]' WHERE id = 3; DELETE FROM scratch}), 0, 'rebuilt: rows come and go');
is($old->psql('app', 'VACUUM'), 0, 'rebuilt: VACUUM works');
$old->stop('immediate');
$old->start;
is($old->safe_psql('app', q{SET enable_seqscan = off; SELECT count(*) FROM (SELECT FROM scratch ORDER BY v <-> '[1,1,1]') x}),
	'0', 'rebuilt: an unlogged index is empty after a crash, and works');
is(usable($old, 'app'), $all_indexes, 'rebuilt: and so do all others');

$old->stop;
$ours->stop;
done_testing();
