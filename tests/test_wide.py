"""The log loss where features outnumber samples: Newton's method on combinations of the rows."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
from steepest import ConvergenceWarning, LogisticRegression, SigmoidRegression


@pytest.fixture
def wide(rng):
    """Correlated columns, ten for each row: X, labels, sample weights, offsets."""
    X = 0.5 * rng.normal(size=(60, 1)) + rng.normal(size=(60, 600))
    y = X[:, :5].sum(axis=1) + rng.logistic(size=60) > 0
    return X, y.astype(int), rng.integers(0, 4, size=60), rng.normal(size=60)


def check_minimum(model, X, y, s=None, l2=0.0, *, offset=0.0, tol=1e-9):
    w, b = model.coef_.ravel(), float(np.ravel(model.intercept_)[0])
    dw, db = oracle.gradient(X, y, w, b, "sigmoid", "log_loss", s, offset=offset)
    mean = np.average(X, axis=0, weights=s)
    deviation = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=s))
    # In variables of mean 0.
    dw = dw + l2 * w - (mean * db if model.fit_intercept else 0)
    assert (np.abs(dw) <= tol * np.maximum(deviation, 1e-3) + 1e-12).all()
    assert not model.fit_intercept or abs(db) < tol
    cost = oracle.cost(X, y, w, b, "sigmoid", "log_loss", s, offset=offset) + l2 / 2 * w @ w
    assert model.history_.cost[-1] == pytest.approx(cost, rel=1e-9)


@pytest.mark.parametrize("l2", [1e-8, 1e-4, 1e-1, 100.0])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("mean", [0.0, 1e3])
def test_the_minimum_takes_few_steps(wide, l2, fit_intercept, mean):
    X, y, s, offset = wide
    X = X + mean * (np.arange(600) % 2) * fit_intercept
    model = LogisticRegression(l2=l2, fit_intercept=fit_intercept, tol=1e-8).fit(X, y, s, offset=offset)
    assert model.converged_
    assert model.n_iter_ <= 30
    check_minimum(model, X, y, s, l2, offset=offset, tol=1e-7)


def test_it_is_the_minimum_of_other_ways(wide):
    X, y, s, offset = wide
    model = LogisticRegression(l2=1e-3, tol=1e-10).fit(X, y, s, offset=offset)
    for other in (
        LogisticRegression(l2=1e-3, tol=1e-10, solver="lbfgs").fit(X, y, s, offset=offset),
        # What looks at each step has its parameters.
        LogisticRegression(l2=1e-3, tol=1e-10).fit(X, y, s, offset=offset, X_val=X, y_val=y),
        LogisticRegression(l2=1e-3, tol=1e-10).fit(X, y, s, offset=offset, coef_init=np.ones(600)),
        SigmoidRegression(l2=1e-3, tol=1e-10, loss="log_loss").fit(X, y, s, offset=offset),
    ):
        np.testing.assert_allclose(other.coef_.ravel(), model.coef_.ravel(), atol=2e-7)
        assert other.history_.cost[0] == pytest.approx(model.history_.cost[0]) or other.history_.cost[0] > 1
    assert (np.diff(model.history_.cost) <= 0).all()
    assert len(model.history_.cost) == model.n_iter_ + 1


@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_the_history_is_that_of_the_weights(wide, mean):
    X, y, s, offset = wide
    X = X + mean
    whole = LogisticRegression(l2=1e-3, tol=1e-10).fit(X, y, s, offset=offset)
    for n_iter in range(1, whole.n_iter_):
        with pytest.warns(ConvergenceWarning, match=f"max_iter={n_iter}"):
            model = LogisticRegression(l2=1e-3, tol=1e-10, max_iter=n_iter).fit(X, y, s, offset=offset)
        assert model.n_iter_ == n_iter
        w, b = model.coef_.ravel(), model.intercept_[0]
        dw, db = oracle.gradient(X, y, w, b, "sigmoid", "log_loss", s, offset=offset)
        cost = oracle.cost(X, y, w, b, "sigmoid", "log_loss", s, offset=offset) + 5e-4 * w @ w
        np.testing.assert_allclose(model.history_.cost, whole.history_.cost[: n_iter + 1], rtol=1e-9)
        assert model.history_.cost[-1] == pytest.approx(cost, rel=1e-9)
        norm = np.hypot(np.linalg.norm(dw + 1e-3 * w), db)
        assert model.history_.gradient_norm[-1] == pytest.approx(norm, rel=1e-4, abs=1e-9)


def test_rows_that_are_repeated_or_do_not_count(wide):
    X, y, s, _ = wide
    kept = s > 0
    model = LogisticRegression(l2=1e-2, tol=1e-10).fit(X, y, s)
    repeated = LogisticRegression(l2=1e-2, tol=1e-10).fit(np.repeat(X, s, axis=0), np.repeat(y, s))
    removed = LogisticRegression(l2=1e-2, tol=1e-10).fit(X[kept], y[kept], s[kept])
    for other in (repeated, removed):
        np.testing.assert_allclose(other.coef_, model.coef_, atol=1e-9)


@pytest.mark.parametrize("deviation", [5, 30])
def test_offsets_that_make_the_sigmoid_flat(wide, rng, deviation):
    X, y, _, _ = wide
    offset = deviation * rng.normal(size=60)
    model = LogisticRegression(l2=1e-3, tol=1e-8).fit(X, y, offset=offset)
    assert model.converged_
    check_minimum(model, X, y, l2=1e-3, offset=offset, tol=1e-7)


@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, lambda X: X.astype(np.float32)])
def test_any_layout_and_number_of_threads(wide, layout):
    X, y, _, _ = wide
    X = layout(X.astype(np.float32).astype(float))
    expected = LogisticRegression(l2=1e-2, tol=1e-10, n_threads=1).fit(X, y)
    for n_threads in (2, 3):
        model = LogisticRegression(l2=1e-2, tol=1e-10, n_threads=n_threads).fit(X, y)
        assert (model.coef_ == expected.coef_).all()
        assert (model.history_.gradient_norm == expected.history_.gradient_norm).all()


def test_columns_of_all_scales_and_constant_ones(wide):
    X, y, _, _ = wide
    X = X * np.logspace(-6, 6, 600)
    X[:, 5] = 7.0
    model = LogisticRegression(l2=1e-6, tol=1e-8).fit(X, y)
    assert model.converged_
    assert abs(model.coef_[0, 5]) < 1e-9
    check_minimum(model, X, y, l2=1e-6, tol=1e-7)


@pytest.mark.parametrize("draw", ["normal", "lognormal"])
@pytest.mark.parametrize("shape", [(4, 100_000), (60, 3000)])
def test_few_rows_of_many_columns_take_no_memory_for_the_square_of_their_number(draw, shape):
    rng = np.random.default_rng(7)
    X = rng.normal(size=shape) if draw == "normal" else rng.lognormal(sigma=2.5, size=shape)
    y = np.arange(shape[0]) % 2
    assert LogisticRegression(l2=1.0).fit(X, y).converged_
