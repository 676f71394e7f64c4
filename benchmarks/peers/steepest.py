"""Steepest itself, by what the installed version offers."""

from __future__ import annotations

from typing import Any

import numpy as np

from interface import Fit, Fitted, Peer, Prepare, Problem, Unable, fitted
from steepest import LinearRegression, LogisticRegression

HAS_MOMENTS = "precompute" in LinearRegression().get_params()
HAS_OPTIMUM = "l2" in LogisticRegression().get_params()


def descent(estimator: type[Any], **parameters: Any) -> Prepare:
    def prepare(problem: Problem) -> Fit:
        def model(**more: Any) -> Any:
            rate, n_iter = problem.learning_rate, problem.n_iter
            made = estimator(solver="gd", learning_rate=rate, max_iter=n_iter, tol=0, **parameters, **more)
            return made.fit(problem.X, problem.y)

        # Entry 0 of the history is the start, so k iterations take k + 1 passes; or one for the moments, where they are
        # chosen, which the rounding of the costs tells.
        passes = problem.n_iter + 1
        if HAS_MOMENTS and estimator is LinearRegression and "precompute" not in parameters:
            by_rows = model(precompute=False).history_.cost
            passes = passes if np.array_equal(model().history_.cost, by_rows) else 1
        return lambda: fitted(model(), passes)

    return prepare


def logistic(problem: Problem) -> Fit:
    if not HAS_OPTIMUM:
        raise Unable("this version has no l2")

    def fit() -> Fitted:
        model = LogisticRegression(l2=problem.l2, tol=problem.tolerance).fit(problem.X, problem.y)
        return fitted(model, len(model.history_.cost))

    return fit


def least_squares(problem: Problem) -> Fit:
    if not HAS_OPTIMUM:
        raise Unable("this version has gradient descent only")
    return lambda: fitted(LinearRegression().fit(problem.X, problem.y), 1)


def sparse(estimator: type[Any]) -> Prepare:
    return lambda problem: lambda: fitted(estimator(l1=problem.l1).fit(problem.X, problem.y))


by_passes = {"by passes": descent(LinearRegression, precompute=False)}
linear = {"": descent(LinearRegression)} | by_passes if HAS_MOMENTS else {"by passes": descent(LinearRegression)}

PEER = Peer(
    name="steepest",
    distribution="steepest",
    tasks={
        "gd-linear": linear,
        "gd-logistic": {"": descent(LogisticRegression)},
        "optimum-logistic": {"": logistic},
        "optimum-linear": {"": least_squares},
        "optimum-l1-logistic": {"": sparse(LogisticRegression)},
        "optimum-l1-linear": {"": sparse(LinearRegression)},
    },
)
