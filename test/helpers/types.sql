-- What the tests of types share.  Starts with an empty schema "types_test".
\set ECHO none
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS vector;
DROP SCHEMA IF EXISTS types_test CASCADE;
CREATE SCHEMA types_test;
SET search_path = types_test, public;

-- the value of an expression as text, or its error; @ is the type that a
-- script was run for (SET types_test.type)
CREATE FUNCTION attempt(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	state text;
	message text;
	detail text;
BEGIN
	EXECUTE 'SELECT (' || replace(expression, '@', coalesce(current_setting('types_test.type', true), '@')) || ')::text' INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE,
		message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN state || ' ' || message || coalesce(' / ' || nullif(detail, ''), '');
END$$;

-- what a statement that returns nothing comes to: errors outside of functions
-- name the file that they are in, which is another one everywhere
CREATE FUNCTION attempt_statement(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END$$;

-- the same for each literal of a type
CREATE FUNCTION attempt_literals(type text, VARIADIC literals text[])
RETURNS TABLE (input text, output text) LANGUAGE sql AS $$
	SELECT l, attempt(format('%L::%s', l, type))
	FROM unnest(literals) WITH ORDINALITY x(l, n) ORDER BY n$$;

CREATE FUNCTION attempt_all(VARIADIC expressions text[])
RETURNS TABLE (expression text, output text) LANGUAGE sql AS $$
	SELECT e, attempt(e) FROM unnest(expressions) WITH ORDINALITY x(e, n) ORDER BY n$$;

-- what a type's receive function makes of bytes, by way of COPY BINARY from a
-- file that the server can write wherever the client runs
CREATE FUNCTION receive(type text, bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	path text := current_setting('data_directory') || '/types_test.copy';
	object oid;
	result text;
BEGIN
	object := lo_from_bytea(0, '\x5047434f50590aff0d0a000000000000000000'::bytea ||
		'\x0001' || int4send(length(bytes)) || bytes || '\xffff');
	PERFORM lo_export(object, path), lo_unlink(object);
	EXECUTE format('CREATE TEMPORARY TABLE received (x %s)', type);
	BEGIN
		EXECUTE format('COPY received FROM %L (FORMAT binary)', path);
		SELECT x::text INTO STRICT result FROM received;
	EXCEPTION WHEN OTHERS THEN
		result := SQLSTATE || ' ' || SQLERRM;
	END;
	DROP TABLE received;
	RETURN result;
END$$;

-- pseudo-random bits, the same everywhere for a seed
CREATE FUNCTION noise_bits(n bigint, seed bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$SELECT hashint8extended(n, seed)$$;

-- the float4 with these bits
CREATE FUNCTION real_from_bits(bits bigint) RETURNS real LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN bits & 2139095040 = 0
		THEN ((bits & 8388607)::float8 * 2::float8 ^ -149)::real
		ELSE ((8388608 + (bits & 8388607))::float8 *
			2::float8 ^ ((bits >> 23 & 255) - 150)::float8)::real
	END * CASE WHEN bits & 2147483648 <> 0 THEN -1::real ELSE 1::real END$$;

\set ECHO all
