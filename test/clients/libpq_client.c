/*
 * libpq_client.c
 *		A C program that sends and receives the types in binary, with libpq.
 *
 * Prints TAP.  Connects by libpq's environment.  The binary forms are written
 * down here once more, as an application has to.
 */
#include <arpa/inet.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#define BIT_OID	   1560
#define INT4_OID   23
#define FLOAT8_OID 701
#define TEXT	   0
#define BINARY	   1
#define DIM		   10
#define ROWS	   1500

static PGconn *conn;
static Oid	   vector_oid, vector_array_oid, halfvec_oid, sparsevec_oid;
static int	   tests, failures;

/* ------------------------------------------------------------------------
 * Results of tests
 * ------------------------------------------------------------------------
 */

static void
ok(bool passed, const char *format, ...)
{
	va_list arguments;

	tests++;
	failures += !passed;
	printf("%sok %d - libpq: ", passed ? "" : "not ", tests);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n");
	if (!passed)
		printf("# %s", PQerrorMessage(conn));
	fflush(stdout);
}

static void
die(const char *what)
{
	printf("Bail out! %s: %s\n", what, PQerrorMessage(conn));
	exit(1);
}

/* ------------------------------------------------------------------------
 * Bytes on the wire
 * ------------------------------------------------------------------------
 */

typedef struct Bytes
{
	size_t length;
	char   data[1 << 18];
} Bytes;

static void
put(Bytes *bytes, const void *data, size_t length)
{
	if (bytes->length + length > sizeof(bytes->data))
		die("buffer too small");
	memcpy(bytes->data + bytes->length, data, length);
	bytes->length += length;
}

static void
put16(Bytes *bytes, uint16_t value)
{
	value = htons(value);
	put(bytes, &value, sizeof(value));
}

static void
put32(Bytes *bytes, uint32_t value)
{
	value = htonl(value);
	put(bytes, &value, sizeof(value));
}

static void
put_float(Bytes *bytes, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	put32(bytes, bits);
}

/* Normal halves and zero, which is all that make_value makes. */
static uint16_t
half_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	if (value == 0)
		return 0;
	return (bits >> 16 & 0x8000) | ((bits >> 23 & 0xff) - 112) << 10 |
		   (bits >> 13 & 0x3ff);
}

/* Multiples of 1/64 within [-4, 4], the same for the same number. */
static void
make_value(unsigned number, int dim, float *x)
{
	uint32_t state = number * 2654435761u + 1;

	for (int i = 0; i < dim; i++)
	{
		state = state * 1664525 + 1013904223;
		x[i] = ((int) (state >> 16) % 513 - 256) / 64.0f;
	}
}

static void
put_vector(Bytes *bytes, const float *x, int dim)
{
	put16(bytes, dim);
	put16(bytes, 0);
	for (int i = 0; i < dim; i++)
		put_float(bytes, x[i]);
}

static void
put_halfvec(Bytes *bytes, const float *x, int dim)
{
	put16(bytes, dim);
	put16(bytes, 0);
	for (int i = 0; i < dim; i++)
		put16(bytes, half_bits(x[i]));
}

static void
put_sparsevec(Bytes *bytes, const float *x, int dim)
{
	int nnz = 0;

	for (int i = 0; i < dim; i++)
		nnz += x[i] != 0;
	put32(bytes, dim);
	put32(bytes, nnz);
	put32(bytes, 0);
	for (int i = 0; i < dim; i++)
	{
		if (x[i] != 0)
			put32(bytes, i);
	}
	for (int i = 0; i < dim; i++)
	{
		if (x[i] != 0)
			put_float(bytes, x[i]);
	}
}

static void
put_bits(Bytes *bytes, const float *x, int dim)
{
	put32(bytes, dim);
	for (int i = 0; i < dim; i += 8)
	{
		unsigned char byte = 0;

		for (int j = i; j < i + 8 && j < dim; j++)
			byte |= (x[j] > 0) << (7 - (j - i));
		put(bytes, &byte, 1);
	}
}

