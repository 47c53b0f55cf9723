// pg.mjs -- node-postgres with the package pgvector: types, parameters in text
// and binary, arrays, COPY, indexes, errors, a pool.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import copy from 'pg-copy-streams';
import { SparseVector, fromSql, toSql } from 'pgvector';
import { registerTypes } from 'pgvector/pg';
import { connection, explain, l2, nearest, pg, random, randomVector } from './common.mjs';

const ROWS = 3000;
const DIM = 24;
const next = random(1);
const rows = Array.from({ length: ROWS }, (_, i) => ({ id: i + 1, value: randomVector(next, DIM) }));
const query = randomVector(next, DIM);
let client;

before(async () => {
	client = new pg.Client(connection);
	await client.connect();
	await registerTypes(client);
	await client.query(`CREATE TABLE items (id int PRIMARY KEY, v vector(${DIM}), h halfvec(${DIM}), ` +
		`s sparsevec(${DIM}), b bit(${DIM}))`);
});

after(async () => {
	await client.end();
});

// The binary form, as in the documentation of the types.
function vectorToBuffer(value) {
	const buffer = Buffer.alloc(4 + 4 * value.length);

	buffer.writeUInt16BE(value.length, 0);
	value.forEach((x, i) => buffer.writeFloatBE(x, 4 + 4 * i));
	return buffer;
}

const toBits = (value) => value.map((x) => (x > 0 ? '1' : '0')).join('');

test('parameters and results in text', async () => {
	const sparse = new SparseVector([1.5, 0, -2, 0, 0]);
	const result = await client.query(
		'SELECT $1::vector AS v, $2::halfvec AS h, $3::sparsevec AS s, $4::bit(3) AS b, NULL::vector AS n',
		[toSql([1, -2.5, 1e-7]), toSql([0.5, 65504]), toSql(sparse), '101']);

	// what comes back is the float4 nearest to what was sent
	assert.deepEqual(result.rows[0].v.map(Math.fround), [1, -2.5, 1e-7].map(Math.fround));
	assert.deepEqual(result.rows[0].h, [0.5, 65504]);
	assert.deepEqual(result.rows[0].s.toArray(), [1.5, 0, -2, 0, 0]);
	assert.equal(result.rows[0].s.dimensions, 5);
	assert.equal(result.rows[0].b, '101');
	assert.equal(result.rows[0].n, null);
});

test('the numbers of a float4 survive a round trip', async () => {
	const value = Array.from({ length: 500 }, () =>
		Math.fround((next() - 0.5) * 2 ** Math.round(next() * 200 - 100)));
	const result = await client.query('SELECT $1::vector AS v', [toSql(value)]);

	assert.deepEqual(result.rows[0].v.map(Math.fround), value);
});

// node-postgres sends buffers in binary, and asks for results in text.
test('parameters in binary', async () => {
	const value = randomVector(next, 700);
	const result = await client.query('SELECT $1::vector AS v, $1 <-> $2::vector AS d',
		[vectorToBuffer(value), toSql(value)]);

	assert.deepEqual(result.rows[0].v, value);
	assert.equal(result.rows[0].d, 0);
});

test('arrays of vectors', async () => {
	const parse = (text) => pg.types.getTypeParser(1009)(text).map((v) => v && fromSql(v));
	const array = [toSql([1, 2]), null, toSql([3, 4.5])];
	const result = await client.query(
		'SELECT $1::vector[] AS a, cardinality($1::vector[]) AS n, ($1::vector[])[3] AS last', [array]);
	const any = await client.query(
		"SELECT count(*)::int AS n FROM (VALUES ('[1,2]'::vector), ('[2,2]'), ('[3,4.5]')) t(v) WHERE v = ANY($1)",
		[array]);

	assert.deepEqual(parse(result.rows[0].a), [[1, 2], null, [3, 4.5]]);
	assert.equal(result.rows[0].n, 3);
	assert.deepEqual(result.rows[0].last, [3, 4.5]);
	assert.equal(any.rows[0].n, 2);
});

test('bulk load with COPY in text', async () => {
	const line = ({ id, value }) => [id, toSql(value), toSql(value),
		toSql(new SparseVector(value)), toBits(value)].join('\t') + '\n';

	await pipeline(Readable.from(rows.map(line)), client.query(copy.from('COPY items FROM STDIN')));
	const sums = await client.query('SELECT count(*)::int AS n, avg(v) AS v, avg(h) AS h FROM items');
	assert.equal(sums.rows[0].n, ROWS);
	for (let d = 0; d < DIM; d++) {
		const mean = rows.reduce((sum, row) => sum + row.value[d], 0) / ROWS;

		assert.ok(Math.abs(sums.rows[0].v[d] - mean) < 1e-6);
		assert.ok(Math.abs(sums.rows[0].h[d] - mean) < 1e-3);
	}
});

