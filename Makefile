# Makefile -- builds, tests and installs the extension "vector".
#
#   make quickstart      everything from nothing to a running demonstration
#   make test            everything from nothing to "N passed, N failed"
#   make test-all-versions  the same with newer versions of PostgreSQL, too
#   make, make install   build and install for the server of $(PG_CONFIG)
#   make installcheck    test the installed extension on a running server
#   make format          clang-format all sources in place
#   make check-style     layout, warnings and include rules
#   make check-sanitize  the tests, with a build that reports undefined behaviour
#   make bench           compare with pgvector, hnswlib and faiss (test/bench/README)
#   make plots           docs/, from the results of that: which index when
#   make fuzz            random inputs for the parsers, FUZZ_SECONDS (600) each
#
# The first two need only make and a compiler; the rest need the server's
# development files (Debian: postgresql-server-dev-NN, libsimde-dev).

.DEFAULT_GOAL := all

EXTENSION = vector
EXTVERSION = 1.0.0
MODULE_big = vector

SRCS = $(sort $(wildcard src/*.c src/*/*.c))
OBJS = $(SRCS:.c=.o)
DEPS = $(OBJS:.o=.d) $(OBJS:.o=.bc.d)

# The install script is its parts in this order, one part a module: first what
# pgvector's catalog has as well, then what is ours alone.
SQL_SCRIPT = sql/$(EXTENSION)--$(EXTVERSION).sql
CONTRACT_PARTS = sql/types.sql sql/hnsw.sql sql/ivfflat.sql
OWN_PARTS = sql/types_own.sql sql/inspect.sql sql/comments.sql

# From pgvector's catalog, which is the same in all of these versions, to ours.
PGVECTOR_VERSIONS = 0.8.0 0.8.1 0.8.2 0.8.3 0.8.4 0.8.5 0.8.6 0.8.7
UPGRADE_SCRIPTS = $(PGVECTOR_VERSIONS:%=sql/$(EXTENSION)--%--$(EXTVERSION).sql)

# All scripts are built.  "make bench" has a variable of that name, too.
DATA =
DATA_built = $(SQL_SCRIPT) $(UPGRADE_SCRIPTS)
DOCS = $(wildcard README.md)

# What other extensions include to work with values of our types.
HEADERS_vector = $(addprefix src/types/,vector.h halfvec.h half.h sparsevec.h)