/* Two vectors and a NULL, as the server's binary form of arrays has them. */
static void
put_vector_array(Bytes *bytes, const float *x, int dim)
{
	put32(bytes, 1); /* dimensions of the array */
	put32(bytes, 1); /* has NULLs */
	put32(bytes, vector_oid);
	put32(bytes, 3); /* elements */
	put32(bytes, 1); /* lower bound */
	put32(bytes, 4 + 4 * dim);
	put_vector(bytes, x, dim);
	put32(bytes, -1);
	put32(bytes, 8);
	put_vector(bytes, x, 1);
}

/* ------------------------------------------------------------------------
 * Queries
 * ------------------------------------------------------------------------
 */

static void
run(const char *sql)
{
	PGresult *result = PQexec(conn, sql);

	if (PQresultStatus(result) != PGRES_COMMAND_OK &&
		PQresultStatus(result) != PGRES_TUPLES_OK)
		die(sql);
	PQclear(result);
}

/* One parameter, of which type is the Oid, or 0 for the server to find out. */
static PGresult *
query(const char *sql, Oid type, const char *value, int length, int format,
	  int result_format)
{
	return PQexecParams(conn, sql, 1, &type, &value, &length, &format,
						result_format);
}

static PGresult *
query_binary(const char *sql, Oid type, const Bytes *value, int result_format)
{
	return query(sql, type, value->data, value->length, BINARY, result_format);
}

static Oid
type_oid(const char *name)
{
	PGresult *result = query("SELECT to_regtype($1)::oid", 0, name, 0, TEXT,
							 TEXT);
	Oid		  oid = strtoul(PQgetvalue(result, 0, 0), NULL, 10);

	PQclear(result);
	if (oid == 0)
		die(name);
	return oid;
}

static bool
is_bytes(PGresult *result, const Bytes *expected)
{
	bool same = PQresultStatus(result) == PGRES_TUPLES_OK &&
				PQntuples(result) == 1 &&
				(size_t) PQgetlength(result, 0, 0) == expected->length &&
				memcmp(PQgetvalue(result, 0, 0), expected->data,
					   expected->length) == 0;

	PQclear(result);
	return same;
}

/* ------------------------------------------------------------------------
 * The tests
 * ------------------------------------------------------------------------
 */

typedef void (*PutFunction)(Bytes *bytes, const float *x, int dim);

/* Binary to binary, and binary to text to binary, give the same bytes. */
static void
test_round_trip(const char *name, Oid type, PutFunction put_value, int max_dim)
{
	static Bytes bytes;
	static float x[16000];
	int			 dims[] = {1, 3, 8, 17, 768, max_dim};
	bool		 binary = true, text = true;

	for (int i = 0; i < 6; i++)
	{
		PGresult *result;

		bytes.length = 0;
		make_value(i, dims[i], x);
		put_value(&bytes, x, dims[i]);
		binary &= is_bytes(query_binary("SELECT $1", type, &bytes, BINARY),
						   &bytes);

		result = query_binary("SELECT $1", type, &bytes, TEXT);
		text &= PQresultStatus(result) == PGRES_TUPLES_OK &&
				is_bytes(query("SELECT $1", type, PQgetvalue(result, 0, 0), 0,
							   TEXT, BINARY),
						 &bytes);
		PQclear(result);
	}
	ok(binary, "%s in binary, there and back", name);
	ok(text, "%s in binary there, in text back, and the other way round",
	   name);
}

