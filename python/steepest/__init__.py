"""The linear model ``ŷ = w·x + b`` and the sigmoid model ``ŷ = σ(w·x + b)``, fitted fast and to the last digit."""

from steepest._core import __version__
from steepest._exceptions import (
    ConvergenceWarning,
    DataConversionWarning,
    DivergenceError,
    NotFittedError,
    RankWarning,
    SeparationWarning,
)
from steepest._functions import cost, forward, gradient
from steepest._history import History
from steepest._linear import LinearRegression
from steepest._logistic import LogisticRegression
from steepest._sigmoid import SigmoidRegression

__all__ = [
    "ConvergenceWarning",
    "DataConversionWarning",
    "DivergenceError",
    "History",
    "LinearRegression",
    "LogisticRegression",
    "NotFittedError",
    "RankWarning",
    "SeparationWarning",
    "SigmoidRegression",
    "__version__",
    "cost",
    "forward",
    "gradient",
]
