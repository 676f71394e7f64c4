from typing import Any, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt

from steepest._names import Activation, Loss, Solver

__all__ = ["FitResult", "__version__", "class_probabilities", "cost", "fit", "forward", "gradient"]

__version__: str

_Array: TypeAlias = npt.NDArray[Any]
_FloatArray: TypeAlias = npt.NDArray[np.float64]

@final
class FitResult:
    weights: _FloatArray
    bias: float
    n_iter: int
    stop_reason: Literal["tolerance", "max_iter", "rounding", "separation", "early_stopping"]
    learning_rate: float | None
    optimality: float | None
    condition: float | None
    rank: int | None
    dependent: list[int]
    separating: list[int]
    cost: _FloatArray
    validation_cost: _FloatArray
    gradient_norm: _FloatArray
    seconds: _FloatArray

def forward(
    x: _Array,
    offset: _Array | None,
    weights: _FloatArray,
    bias: float,
    activation: Activation,
    n_threads: int | None,
) -> _FloatArray: ...
def class_probabilities(
    x: _Array, offset: _Array | None, weights: _FloatArray, bias: float, n_threads: int | None
) -> _FloatArray: ...
def cost(
    x: _Array,
    y: _Array,
    sample_weight: _Array | None,
    offset: _Array | None,
    weights: _FloatArray,
    bias: float,
    activation: Activation,
    loss: Loss,
    n_threads: int | None,
) -> float: ...
def gradient(
    x: _Array,
    y: _Array,
    sample_weight: _Array | None,
    offset: _Array | None,
    weights: _FloatArray,
    bias: float,
    activation: Activation,
    loss: Loss,
    n_threads: int | None,
) -> tuple[_FloatArray, float]: ...
def fit(
    x: _Array,
    y: _Array,
    sample_weight: _Array | None,
    offset: _Array | None,
    x_val: _Array | None,
    y_val: _Array | None,
    sample_weight_val: _Array | None,
    offset_val: _Array | None,
    *,
    activation: Activation,
    loss: Loss,
    solver: Solver,
    learning_rate: float | None,
    max_iter: int,
    tol: float,
    patience: int | None,
    start_weights: _FloatArray | None,
    start_bias: float,
    fit_intercept: bool,
    l1: float,
    l2: float,
    n_threads: int | None,
    precompute: bool | None = None,
    class_weight: tuple[float, float] | Literal["balanced"] | None = None,
) -> FitResult: ...
