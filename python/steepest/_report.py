"""What is said of a fit, with columns called by their names: the warnings about a result, the core's errors."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from steepest._exceptions import ConvergenceWarning, RankWarning, SeparationWarning, kin, stacklevel
from steepest._frames import column_label
from steepest._shown import shown
from steepest._validation import FILL_IN, Array

if TYPE_CHECKING:
    from collections.abc import Sequence

    from steepest import _core


class Asked(NamedTuple):
    """What a fit was asked for, as the core took it: its warnings compare that with what came out."""

    estimator: str
    l2: float
    fit_intercept: bool
    solver: str
    max_iter: int
    tol: float
    early_stopping: bool
    holds_out: bool


def warn_of_fit(asked: Asked, result: _core.FitResult, names: Array | None) -> None:
    """Issue the warnings that a result calls for."""
    name = asked.estimator
    if result.dependent:
        _warn(RankWarning, f"{name} {_dependence(asked, result, names)}")
    if result.stop_reason == "separation":
        _warn(SeparationWarning, f"{name} {_separation(result, names)}")
    elif shortfall := _shortfall(asked, result):
        _warn(ConvergenceWarning, f"{name} {shortfall}")


def _warn(category: type[Warning], message: str) -> None:
    warnings.warn(message, kin(category), stacklevel=stacklevel())


def _dependence(asked: Asked, result: _core.FitResult, names: Array | None) -> str:
    penalty = "set l2 to a positive number" if asked.l2 == 0 else f"raise l2: {asked.l2:g} is lost in rounding"
    constant, beside = ("constant", " beside the constant") if asked.fit_intercept else ("0", "")
    # Without a Hessian no more is known than constants.
    n_independent = len(result.weights) - len(result.dependent)
    rank = "" if result.condition is None else f": X has rank {n_independent}{beside}"
    taken = "some are taken" if result.rank is None else "those of least norm are taken"
    return (
        f"found that {_listed(result.dependent, names)} {_agree('is', 'are', result.dependent)} {constant} or a "
        f"combination of other columns{rank}. Of all weights that fit equally well {taken}; "
        f"predictions are not affected. Leave out such columns, or {penalty}."
    )


def _separation(result: _core.FitResult, names: Array | None) -> str:
    where = f"where its gradient fell to {result.optimality:.2g}"
    if not result.separating:
        return (
            "found the targets to be all 0 or all 1: the cost falls for ever as the bias grows, and has no minimum. "
            f"The bias is the one {where}."
        )
    return (
        f"found that {_listed(result.separating, names)} {_agree('tells', 'tell', result.separating)} the classes "
        "apart without error, for all rows or for some: the cost falls for ever as the weights grow, and has no "
        f"minimum. The weights are those {where}. Set l2 to a positive number, such as 1e-4, or leave out such columns."
    )


def _shortfall(asked: Asked, result: _core.FitResult) -> str | None:
    """Return why the fit is not what was asked for, and what to do."""
    reason, by_descent = result.stop_reason, result.learning_rate is not None
    went_back = asked.early_stopping and result.n_iter > 0 and np.argmin(result.validation_cost) == 0
    if went_back and not np.any(result.weights):
        remedy = "Look whether X_val went through all that X went through"
        if asked.holds_out:
            remedy = "The columns may tell nothing of y, or held-out samples be too few"
        smaller = "" if by_descent else "; solver='gd' takes smaller steps"
        return (
            "went back to iteration 0, the model without weights: no iteration lowered the validation cost. "
            f"{remedy}{smaller}."
        )
    if reason == "early_stopping":
        return None
    if by_descent:
        return _shortfall_of_descent(asked, result) if reason == "max_iter" else None
    if asked.tol == 0:
        return None
    optimality = float("nan") if result.optimality is None else result.optimality
    is_small = optimality <= asked.tol
    wanting = ", where steps still lower the cost" if is_small else f"; tol={asked.tol:g} asks for less"
    reached = f"optimality_ at {optimality:.2g}{wanting}."
    if reason == "rounding":
        return (
            f"stopped after {result.n_iter} iterations where rounding error hides any further descent, with {reached} "
            "Raise tol, or bring the columns of X nearer to mean 0."
        )
    if reason == "max_iter":
        other = ", or leave solver at 'auto'" if asked.solver != "auto" else ""
        other = ", or set l2 to a positive number" if asked.l2 == 0 else other
        return f"stopped at max_iter={asked.max_iter} with {reached} Raise max_iter{other}."
    return None


def _shortfall_of_descent(asked: Asked, result: _core.FitResult) -> str | None:
    cost, norm = result.cost, result.gradient_norm
    stopped = f"stopped at max_iter={asked.max_iter} with"
    if (cost[-1] > cost[0] or norm[-1] > norm[0]) and result.n_iter > 1:
        return (
            f"{stopped} the cost gone from {cost[0]:.4g} to {cost[-1]:.4g} and the gradient norm from {norm[0]:.4g} "
            f"to {norm[-1]:.4g}: learning_rate={result.learning_rate:.4g} is too large for this data. Lower it, leave "
            "it at 'auto', or scale the columns of X alike."
        )
    if asked.tol == 0:
        return None
    return (
        f"{stopped} the gradient norm at {norm[-1] / norm[0]:.2g} of its first value, tol={asked.tol:g} asks for "
        "less. Leave solver and learning_rate at 'auto', or for gradient descent scale the columns of X alike, raise "
        "max_iter, or set tol=0 to run max_iter iterations without this warning."
    )


def explained(error: ValueError, n_features: int, **data: Any) -> ValueError:
    """Return the core's error with columns called as `data` call them, and with what to do.

    `data` are matrices by the names of their arguments.
    """
    column = getattr(error, "column", None)
    if column is None:
        return error
    message = str(error)
    label = column_label(data.get(message.partition(" ")[0]), column, n_features)
    message = message.replace(f"column {column};", f"column {label};")
    return ValueError(f"{message}.{FILL_IN}" if "NaN" in message else message)


def quoted(names: Array) -> str:
    """Return the first of the names of columns."""
    return _first([shown(name) for name in names])


def _agree(singular: str, plural: str, columns: Sequence[int]) -> str:
    return singular if len(columns) == 1 else plural


def _listed(columns: Sequence[int], names: Array | None) -> str:
    return f"column{'s' if len(columns) > 1 else ''} " + _first(
        [str(column) if names is None else shown(names[column]) for column in columns]
    )


def _first(items: Sequence[str], limit: int = 5) -> str:
    return ", ".join(items[:limit]) + (f" and {len(items) - limit} more" if len(items) > limit else "")
