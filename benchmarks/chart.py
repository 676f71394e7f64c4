"""Results as a picture: how many times as long as Steepest each contender takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

from results import Result, by_problem, fastest

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D


def write_chart(path: Path, about: Mapping[str, str], results: Sequence[Result]) -> None:
    """Draw a panel a task and a mark a contender; hollow marks did not arrive."""
    tasks = list(dict.fromkeys(result.task for result in results))
    names = list(dict.fromkeys(result.contender for result in results))
    colours = {name: plt.get_cmap("tab20")(index % 20) for index, name in enumerate(names)} | {"steepest": "black"}
    problems = by_problem(results)
    counts = [sum(of == task for of, _ in problems) for task in tasks]
    figure, panels = plt.subplots(
        len(tasks),
        figsize=(10, 1.5 + sum(0.4 * count + 0.8 for count in counts)),
        height_ratios=[count + 1 for count in counts],
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for task, panel in zip(tasks, panels[:, 0], strict=True):
        rows = [(size, found) for (of, size), found in problems.items() if of == task]
        for row, (_, found) in enumerate(rows):
            unit = _unit(found)
            if unit is None:
                continue
            for result in found:
                face = colours[result.contender] if result.arrived else "none"
                panel.scatter(
                    result.seconds / unit, row, s=60, facecolor=face, edgecolor=colours[result.contender], zorder=3
                )
        panel.axvline(1.0, color="black", linewidth=1)
        panel.set(title=task, xscale="log", yticks=range(len(rows)), yticklabels=[str(size) for size, _ in rows])
        panel.set_ylim(len(rows) - 0.5, -0.5)
        panel.grid(axis="x", which="both", alpha=0.3)
    panels[-1, 0].xaxis.set_major_formatter("{x:g} ×")
    panels[-1, 0].set_xlabel("time / time of Steepest (of the fastest where Steepest has none); hollow: did not arrive")
    marks = [Line2D([], [], marker="o", linestyle="", color=colours[name], label=name) for name in names]
    figure.legend(handles=marks, loc="outside right upper")
    figure.suptitle(f"{about['cpu']}, {about['threads'].split()[0]} threads, {about['date']}")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _unit(found: Sequence[Result]) -> float | None:
    ours = [result.seconds for result in found if result.contender.startswith("steepest") and result.arrived]
    return ours[0] if ours else fastest(found)
