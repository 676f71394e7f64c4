"""The extension of scikit-learn by Intel, which takes over its estimators."""

from __future__ import annotations

from typing import Any

from sklearnex.linear_model import LinearRegression, LogisticRegression, Ridge

from interface import Fit, Peer, Prepare, Problem, limit_features
from peers import sklearn


def least_squares(estimator: type[Any], **parameters: Any) -> Prepare:
    def prepare(problem: Problem) -> Fit:
        limit_features(problem)
        return sklearn.least_squares(estimator, **parameters)(problem)

    return prepare


PEER = Peer(
    name="sklearnex",
    distribution="scikit-learn-intelex",
    tasks={
        "optimum-logistic": {"lbfgs": sklearn.logistic("lbfgs", LogisticRegression)},
        "optimum-linear": {
            "LinearRegression": least_squares(LinearRegression),
            "Ridge 1e-10": least_squares(Ridge, alpha=1e-10),
        },
    },
)
