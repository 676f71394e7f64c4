"""PyTorch on the CPU: the usual loop of forward, backward and step."""

from __future__ import annotations

import os
from typing import Any

import torch

from interface import Fit, Fitted, Peer, Prepare, Problem

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))


def descent(cost: Any) -> Prepare:
    def prepare(problem: Problem) -> Fit:
        X, y = (torch.from_numpy(array) for array in problem.floats())

        def fit() -> Fitted:
            w = torch.zeros(X.shape[1], dtype=X.dtype, requires_grad=True)
            b = torch.zeros((), dtype=X.dtype, requires_grad=True)
            optimiser = torch.optim.SGD([w, b], lr=problem.learning_rate)
            costs = []
            for _ in range(problem.n_iter):
                optimiser.zero_grad()
                value = cost(X @ w + b, y)
                value.backward()
                costs.append(value.item())
                optimiser.step()
            return Fitted(w.detach().numpy(), float(b), problem.n_iter)

        return fit

    return prepare


PEER = Peer(
    name="PyTorch",
    distribution="torch",
    tasks={
        "gd-linear": {"": descent(torch.nn.functional.mse_loss)},
        "gd-logistic": {"": descent(torch.nn.functional.binary_cross_entropy_with_logits)},
    },
)
