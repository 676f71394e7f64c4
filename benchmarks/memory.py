"""Peak memory of a fit beside its data, each measured in a process of its own."""

from __future__ import annotations

import csv
import gc
import json
import resource
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import peers
from interface import Unable
from tasks import Size, make

SIZES = ("100000x200", "1000000x32", "1000000x32:F", "1000000x32:float32", "1000000x32:F:uint8", "10000x1000")


def run(names: Sequence[str], tasks: Sequence[str], sizes: Sequence[str]) -> list[dict[str, object]]:
    """Measure and print every case; return them as rows."""
    rows: list[dict[str, object]] = []
    print(f"\n{'':68}{'X, MiB':>10}{'extra, MiB':>12}")
    for adapter in names:
        (peer,), _ = peers.load([adapter])
        for task in tasks:
            for label in peer.tasks.get(task, {}):
                for size in sizes:
                    case = {"adapter": adapter, "task": task, "label": label, "size": size}
                    child = subprocess.run(
                        [sys.executable, __file__, json.dumps(case)], capture_output=True, text=True, check=False
                    )
                    name = f"{task}, {peer.name}{label and ', '}{label}"
                    if child.returncode != 0:
                        print(f"{name}, {Size.parse(size)}: {child.stderr.strip().splitlines()[-1]}", flush=True)
                        continue
                    row = case | json.loads(child.stdout)
                    rows.append(row)
                    print(f"{f'{name}, {Size.parse(size)}':68}{row['X_MiB']:10.1f}{row['extra_MiB']:12.1f}", flush=True)
    return rows


def write_csv(path: Path, about: Mapping[str, str], rows: Sequence[Mapping[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {key}: {value}\n" for key, value in about.items())
        writer = csv.DictWriter(file, rows[0] if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def measure(adapter: str, task: str, label: str, size: str) -> dict[str, float]:
    """Return the size of X, and by how much the resident set grew at most while a fit ran, in MiB."""
    (peer,), _ = peers.load([adapter])
    prepare = peer.tasks[task][label]
    prepare(make(task, Size(500, 3)))()  # threads started, libraries loaded
    problem = make(task, Size.parse(size))
    fit = prepare(problem)
    gc.collect()
    before = resident(reset=True)
    fit()
    extra = resident() - before
    return {"X_MiB": round(problem.X.nbytes / 2**20, 2), "extra_MiB": round(extra / 2**20, 2)}


def resident(*, reset: bool = False) -> float:
    """Return the largest resident set in bytes since the last reset, where the system can forget, else ever."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        return 1024.0 * int(status.split("VmHWM:")[1].split()[0])
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return float(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    try:
        print(json.dumps(measure(**json.loads(sys.argv[1]))))
    except Unable as reason:
        sys.exit(str(reason))
