"""The exceptions and warnings of the package."""

from __future__ import annotations

import sys
from typing import Any, ClassVar


class _Kindred:
    """Base of what scikit-learn has a class of the same name for: `kin` of it is made anew where a pickle is read."""

    args: tuple[Any, ...]
    _own: ClassVar[type[Exception] | None] = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _revived, (self._own or type(self), self.args), vars(self) or None


class NotFittedError(_Kindred, ValueError, AttributeError):
    """A method that needs a fitted estimator was called before ``fit``."""


class DivergenceError(ArithmeticError):
    """Gradient descent moved away from the minimum.

    Attributes
    ----------
    iteration : int
        The iteration at which it was noticed.
    learning_rate : float
        The rate that was used.
    largest_stable_rate : float
        2 / L, with L the largest eigenvalue of the Hessian for the linear model, of a bound of it for the sigmoid:
        below 2 / L no step raises the cost. A sigmoid may get there with a larger rate too.
    """

    def __init__(
        self,
        message: str,
        iteration: int = 0,
        learning_rate: float = float("nan"),
        largest_stable_rate: float = float("nan"),
    ) -> None:
        super().__init__(message)
        self.iteration = iteration
        self.learning_rate = learning_rate
        self.largest_stable_rate = largest_stable_rate

    def __reduce__(self) -> tuple[Any, ...]:
        arguments = self.args[0], self.iteration, self.learning_rate, self.largest_stable_rate
        return type(self), arguments, vars(self) or None


class ConvergenceWarning(_Kindred, UserWarning):
    """A fit ended before the gradient was as small as ``tol`` asks."""


class SeparationWarning(ConvergenceWarning):
    """The classes can be told apart without error, so the cost has no minimum: weights grow for ever."""


class RankWarning(UserWarning):
    """Columns of `X` are linear combinations of others, so the weights are not unique."""


class DataConversionWarning(_Kindred, UserWarning):
    """Data came in a shape that had to be converted."""


def kin(cls: type[Exception]) -> Any:
    """Return `cls`; where scikit-learn is loaded, a subclass of it and of scikit-learn's class of its or a base's name.

    So ``except sklearn.exceptions.NotFittedError`` catches ours, without importing scikit-learn here.
    """
    if cls.__module__ != __name__:
        return cls
    module = sys.modules.get("sklearn.exceptions")
    ours = [base for base in cls.__mro__ if base.__module__ == __name__]
    theirs = next((found for base in ours if (found := getattr(module, base.__name__, None))), None)
    if theirs is None:
        return cls
    if cls not in _KIN:
        members = {"__module__": cls.__module__, "__doc__": cls.__doc__, "_own": cls}
        _KIN[cls] = type(cls.__name__, (cls, theirs), members)
    return _KIN[cls]


def _revived(cls: type[Exception], args: tuple[Any, ...]) -> Any:
    return kin(cls)(*args)


def stacklevel() -> int:
    """Return the stack level of the first caller outside this package."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("steepest."):
        frame, level = frame.f_back, level + 1
    return level


_KIN: dict[type[Exception], type[Exception]] = {}
