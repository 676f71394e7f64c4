"""skglm: mean log loss plus an elastic net without its L1 part, by its Newton method on working sets."""

from __future__ import annotations

import numpy as np
from skglm import GeneralizedLinearEstimator
from skglm.datafits import Logistic
from skglm.penalties import L1_plus_L2
from skglm.solvers import ProxNewton

from interface import Array, Fit, Fitted, Peer, Problem, Unable, fitted
from peers.sklearn import MOST_FEATURES


def logistic(problem: Problem) -> Fit:
    X, y = problem.floats()
    X = np.asfortranarray(X)  # as it asks for: it would copy at each fit
    if X.shape[1] >= MOST_FEATURES // 5:
        raise Unable("coordinate descent takes minutes where no weight is zero")

    def fit_to(X: Array, y: Array) -> Fitted:
        penalty = L1_plus_L2(alpha=problem.l2, l1_ratio=0.0)
        solver = ProxNewton(tol=problem.tolerance, max_iter=200, fit_intercept=True)
        model = GeneralizedLinearEstimator(Logistic(), penalty, solver).fit(X, y)
        return fitted(model)

    rng = np.random.default_rng(0)
    few = np.asfortranarray(rng.normal(size=(50, 2)).astype(X.dtype))
    fit_to(few, (rng.random(50) > 0.5).astype(X.dtype))  # compiles
    return lambda: fit_to(X, y)


PEER = Peer(name="skglm", distribution="skglm", tasks={"optimum-logistic": {"": logistic}})
