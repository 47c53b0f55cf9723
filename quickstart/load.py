#!/usr/bin/python3
"""load.py -- load the descriptions of all Debian packages with embeddings.

The texts come from the package lists of apt.  If those have only the short
descriptions (as in containers), lists with the long ones are fetched into the
folder given; nothing of the machine's own lists changes.

The embeddings need no downloaded model.  PostgreSQL splits the texts into
words and reduces these to their stems (to_tsvector); the first singular
vectors of the matrix of words and packages then give every word a direction,
such that words used alike ("picture", "photo") point alike.  To these 256
dimensions come 128 random ones that tell every word from all others.  A text
is the sum of its words' vectors, rare words weigh more.  An embedding model
understands far more than that; the database does not mind.

Usage: load.py FOLDER, with the connection in PGHOST, PGUSER and so on.
"""

import os
import re
import struct
import subprocess
import sys
import time

import numpy as np
import scipy.sparse as sparse

LEARNED_DIMS = 256
RANDOM_DIMS = 128
RANDOM_SHARE = 0.36             # of a word's squared length
SEED = 7

# How much a word counts by the place where it is found; the letters are the
# labels that a tsvector can carry.
TITLE, NAME, TAG, TEXT = "ABCD"
PLACE_WEIGHT = {TITLE: 3.0, NAME: 2.0, TAG: 1.0, TEXT: 0.5}

MIN_PACKAGES = 3                # a rarer word teaches nothing
MAX_SHARE = 0.3                 # nor does one that every third package has

ROWS_PER_MESSAGE = 4000


# --- progress ---------------------------------------------------------------

started = time.monotonic()


def say(text):
    print(f"  {time.monotonic() - started:5.1f} s  {text}", flush=True)


def show_rows(done, total):
    if sys.stdout.isatty():
        print(f"\r           {done:,} of {total:,} rows", end="", flush=True)
        if done == total:
            print("\r" + " " * 40 + "\r", end="")


# --- reading the package lists ----------------------------------------------

def apt_files(kind, options):
    """The files of the package lists: kind is Packages or Translations."""
    command = ["apt-get", *options, "indextargets", "--format", "$(FILENAME)",
               f"Created-By: {kind}"]
    names = subprocess.run(command, capture_output=True, text=True,
                           check=False).stdout.split("\n")
    if kind == "Translations":
        names = [name for name in names if re.search(r"[-_]en(\.|$)", name)]
    return [name for name in names if os.path.exists(name)]


def fetch_lists(folder):
    """Fetch lists with long descriptions into folder; return apt's options."""
    os.makedirs(os.path.join(folder, "lists", "partial"), exist_ok=True)
    os.makedirs(os.path.join(folder, "cache", "archives", "partial"), exist_ok=True)
    options = ["-o", f"Dir::State::lists={folder}/lists",
               "-o", f"Dir::Cache={folder}/cache",
               "-o", "Acquire::Languages=en"]
    if os.geteuid() == 0:
        options += ["-o", "APT::Sandbox::User=root"]
    subprocess.run(["apt-get", "-qq", *options, "update"], check=False,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return options


def find_lists(folder):
    """Return (package lists, lists of long descriptions)."""
    packages, texts = apt_files("Packages", []), apt_files("Translations", [])
    if packages and texts:
        say("apt's lists have the long descriptions")
        return packages, texts
    say("fetching package lists with long descriptions (some 15 MB)")
    options = fetch_lists(folder)
    own = apt_files("Packages", options), apt_files("Translations", options)
    if all(own):
        return own
    if not packages:
        sys.exit("no package lists: run apt-get update")
    say("not reachable: the short descriptions have to do")
    return packages, []


def read_stanzas(path):
    """Yield each paragraph of a list as a dictionary of its fields."""
    content = subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", path],
                             capture_output=True, check=True).stdout
    for paragraph in content.decode("utf-8", "replace").split("\n\n"):
        fields = {}
        # a line that starts with a blank continues the field before
        for line in paragraph.strip("\n").replace("\n ", "\0").split("\n"):
            key, _, value = line.partition(": ")
            fields[key] = value
        if "Package" in fields:
            yield fields


