#!/usr/bin/python3
"""choice.py RESULTS DIRECTORY -- which index when: "make plots".

From results.json of "make bench" with the parts hnsw and ivfflat: for each set a
plot with the curves of both, and choice.md, a table of what they cost and give.
"""

import json
import os
import sys

OURS, THEIRS = "vector", "pgvector"
METHODS = ("hnsw", "ivfflat")
COLORS = {"hnsw": "tab:blue", "ivfflat": "tab:orange"}

# the lines of the table: heading, the beginning of the measure's name, format
LINES = (
    ("build, s", "build of ", "{:.3g}"),
    ("index, MB", "index size", "{:.0f}"),
    ("memory of the build, MB", "memory of the build", "{:.0f}"),
    ("inserts/s, one client", "inserts, no full page images", "{:,.0f}"),
    ("inserts/s, 8 clients", "inserts of 8 clients", "{:,.0f}"),
    ("queries/s at recall .90", "queries of a second of CPU time, recall 0.90", "{:,.0f}"),
    ("queries/s at recall .95", "queries of a second of CPU time, recall 0.95", "{:,.0f}"),
    ("queries/s at recall .99", "queries of a second of CPU time, recall 0.99", "{:,.0f}"),
    ("VACUUM after deleting 10%, s", "VACUUM after deleting 10%", "{:.2g}"),
)


def sets_of(results):
    """Sets that both methods were measured with, in the order of the run."""
    found = {}
    for line in results["ratios"]:
        method, _, name = line["part"].partition(", ")
        if method in METHODS:
            found.setdefault(name, set()).add(method)
    return [name for name, methods in found.items() if len(methods) == len(METHODS)]


def file_name(name):
    return "recall-" + "".join(c if c.isalnum() else "-" for c in name.lower()) + ".svg"


def plot(results, name, path):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    # the same file from the same numbers, and letters instead of their outlines
    plt.rcParams.update({"svg.hashsalt": "vector", "svg.fonttype": "none"})

    figure, axes = plt.subplots(figsize=(6.4, 3.8))
    for method in METHODS:
        curves = results["curves"].get(f"{method}, {name}", {})
        for engine, style in ((OURS, "-"), (THEIRS, ":")):
            points = [p for p in curves.get(engine, []) if p["recall"] >= 0.7]
            if points:
                label = method if engine == OURS else f"{method} of pgvector"
                axes.plot([p["recall"] for p in points], [p["qps"] for p in points], style, color=COLORS[method],
                          marker="o", markersize=3, linewidth=1.3, label=label)
    axes.set_yscale("log")
    axes.set_xlabel("recall of the 10 nearest")
    axes.set_ylabel("queries per second of CPU time")
    axes.set_title(name, fontsize=10)
    axes.grid(True, which="both", linewidth=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def table(results, name):
    """Rows of a Markdown table, both methods side by side."""
    values = {}
    for line in results["ratios"]:
        method, _, of = line["part"].partition(", ")
        if of == name and method in METHODS:
            values.setdefault(method, []).append(line)

    def cell(method, begin, how):
        for line in values[method]:
            value = line["values"].get(OURS)
            if line["what"].startswith(begin) and value is not None:
                return how.format(value)
        return ""

    rows = [f"| {name} | hnsw | ivfflat |", "| --- | ---: | ---: |"]
    for heading, begin, how in LINES:
        cells = [cell(method, begin, how) for method in METHODS]
        if any(cells):
            rows.append(f"| {heading} | {cells[0]} | {cells[1]} |")
    return rows


def main():
    source, directory = sys.argv[1:3]
    with open(os.path.join(source, "results.json")) as file:
        results = json.load(file)
    sets = sets_of(results)
    if not sets:
        sys.exit(f"{source} has no set that both hnsw and ivfflat were measured with")

    os.makedirs(directory, exist_ok=True)
    text = ["Made by `make plots` from a run of `make bench` on:", ""]
    text += [f"{key}: {value}  " for key, value in results["machine"].items()]
    for name in sets:
        plot(results, name, os.path.join(directory, file_name(name)))
        text += ["", f"![recall and speed, {name}]({file_name(name)})", ""] + table(results, name)
    with open(os.path.join(directory, "choice.md"), "w") as file:
        file.write("\n".join(text) + "\n")
    print(f"{directory}/choice.md and {len(sets)} plots")


if __name__ == "__main__":
    main()
