"""Time contenders in alternating rounds, and what the memory gives at best."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from interface import Fit, Fitted

PAUSE = 0.1
"""Seconds between contenders: the threads of the one before spin for a while after their work."""
SHORTEST = 0.01
"""Seconds that a measurement lasts at least: shorter fits are repeated in it."""


def run_once(fit: Fit) -> tuple[Fitted, float]:
    time.sleep(PAUSE)
    began = time.perf_counter()
    outcome = fit()
    return outcome, time.perf_counter() - began


def time_rounds(
    fits: Mapping[str, Fit], first: Mapping[str, float], rounds: int, budget: float
) -> dict[str, list[float]]:
    """Return the seconds of each run, by contender.

    `first` has the seconds of a run already made. It warms up and is not counted, but for a contender that spent its
    `budget` of seconds in it and has no other run.
    """
    seconds: dict[str, list[float]] = {name: [] for name in fits}
    turns = {name: min(rounds, int(budget / first[name])) for name in fits}
    for turn in range(rounds):
        for name, fit in fits.items():
            if turn >= turns[name]:
                continue
            repeats = min(1000, max(1, round(SHORTEST / first[name])))
            time.sleep(PAUSE)
            began = time.perf_counter()
            for _ in range(repeats):
                fit()
            seconds[name].append((time.perf_counter() - began) / repeats)
    return {name: runs or [first[name]] for name, runs in seconds.items()}


def read_bandwidth(n_threads: int) -> float:
    """Return the bytes a second at which `n_threads` threads read an array much larger than the caches, at best.

    Each reads in one place. Memory may deliver more to one that reads in several places at the same time.
    """
    array = np.ones(2**26)
    slices = np.array_split(array, 8 * n_threads)
    best = float("inf")
    with ThreadPoolExecutor(n_threads) as pool:
        for reading in (np.sum, np.max) * 5:
            began = time.perf_counter()
            list(pool.map(reading, slices))
            best = min(best, time.perf_counter() - began)
    return array.nbytes / best
