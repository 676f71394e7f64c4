"""Whether a contender arrived where the task wanted it, seen from outside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from interface import Fitted, Problem
from tasks import cost, penalised_cost, penalised_gradient

SAME_COST = 1e-6
"""Costs of gradient descent that differ by no more, relatively, come from the same iterates."""
SAME_OPTIMUM = 1e-10
"""Least squares are exact up to this share of the cost of w = 0, b = 0; log losses of tables and what has an l1
penalty, of the lowest."""


@dataclass(frozen=True)
class Verdict:
    arrived: bool
    text: str


def judge(task: str, problem: Problem, outcomes: dict[str, Fitted]) -> dict[str, Verdict]:
    """Judge all contenders at one problem, by name."""
    if "-l1-" in task or (task == "optimum-logistic" and problem.by_cost):
        costs = {name: penalised_cost(task, problem, found) for name, found in outcomes.items()}
        best = min(costs.values(), default=1.0)
        gaps = {name: value / best - 1 for name, value in costs.items()}
        return {name: Verdict(gap <= SAME_OPTIMUM, f"gap {gap:.1e}") for name, gap in gaps.items()}
    if task == "optimum-logistic":
        sizes = {name: penalised_gradient(problem, found) for name, found in outcomes.items()}
        return {name: Verdict(size <= problem.tolerance, f"|g| {size:.1e}") for name, size in sizes.items()}
    costs = {name: cost(task, problem, found) for name, found in outcomes.items()}
    scale = cost(task, problem, Fitted(np.zeros(problem.X.shape[1]), 0.0))
    if task == "optimum-linear":
        best = min(costs.values(), default=0.0)
        gaps = {name: (value - best) / scale for name, value in costs.items()}
        return {name: Verdict(gap <= SAME_OPTIMUM, f"gap {gap:.1e}") for name, gap in gaps.items()}
    middle = float(np.median(list(costs.values()))) if costs else 0.0
    # Of a cost that has all but gone, where more features than samples fit anything, only rounding is left.
    offs = {name: abs(value - middle) / max(middle, 1e-12 * scale) for name, value in costs.items()}
    return {name: Verdict(off <= SAME_COST, f"cost off {off:.0e}") for name, off in offs.items()}
