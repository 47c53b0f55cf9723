// knex.mjs -- the query builder Knex, with pgvector's columns and distances.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Knex from 'knex';
import pgvector from 'pgvector/knex';
import { SparseVector } from 'pgvector';
import { connection, l2, nearest, random, randomVector } from './common.mjs';

const next = random(2);
const rows = Array.from({ length: 200 }, (_, i) => ({ id: i + 1, value: randomVector(next, 5) }));
const query = randomVector(next, 5);
const byDistance = (distance) => nearest(rows, distance, 5);
const ids = (result) => result.map((row) => row.id);
let knex;

before(() => {
	knex = Knex({ client: 'pg', connection });
});

after(async () => {
	await knex.destroy();
});

test('schema: extension, columns and indexes', async () => {
	await knex.schema.enableExtension('vector');
	await knex.schema.createTable('items', (table) => {
		table.increments('id');
		table.vector('embedding', { dimensions: 5 });
		table.halfvec('half', { dimensions: 5 });
		table.sparsevec('sparse', { dimensions: 5 });
		table.specificType('bits', 'bit(5)');
	});
	const columns = await knex('items').columnInfo();
	const types = await knex.raw("SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute " +
		"WHERE attrelid = 'items'::regclass AND attnum > 1 ORDER BY attnum");

	assert.equal(columns.embedding.type, 'USER-DEFINED');
	assert.deepEqual(types.rows.map((row) => row.type), ['vector(5)', 'halfvec(5)', 'sparsevec(5)', 'bit(5)']);
	await knex.schema.alterTable('items', (table) => {
		table.index(knex.raw('embedding vector_l2_ops'), 'items_embedding', 'hnsw');
	});
});

test('insert and select', async () => {
	await knex('items').insert(rows.map(({ id, value }) => ({
		id,
		embedding: pgvector.toSql(value),
		half: pgvector.toSql(value),
		sparse: new SparseVector(value),
		bits: value.map((x) => (x > 0 ? '1' : '0')).join(''),
	})));
	await knex('items').insert({ id: 1000, embedding: null });
	const row = await knex('items').where('id', 7).first();

	assert.deepEqual(pgvector.fromSql(row.embedding), rows[6].value);
	assert.deepEqual(pgvector.fromSql(row.half), rows[6].value);
	assert.deepEqual(pgvector.fromSql(row.sparse).toArray(), rows[6].value);
	assert.equal((await knex('items').where('id', 1000).first()).embedding, null);
});

test('order by the distances of every type', async () => {
	const base = () => knex('items').whereNot('id', 1000).limit(5);
	const dot = (v) => v.reduce((sum, x, i) => sum + x * query[i], 0);
	const norm = (v) => Math.sqrt(v.reduce((sum, x) => sum + x * x, 0));
	const l2Order = byDistance((v) => l2(v, query));
	const bits = (v) => v.map((x) => x > 0);

	assert.deepEqual(ids(await base().orderBy(knex.l2Distance('embedding', query)).orderBy('id')), l2Order);
	assert.deepEqual(ids(await base().orderBy(knex.l2Distance('half', query)).orderBy('id')), l2Order);
	assert.deepEqual(ids(await base().orderBy(knex.l2Distance('sparse', new SparseVector(query))).orderBy('id')), l2Order);
	assert.deepEqual(ids(await base().orderBy(knex.maxInnerProduct('embedding', query)).orderBy('id')),
		byDistance((v) => -dot(v)));
	assert.deepEqual(ids(await base().orderBy(knex.cosineDistance('embedding', query)).orderBy('id')),
		byDistance((v) => -dot(v) / norm(v)));
	assert.deepEqual(ids(await base().orderBy(knex.l1Distance('embedding', query)).orderBy('id')),
		byDistance((v) => v.reduce((sum, x, i) => sum + Math.abs(x - query[i]), 0)));
	assert.deepEqual(ids(await base().orderBy(knex.hammingDistance('bits', '10101')).orderBy('id')),
		byDistance((v) => bits(v).reduce((sum, x, i) => sum + (x !== (i % 2 === 0) ? 1 : 0), 0)));
});

test('a filter by distance and an aggregate', async () => {
	const near = await knex('items').where(knex.l2Distance('embedding', query), '<', 3).orderBy('id').select('id');
	const mean = await knex('items').avg('embedding as mean').first();

	assert.deepEqual(ids(near), rows.filter((row) => l2(row.value, query) < 3).map((row) => row.id));
	pgvector.fromSql(mean.mean).forEach((x, d) => {
		assert.ok(Math.abs(x - rows.reduce((sum, row) => sum + row.value[d], 0) / rows.length) < 1e-6);
	});
});

test('a transaction with settings of its own uses the index', async () => {
	await knex.transaction(async (trx) => {
		await trx.raw('SET LOCAL enable_seqscan = off');
		await trx.raw('SET LOCAL hnsw.ef_search = 200');
		const search = trx('items').orderBy(knex.l2Distance('embedding', query)).limit(5);
		const plan = await trx.raw('EXPLAIN ' + search.toString());

		assert.match(plan.rows.map((row) => row['QUERY PLAN']).join('\n'), /Index Scan using items_embedding/);
		assert.deepEqual(ids(await search), byDistance((v) => l2(v, query)));
	});
});
