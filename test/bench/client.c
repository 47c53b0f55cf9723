/*
 * client.c
 *		Executes a prepared statement for many vectors and measures it.
 *
 *	client conninfo=C statement=S vectors=FILE [first=N] [count=N]
 *		   [clients=N] [seconds=S] [repeat=0] [setup=SQL] [ids=FILE width=K]
 *
 * The statement takes a vector in binary form as $1; vectors are those of an
 * fvecs file, `count` of them from number `first` on.  Each of the clients, a
 * thread with a connection of its own, takes every clients-th of them: once, or
 * over and over for `seconds`, or, with repeat=0, once but no longer than that.
 * With `ids`, the first column of each result, an integer, is written as
 * `width` int32 per vector, -1 where there is none.  SIGINT ends a run early.
 *
 * Prints one object of JSON: executions, seconds, and milliseconds at the
 * percentiles 50, 95 and 99.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libpq-fe.h"

typedef struct Vectors
{
	int	  dim;
	int	  count;
	int	  message_bytes;
	char *messages; /* count binary forms of the type vector */
} Vectors;

typedef struct Client
{
	pthread_t thread;
	int		  number;
	double	 *latencies; /* milliseconds */
	size_t	  executions;
	size_t	  room;
} Client;

static const char *conninfo;
static const char *setup;
static const char *statement;
static int		   clients = 1;
static double	   seconds; /* 0: no limit */
static int		   repeat = 1;

/* SIGINT ends a run as the time does. */
static volatile sig_atomic_t interrupted;
static int					 width;
static int32_t				*ids;
static Vectors				 vectors;

/* All clients start at once, when they are connected. */
static pthread_barrier_t start;
static double			 start_time;

static void
fail(const char *what, const char *why)
{
	fprintf(stderr, "client: %s: %s\n", what, why);
	exit(EXIT_FAILURE);
}

static void
interrupt(int signal)
{
	(void) signal;
	interrupted = 1;
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec * 1e-9;
}

static void *
allocate(size_t bytes)
{
	void *p = malloc(bytes > 0 ? bytes : 1);

	if (p == NULL)
		fail("memory", "exhausted");
	return p;
}

/* Read vectors and make messages of them. */
static void
read_vectors(const char *path, long first, long count)
{
	FILE	 *file = fopen(path, "rb");
	int32_t	  dim;
	long	  rows;
	uint32_t *row;

	if (file == NULL)
		fail(path, "cannot be opened");
	if (fread(&dim, sizeof(dim), 1, file) != 1 || dim < 1 || dim > 16000)
		fail(path, "is no fvecs file");
	fseek(file, 0, SEEK_END);
	rows = ftell(file) / (4L * (dim + 1));
	if (first < 0 || first >= rows)
		fail(path, "has fewer vectors");
	if (count <= 0 || count > rows - first)
		count = rows - first;

	vectors.dim = dim;
	vectors.count = (int) count;
	vectors.message_bytes = 4 + 4 * dim;
	vectors.messages = allocate((size_t) count * vectors.message_bytes);
	row = allocate(4 * ((size_t) dim + 1));
	fseek(file, first * 4L * (dim + 1), SEEK_SET);
	for (long i = 0; i < count; i++)
	{
		char	*message = vectors.messages + i * vectors.message_bytes;
		uint16_t head[2] = {htons((uint16_t) dim), 0};

		if (fread(row, 4, dim + 1, file) != (size_t) dim + 1 ||
			(int32_t) row[0] != dim)
			fail(path, "ends early");
		memcpy(message, head, sizeof(head));
		for (int j = 0; j < dim; j++)
		{
			uint32_t bits = htonl(row[j + 1]);

			memcpy(message + 4 + 4 * j, &bits, sizeof(bits));
		}
	}
	free(row);
	fclose(file);
}

static void
execute(PGconn *connection, int vector)
{
	const char *value = vectors.messages +
						(size_t) vector * vectors.message_bytes;
	int			   binary = 1;
	PGresult	  *result = PQexecPrepared(connection, "q", 1, &value,
										   &vectors.message_bytes, &binary, 0);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fail(statement, PQerrorMessage(connection));
	if (ids != NULL)
	{
		for (int i = 0; i < width; i++)
			ids[(size_t) vector * width + i] = i < PQntuples(result)
												   ? atoi(PQgetvalue(result, i,
																	 0))
												   : -1;
	}
	PQclear(result);
}

static void
note_latency(Client *client, double milliseconds)
{
	if (client->executions == client->room)
	{
		client->room = client->room * 2 + 1024;
		client->latencies = realloc(client->latencies,
									sizeof(double) * client->room);
		if (client->latencies == NULL)
			fail("memory", "exhausted");
	}
	client->latencies[client->executions++] = milliseconds;
}

