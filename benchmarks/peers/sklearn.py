"""scikit-learn: C = 1 / (m l2), since its objective is the sum of log losses times C, plus |w|² / 2."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge

from interface import Fit, Fitted, Peer, Prepare, Problem, fitted, limit_features


def logistic(solver: str, estimator: type[Any] = LogisticRegression) -> Prepare:
    def prepare(problem: Problem) -> Fit:
        if solver.startswith("newton"):
            limit_features(problem)

        def fit() -> Fitted:
            C = 1 / (len(problem.X) * problem.l2)
            model = estimator(C=C, solver=solver, tol=problem.tolerance, max_iter=problem.most_iter).fit(
                problem.X, problem.y
            )
            # A gradient at the start, and one an iteration: a line search may take more.
            return fitted(model, int(np.max(model.n_iter_)) + 1)

        return fit

    return prepare


def least_squares(estimator: type[Any], **parameters: Any) -> Prepare:
    return lambda problem: lambda: fitted(estimator(**parameters).fit(problem.X, problem.y), 1)


def lasso(problem: Problem) -> Fit:
    X, y = problem.floats()
    X = np.asfortranarray(X)  # as it goes through it: it would copy at each fit
    # Its cost is half of the mean of squares.
    return lambda: fitted(Lasso(problem.l1 / 2, tol=1e-11, max_iter=100_000).fit(X, y))


def sparse_logistic(problem: Problem) -> Fit:
    X, y = problem.floats()

    def fit() -> Fitted:
        C = 1 / (len(X) * problem.l1)
        with warnings.catch_warnings():
            # The names of its options change between versions.
            warnings.simplefilter("ignore")
            model = LogisticRegression(C=C, penalty="l1", l1_ratio=1.0, solver="saga", tol=1e-8, max_iter=500)
            return fitted(model.fit(X, y))

    return fit


PEER = Peer(
    name="scikit-learn",
    distribution="scikit-learn",
    tasks={
        "optimum-logistic": {"lbfgs": logistic("lbfgs"), "newton-cholesky": logistic("newton-cholesky")},
        "optimum-linear": {
            "LinearRegression": least_squares(LinearRegression),
            "Ridge 1e-10": least_squares(Ridge, alpha=1e-10),
        },
        "optimum-l1-logistic": {"saga": sparse_logistic},
        "optimum-l1-linear": {"Lasso": lasso},
    },
)
