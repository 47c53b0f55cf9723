// drizzle.mjs -- Drizzle ORM with its own columns and distances for vectors.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { asc, cosineDistance, desc, eq, gt, hammingDistance, innerProduct, isNull, jaccardDistance, l1Distance,
	l2Distance, not, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { bit, getTableConfig, halfvec, index, pgTable, serial, sparsevec, vector } from 'drizzle-orm/pg-core';
import { connection, l2, nearest, pg, random, randomVector } from './common.mjs';

const items = pgTable('items', {
	id: serial('id').primaryKey(),
	embedding: vector('embedding', { dimensions: 4 }),
	half: halfvec('half', { dimensions: 4 }),
	sparse: sparsevec('sparse', { dimensions: 4 }),
	bits: bit('bits', { dimensions: 4 }),
}, (table) => [
	index('items_embedding').using('hnsw', table.embedding.op('vector_l2_ops')),
	index('items_half').using('hnsw', table.half.op('halfvec_cosine_ops')),
]);

const next = random(3);
const rows = Array.from({ length: 300 }, (_, i) => ({ id: i + 1, value: randomVector(next, 4) }));
const query = randomVector(next, 4);
const sparse = (v) => `{${v.map((x, i) => [i + 1, x]).filter((e) => e[1] !== 0).map((e) => e.join(':')).join(',')}}/4`;
const bits = (v) => v.map((x) => (x > 0 ? '1' : '0')).join('');
const ids = (result) => result.map((row) => row.id);
let pool, db;

before(async () => {
	pool = new pg.Pool({ ...connection, max: 2 });
	db = drizzle(pool);
});

after(async () => {
	await pool.end();
});

// The DDL is what the schema above says of its columns and indexes.
test('schema', async () => {
	const config = getTableConfig(items);
	const columns = config.columns.map((column) => `${column.name} ${column.getSQLType()}`);

	await db.execute(sql.raw(`CREATE TABLE ${config.name} (${columns.join(', ')})`));
	for (const { config: { name, method, columns: [column] } } of config.indexes) {
		await db.execute(sql.raw(`CREATE INDEX ${name} ON items USING ${method} ` +
			`(${column.name} ${column.indexConfig.opClass})`));
	}
	const made = await db.execute(sql`SELECT count(*)::int AS n FROM pg_indexes WHERE tablename = 'items'`);
	assert.equal(made.rows[0].n, 2);
});

test('insert, select, update', async () => {
	await db.insert(items).values(rows.map(({ id, value }) => ({
		id, embedding: value, half: value, sparse: sparse(value), bits: bits(value),
	})));
	await db.insert(items).values({ id: 1000 });
	const [row] = await db.select().from(items).where(eq(items.id, 3));

	assert.deepEqual(row.embedding, rows[2].value);
	assert.deepEqual(row.half, rows[2].value);
	assert.equal(row.sparse, sparse(rows[2].value));
	assert.equal(row.bits, bits(rows[2].value));
	assert.deepEqual(ids(await db.select().from(items).where(isNull(items.embedding))), [1000]);

	await db.update(items).set({ embedding: [9, 9, 9, 9] }).where(eq(items.id, 3));
	const [updated] = await db.select().from(items).where(eq(items.embedding, [9, 9, 9, 9]));
	assert.equal(updated.id, 3);
	await db.update(items).set({ embedding: rows[2].value }).where(eq(items.id, 3));
});

test('order by distances', async () => {
	const by = (distance) => db.select({ id: items.id }).from(items).where(not(isNull(items.embedding)))
		.orderBy(asc(distance), asc(items.id)).limit(8);
	const dot = (v) => v.reduce((sum, x, i) => sum + x * query[i], 0);
	const l1 = (v) => v.reduce((sum, x, i) => sum + Math.abs(x - query[i]), 0);
	const differing = (v) => [...bits(v)].filter((x, i) => x !== '1010'[i]).length;
	const common = (v) => [...bits(v)].filter((x, i) => x === '1' && '1010'[i] === '1').length;
	const union = (v) => [...bits(v)].filter((x, i) => x === '1' || '1010'[i] === '1').length;
	const expect = (distance) => nearest(rows, distance, 8);

	assert.deepEqual(ids(await by(l2Distance(items.embedding, query))), expect((v) => l2(v, query)));
	assert.deepEqual(ids(await by(l2Distance(items.half, query))), expect((v) => l2(v, query)));
	assert.deepEqual(ids(await by(l2Distance(items.sparse, sparse(query)))), expect((v) => l2(v, query)));
	assert.deepEqual(ids(await by(l1Distance(items.embedding, query))), expect(l1));
	assert.deepEqual(ids(await by(innerProduct(items.embedding, query))), expect((v) => -dot(v)));
	assert.deepEqual(ids(await by(cosineDistance(items.embedding, query))),
		expect((v) => -dot(v) / Math.sqrt(v.reduce((sum, x) => sum + x * x, 0))));
	assert.deepEqual(ids(await by(hammingDistance(items.bits, '1010'))), expect(differing));
	assert.deepEqual(ids(await by(jaccardDistance(items.bits, '1010'))), expect((v) => 1 - common(v) / union(v)));
});

test('similarity as in the guide: a column, a threshold and a limit', async () => {
	const similarity = sql`1 - (${cosineDistance(items.embedding, query)})`;
	const result = await db.select({ id: items.id, similarity }).from(items)
		.where(gt(similarity, 0.5)).orderBy((t) => desc(t.similarity)).limit(4);

	assert.equal(result.length, 4);
	assert.ok(result.every((row, i) => row.similarity > 0.5 && (i === 0 || row.similarity <= result[i - 1].similarity)));
});

test('a search in a transaction uses the index', async () => {
	await db.transaction(async (tx) => {
		await tx.execute(sql`SET LOCAL enable_seqscan = off`);
		await tx.execute(sql`SET LOCAL hnsw.ef_search = 300`);
		const search = tx.select({ id: items.id }).from(items).orderBy(l2Distance(items.embedding, query)).limit(5);
		const plan = await tx.execute(sql`EXPLAIN ${search.getSQL()}`);

		assert.match(plan.rows.map((row) => row['QUERY PLAN']).join('\n'), /Index Scan using items_embedding/);
		assert.deepEqual(ids(await search), nearest(rows, (v) => l2(v, query), 5));
	});
});
