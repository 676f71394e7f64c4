"""statsmodels: a ridge penalty on all but the constant, by SciPy's minimisers, and ordinary least squares."""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm

from interface import Array, Fit, Fitted, Peer, Problem, limit_features


def logistic(problem: Problem) -> Fit:
    limit_features(problem, 500)
    X, y = _with_constant(problem)
    alpha = np.append(np.full(X.shape[1] - 1, problem.l2), 0.0)

    def fit() -> Fitted:
        model = sm.GLM(y, X, family=sm.families.Binomial())
        return _fitted(model.fit_regularized(alpha=alpha, L1_wt=0, opt_method="newton-cg").params)

    return fit


def least_squares(problem: Problem) -> Fit:
    limit_features(problem)
    X, y = _with_constant(problem)
    return lambda: _fitted(sm.OLS(y, X).fit().params, 1)


def _with_constant(problem: Problem) -> tuple[Array, Array]:
    X, y = problem.floats()
    return np.column_stack([X, np.ones(len(X), X.dtype)]), y


def _fitted(parameters: Array, passes: int | None = None) -> Fitted:
    return Fitted(parameters[:-1], float(parameters[-1]), passes)


PEER = Peer(
    name="statsmodels",
    distribution="statsmodels",
    tasks={"optimum-logistic": {"": logistic}, "optimum-linear": {"": least_squares}},
)
