"""Results as text."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from tasks import TASKS

if TYPE_CHECKING:
    pass


def about(loaded, threads, bandwidth):
    return [f"{p.name} {version(p.distribution)}" for p in loaded] + [f"{bandwidth / 1e9:.1f} GB/s"]


def print_task(task):
    print("\n" + task, TASKS[task])


def print_problem(size, found, skipped):
    print(size)
    for r in found:
        print(f"   {r.contender:40}{r.seconds * 1e3:12.3f}{r.runs:4}{r.roofline or 0:8.1%} {r.arrived} {r.verdict}")
    for s in skipped:
        print("   ", s)


def save(*a):
    pass
