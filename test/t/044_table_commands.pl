# Commands that rewrite, move, empty, copy or drop tables leave indexes that
# agree with them; so do transactions that are prepared, undone, or run without
# WAL.

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use VectorTest;

my $seed = test_seed();
my $node = new_node(
	'commands',
	conf => q{
wal_level = minimal
max_wal_senders = 0
max_prepared_transactions = 10
allow_in_place_tablespaces = on
wal_consistency_checking = generic
});

# An index of each access method, told apart by their operators
my $items = { name => 'items', kind => 'clusters', opclass => 'vector_l2_ops', dims => 12 };
my %by_lists = (opclass => 'vector_cosine_ops', am => 'ivfflat');

# Does each index of a table agree with it?
sub both_agree
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($table, $what, $far_allowed) = @_;

	agree($node, $table, $what, $far_allowed);
	return agree($node, { %$table, %by_lists }, "ivfflat, $what", $far_allowed);
}

sub rows
{
	my ($t, $first, $last) = @_;

	return "INSERT INTO $t->{name} (id, v) SELECT n, make_vector('clusters', n, $t->{dims}, $seed) FROM generate_series($first, $last) n;";
}

# Run a command, then see that the index agrees and goes on to work.
sub after
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($sql) = @_;

	$node->safe_psql('postgres', $sql);
	both_agree($items, $sql);
	$node->safe_psql('postgres', qq{
		DELETE FROM items WHERE id % 40 = 1;
		@{[ rows($items, 10001, 10020) ]}
		VACUUM items;});
	both_agree($items, "$sql, then changes");
	crash($node, 'immediate');
	both_agree($items, "$sql, then a crash");
	$node->safe_psql('postgres', 'DELETE FROM items WHERE id > 10000');
}

$node->safe_psql('postgres', qq{
	CREATE TABLESPACE place LOCATION '';
	CREATE TABLE items (id serial, v vector(12), note text);
	@{[ rows($items, 1, 900) ]}
	CREATE INDEX items_id ON items (id);
	CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops) WITH (m = 6);
	CREATE INDEX items_lists ON items USING ivfflat (v vector_cosine_ops);});

after($_) foreach (
	'CLUSTER items USING items_id',
	'VACUUM (FULL, ANALYZE) items',
	'ALTER TABLE items SET TABLESPACE place',
	'ALTER INDEX items_v SET TABLESPACE place',
	'ALTER TABLE items SET UNLOGGED; ALTER TABLE items SET LOGGED',
	'ALTER TABLE items ADD filler float DEFAULT random()',
	'ALTER TABLE items ALTER v TYPE vector',
	'ALTER TABLE items ALTER v TYPE vector(12)',
	'ALTER TABLE items ALTER v TYPE vector(12) USING (v + v)',
	'ALTER TABLE items RENAME v TO w; ALTER TABLE items RENAME w TO v; ALTER INDEX items_v RENAME TO items_vector',
	'ALTER TABLE items DROP note',
	'REINDEX (TABLESPACE pg_default) TABLE items',
	'DROP INDEX items_vector; CREATE INDEX items_v ON items USING hnsw (v vector_l2_ops)');

# A type that the operator class does not take is refused, and changes nothing.
my (undef, undef, $error) = $node->psql('postgres', 'ALTER TABLE items ALTER v TYPE halfvec(12)');
like($error, qr/operator class "vector_\w+_ops" does not accept data type halfvec/, 'another type is refused');
both_agree($items, 'another type is refused');

# Copies of the table
$node->safe_psql('postgres', q{
	CREATE TABLE copied AS TABLE items;
	CREATE INDEX ON copied USING hnsw (v vector_l2_ops);
	CREATE INDEX ON copied USING ivfflat (v vector_cosine_ops);
	CREATE TABLE alike (LIKE items INCLUDING ALL);
	INSERT INTO alike SELECT * FROM items;});
both_agree({ %$items, name => $_ }, 'copy') foreach qw(copied alike);
is( $node->safe_psql('postgres', q{SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'copied'::regclass AND attname = 'v'}),
	'vector(12)', 'CREATE TABLE AS keeps the dimensions');

# Emptied and filled again
$node->safe_psql('postgres', 'TRUNCATE items RESTART IDENTITY');
both_agree($items, 'TRUNCATE');
$node->safe_psql('postgres', q{INSERT INTO items (v) SELECT v FROM copied});
is($node->safe_psql('postgres', 'SELECT min(id) FROM items'), '1', 'TRUNCATE ... RESTART IDENTITY');
both_agree($items, 'TRUNCATE, then inserts');

# What is undone leaves no trace.
foreach my $sql (
	'TRUNCATE items; ' . rows($items, 1, 50),
	'REINDEX INDEX items_v',
	'DROP INDEX items_v; CREATE INDEX items_v ON items USING hnsw (v vector_cosine_ops)',
	'ALTER TABLE items ALTER v TYPE vector(12) USING (v + v)',
	'DELETE FROM items; ' . rows($items, 1, 100),
	'DROP EXTENSION vector CASCADE')
{
	$node->safe_psql('postgres', "BEGIN; SET LOCAL client_min_messages = error; $sql; ROLLBACK");
	both_agree($items, 'undone: ' . substr($sql, 0, 40));
}

