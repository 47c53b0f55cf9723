// common.mjs -- what the Node.js clients share: connections by libpq's
// environment, and random values whose text form is exact.

import pg from 'pg';

export const connection = {
	host: process.env.PGHOST,
	port: Number(process.env.PGPORT),
	user: process.env.PGUSER,
	database: process.env.PGDATABASE,
};

// A linear congruential generator: each run sees the same values.
export function random(seed) {
	let state = seed >>> 0;

	return () => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return state / 2 ** 32;
	};
}

// Multiples of 1/64 within [-4, 4]: exact in every element type.
export function randomVector(next, dim) {
	return Array.from({ length: dim }, () => Math.round(next() * 512 - 256) / 64);
}

export function l2(a, b) {
	return Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0));
}

// The ids of rows by distance, nearest first; rows are {id, value}.
export function nearest(rows, distance, k) {
	return rows
		.map((row) => [distance(row.value), row.id])
		.sort((a, b) => a[0] - b[0] || a[1] - b[1])
		.slice(0, k)
		.map((pair) => pair[1]);
}

export async function explain(client, sql, values) {
	const result = await client.query({ text: 'EXPLAIN (COSTS OFF) ' + sql, values });

	return result.rows.map((row) => row['QUERY PLAN']).join('\n');
}

export { pg };