static void
test_metadata(void)
{
	PGresult *result;

	run("CREATE TABLE items (id int, v vector(10), h halfvec(10), "
		"s sparsevec(10), b bit(10), a vector[])");
	result = PQexec(conn, "SELECT v, h, s, b, a, v <-> v FROM items");
	ok(PQftype(result, 0) == vector_oid && PQftype(result, 1) == halfvec_oid &&
		   PQftype(result, 2) == sparsevec_oid &&
		   PQftype(result, 3) == BIT_OID &&
		   PQftype(result, 4) == vector_array_oid &&
		   PQftype(result, 5) == FLOAT8_OID,
	   "types of the columns of a result");
	ok(PQfmod(result, 0) == DIM && PQfmod(result, 1) == DIM &&
		   PQfmod(result, 2) == DIM && PQfmod(result, 4) == -1 &&
		   PQfsize(result, 0) == -1,
	   "the type modifier is the number of dimensions");
	PQclear(result);
}

/* COPY in binary, in chunks whose ends fall anywhere; then out again. */
static void
test_copy(void)
{
	static const char		 signature[] = "PGCOPY\n\377\r\n";
	static const PutFunction puts[] = {put_vector, put_halfvec, put_sparsevec,
									   put_bits, put_vector_array};
	static Bytes			 value;
	char					*sent, *received = NULL;
	size_t					 sent_length = 0, room = ROWS * 400 + 100, at = 0;
	bool					 same = true;
	PGresult				*result;
	int						 length;

	sent = malloc(room);
	memcpy(sent, signature, sizeof(signature)); /* with its final zero */
	sent_length = sizeof(signature);
	memset(sent + sent_length, 0, 8);
	sent_length += 8;
	for (int id = 0; id < ROWS; id++)
	{
		float x[DIM];

		make_value(id, DIM, x);
		value.length = 0;
		put16(&value, 6);
		put32(&value, 4);
		put32(&value, id);
		for (int column = 0; column < 5; column++)
		{
			size_t	 start = value.length;
			uint32_t field_length;

			put32(&value, 0);
			puts[column](&value, x, DIM);
			field_length = htonl(value.length - start - 4);
			memcpy(value.data + start, &field_length, 4);
		}
		if (sent_length + value.length + 2 > room)
			die("buffer too small");
		memcpy(sent + sent_length, value.data, value.length);
		sent_length += value.length;
	}
	memset(sent + sent_length, 0xff, 2);
	sent_length += 2;

	PQclear(PQexec(conn, "COPY items FROM STDIN (FORMAT binary)"));
	for (size_t start = 0; start < sent_length; start += 1013)
		PQputCopyData(conn, sent + start,
					  sent_length - start < 1013 ? sent_length - start : 1013);
	PQputCopyEnd(conn, NULL);
	result = PQgetResult(conn);
	ok(PQresultStatus(result) == PGRES_COMMAND_OK &&
		   atoi(PQcmdTuples(result)) == ROWS,
	   "COPY FROM in binary");
	PQclear(result);
	while ((result = PQgetResult(conn)) != NULL)
		PQclear(result);

	PQclear(PQexec(
		conn,
		"COPY (SELECT * FROM items ORDER BY id) TO STDOUT (FORMAT binary)"));
	while ((length = PQgetCopyData(conn, &received, 0)) > 0)
	{
		same = same && at + length <= sent_length &&
			   memcmp(sent + at, received, length) == 0;
		at += length;
		PQfreemem(received);
	}
	ok(length == -1 && same && at == sent_length,
	   "COPY TO in binary gives the same bytes");
	while ((result = PQgetResult(conn)) != NULL)
		PQclear(result);
	free(sent);
}

