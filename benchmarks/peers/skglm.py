"""skglm: mean log loss plus an elastic net without its L1 part, by its Newton method on working sets."""

from __future__ import annotations

import numpy as np
from skglm import GeneralizedLinearEstimator
from skglm.datafits import Logistic
from skglm.penalties import L1_plus_L2
from skglm.solvers import ProxNewton

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


PEER = Peer(name="skglm", distribution="skglm", tasks={"optimum-logistic": {"": logistic}})