class Package:
    def __init__(self, fields, long_texts):
        self.name = fields["Package"]
        self.section = fields.get("Section", "unknown").split("/")[-1]
        self.priority = fields.get("Priority", "optional")
        self.download_kb = int(fields.get("Size", 0)) // 1024
        self.installed_kb = int(fields.get("Installed-Size", 0))
        self.tags = [tag for tag in
                     re.split(r"[,\s\0]+", fields.get("Tag", "")) if tag]
        text = long_texts.get(fields.get("Description-md5"),
                              fields.get("Description", ""))
        lines = [line.strip() for line in text.split("\0")]
        self.title = lines[0]
        # a single dot stands for an empty line
        self.text = "\n".join("" if line == "." else line for line in lines[1:])


def read_packages(folder):
    package_lists, text_lists = find_lists(folder)
    long_texts = {}
    for path in text_lists:
        for fields in read_stanzas(path):
            if "Description-en" in fields:
                long_texts[fields["Description-md5"]] = fields["Description-en"]
    packages = {}
    for path in package_lists:
        for fields in read_stanzas(path):
            if fields["Package"] not in packages:
                packages[fields["Package"]] = Package(fields, long_texts)
    return list(packages.values())


# --- talking to the server --------------------------------------------------

def psql(*commands, **options):
    arguments = ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1"]
    for command in commands:
        arguments += ["-c", command]
    return subprocess.run(arguments, check=True, **options)


class BinaryCopy:
    """A COPY ... FROM STDIN in PostgreSQL's binary format."""

    def __init__(self, table, total):
        self.process = subprocess.Popen(
            ["psql", "-Xq", "-v", "ON_ERROR_STOP=1",
             "-c", f"COPY {table} FROM STDIN (FORMAT binary)"],
            stdin=subprocess.PIPE)
        self.total = total
        self.done = 0
        self.rows = [b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)]

    def add(self, *fields):
        """Append a row; fields are in the binary format of their types."""
        row = [struct.pack(">h", len(fields))]
        for field in fields:
            row += [struct.pack(">i", len(field)), field]
        self.rows.append(b"".join(row))
        self.done += 1
        if self.done % ROWS_PER_MESSAGE == 0:
            self.flush()

    def flush(self):
        self.process.stdin.write(b"".join(self.rows))
        self.rows = []
        show_rows(self.done, self.total)

    def finish(self):
        self.rows.append(struct.pack(">h", -1))
        self.flush()
        self.process.stdin.close()
        if self.process.wait() != 0:
            sys.exit("COPY failed")


def binary_int(value):
    return struct.pack(">i", value)


def binary_text_array(values):
    text_oid = 25
    header = struct.pack(">iii", 1 if values else 0, 0, text_oid)
    if not values:
        return header
    parts = [header, struct.pack(">ii", len(values), 1)]
    for value in values:
        parts += [struct.pack(">i", len(value.encode())), value.encode()]
    return b"".join(parts)


def binary_vectors(matrix):
    """The rows of a matrix as binary vectors: dimensions, zero, float4s."""
    header = struct.pack(">hh", matrix.shape[1], 0)
    return (header + row.tobytes() for row in matrix.astype(">f4"))


# --- words and their vectors ------------------------------------------------

def split_into_words(packages):
    """Return (words, matrix): how much each word counts in each package."""
    def words_of(text):
        return re.sub(r"[^A-Za-z]+", " ", text)

    def copy_text(*fields):
        return "\t".join(re.sub(r"[\\\t\n]", " ", field) for field in fields)

    lines = []
    for number, package in enumerate(packages):
        # "use::editing" says what it is, "role::program" nothing on the topic
        tags = [tag.split("::")[-1] for tag in package.tags
                if re.match("field|use|works-with|game|sound|web|mail", tag)]
        lines.append(copy_text(str(number), words_of(package.name),
                               package.title, words_of(" ".join(tags)),
                               package.text))
    psql("CREATE UNLOGGED TABLE texts (id int, name text, title text, "
         "tags text, body text)", "COPY texts FROM STDIN",
         input="\n".join(lines).encode() + b"\n")
    rows = psql(f"""COPY (
        SELECT id, lexeme, array_to_string(weights, '')
        FROM texts, unnest(
            setweight(to_tsvector('english', title), '{TITLE}') ||
            setweight(to_tsvector('english', name), '{NAME}') ||
            setweight(to_tsvector('english', tags), '{TAG}') ||
            setweight(to_tsvector('english', body), '{TEXT}'))
        ) TO STDOUT""", "DROP TABLE texts", stdout=subprocess.PIPE).stdout

    words = {}
    labels_weight = {}
    row_numbers, columns, weights = [], [], []
    for line in rows.decode().splitlines():
        number, word, labels = line.split("\t")
        weight = labels_weight.get(labels)
        if weight is None:
            weight = np.log1p(sum(PLACE_WEIGHT[label] for label in labels))
            labels_weight[labels] = weight
        row_numbers.append(int(number))
        columns.append(words.setdefault(word, len(words)))
        weights.append(weight)
    matrix = sparse.csr_matrix((np.array(weights, dtype=np.float32),
                                (row_numbers, columns)),
                               shape=(len(packages), len(words)))

    frequency = np.bincount(matrix.indices, minlength=len(words))
    kept = np.flatnonzero((frequency >= MIN_PACKAGES) &
                          (frequency <= MAX_SHARE * len(packages)))
    words = list(words)
    return [words[i] for i in kept], matrix[:, kept]


