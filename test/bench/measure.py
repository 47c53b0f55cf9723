"""measure.py -- interleaved measurements: all engines in turn, several times."""

import statistics
import time


def interleaved(engines, run, rounds, choose=statistics.median):
    """Call run(engine) for each engine, `rounds` times around; return the
    medians, {engine: value}; or, with choose=min, the least, which suits short
    pieces of pure computation.  Only such values can be compared: whatever else
    the machine does, it does to all of them.
    """
    values = {engine: [] for engine in engines}
    for turn in range(rounds):
        order = list(engines) if turn % 2 == 0 else list(engines)[::-1]
        for engine in order:
            values[engine].append(run(engine))
    return {engine: choose(found) for engine, found in values.items()}


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, flush=True)
