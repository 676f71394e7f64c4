"""JAX: the whole descent compiled as one, gradients by automatic differentiation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from interface import Array, Fit, Fitted, Peer, Prepare, Problem

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")


def squared_error(parameters: Any, X: Any, y: Any) -> Any:
    w, b = parameters
    return jnp.mean((y - (X @ w + b)) ** 2)


def log_loss(parameters: Any, X: Any, y: Any) -> Any:
    w, b = parameters
    z = X @ w + b
    return jnp.mean(jax.nn.softplus(z) - y * z)


def descent(cost: Any) -> Prepare:
    def prepare(problem: Problem) -> Fit:
        X, y = (jnp.asarray(array) for array in problem.floats())
        rate, n_iter = problem.learning_rate, problem.n_iter

        def loop(X: Any, y: Any) -> Any:
            def step(parameters: Any, _: None) -> Any:
                value, gradient = jax.value_and_grad(cost)(parameters, X, y)
                return jax.tree.map(lambda p, g: p - rate * g, parameters, gradient), value

            start = jnp.zeros(X.shape[1], X.dtype), jnp.zeros((), X.dtype)
            return jax.lax.scan(step, start, length=n_iter)

        compiled = jax.jit(loop).lower(X, y).compile()

        def fit() -> Fitted:
            (w, b), _costs = jax.block_until_ready(compiled(X, y))
            weights: Array = np.asarray(w)
            return Fitted(weights, float(b), n_iter)

        return fit

    return prepare


PEER = Peer(
    name="JAX",
    distribution="jax",
    tasks={"gd-linear": {"": descent(squared_error)}, "gd-logistic": {"": descent(log_loss)}},
)