static void *
run_client(void *argument)
{
	Client *client = argument;
	PGconn *connection = PQconnectdb(conninfo);
	int		vector = client->number;
	double	before;

	if (PQstatus(connection) != CONNECTION_OK)
		fail(conninfo, PQerrorMessage(connection));
	if (setup != NULL)
	{
		PGresult *result = PQexec(connection, setup);

		if (PQresultStatus(result) != PGRES_COMMAND_OK &&
			PQresultStatus(result) != PGRES_TUPLES_OK)
			fail(setup, PQerrorMessage(connection));
		PQclear(result);
	}
	PQclear(PQprepare(connection, "q", statement, 1, NULL));

	if (pthread_barrier_wait(&start) == PTHREAD_BARRIER_SERIAL_THREAD)
		start_time = now();
	pthread_barrier_wait(&start);

	before = now();
	for (;;)
	{
		double after;

		if (vector >= vectors.count)
		{
			if (seconds == 0 || !repeat)
				break;
			vector = client->number % vectors.count;
		}
		execute(connection, vector);
		vector += clients;
		after = now();
		note_latency(client, (after - before) * 1000);
		before = after;
		if (interrupted || (seconds > 0 && after - start_time >= seconds))
			break;
	}
	PQfinish(connection);
	return NULL;
}

static int
compare_doubles(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

int
main(int argc, char **argv)
{
	const char *vectors_path = NULL;
	const char *ids_path = NULL;
	long		first = 0;
	long		count = 0;
	Client	   *client;
	double	   *all;
	double		elapsed;
	size_t		executions = 0;

	for (int i = 1; i < argc; i++)
	{
		char	   *equals = strchr(argv[i], '=');
		const char *value = equals + 1;

		if (equals == NULL)
			fail(argv[i], "is not name=value");
		*equals = '\0';
		if (strcmp(argv[i], "conninfo") == 0)
			conninfo = value;
		else if (strcmp(argv[i], "setup") == 0)
			setup = value;
		else if (strcmp(argv[i], "statement") == 0)
			statement = value;
		else if (strcmp(argv[i], "vectors") == 0)
			vectors_path = value;
		else if (strcmp(argv[i], "first") == 0)
			first = atol(value);
		else if (strcmp(argv[i], "count") == 0)
			count = atol(value);
		else if (strcmp(argv[i], "clients") == 0)
			clients = atoi(value);
		else if (strcmp(argv[i], "seconds") == 0)
			seconds = atof(value);
		else if (strcmp(argv[i], "repeat") == 0)
			repeat = atoi(value);
		else if (strcmp(argv[i], "ids") == 0)
			ids_path = value;
		else if (strcmp(argv[i], "width") == 0)
			width = atoi(value);
		else
			fail(argv[i], "is not known");
	}
	if (conninfo == NULL || statement == NULL || vectors_path == NULL ||
		clients < 1 || (ids_path != NULL && width < 1))
		fail("arguments", "see the head of client.c");

	signal(SIGINT, interrupt);
	read_vectors(vectors_path, first, count);
	if (ids_path != NULL)
		ids = allocate(sizeof(int32_t) * width * (size_t) vectors.count);

	client = allocate(sizeof(Client) * clients);
	memset(client, 0, sizeof(Client) * clients);
	pthread_barrier_init(&start, NULL, clients);
	for (int i = 0; i < clients; i++)
	{
		client[i].number = i;
		if (pthread_create(&client[i].thread, NULL, run_client, &client[i]) !=
			0)
			fail("thread", "cannot be started");
	}
	for (int i = 0; i < clients; i++)
	{
		pthread_join(client[i].thread, NULL);
		executions += client[i].executions;
	}
	elapsed = now() - start_time;

	all = allocate(sizeof(double) * executions);
	executions = 0;
	for (int i = 0; i < clients; i++)
	{
		memcpy(all + executions, client[i].latencies,
			   sizeof(double) * client[i].executions);
		executions += client[i].executions;
	}
	qsort(all, executions, sizeof(double), compare_doubles);
	printf("{\"executions\": %zu, \"seconds\": %.6f", executions, elapsed);
	for (int i = 0; i < 3 && executions > 0; i++)
	{
		static const int percentiles[] = {50, 95, 99};

		printf(", \"p%d_ms\": %.4f", percentiles[i],
			   all[(executions - 1) * percentiles[i] / 100]);
	}
	printf("}\n");

	if (ids_path != NULL)
	{
		FILE *file = fopen(ids_path, "wb");

		if (file == NULL ||
			fwrite(ids, sizeof(int32_t) * width, vectors.count, file) !=
				(size_t) vectors.count ||
			fclose(file) != 0)
			fail(ids_path, "cannot be written");
	}
	return EXIT_SUCCESS;
}