/* A prepared search, its types found out by the server, through an index. */
static void
test_prepared(const char *column, const char *operator, const char * opclass,
			  Oid type, PutFunction put_value)
{
	static Bytes bytes;
	char		 sql[400];
	float		 x[DIM];
	uint32_t	 limit = htonl(10);
	const char	*parameters[2] = {bytes.data, (char *) &limit};
	int			 formats[2] = {BINARY, BINARY};
	PGresult	*result;
	double		 distances[2][10];
	bool		 same = true;

	make_value(77777, DIM, x);
	bytes.length = 0;
	put_value(&bytes, x, DIM);

	snprintf(sql, sizeof(sql),
			 "SELECT id, %s %s $1 FROM items ORDER BY %s %s $1 LIMIT $2::int",
			 column, operator, column, operator);
	PQclear(PQprepare(conn, opclass, sql, 0, NULL));
	result = PQdescribePrepared(conn, opclass);
	ok(PQnparams(result) == 2 && PQparamtype(result, 0) == type &&
		   PQparamtype(result, 1) == INT4_OID &&
		   PQftype(result, 1) == FLOAT8_OID,
	   "the server infers the types of \"%s %s $1\"", column, operator);
	PQclear(result);

	for (int indexed = 0; indexed < 2; indexed++)
	{
		int lengths[2] = {bytes.length, sizeof(limit)};

		result = PQexecPrepared(conn, opclass, 2, parameters, lengths, formats,
								BINARY);
		if (PQntuples(result) != 10)
			die(sql);
		for (int i = 0; i < 10; i++)
		{
			uint64_t bits = 0;
			char	*data = PQgetvalue(result, i, 1);

			for (int byte = 0; byte < 8; byte++)
				bits = bits << 8 | (unsigned char) data[byte];
			memcpy(&distances[indexed][i], &bits, sizeof(bits));
		}
		PQclear(result);
		if (indexed == 0)
		{
			char index[200];

			snprintf(index, sizeof(index),
					 "CREATE INDEX items_%s ON items USING hnsw (%s %s)",
					 column, column, opclass);
			run(index);
			run("SET enable_seqscan = off; SET hnsw.ef_search = 1000");
		}
	}
	run("RESET enable_seqscan; RESET hnsw.ef_search");

	/* nearly as many rows as there are go through the search: none is missed */
	for (int i = 0; i < 10; i++)
		same = same && distances[0][i] == distances[1][i];
	ok(same, "a prepared search with %s gives the same through an index",
	   opclass);

	snprintf(
		sql, sizeof(sql),
		"SELECT idx_scan > 0 FROM pg_stat_user_indexes WHERE indexrelname = 'items_%s'",
		column);
	run("SELECT pg_stat_force_next_flush()");
	result = PQexec(conn, sql);
	ok(strcmp(PQgetvalue(result, 0, 0), "t") == 0, "and the index was used");
	PQclear(result);
}

/* What is wrong in binary is refused, and the connection goes on. */
static void
test_malformed(void)
{
	static const struct
	{
		const char *name;
		int			length;
		const char *data;
		const char *sqlstate;
		char		type; /* vector, halfvec, sparsevec */
	} cases[] = {
		{"no bytes", 0, "", "08P01", 'v'},
		{"missing elements", 8, "\0\2\0\0\77\200\0\0", "08P01", 'v'},
		{"surplus bytes", 9, "\0\1\0\0\77\200\0\0\0", "22P03", 'v'},
		{"reserved field", 8, "\0\1\0\1\77\200\0\0", "22000", 'v'},
		{"no dimensions", 4, "\0\0\0\0", "22000", 'v'},
		{"NaN", 8, "\0\1\0\0\177\300\0\0", "22000", 'v'},
		{"infinity", 6, "\0\1\0\0\174\0", "22000", 'h'},
		{"missing elements", 5, "\0\1\0\0\74", "08P01", 'h'},
		{"index out of bounds", 20,
		 "\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0\2\77\200\0\0", "22000", 's'},
		{"negative count", 12, "\0\0\0\2\377\377\377\377\0\0\0\0", "22000",
		 's'},
		{"zero as an element", 20, "\0\0\0\2\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0",
		 "22000", 's'},
		{"count without elements", 12, "\0\0\0\2\0\0\0\1\0\0\0\0", "08P01",
		 's'},
	};

	for (int i = 0; i < (int) (sizeof(cases) / sizeof(cases[0])); i++)
	{
		Oid		  type = cases[i].type == 'v'	? vector_oid
						 : cases[i].type == 'h' ? halfvec_oid
												: sparsevec_oid;
		PGresult *result = query("SELECT $1", type, cases[i].data,
								 cases[i].length, BINARY, BINARY);
		char	 *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

		ok(sqlstate != NULL && strcmp(sqlstate, cases[i].sqlstate) == 0,
		   "malformed (%s) is refused with %s", cases[i].name,
		   cases[i].sqlstate);
		PQclear(result);
	}
}