# Every test finds its inputs under test/, expected/ stays at the top.
REGRESS = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=.
TAP_TESTS = $(if $(wildcard test/t/*.pl),1)
PROVE_TESTS = test/t/*.pl

PG_CPPFLAGS = -Isrc

# Calls within the library are calls, not looked up in a table, and can be inlined.
PG_CFLAGS = -fno-semantic-interposition
EXTRA_CLEAN = src/*.o src/*/*.o src/*.bc src/*/*.bc src/*.d src/*/*.d

PG_CONFIG ?= pg_config
PGXS := $(wildcard $(shell $(PG_CONFIG) --pgxs 2>/dev/null))
SERVER_HEADERS := $(wildcard $(shell $(PG_CONFIG) --includedir-server 2>/dev/null)/postgres.h)

ifneq ($(and $(PGXS),$(SERVER_HEADERS)),)

# PGXS asks whether these are defined, not whether they are empty.
$(foreach v,DATA DOCS REGRESS ISOLATION TAP_TESTS,$(if $(strip $($(v))),,$(eval undefine $(v))))

include $(PGXS)

PROVE_FLAGS += -I test/perl

ifeq ($(PORTNAME),linux)
SHLIB_LINK += -Wl,-Bsymbolic
endif

# README.md would collide with other extensions' in a shared directory.
docmoduledir := $(EXTENSION)

# PGXS finds header dependencies only where the server was configured to, and
# then keeps them by file name without the folder; these rules do it anywhere.
$(OBJS): src/%.o: src/%.c Makefile
	$(CC) $(CFLAGS) $(KERNEL_CFLAGS) $(CPPFLAGS) -MMD -MP -MF src/$*.d -c -o $@ $<

$(OBJS:.o=.bc): src/%.bc: src/%.c Makefile
	$(COMPILE.c.bc) $(KERNEL_CFLAGS) -MMD -MP -MT $@ -MF src/$*.bc.d -o $@ $<

-include $(wildcard $(DEPS))

# Only the kernels are compiled for particular instruction sets; which one runs
# is decided at load.  Each set is a file of its own, so that no code outside
# it can be compiled for a CPU that is not there.
KERNELS = $(basename $(wildcard src/distance/kernels_*.c))
$(KERNELS:=.o) $(KERNELS:=.bc): KERNEL_CFLAGS = -O3 $(ISA_CFLAGS)

# Loops over all elements, which any instruction set has vectors for.
LOOPS = src/types/binary_form src/types/float_array src/quantize/sq8_rest \
	src/quantize/sq8_halves
$(LOOPS:=.o) $(LOOPS:=.bc): KERNEL_CFLAGS = -O3

ifneq ($(filter x86_64 amd64,$(host_cpu)),)
AVX2_CFLAGS = -mavx2 -mfma -mf16c
AVX512_CFLAGS = $(AVX2_CFLAGS) -mavx512f -mavx512bw -mavx512dq -mavx512vl

define isa_flags
src/distance/kernels_$(1).o src/distance/kernels_$(1).bc: ISA_CFLAGS = $(2)
endef
$(eval $(call isa_flags,avx2,$(AVX2_CFLAGS)))
$(eval $(call isa_flags,avx512,$(AVX512_CFLAGS)))
$(eval $(call isa_flags,avx512vnni,$(AVX512_CFLAGS) -mavx512vnni))
endif

# script FILE, SQL COMMAND, PARTS -- psql shall not run it: only that command does
define make_script
	{ printf '%s\n' '\echo Use "$(2)" to load this file. \quit' && \
	  for part in $(3); do echo && cat $$part || exit 1; done; } >$(1).tmp
	mv $(1).tmp $(1)
endef

$(SQL_SCRIPT): $(CONTRACT_PARTS) $(OWN_PARTS) Makefile
	$(call make_script,$@,CREATE EXTENSION $(EXTENSION),$(CONTRACT_PARTS) $(OWN_PARTS))

$(UPGRADE_SCRIPTS): sql/from_pgvector.sql $(OWN_PARTS) Makefile
	$(call make_script,$@,ALTER EXTENSION $(EXTENSION) UPDATE,sql/from_pgvector.sql $(OWN_PARTS))

else

all install uninstall installcheck clean:
	@echo "$(PG_CONFIG): no server development files found." >&2
	@echo "Install them (Debian: apt-get install postgresql-server-dev-15 libsimde-dev)," >&2
	@echo "or give the path of another pg_config: make PG_CONFIG=/path/to/pg_config" >&2
	@exit 1

endif

# These bring what they need along, see tools/ and quickstart/.
test:
	@bash tools/test.sh

test-all-versions:
	@bash tools/test-all-versions.sh

quickstart:
	@bash quickstart/quickstart.sh

quickstart-stop:
	@bash quickstart/quickstart.sh stop

quickstart-clean:
	@bash quickstart/quickstart.sh clean

format:
	@bash tools/format.sh

check-style:
	@bash tools/check-style.sh

check-sanitize:
	@SANITIZE=yes TESTS="$${TESTS:-unit regress isolation}" bash tools/test.sh

fuzz:
	@bash tools/install-packages.sh test
	@$(MAKE) --no-print-directory -C test/fuzz run

bench:
	@bash test/bench/run.sh

plots:
	@/usr/bin/python3 test/bench/choice.py "$${RESULTS:-bench-results}" docs

# All that the compiler has to say, and nothing linked.
objects: $(OBJS)

.PHONY: test test-all-versions quickstart quickstart-stop quickstart-clean format check-style check-sanitize fuzz bench plots objects
