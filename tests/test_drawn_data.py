"""Data of many kinds: rare and nearly dependent columns, heavy tails, all scales, classes nearly told apart."""

from __future__ import annotations

import numpy as np
import pytest

from steepest import LogisticRegression, SigmoidRegression


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
@pytest.mark.filterwarnings("ignore::steepest.SeparationWarning", "ignore::steepest.RankWarning")
def test_log_loss_takes_few_steps(seed, l2):
    X, y = drawn(seed)
    model = LogisticRegression(l2=l2, tol=1e-8).fit(X, y)
    assert model.stop_reason_ in ("tolerance", "separation")
    assert model.n_iter_ <= 120


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.filterwarnings("ignore::steepest.SeparationWarning")
def test_weights_and_offsets_that_make_the_sigmoid_flat_take_few_steps(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(8, 1))
    weights, offset = 10 ** rng.uniform(-2, 2, size=8), 10 * rng.normal(size=8)
    y = X[:, 0] + rng.logistic(size=8) > 0
    y[:2] = [False, True]
    model = LogisticRegression().fit(X, y, weights, offset=offset)
    assert model.stop_reason_ in ("tolerance", "separation")
    assert model.n_iter_ <= 60


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("estimator", [LogisticRegression, SigmoidRegression])
def test_a_start_worse_than_none_is_left_without_an_intercept_too(seed, estimator):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(100, 40)) * 10 ** rng.uniform(-2, 2, size=40)
    y = X @ (rng.normal(size=40) / X.std(axis=0)) + rng.logistic(size=100) > 0
    model = estimator(l2=1e-4, fit_intercept=False)
    without = model.fit(X, y).n_iter_
    assert model.fit(X, y, coef_init=10 * rng.normal(size=40)).n_iter_ == without


@pytest.mark.parametrize("deviation", [0, 2, 5, 15])
@pytest.mark.parametrize("ratio", [0.003, 0.03])
@pytest.mark.parametrize("seed", range(3))
def test_l1_takes_few_steps_where_offsets_make_the_sigmoid_flat(deviation, ratio, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 100))
    offset = deviation * rng.normal(size=60)
    y = X[:, 0] - X[:, 1] + rng.logistic(size=60) > 0
    largest = np.abs(X.T @ (y - y.mean())).max() / 60
    model = LogisticRegression(l1=ratio * largest).fit(X, y, offset=offset)
    assert model.converged_
    assert model.n_iter_ <= 40


@pytest.mark.parametrize("seed", range(5))
def test_l1_takes_few_steps_where_rates_are_few(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(100, 300))
    y = X[:, 0] - X[:, 1] + rng.logistic(size=100) > 0
    model = SigmoidRegression(l1=1e-3, tol=1e-8).fit(X, y)
    assert model.converged_
    assert model.n_iter_ <= 40


@pytest.mark.parametrize("seed", [11, 675, 1610, 2060, 2428, 2570, 10794, 12414, *range(20)])
@pytest.mark.filterwarnings("ignore::steepest.SeparationWarning", "ignore::steepest.RankWarning")
def test_offsets_that_make_every_sigmoid_flat_lead_nowhere_else(seed):
    rng = np.random.default_rng(seed)
    m, n = int(rng.integers(5, 12)), int(rng.integers(1, 12))
    X = rng.normal(size=(m, n))
    y = X[:, 0] + rng.logistic(size=m) > 0
    offset = 10 ** rng.uniform(1.5, 2.7) * rng.normal(size=m)
    if y.all() or not y.any():
        y[0] = not y[0]
    model = LogisticRegression().fit(X, y, offset=offset)
    assert model.stop_reason_ in ("tolerance", "separation")
