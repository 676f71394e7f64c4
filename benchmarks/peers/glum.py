"""glum: its objective is half the mean deviance, which is the mean log loss, plus (alpha / 2) |w|²."""

from __future__ import annotations

from glum import GeneralizedLinearRegressor

from interface import Fit, Fitted, Peer, Prepare, Problem, fitted, limit_features


def logistic(problem: Problem) -> Fit:
    X, y = problem.floats()
    limit_features(problem)

    def fit() -> Fitted:
        model = GeneralizedLinearRegressor(
            family="binomial",
            alpha=problem.l2,
            l1_ratio=0,
            gradient_tol=problem.tolerance,
            max_iter=100,
        ).fit(X, y)
        return fitted(model, int(model.n_iter_) + 1)

    return fit


def least_squares(problem: Problem) -> Fit:
    X, y = problem.floats()
    limit_features(problem)
    return lambda: fitted(GeneralizedLinearRegressor(family="normal", alpha=0, gradient_tol=1e-10).fit(X, y))


def sparse(family: str) -> Prepare:
    def prepare(problem: Problem) -> Fit:
        X, y = problem.floats()
        limit_features(problem)
        # Half of the mean of squares, as of the deviance.
        alpha = problem.l1 / 2 if family == "normal" else problem.l1
        model = GeneralizedLinearRegressor(family=family, alpha=alpha, l1_ratio=1, gradient_tol=1e-8, max_iter=100)
        return lambda: fitted(model.fit(X, y))

    return prepare


PEER = Peer(
    name="glum",
    distribution="glum",
    tasks={
        "optimum-logistic": {"": logistic},
        "optimum-linear": {"": least_squares},
        "optimum-l1-logistic": {"": sparse("binomial")},
        "optimum-l1-linear": {"": sparse("normal")},
    },
)
