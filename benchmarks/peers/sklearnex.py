"""The extension of scikit-learn by Intel, which takes over its estimators."""

from __future__ import annotations

from sklearnex.linear_model import LinearRegression, LogisticRegression, Ridge

from interface import Peer
from peers.sklearn import least_squares, logistic

PEER = Peer(
    name="sklearnex",
    distribution="scikit-learn-intelex",
    tasks={
        "optimum-logistic": {"lbfgs": logistic("lbfgs", LogisticRegression)},
        "optimum-linear": {
            "LinearRegression": least_squares(LinearRegression),
            "Ridge 1e-10": least_squares(Ridge, alpha=1e-10),
        },
    },
)
