"""What a benchmark hands to a peer, and what a peer hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Unable(Exception):
    """A contender cannot take this problem; the message says why."""


@dataclass(frozen=True)
class Problem:
    """Data and what is to be done with them."""

    X: Array
    y: Array
    learning_rate: float
    """For gradient descent: the one that all contenders use, from weights and bias 0."""
    n_iter: int
    l2: float
    """For the optimum, but that of plain least squares: the objective is C + l1 Σ|w| + (l2 / 2) |w|², C the mean of
    squares or log losses."""
    tolerance: float
    """The largest component of its gradient that counts as arrived."""
    l1: float = 0.0
    """Above 0 where most weights are to be 0."""
    most_iter: int = 10_000
    """Iterations towards the optimum after which a peer gives up."""
    by_cost: bool = False
    """Whether it is the objective that tells who arrived, where columns have units of their own."""

    def floats(self) -> tuple[Array, Array]:
        """`X` and `y` for peers that compute in the dtype of `X`: floats as they are, integers as float64."""
        if self.X.dtype.kind == "f":
            return self.X, self.y
        return self.X.astype(np.float64), self.y.astype(np.float64)


@dataclass(frozen=True)
class Fitted:
    """What a fit ended with."""

    weights: Array
    bias: float
    passes: int | None = None
    """How often X had to be read; None where the peer does not say."""
    note: str = ""


def limit_features(problem: Problem, most: int = 2500) -> None:
    """Leave out those whose work grows with the cube of the features, where it would take minutes."""
    if problem.X.shape[1] > most:
        raise Unable(f"left out above {most:,} features, it would take minutes")


Fit = Callable[[], Fitted]
Prepare = Callable[[Problem], Fit]
"""Does once what a fair user would not pay at every fit, such as compiling, and returns what is timed."""


@dataclass(frozen=True)
class Peer:
    """A library: for each task the ways it offers, by a label that tells them apart ("" for the only one)."""

    name: str
    distribution: str
    tasks: Mapping[str, Mapping[str, Prepare]]


def fitted(model: Any, passes: int | None = None) -> Fitted:
    """Read the parameters of an estimator that keeps scikit-learn's names."""
    bias = float(np.reshape(model.intercept_, -1)[0])
    return Fitted(np.reshape(model.coef_, -1).astype(np.float64), bias, passes)