test('bulk load with COPY BINARY gives the same rows', async () => {
	const header = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
	const record = ({ id, value }) => {
		const start = Buffer.alloc(14);
		const vector = vectorToBuffer(value);

		start.writeInt16BE(2, 0);
		start.writeInt32BE(4, 2);
		start.writeInt32BE(id, 6);
		start.writeInt32BE(vector.length, 10);
		return Buffer.concat([start, vector]);
	};
	const chunks = [header, ...rows.map(record), Buffer.from([0xff, 0xff])];

	await client.query(`CREATE TABLE loaded (id int, v vector(${DIM}))`);
	await pipeline(Readable.from(chunks), client.query(copy.from('COPY loaded FROM STDIN (FORMAT binary)')));
	const same = await client.query('SELECT count(*)::int AS n FROM loaded JOIN items USING (id, v)');
	assert.equal(same.rows[0].n, ROWS);

	const received = [];
	await pipeline(client.query(copy.to('COPY (SELECT id, v FROM loaded ORDER BY id) TO STDOUT (FORMAT binary)')),
		new Writable({ write(chunk, _, done) { received.push(chunk); done(); } }));
	assert.ok(Buffer.concat(received).equals(Buffer.concat(chunks)));
});

test('exact search', async () => {
	const result = await client.query('SELECT id FROM items ORDER BY v <-> $1, id LIMIT 20', [toSql(query)]);

	assert.deepEqual(result.rows.map((row) => row.id), nearest(rows, (v) => l2(v, query), 20));
});

// column, operator class, operator, parameter; every index method that has the
// class is created and used
const INDEXES = [
	['v', 'vector_l2_ops', '<->', toSql(query)],
	['v', 'vector_cosine_ops', '<=>', toSql(query)],
	['v', 'vector_ip_ops', '<#>', toSql(query)],
	['v', 'vector_l1_ops', '<+>', toSql(query)],
	['h', 'halfvec_l2_ops', '<->', toSql(query)],
	['s', 'sparsevec_l2_ops', '<->', toSql(new SparseVector(query))],
	['b', 'bit_hamming_ops', '<~>', toBits(query)],
];

for (const [column, opclass, operator, parameter] of INDEXES) {
	for (const method of ['hnsw', 'ivfflat']) {
		test(`index ${method} (${opclass})`, async (t) => {
			const known = await client.query(
				'SELECT FROM pg_opclass c JOIN pg_am m ON m.oid = opcmethod WHERE opcname = $1 AND amname = $2',
				[opclass, method]);
			if (known.rowCount === 0) {
				t.skip(`${method} has no ${opclass}`);
				return;
			}

			const text = `SELECT id, ${column} ${operator} $1 AS distance FROM items ` +
				`ORDER BY ${column} ${operator} $1 LIMIT 10`;
			const exact = await client.query(text, [parameter]);
			const options = method === 'hnsw' ? 'm = 16, ef_construction = 64' : 'lists = 20';

			await client.query(`CREATE INDEX tested ON items USING ${method} (${column} ${opclass}) WITH (${options})`);
			try {
				await client.query('BEGIN');
				await client.query('SET LOCAL enable_seqscan = off');
				await client.query(method === 'hnsw' ? 'SET LOCAL hnsw.ef_search = 400' : 'SET LOCAL ivfflat.probes = 20');
				assert.match(await explain(client, text, [parameter]), /Index Scan using tested/);
				const indexed = await client.query(text, [parameter]);
				const prepared = [];
				for (let i = 0; i < 7; i++) {
					prepared.push((await client.query({ name: `${method} ${opclass}`, text, values: [parameter] })).rows);
				}
				await client.query('COMMIT');

				// distances, since rows at the same one have no order; a graph may
				// miss one of the ten
				const bound = exact.rows[9].distance;
				const hits = indexed.rows.filter((row) => row.distance <= bound).length;
				assert.ok(hits >= 9, `${hits} of 10`);
				for (const again of prepared) {
					assert.deepEqual(again, indexed.rows);
				}
			} finally {
				await client.query('ROLLBACK');
				await client.query('DROP INDEX tested');
			}
		});
	}
}

test('errors have the codes and texts that applications match', async () => {
	const cases = [
		["INSERT INTO items (id, v) VALUES (-1, '[1,2,3]')", [], '22000', `expected ${DIM} dimensions, not 3`],
		['SELECT $1::vector', ['hello'], '22P02', 'invalid input syntax for type vector: "hello"'],
		['SELECT $1::vector', ['[]'], '22000', 'vector must have at least 1 dimension'],
		['SELECT $1::vector', [Buffer.from([0, 2, 0, 0, 63, 128, 0, 0])], '08P01', 'insufficient data left in message'],
		['SELECT $1::vector <-> $2', ['[1,2]', '[1,2,3]'], '22000', 'different vector dimensions 2 and 3'],
	];

	for (const [text, values, code, message] of cases) {
		await assert.rejects(client.query(text, values), { code, message });
	}
	// the connection goes on
	assert.equal((await client.query('SELECT 1 AS one')).rows[0].one, 1);
});

test('a pool whose connections insert and search an index at once', async () => {
	const pool = new pg.Pool({ ...connection, max: 6 });

	await pool.query(`CREATE TABLE shared (id int, v vector(${DIM}))`);
	await pool.query('CREATE INDEX ON shared USING hnsw (v vector_l2_ops)');
	await Promise.all(rows.slice(0, 600).map(async ({ id, value }) => {
		await pool.query('INSERT INTO shared VALUES ($1, $2)', [id, toSql(value)]);
		const found = await pool.query('SELECT id FROM shared ORDER BY v <-> $1 LIMIT 1', [toSql(value)]);

		assert.equal(found.rows[0].id, id);
	}));
	await pool.end();
	await client.query("SELECT hnsw_verify('shared_v_idx')");
});