#ifdef LIBPQ_HAS_PIPELINING
/* Inserts in a pipeline, one of which fails: all before the sync are undone. */
static void
test_pipeline(void)
{
	static Bytes bytes;
	const char	*value = bytes.data;
	int			 format = BINARY;
	int			 stored = 0, failed = 0, aborted = 0;
	PGresult	*result;

	run("CREATE TABLE piped (v vector(10)); CREATE INDEX ON piped USING hnsw (v vector_l2_ops)");
	PQenterPipelineMode(conn);
	for (int batch = 0; batch < 3; batch++)
	{
		for (int i = 0; i < 40; i++)
		{
			float x[DIM + 1];
			int	  dim = batch == 1 && i == 20 ? DIM + 1 : DIM;
			int	  length;

			make_value(i, dim, x);
			bytes.length = 0;
			put_vector(&bytes, x, dim);
			length = bytes.length;
			PQsendQueryParams(conn, "INSERT INTO piped VALUES ($1)", 1,
							  &vector_oid, &value, &length, &format, BINARY);
		}
		PQpipelineSync(conn);
	}
	for (int syncs = 0; syncs < 3;)
	{
		result = PQgetResult(conn);
		switch (result == NULL ? PGRES_EMPTY_QUERY : PQresultStatus(result))
		{
			case PGRES_COMMAND_OK:
				stored++;
				break;
			case PGRES_FATAL_ERROR:
				failed++;
				break;
			case PGRES_PIPELINE_ABORTED:
				aborted++;
				break;
			case PGRES_PIPELINE_SYNC:
				syncs++;
				break;
			default:
				break;
		}
		PQclear(result);
		if (PQstatus(conn) != CONNECTION_OK)
			die("pipeline");
	}
	PQexitPipelineMode(conn);
	ok(stored == 100 && failed == 1 && aborted == 19, "inserts in a pipeline");

	result = PQexec(
		conn,
		"SET enable_seqscan = off; SET hnsw.iterative_scan = strict_order; "
		"SELECT count(*) FROM (SELECT FROM piped ORDER BY v <-> '[0,0,0,0,0,0,0,0,0,0]' LIMIT 1000) s");
	ok(PQntuples(result) == 1 && atoi(PQgetvalue(result, 0, 0)) == 80,
	   "the index has the rows of the batches that were committed");
	PQclear(result);
	run("SELECT hnsw_verify('piped_v_idx')");
}
#endif

int
main(void)
{
	conn = PQconnectdb("");
	if (PQstatus(conn) != CONNECTION_OK)
		die("connection");
	vector_oid = type_oid("vector");
	vector_array_oid = type_oid("_vector");
	halfvec_oid = type_oid("halfvec");
	sparsevec_oid = type_oid("sparsevec");

	test_round_trip("vector", vector_oid, put_vector, 16000);
	test_round_trip("halfvec", halfvec_oid, put_halfvec, 16000);
	test_round_trip("sparsevec", sparsevec_oid, put_sparsevec, 16000);
	test_round_trip("bit", BIT_OID, put_bits, 16000);
	test_round_trip("vector[]", vector_array_oid, put_vector_array, 16000);
	test_metadata();
	test_copy();
	test_prepared("v", "<->", "vector_l2_ops", vector_oid, put_vector);
	test_prepared("h", "<=>", "halfvec_cosine_ops", halfvec_oid, put_halfvec);
	test_prepared("b", "<~>", "bit_hamming_ops", BIT_OID, put_bits);
	test_malformed();
#ifdef LIBPQ_HAS_PIPELINING
	test_pipeline();
#endif

	printf("1..%d\n", tests);
	PQfinish(conn);
	return failures == 0 ? 0 : 1;
}
