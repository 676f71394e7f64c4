"""Data of many kinds: rare and nearly dependent columns, heavy tails, all scales, classes nearly told apart."""

from __future__ import annotations

import numpy as np
import pytest

from steepest import LogisticRegression


def drawn(seed):
    rng = np.random.default_rng(seed)
    m, n = int(10 ** rng.uniform(2.5, 3.5)), int(10 ** rng.uniform(0.3, 2.5))
    X = rng.normal(size=(m, n))
    if rng.random() < 0.4:
        correlation = rng.choice([0.3, 0.9, 0.99, 0.9999])
        X = np.sqrt(correlation) * rng.normal(size=(m, 1)) + np.sqrt(1 - correlation) * X
    if rng.random() < 0.3:
        rank = max(2, n // 3)
        noise = 10 ** rng.uniform(-6, -1) * rng.normal(size=(m, n))
        X = X[:, :rank] @ rng.normal(size=(rank, n)) / np.sqrt(rank) + noise
    if rng.random() < 0.4:
        n_indicators = rng.integers(0, n + 1)
        X[:, :n_indicators] = rng.random((m, n_indicators)) < 10 ** rng.uniform(-3.5, -0.5, size=n_indicators)
    if rng.random() < 0.3:
        X = np.sign(X) * np.abs(X) ** rng.choice([2, 3, 4])
    if rng.random() < 0.4:
        X = X * 10 ** rng.uniform(-4, 4, size=n)
    scale = np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    weights = rng.normal(size=n) / scale / np.sqrt(n) * rng.choice([0.5, 2, 8])
    y = (X - X.mean(axis=0)) @ weights + rng.choice([0, 0, -3]) + rng.logistic(size=m) > 0
    y[:2] = [False, True]
    return X, y


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("l2", [0.0, 1e-8, 1e-4])
@pytest.mark.filterwarnings("ignore::steepest.SeparationWarning")
def test_log_loss_takes_few_steps(seed, l2):
    X, y = drawn(seed)
    model = LogisticRegression(l2=l2, tol=1e-8).fit(X, y)
    assert model.stop_reason_ in ("tolerance", "separation")
    assert model.n_iter_ <= 120
