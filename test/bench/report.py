"""report.py -- collects ratios and curves; writes JSON, a table and plots."""

import json
import os

from measure import say

OURS, THEIRS = "vector", "pgvector"


class Report:
    def __init__(self, directory, machine):
        self.directory = directory
        self.machine = machine
        self.ratios = []
        self.curves = {}
        os.makedirs(directory, exist_ok=True)

    def ratio(self, part, what, unit, values, smaller):
        """One line of the table.  values: {engine: number}; the ratio says how
        many times better ours is than pgvector's, whatever "better" is.
        """
        ratio = None
        ours, theirs = values.get(OURS), values.get(THEIRS)
        if ours and theirs:
            ratio = theirs / ours if smaller else ours / theirs
        self.ratios.append({"part": part, "what": what, "unit": unit, "values": values,
                            "smaller_is_better": smaller, "ratio": ratio})
        numbers = ", ".join(f"{engine} {value:.4g}" for engine, value in values.items() if value is not None)
        say(f"{part}: {what}: {numbers} {unit}" + (f"; ratio {ratio:.2f}" if ratio else ""))
        self.write()

    def curve(self, name, engine, points):
        """points: [{"parameter", "recall", "qps"}], in the order of the parameter"""
        self.curves.setdefault(name, {})[engine] = points

    def write(self):
        with open(os.path.join(self.directory, "results.json"), "w") as file:
            json.dump({"machine": self.machine, "ratios": self.ratios, "curves": self.curves}, file, indent=1)
        with open(os.path.join(self.directory, "table.md"), "w") as file:
            for key, value in self.machine.items():
                file.write(f"{key}: {value}  \n")
            part = None
            for line in self.ratios:
                if line["part"] != part:
                    part = line["part"]
                    engines = sorted({engine for other in self.ratios if other["part"] == part
                                      for engine in other["values"]}, key=lambda e: (e != OURS, e != THEIRS, e))
                    file.write(f"\n## {part}\n\n| measure | unit | {' | '.join(engines)} | times better than pgvector |\n")
                    file.write("| --- | --- |" + " ---: |" * (len(engines) + 1) + "\n")
                cells = [f"{line['values'][e]:.4g}" if line["values"].get(e) is not None else "" for e in engines]
                ratio = f"{line['ratio']:.2f}" if line["ratio"] else ""
                file.write(f"| {line['what']} | {line['unit']} | {' | '.join(cells)} | {ratio} |\n")

    def plot(self):
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt

        for name, engines in self.curves.items():
            figure, axes = plt.subplots(figsize=(7, 4.5))
            for engine, points in engines.items():
                axes.plot([p["recall"] for p in points], [p["qps"] for p in points], marker="o", markersize=3, label=engine)
            axes.set_yscale("log")
            axes.set_xlabel("recall of the 10 nearest")
            axes.set_ylabel("queries per second of CPU time")
            axes.set_title(name)
            axes.grid(True, which="both", linewidth=0.3)
            axes.legend()
            figure.tight_layout()
            path = os.path.join(self.directory, name.replace(" ", "_").replace(",", ""))
            figure.savefig(path + ".svg")
            figure.savefig(path + ".png", dpi=120)
            plt.close(figure)
