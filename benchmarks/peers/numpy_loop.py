"""NumPy: the loop that everybody writes, without its usual waste, and two roads to least squares."""

from __future__ import annotations

import numpy as np

from interface import Fit, Fitted, Peer, Problem, Unable


def linear(problem: Problem) -> Fit:
    X, y = problem.floats()
    rate, n_iter, (m, n) = problem.learning_rate, problem.n_iter, X.shape

    def fit() -> Fitted:
        w, b, costs = np.zeros(n, X.dtype), X.dtype.type(0), np.empty(n_iter)
        for i in range(n_iter):
            A = y - (X @ w + b)
            costs[i] = A @ A / m
            A *= -2 / m
            w -= rate * (A @ X)
            b -= rate * A.sum()
        return Fitted(w, float(b), n_iter)

    return fit


def logistic(problem: Problem) -> Fit:
    X, y = problem.floats()
    rate, n_iter, (m, n) = problem.learning_rate, problem.n_iter, X.shape

    def fit() -> Fitted:
        w, b, costs = np.zeros(n, X.dtype), X.dtype.type(0), np.empty(n_iter)
        for i in range(n_iter):
            z = X @ w + b
            e = np.exp(-np.abs(z))
            costs[i] = (np.maximum(z, 0) + np.log1p(e)).mean() - y @ z / m
            delta = (np.where(z >= 0, 1, e) / (1 + e) - y) / m
            w -= rate * (delta @ X)
            b -= rate * delta.sum()
        return Fitted(w, float(b), n_iter)

    return fit


def lstsq(problem: Problem) -> Fit:
    X, y = problem.floats()

    def fit() -> Fitted:
        solution = np.linalg.lstsq(np.column_stack([X, np.ones(len(X), X.dtype)]), y, rcond=None)[0]
        return Fitted(solution[:-1], float(solution[-1]), 1)

    return fit


def normal_equations(problem: Problem) -> Fit:
    X, y = problem.floats()
    if X.shape[1] >= X.shape[0]:
        raise Unable("singular: as many features as samples")

    def fit() -> Fitted:
        means, mean = X.mean(axis=0), y.mean()
        gram = X.T @ X - len(X) * np.outer(means, means)
        w = np.linalg.solve(gram, X.T @ y - len(X) * mean * means)
        return Fitted(w, float(mean - means @ w), 1)

    return fit


PEER = Peer(
    name="NumPy",
    distribution="numpy",
    tasks={
        "gd-linear": {"": linear},
        "gd-logistic": {"": logistic},
        "optimum-linear": {"lstsq": lstsq, "normal equations": normal_equations},
    },
)
