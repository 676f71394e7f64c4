"""The pieces of a fit, on arrays: forward pass, cost, gradient."""

from __future__ import annotations

from typing import Any

from steepest import _core
from steepest._names import ACTIVATIONS, LOSSES, Activation, Loss
from steepest._report import explained
from steepest._validation import (
    Array,
    FloatArray,
    as_matrix,
    as_optional_vector,
    as_scalar,
    as_targets,
    as_weights,
    check_choice,
    check_threads,
)


def forward(
    X: Any,
    weights: Any,
    bias: Any = 0.0,
    activation: Activation = "identity",
    *,
    offset: Any = None,
    n_threads: int | None = None,
) -> FloatArray:
    """Return the prediction ŷ for each row of `X`: z = X w + b, or σ(z) = 1 / (1 + e⁻ᶻ).

    Parameters
    ----------
    X : array-like of shape (m, n)
        One sample a row, in any layout; read where it lies.
    weights : array-like of shape (n,)
        w.
    bias : float, default=0.0
        b.
    activation : {"identity", "sigmoid"}, default="identity"
        "identity" for the linear model, "sigmoid" for the sigmoid model.
    offset : array-like of shape (m,), optional
        A known number for each row, added to z.
    n_threads : int, optional
        The number of threads; see `LinearRegression`.

    Returns
    -------
    ndarray of shape (m,)

    Raises
    ------
    ValueError, TypeError
        For data that are not finite, not numeric or of the wrong shape.
    """
    check_choice(activation, "activation", ACTIVATIONS)
    array = as_matrix(X)
    n_samples, n_features = array.shape
    offsets = as_optional_vector(offset, "offset", n_samples, "X")
    parameters = as_weights(weights, n_features), as_scalar(bias, "bias")
    try:
        return _core.forward(array, offsets, *parameters, activation, check_threads(n_threads))
    except ValueError as error:
        raise explained(error, n_features, X=X) from None


def cost(
    X: Any,
    y: Any,
    weights: Any,
    bias: Any = 0.0,
    activation: Activation = "identity",
    loss: Loss = "squared_error",
    sample_weight: Any = None,
    *,
    offset: Any = None,
    n_threads: int | None = None,
) -> float:
    """Return the cost C of the model with these parameters on data.

    Squared error: C = (1/S) Σ sᵢ (yᵢ − ŷᵢ)². Log loss: C = (1/S) Σ sᵢ (log(1 + e^zᵢ) − yᵢ zᵢ). S = Σ sᵢ.

    Parameters
    ----------
    X : array-like of shape (m, n)
        One sample a row, in any layout; read where it lies.
    y : array-like of shape (m,)
        Targets; between 0 and 1 for the sigmoid.
    weights : array-like of shape (n,)
        w.
    bias : float, default=0.0
        b.
    activation : {"identity", "sigmoid"}, default="identity"
        "identity" for the linear model, "sigmoid" for the sigmoid model.
    loss : {"squared_error", "log_loss"}, default="squared_error"
        The log loss goes with the sigmoid only.
    sample_weight : array-like of shape (m,), optional
        s; 1 each if not given.
    offset : array-like of shape (m,), optional
        A known number for each row, added to z.
    n_threads : int, optional
        The number of threads; see `LinearRegression`.

    Raises
    ------
    ValueError, TypeError
        For data that are not finite, not numeric or of the wrong shape.
    """
    _check_model(activation, loss)
    checked = _checked(X, y, sample_weight, offset, weights, bias)
    try:
        return _core.cost(*checked, activation, loss, check_threads(n_threads))
    except ValueError as error:
        raise explained(error, checked[0].shape[1], X=X) from None


def gradient(
    X: Any,
    y: Any,
    weights: Any,
    bias: Any = 0.0,
    activation: Activation = "identity",
    loss: Loss = "squared_error",
    sample_weight: Any = None,
    *,
    offset: Any = None,
    n_threads: int | None = None,
) -> tuple[FloatArray, float]:
    """Return the gradient of the cost, (∂C/∂w, ∂C/∂b), at these parameters.

    With A = y − ŷ: ∂C/∂w = Xᵀ δ and ∂C/∂b = Σ δᵢ, where δ = −(2 s/S) A for the linear model, −(s/S) A for the sigmoid
    with log loss, and −(2 s/S) A ŷ(1 − ŷ) for the sigmoid with squared error.

    Parameters
    ----------
    X, y, weights, bias, activation, loss, sample_weight, offset, n_threads
        As for `cost`.

    Returns
    -------
    dw : ndarray of shape (n,)
    db : float

    Raises
    ------
    ValueError, TypeError
        For data that are not finite, not numeric or of the wrong shape.
    """
    _check_model(activation, loss)
    checked = _checked(X, y, sample_weight, offset, weights, bias)
    try:
        return _core.gradient(*checked, activation, loss, check_threads(n_threads))
    except ValueError as error:
        raise explained(error, checked[0].shape[1], X=X) from None


def _check_model(activation: Any, loss: Any) -> None:
    check_choice(activation, "activation", ACTIVATIONS)
    check_choice(loss, "loss", LOSSES)


def _checked(
    X: Any, y: Any, sample_weight: Any, offset: Any, weights: Any, bias: Any
) -> tuple[Array, Array, Array | None, Array | None, FloatArray, float]:
    array = as_matrix(X)
    n_samples, n_features = array.shape
    return (
        array,
        as_targets(y, "y", n_samples, "X"),
        as_optional_vector(sample_weight, "sample_weight", n_samples, "X"),
        as_optional_vector(offset, "offset", n_samples, "X"),
        as_weights(weights, n_features),
        as_scalar(bias, "bias"),
    )
