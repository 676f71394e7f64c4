"""What happened at each iteration of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from steepest._validation import FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class History:
    """The course of a fit: one entry an iteration in each array, entry 0 is the start.

    Attributes
    ----------
    cost : ndarray of shape (n_iter_ + 1,)
        The objective on the training data: the cost C and the penalties.
    validation_cost : ndarray of shape (n_iter_ + 1,), or (0,) without validation data
        The cost C on the validation data, without penalties.
    gradient_norm : ndarray of shape (n_iter_ + 1,)
        The Euclidean norm of the objective's gradient by w and b.
    seconds : ndarray of shape (n_iter_ + 1,)
        Seconds since the fit began.
    """

    cost: FloatArray
    validation_cost: FloatArray
    gradient_norm: FloatArray
    seconds: FloatArray

    @property
    def best_iteration(self) -> int | None:
        """The first iteration with the smallest validation cost; None without validation data."""
        return int(np.argmin(self.validation_cost)) if len(self.validation_cost) else None

    def __len__(self) -> int:
        return len(self.cost)

    def __repr__(self) -> str:
        text = f"History({len(self) - 1} iterations, cost {self.cost[0]:.6g} to {self.cost[-1]:.6g}"
        if (best := self.best_iteration) is not None:
            text += f", validation cost {self.validation_cost[best]:.6g} at iteration {best}"
        return f"{text}, {self.seconds[-1]:.3g} s)"

    def to_dict(self) -> dict[str, FloatArray]:
        """Return the arrays by name, for `pandas.DataFrame(history.to_dict())`; `validation_cost` if there is any."""
        arrays = {name: getattr(self, name) for name in ("cost", "validation_cost", "gradient_norm", "seconds")}
        return {name: array for name, array in arrays.items() if len(array)}

    def plot(self, ax: Any = None) -> Any:
        """Draw cost against iteration, with the minimum of the validation cost marked.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure if not given.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        if ax is None:
            try:
                from matplotlib import pyplot
            except ImportError as error:
                raise ImportError("plot needs matplotlib: pip install matplotlib") from error
            _, ax = pyplot.subplots(layout="constrained")
        iterations = np.arange(len(self))
        ax.plot(iterations, self.cost, label="training")
        if (best := self.best_iteration) is not None:
            ax.plot(iterations, self.validation_cost, label="validation")
            lowest = self.validation_cost[best]
            label = f"validation minimum, {lowest:.4g} at iteration {best}"
            ax.plot(best, lowest, "o", color="black", label=label)
        ax.set_xlabel("iteration")
        ax.set_ylabel("cost")
        ax.legend()
        return ax
