"""The three models in plain NumPy, as the formulas stand."""

from __future__ import annotations

import numpy as np

MODELS = [("identity", "squared_error"), ("sigmoid", "squared_error"), ("sigmoid", "log_loss")]


def sigmoid(z):
    return np.where(z >= 0, 1 / (1 + np.exp(-np.abs(z))), np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))))


def forward(X, weights, bias, activation, offset=0.0):
    z = X.astype(np.float64) @ weights + bias + offset
    return sigmoid(z) if activation == "sigmoid" else z


def cost(X, y, weights, bias, activation, loss, sample_weight=None, *, offset=0.0):
    s = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if loss == "squared_error":
        costs = (y - forward(X, weights, bias, activation, offset)) ** 2
    else:
        z = forward(X, weights, bias, "identity", offset)
        costs = np.logaddexp(0, z) - y * z
    return (s * costs).sum() / s.sum()


def gradient(X, y, weights, bias, activation, loss, sample_weight=None, *, offset=0.0):
    s = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    predicted = forward(X, weights, bias, activation, offset)
    delta = -(s / s.sum()) * (y - predicted)
    if loss == "squared_error":
        delta *= 2
        if activation == "sigmoid":
            delta *= predicted * (1 - predicted)
    return X.astype(np.float64).T @ delta, delta.sum()


def gradient_descent(
    X, y, activation, loss, learning_rate, n_iter, sample_weight=None, *, offset=0.0, intercept=True, l2=0.0
):
    """Return the weights, the bias and the objective at each iteration."""
    weights, bias, costs = np.zeros(X.shape[1]), 0.0, []
    for iteration in range(n_iter + 1):
        penalty = l2 / 2 * (weights**2).sum()
        costs.append(cost(X, y, weights, bias, activation, loss, sample_weight, offset=offset) + penalty)
        if iteration < n_iter:
            dw, db = gradient(X, y, weights, bias, activation, loss, sample_weight, offset=offset)
            weights, bias = weights - learning_rate * (dw + l2 * weights), bias - learning_rate * db * intercept
    return weights, bias, costs


def estimator_for(activation, loss, **params):
    """Return the estimator that fits this model to targets in [0, 1]."""
    from steepest import LinearRegression, SigmoidRegression

    return LinearRegression(**params) if activation == "identity" else SigmoidRegression(loss=loss, **params)
