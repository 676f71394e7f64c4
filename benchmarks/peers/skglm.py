"""skglm: its methods on working sets; without an L1 part of the elastic net too."""

from __future__ import annotations

import numpy as np
from skglm import GeneralizedLinearEstimator
from skglm.datafits import Logistic, Quadratic
from skglm.penalties import L1, L1_plus_L2
from skglm.solvers import AndersonCD, ProxNewton

from interface import Fit, Fitted, Peer, Problem, fitted, limit_features


def logistic(problem: Problem) -> Fit:
    X, y = problem.floats()
    X = np.asfortranarray(X)  # as it asks for: it would copy at each fit
    limit_features(problem, 500)  # by coordinates, of which none is zero without L1

    def fit() -> Fitted:
        penalty = L1_plus_L2(alpha=problem.l2, l1_ratio=0.0)
        solver = ProxNewton(tol=problem.tolerance, max_iter=200, fit_intercept=True)
        return fitted(GeneralizedLinearEstimator(Logistic(), penalty, solver).fit(X, y))

    return fit


def sparse_logistic(problem: Problem) -> Fit:
    X, y = problem.floats()
    X = np.asfortranarray(X)
    y = np.where(y > 0, 1.0, -1.0).astype(X.dtype)
    solver = ProxNewton(tol=1e-8, max_iter=200, fit_intercept=True)
    return lambda: fitted(GeneralizedLinearEstimator(Logistic(), L1(problem.l1), solver).fit(X, y))


def lasso(problem: Problem) -> Fit:
    X, y = problem.floats()
    X = np.asfortranarray(X)
    # Its cost is half of the mean of squares.
    solver = AndersonCD(tol=1e-8, max_iter=200, fit_intercept=True)
    return lambda: fitted(GeneralizedLinearEstimator(Quadratic(), L1(problem.l1 / 2), solver).fit(X, y))


PEER = Peer(
    name="skglm",
    distribution="skglm",
    tasks={
        "optimum-logistic": {"": logistic},
        "optimum-l1-logistic": {"": sparse_logistic},
        "optimum-l1-linear": {"": lasso},
    },
)