def unit_rows(matrix):
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return matrix / np.maximum(lengths, 1e-12)


def orthonormal(matrix):
    """A basis of the space that the columns span (tall matrices, few columns)."""
    values, vectors = np.linalg.eigh((matrix.T @ matrix).astype(np.float64))
    values = np.maximum(values, values[-1] * 1e-12)
    return matrix @ (vectors / np.sqrt(values)).astype(np.float32)


def right_singular_vectors(matrix, count, random, rounds=3, spare=16):
    """The first singular vectors, by subspace iteration from a random start.

    After Halko, Martinsson and Tropp, "Finding structure with randomness",
    SIAM Review 53 (2011), algorithm 4.4.
    """
    basis = random.standard_normal((matrix.shape[1], count + spare))
    basis = basis.astype(np.float32)
    for _ in range(rounds + 1):
        basis = orthonormal(matrix.T @ (matrix @ basis))
    projected = matrix @ basis
    _, vectors = np.linalg.eigh((projected.T @ projected).astype(np.float64))
    return basis @ vectors[:, :-count - 1:-1].astype(np.float32)


def learn_word_vectors(packages, matrix):
    """Return an array of words * dimensions; its rows are as long as the
    word is rare (inverse document frequency)."""
    random = np.random.RandomState(SEED)
    frequency = np.bincount(matrix.indices, minlength=matrix.shape[1])
    rarity = np.log(matrix.shape[0] / frequency).astype(np.float32)

    # One package of each family: libx, libx-dev and libx-doc say the same.
    families = {}
    for number, package in enumerate(packages):
        family = re.split(r" - | -- |\(|;", package.title)[0].strip().lower()
        families.setdefault(family, number)
    sample = matrix[list(families.values())] @ sparse.diags(rarity)
    lengths = np.sqrt(np.asarray(sample.multiply(sample).sum(axis=1)).ravel())
    sample = (sparse.diags(1 / np.maximum(lengths, 1e-12)) @ sample)
    sample = sample.astype(np.float32).tocsr()

    learned = unit_rows(right_singular_vectors(sample, LEARNED_DIMS, random))
    own = random.standard_normal((matrix.shape[1], RANDOM_DIMS))
    own = unit_rows(own.astype(np.float32))
    directions = np.hstack([learned * np.sqrt(1 - RANDOM_SHARE),
                            own * np.sqrt(RANDOM_SHARE)])
    return directions * rarity[:, np.newaxis]


# --- all of it --------------------------------------------------------------

def main():
    packages = read_packages(sys.argv[1])
    say(f"{len(packages):,} packages read")

    words, matrix = split_into_words(packages)
    say(f"{len(words):,} different words found, {matrix.nnz:,} in all")

    word_vectors = learn_word_vectors(packages, matrix)
    embeddings = unit_rows(matrix @ word_vectors)
    say(f"embeddings of {embeddings.shape[1]} dimensions computed")

    copy = BinaryCopy("terms", len(words))
    for word, vector in zip(words, binary_vectors(word_vectors)):
        copy.add(word.encode(), vector)
    copy.finish()

    # A handful have no usable word, and so no direction.
    described = np.flatnonzero(np.linalg.norm(embeddings, axis=1) > 0.5)
    copy = BinaryCopy("packages (id, name, section, priority, download_kb, "
                      "installed_kb, tags, title, description, embedding)",
                      len(described))
    for number, vector in zip(described, binary_vectors(embeddings[described])):
        package = packages[number]
        copy.add(binary_int(number), package.name.encode(),
                 package.section.encode(), package.priority.encode(),
                 binary_int(package.download_kb),
                 binary_int(package.installed_kb),
                 binary_text_array(package.tags),
                 package.title.encode(), package.text.encode(), vector)
    copy.finish()
    say(f"{len(described):,} rows loaded by binary COPY")


if __name__ == "__main__":
    main()
