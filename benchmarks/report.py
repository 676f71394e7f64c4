"""Results as text: a table while it runs, a CSV, and Markdown for the README."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from results import Result, by_problem, fastest
from tasks import TASKS, Size


def print_task(task: str) -> None:
    print(f"\n{task}: {TASKS[task]}")
    print(f"  {'':34}{'ms':>10}{'× fastest':>11}{'roofline':>10}{'runs':>6}  check", flush=True)


def print_problem(size: Size, results: Sequence[Result], skipped: Sequence[str]) -> None:
    print(size)
    best = fastest(results)
    for result in results:
        ratio = f"{result.seconds / best:.2f}" if best and result.arrived else "–"
        roofline = "–" if result.roofline is None else f"{result.roofline:.0%}"
        check = result.check if result.arrived else f"NOT ARRIVED, {result.check}"
        columns = f"{milliseconds(result.seconds):>10}{ratio:>11}{roofline:>10}{result.runs:6}"
        print(f"  {result.contender:34}{columns}  {check}")
    for line in skipped:
        print(f"  {line}")
    print(end="", flush=True)


def milliseconds(seconds: float) -> str:
    value = seconds * 1e3
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def write_csv(path: Path, about: Mapping[str, str], results: Sequence[Result]) -> None:
    """Write a head of lines "# key: value", then a line for each contender at each problem."""
    rows = [_row(result, fastest(found)) for found in by_problem(results).values() for result in found]
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in about.items())
        writer = csv.DictWriter(file, rows[0] if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _row(result: Result, best: float | None) -> dict[str, object]:
    return {
        "task": result.task,
        "table": result.size.table,
        "samples": result.size.n_samples,
        "features": result.size.n_features,
        "order": result.size.order,
        "dtype": result.size.dtype,
        "contender": result.contender,
        "median_s": f"{result.seconds:.4g}",
        "shortest_s": f"{result.shortest:.4g}",
        "runs": result.runs,
        "ratio_to_fastest": f"{result.seconds / best:.4g}" if best else None,
        "passes": result.passes,
        "roofline": None if result.roofline is None else f"{result.roofline:.3f}",
        "arrived": result.arrived,
        "check": result.check,
    }


def print_markdown(about: Mapping[str, str], results: Sequence[Result]) -> None:
    """Print a table a task: problems down, contenders across, milliseconds, the fastest that arrived in bold."""
    print(f"\n{about['date']}, {about['cpu']}, {about['threads'].split()[0]} threads, load {about['load']};")
    print(f"{about['versions']} ({about['steepest']}).")
    for task in dict.fromkeys(result.task for result in results):
        problems = {size: found for (of, size), found in by_problem(results).items() if of == task}
        names = list(dict.fromkeys(result.contender for found in problems.values() for result in found))
        print(f"\n| `{task}`, ms | {' | '.join(names)} |\n|---|{'---:|' * len(names)}")
        for size, found in problems.items():
            cells = {result.contender: _cell(result, fastest(found)) for result in found}
            print(f"| {size} | {' | '.join(cells.get(name, '–') for name in names)} |")
    print()
    if any(result.runs == 1 for result in results):
        print("\\* a single run.")
    if not all(result.arrived for result in results):
        print("† did not arrive at the result that the task asks for.")


def _cell(result: Result, best: float | None) -> str:
    text = milliseconds(result.seconds)
    bold = f"**{text}**" if result.arrived and result.seconds == best else text
    return bold + ("" if result.arrived else " †") + (r" \*" if result.runs == 1 else "")
