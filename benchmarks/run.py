"""One run of the benchmarks: every task at every size, by every peer."""

from __future__ import annotations

import argparse
import statistics
import sys
import warnings
from dataclasses import dataclass

import peers
from interface import Fit, Fitted, Peer, Unable
from judge import judge
from tasks import FULL, QUICK, TASKS, Size, make
from timing import read_bandwidth, run_once, time_rounds


@dataclass(frozen=True)
class Result:
    """A contender at one problem."""

    task: str
    size: Size
    contender: str
    seconds: float
    fastest: float
    runs: int
    passes: int | None
    roofline: float | None
    arrived: bool
    verdict: str


def run(options: argparse.Namespace) -> None:
    import report

    warnings.simplefilter("ignore")  # that a peer did not converge is said by the judge
    names = options.peers or list(peers.ADAPTERS)
    unknown = [name for name in names if name not in peers.ADAPTERS]
    unknown += [name for name in options.tasks or [] if name not in TASKS]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}; tasks are {', '.join(TASKS)}; peers are {', '.join(peers.ADAPTERS)}")
    sizes = [Size.parse(text) for text in options.sizes or (FULL if options.full else QUICK)]
    rounds = options.rounds or (9 if options.full else 5)
    budget = options.budget or (30.0 if options.full else 2.0)

    loaded, missing = peers.load(names)
    bandwidth = read_bandwidth(options.threads)
    about = report.about(loaded, options.threads, bandwidth)
    print("\n".join([*about, *missing]), flush=True)
    results: list[Result] = []
    for task in options.tasks or TASKS:
        report.print_task(task)
        for size in sizes:
            found, skipped = compare(task, size, loaded, rounds, budget, bandwidth)
            report.print_problem(size, found, skipped)
            results += found
    report.save(results, [*about, *missing], options.output)
    if options.markdown:
        report.print_markdown(results)


def compare(
    task: str, size: Size, loaded: list[Peer], rounds: int, budget: float, bandwidth: float
) -> tuple[list[Result], list[str]]:
    """Return the results at one problem, and a line for each contender that could not take it."""
    problem = make(task, size)
    fits: dict[str, Fit] = {}
    outcomes: dict[str, Fitted] = {}
    first: dict[str, float] = {}
    skipped: list[str] = []
    for peer in loaded:
        for label, prepare in peer.tasks.get(task, {}).items():
            name = f"{peer.name}, {label}" if label else peer.name
            try:
                fit = prepare(problem)
                outcomes[name], first[name] = run_once(fit)
                fits[name] = fit
            except Unable as reason:
                skipped.append(f"{name}: {reason}")
            except Exception as error:  # a peer's failure is a result
                skipped.append(f"{name} failed: {type(error).__name__}: {str(error).splitlines()[:1]}")
    verdicts = judge(task, problem, outcomes)
    seconds = time_rounds(fits, first, rounds, budget)
    results = []
    for name, runs in seconds.items():
        median, passes = statistics.median(runs), outcomes[name].passes
        roofline = None if passes is None else passes * problem.X.nbytes / median / bandwidth
        verdict = verdicts[name]
        results.append(
            Result(task, size, name, median, min(runs), len(runs), passes, roofline, verdict.arrived, verdict.text)
        )
    return results, skipped