# The same transaction makes a table, its index, and more rows; with wal_level
# minimal that is not logged, but written out at commit or, if it is little,
# logged then (wal_skip_threshold).
foreach my $threshold ('0', '1GB')
{
	my $t = { %$items, name => 'made_' . lc $threshold };

	$node->safe_psql('postgres', qq{
		SET wal_skip_threshold = '$threshold';
		BEGIN;
		CREATE TABLE $t->{name} (id int, v vector(12));
		@{[ rows($t, 1, 300) ]}
		CREATE INDEX ON $t->{name} USING hnsw (v vector_l2_ops);
		CREATE INDEX ON $t->{name} USING ivfflat (v vector_cosine_ops);
		@{[ rows($t, 301, 900) ]}
		DELETE FROM $t->{name} WHERE id % 3 = 0;
		COMMIT;});
	crash($node, 'immediate');
	both_agree($t, "made in one transaction, wal_skip_threshold $threshold, then a crash");
	$node->safe_psql('postgres', qq{
		SET wal_skip_threshold = '$threshold';
		BEGIN;
		TRUNCATE $t->{name};
		@{[ rows($t, 1, 500) ]}
		REINDEX TABLE $t->{name};
		@{[ rows($t, 501, 800) ]}
		COMMIT;});
	crash($node, 'immediate');
	both_agree($t, "emptied in one transaction, wal_skip_threshold $threshold, then a crash");
}

# Prepared transactions: inserts wait through a crash and a vacuum for their end.
# Meanwhile their locks keep hnsw_verify out, so only searches are compared.
my $same = 'lost=0 extra=0 disorder=0 far=0';
$node->safe_psql('postgres', "BEGIN; @{[ rows($items, 20001, 20200) ]} DELETE FROM items WHERE id < 100; PREPARE TRANSACTION 'kept'");
$node->safe_psql('postgres', "BEGIN; @{[ rows($items, 30001, 30200) ]} DELETE FROM items WHERE id BETWEEN 200 AND 300; PREPARE TRANSACTION 'undone'");
$node->safe_psql('postgres', "BEGIN; CREATE TABLE prepared (id int, v vector(12)); CREATE INDEX ON prepared USING hnsw (v vector_l2_ops);
	CREATE INDEX ON prepared USING ivfflat (v vector_cosine_ops);
	@{[ rows({ %$items, name => 'prepared' }, 1, 200) ]} PREPARE TRANSACTION 'made'");
my $count = $node->safe_psql('postgres', 'SELECT count(*) FROM items');
is(index_state($node, $_), $same, 'transactions are prepared') foreach $items, { %$items, %by_lists };
$node->safe_psql('postgres', rows($items, 40001, 40100));
crash($node, 'immediate');
$node->safe_psql('postgres', 'VACUUM items');
is(index_state($node, $_), $same, 'they are, still, after a crash and a vacuum') foreach $items, { %$items, %by_lists };
is($node->safe_psql('postgres', 'SELECT count(*) FROM items'), $count + 100, 'their rows are not visible');
$node->safe_psql('postgres', "COMMIT PREPARED 'kept'");
$node->safe_psql('postgres', "ROLLBACK PREPARED 'undone'");
$node->safe_psql('postgres', "COMMIT PREPARED 'made'");
is($node->safe_psql('postgres', 'SELECT count(*) FROM items'), $count + 100 + 200 - 99, 'now those of one are');
both_agree($_, 'transactions have ended', 1) foreach $items, { %$items, name => 'prepared' };
$node->safe_psql('postgres', 'VACUUM items');
$node->safe_psql('postgres', rows($items, 50001, 50300));
both_agree($items, 'transactions have ended, then vacuum and inserts', 1);
crash($node, 'immediate');
both_agree($_, 'transactions have ended, then a crash', 1) foreach $items, { %$items, name => 'prepared' };

# Without the extension its columns are gone, and the rest of the tables stays.
$node->safe_psql('postgres', 'SET client_min_messages = error; DROP EXTENSION vector CASCADE');
is( $node->safe_psql('postgres', q{SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
	WHERE attrelid = 'items'::regclass AND attnum > 0 AND NOT attisdropped}),
	'id filler', 'DROP EXTENSION CASCADE drops its columns');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_index WHERE indrelid IN ('items'::regclass, 'copied'::regclass)}),
	'1', 'and indexes');
$node->safe_psql('postgres', q{VACUUM FULL items; CREATE EXTENSION vector; ALTER TABLE items ADD v vector(12);
	UPDATE items SET v = (SELECT array_agg(id * d) FROM generate_series(1, 12) d)::vector;
	CREATE INDEX ON items USING hnsw (v vector_l2_ops)});
is( $node->safe_psql('postgres', q{SET enable_seqscan = off; SELECT count(*) FROM (SELECT FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 5) s}),
	'5', 'it can be created again');

is(log_errors($node, 0, qr/does not accept data type/), '', 'no other errors and warnings');
$node->stop;
done_testing();
