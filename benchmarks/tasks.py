"""The tasks, the data they are done on, and the oracle in NumPy that judges what came out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import tables
from interface import Array, Fitted, Problem, Unable

TASKS = {
    "gd-linear": "50 iterations of gradient descent, the cost at each; linear model, squared error",
    "gd-logistic": "50 iterations of gradient descent, the cost at each; sigmoid model, log loss",
    "optimum-logistic": "log loss with l2 = 1e-4, until no component of the gradient is above 1e-8 (tables: until the "
    "cost is the lowest to ten digits)",
    "optimum-linear": "least squares, exactly",
    "optimum-l1-logistic": "log loss with an l1 penalty, a twentieth of the least that leaves no weight, until the "
    "objective is the lowest to ten digits",
    "optimum-l1-linear": "squared error with such a penalty, until the objective is the lowest to ten digits",
}

N_WEIGHTS = 20
"""How many columns have a weight where most have none."""

QUICK = ("100x3", "1000x10", "100000x50", "1000000x32", "1000x1000")
FULL = (
    "100x3",
    "1000x10",
    "100000x200",
    "1000000x32",
    "1000000x32:F",
    "1000000x32:float32",
    "1000000x32:F:float32",
    "1000000x32:uint8",
    "1000000x32:F:uint8",
    "4000000x4",
    "2000x2000",
    "100x10000",
    "10000x1000",
)


@dataclass(frozen=True)
class Size:
    """The form of X, written as "1000x10" or as a table's name, with ":F" and a dtype where not C order and float64."""

    n_samples: int
    n_features: int
    order: str = "C"
    dtype: str = "float64"
    table: str = ""

    @classmethod
    def parse(cls, text: str) -> Size:
        shape, *rest = text.split(":")
        table = shape if shape in tables.SHAPES else ""
        n_samples, n_features = tables.SHAPES[table] if table else map(int, shape.replace("_", "").split("x"))
        order = "F" if "F" in rest else "C"
        dtypes = [word for word in rest if word not in ("C", "F")] or ["float64"]
        return cls(n_samples, n_features, order, np.dtype(dtypes[0]).name, table)

    def __str__(self) -> str:
        order = ", F order" if self.order == "F" else ""
        dtype = "" if self.dtype == "float64" else f", {self.dtype}"
        table = f"{self.table}, " if self.table else ""
        return f"{table}{self.n_samples:,} × {self.n_features:,}{order}{dtype}"


def make(task: str, size: Size) -> Problem:
    """Draw data for a task. The same size has the same data, whatever its order."""
    if size.table:
        return of_table(task, size)
    rng = np.random.default_rng(0)
    shape = (size.n_samples, size.n_features)
    dtype = np.dtype(size.dtype)
    X = rng.standard_normal(shape) if dtype.kind == "f" else rng.integers(0, 256, size=shape, dtype=dtype)
    X = np.asarray(X, dtype=dtype, order=size.order)  # type: ignore[call-overload]
    mean, deviation = (0.0, 1.0) if dtype.kind == "f" else (127.5, 73.9)
    w = rng.standard_normal(size.n_features) / np.sqrt(size.n_features) / deviation
    if "-l1-" in task:
        w = np.where(np.arange(size.n_features) < N_WEIGHTS, w * np.sqrt(size.n_features / N_WEIGHTS), 0.0)
    z = predictor(X, w, -mean * w.sum())
    if task.endswith("linear"):
        y = z + rng.standard_normal(size.n_samples)
    else:
        y = (z + rng.logistic(size=size.n_samples) > 0).astype(np.float64)
    # Above the largest eigenvalue of [X 1]ᵀ[X 1] / m for such columns; the curvature is 2 and at most 1/4.
    largest = deviation**2 * (1 + np.sqrt(size.n_features / size.n_samples)) ** 2 + mean**2 * size.n_features + 1
    return Problem(
        X=X,
        y=y.astype(dtype) if dtype.kind == "f" else y,
        l1=0.05 * largest_gradient(task, X, y) if "-l1-" in task else 0.0,
        learning_rate=float((0.5 if task.endswith("linear") else 4.0) / largest),
        n_iter=50,
        l2=0.0 if "-l1-" in task else 1e-4,
        tolerance=1e-8,
    )


def of_table(task: str, size: Size) -> Problem:
    """Make a problem of a table: the optimum alone, since no rate suits columns of all scales."""
    if not task.startswith("optimum"):
        raise Unable("gradient descent gets nowhere on columns of all scales")
    if "-l1-" in task:
        raise Unable("a penalty of weights means nothing on columns of all scales")
    X, y = tables.flights() if size.table == "flights" else tables.heavy_tailed(size.n_samples, size.n_features)
    X = np.asarray(X, dtype=size.dtype, order=size.order)  # type: ignore[call-overload]
    if not task.endswith("linear"):
        y = (y > 0).astype(np.float64)
    # The gradient is in the units of the columns, for those who look at that.
    return Problem(X=X, y=y, learning_rate=1.0, n_iter=0, l2=1e-4, tolerance=1e-6, most_iter=500, by_cost=True)


def predictor(X: Array, weights: Array, bias: float) -> Array:
    """z = X w + b in float64, a few rows at a time, so that narrow data are not widened whole."""
    z = np.empty(len(X))
    for rows in _slices(X):
        z[rows] = X[rows].astype(np.float64, copy=False) @ weights + bias
    return z


def cost(task: str, problem: Problem, found: Fitted) -> float:
    """The mean of squares, or the mean log loss."""
    z, y = predictor(problem.X, found.weights, found.bias), problem.y.astype(np.float64)
    if task.endswith("linear"):
        return float(np.mean((y - z) ** 2))
    return float(np.mean(np.logaddexp(0.0, z) - y * z))


def penalised_cost(task: str, problem: Problem, found: Fitted) -> float:
    """The cost + l1 Σ|w| + (l2 / 2) |w|²."""
    w = found.weights
    return cost(task, problem, found) + problem.l1 * float(np.abs(w).sum()) + 0.5 * problem.l2 * float(w @ w)


def penalised_gradient(problem: Problem, found: Fitted) -> float:
    """The largest component, by size, of the gradient of mean log loss + (l2 / 2) |w|²; the bias is not penalised."""
    z = predictor(problem.X, found.weights, found.bias)
    delta = (0.5 * (1.0 + np.tanh(0.5 * z)) - problem.y) / len(z)
    gradient = problem.l2 * found.weights
    for rows in _slices(problem.X):
        gradient += delta[rows] @ problem.X[rows].astype(np.float64, copy=False)
    return float(max(np.abs(gradient).max(), abs(delta.sum())))


def largest_gradient(task: str, X: Array, y: Array) -> float:
    """The largest component, by size, of the gradient of the cost where no weight is but that of the bias."""
    off = y.astype(np.float64) - y.mean(dtype=np.float64)
    gradient = sum(off[rows] @ X[rows].astype(np.float64, copy=False) for rows in _slices(X))
    return float(np.abs(gradient).max() / len(X) * (2.0 if task.endswith("linear") else 1.0))


def _slices(X: Array) -> list[slice]:
    step = max(1, 4_000_000 // X.shape[1])
    return [slice(start, start + step) for start in range(0, len(X), step)]
