"""One run of the benchmarks: every task at every size, by every peer."""

from __future__ import annotations

import argparse
import statistics
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import chart
import machine
import memory
import peers
import report
from interface import Fit, Fitted, Peer, Problem, Unable
from judge import judge
from results import Result
from tasks import FULL, QUICK, TASKS, Size, make
from timing import read_bandwidth, run_once, time_rounds


def run(options: argparse.Namespace) -> None:
    """Do what the options of the command line ask."""
    names = options.peers or (["steepest"] if options.memory else list(peers.ADAPTERS))
    tasks = options.tasks or list(TASKS)
    _check(names, peers.ADAPTERS, "peers")
    _check(tasks, TASKS, "tasks")

    loaded, missing = peers.load(names)
    loaded = [peer for peer in loaded if not peer.tasks.keys().isdisjoint(tasks)]
    warnings.simplefilter("ignore")  # after the peers have set theirs: who did not arrive is said by the judge
    bandwidth = read_bandwidth(options.threads)
    about = machine.about(loaded, options.threads, bandwidth)
    print("\n".join([*(f"{key}: {value}" for key, value in about.items()), *missing]), flush=True)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{machine.file_stem()}.csv"
    if options.memory:
        rows = memory.run(names, tasks, options.sizes or (FULL if options.full else memory.SIZES))
        path = path.with_stem(f"{path.stem}-memory")
        memory.write_csv(path, about, rows)
    else:
        sizes = options.sizes or (FULL if options.full else QUICK)
        rounds = options.rounds or (9 if options.full else 5)
        budget = options.budget or (30.0 if options.full else 2.0)
        results: list[Result] = []
        for task in tasks:
            report.print_task(task)
            for size in map(Size.parse, sizes):
                found, skipped = compare(task, size, loaded, rounds, budget, bandwidth)
                report.print_problem(size, found, skipped)
                results += found
                report.write_csv(path, about, results)  # each time: a run that is stopped has not been for nothing
        chart.write_chart(path.with_suffix(".png"), about, results)
        if options.markdown:
            report.print_markdown(about, results)
    print(f"\nwritten to {path}")


def compare(
    task: str, size: Size, loaded: Sequence[Peer], rounds: int, budget: float, bandwidth: float
) -> tuple[list[Result], list[str]]:
    """Return the results at one problem, and a line for each contender that could not take it."""
    try:
        problem, small = make(task, size), make(task, replace(size, n_samples=50, n_features=2, table=""))
    except Unable as reason:
        return [], [f"everyone: {reason}"]
    fits, outcomes, first, skipped = start(task, problem, small, loaded)
    verdicts = judge(task, problem, outcomes)
    results = []
    for name, runs in time_rounds(fits, first, rounds, budget).items():
        median, passes = statistics.median(runs), outcomes[name].passes
        roofline = None if passes is None else passes * problem.X.nbytes / median / bandwidth
        verdict = verdicts[name]
        results.append(
            Result(task, size, name, median, min(runs), len(runs), passes, roofline, verdict.arrived, verdict.text)
        )
    return results, skipped


def start(
    task: str, problem: Problem, small: Problem, loaded: Sequence[Peer]
) -> tuple[dict[str, Fit], dict[str, Fitted], dict[str, float], list[str]]:
    """Prepare every contender and let it fit once: what to time, what came out, the seconds, who could not."""
    fits: dict[str, Fit] = {}
    outcomes: dict[str, Fitted] = {}
    seconds: dict[str, float] = {}
    skipped: list[str] = []
    for peer in loaded:
        for label, prepare in peer.tasks.get(task, {}).items():
            name = f"{peer.name}, {label}" if label else peer.name
            try:
                prepare(small)()  # loads and compiles what waits for a first call
                fit = prepare(problem)
                outcomes[name], seconds[name] = run_once(fit)
                fits[name] = fit
            except Unable as reason:
                skipped.append(f"{name}: {reason}")
            except Exception as error:  # the failure of a peer is a result too
                skipped.append(f"{name} failed: {type(error).__name__}: {error}"[:200])
    return fits, outcomes, seconds, skipped


def _check(names: Sequence[str], known: Sequence[str] | dict[str, str], what: str) -> None:
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"unknown {what}: {', '.join(unknown)}; there are {', '.join(known)}")
