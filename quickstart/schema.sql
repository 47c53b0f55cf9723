-- The tables of the quickstart, and embed(), which turns a text into a vector.

CREATE EXTENSION vector;

-- One row for each Debian package, filled by load.py.
CREATE TABLE packages (
	id				int,
	name			text NOT NULL,
	section			text NOT NULL,
	priority		text NOT NULL,
	download_kb		int NOT NULL,
	installed_kb	int NOT NULL,
	tags			text[] NOT NULL,
	title			text NOT NULL,
	description		text NOT NULL,
	embedding		vector(384) NOT NULL,
	words			tsvector GENERATED ALWAYS AS
		(to_tsvector('english', title || ' ' || description)) STORED
);

-- What load.py learned about each word: its direction, longer for rare words.
CREATE TABLE terms (
	term			text PRIMARY KEY,
	embedding		vector(384) NOT NULL
);

-- The embedding of a text is the sum of its words'.  An embedding model, run
-- by the application, would take the place of this function and of load.py.
CREATE FUNCTION embed(phrase text) RETURNS vector
LANGUAGE sql STABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
	SELECT l2_normalize(sum(t.embedding))
	FROM unnest(to_tsvector('english', phrase)) AS word
		JOIN terms t ON t.term = word.lexeme;
END;
