"""Fits where means, scales or weights are far from those of the other columns and rows."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from steepest import ConvergenceWarning, LinearRegression, SigmoidRegression


def stored(values, digits=20):
    """Return numbers that lose nothing when an integer below 2**30 is added."""
    return np.round(values * 2.0**digits) / 2.0**digits


def alike(model, other, tolerance):
    scale = np.abs(other.coef_).max()
    np.testing.assert_allclose(model.coef_, other.coef_, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("shape", [(300, 5), (3000, 10), (1000, 150), (3000, 260)])
@pytest.mark.parametrize("correlation", [0, 0.999])
@pytest.mark.parametrize("l2", [0, 1e-4])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_far_means_cost_no_digits(rng, shape, correlation, l2, fit_intercept):
    m, n = shape
    X = stored(np.sqrt(correlation) * rng.normal(size=(m, 1)) + np.sqrt(1 - correlation) * rng.normal(size=(m, n)))
    y = stored(X @ rng.normal(size=n) + rng.normal(size=m))
    weights = rng.integers(0, 4, size=m)
    model = LinearRegression(l2=l2, fit_intercept=fit_intercept).fit(X, y, weights)
    # Without an intercept the difference goes into the offset.
    far = 2.0**24 if fit_intercept else 0.0
    moved = LinearRegression(l2=l2, fit_intercept=fit_intercept)
    moved.fit(X + far, y + 2.0**29, weights, offset=np.zeros(m) if fit_intercept else np.full(m, 2.0**29))
    alike(moved, model, 1e-11)
    assert moved.optimality_ < 1e-6
    assert moved.history_.cost[-1] == pytest.approx(model.history_.cost[-1], rel=1e-8)
    for tol in (0, 1e-12):
        alike(LinearRegression(l2=l2, fit_intercept=fit_intercept, tol=tol).fit(X, y, weights), model, 1e-12)


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_optimality_is_in_units_of_what_is_left_of_the_targets(rng, offset):
    X = rng.normal(size=(500, 3))
    y = 1e-6 * (X[:, 0] + rng.normal(size=500))
    found = LinearRegression(solver="gd", max_iter=1, learning_rate=1e-3, tol=0).fit(X, y)
    known = np.full(500, offset)
    other = LinearRegression(solver="gd", max_iter=1, learning_rate=1e-3, tol=0).fit(X, y + offset, offset=known)
    assert other.optimality_ == pytest.approx(found.optimality_, rel=1e-6)
    lbfgs = LinearRegression(solver="lbfgs", tol=1e-9).fit(X, y + offset, offset=known)
    alike(lbfgs, LinearRegression().fit(X, y), 1e-6)


@pytest.mark.parametrize("m", [200, 2000])
@pytest.mark.parametrize("constant", [1.0, 3e4, 1.7e9 + 0.3])
@pytest.mark.parametrize("l2", [1e-12, 1e-8, 1e-2])
def test_a_penalty_leaves_a_constant_column_without_weight(rng, m, constant, l2):
    X = rng.normal(size=(m, 4))
    y = X[:, 0] + rng.normal(size=m)
    without = LinearRegression(l2=l2).fit(X, y)
    with warnings.catch_warnings():
        # So small a penalty is lost beside the constant.
        warnings.filterwarnings("ignore", message=".*is constant or a combination.*raise l2: 1e-")
        model = LinearRegression(l2=l2).fit(np.column_stack([X, np.full(m, constant)]), y)
    assert abs(model.coef_[-1]) < 1e-20
    assert model.intercept_ == pytest.approx(without.intercept_, rel=1e-9)
    assert model.history_.cost[-1] == pytest.approx(without.history_.cost[-1], rel=1e-12)


@pytest.mark.parametrize("l2", [0, 1e-4])
@pytest.mark.parametrize("column", ["time", "constant", "large"])
def test_one_column_unlike_the_others_does_not_decide_where_features_outnumber_samples(rng, l2, column):
    m, n = 30, 60
    X = rng.normal(size=(m, n))
    y = X @ rng.normal(size=n) / 8 + 0.1 * rng.normal(size=m)
    other = {
        "time": 1.7e9 + 6e5 * rng.normal(size=m),
        "constant": np.full(m, 1.7e9),
        "large": 1e8 * rng.normal(size=m),
    }[column]
    model = LinearRegression(l2=l2).fit(np.column_stack([X, other]), y)
    assert model.score(np.column_stack([X, other]), y) > 1 - 1e-4
    # The others do nearly what they would for the column's residual alone.
    centred = other - other.mean()
    along = centred / max(np.linalg.norm(centred), 1.0)
    project = np.eye(m) - 1 / m - np.outer(along, along) * (column != "constant")
    A, t = project @ X, project @ y
    expected = A.T @ np.linalg.pinv(A @ A.T + 0.5 * l2 * m * np.eye(m), rcond=1e-12) @ t
    np.testing.assert_allclose(model.coef_[:-1], expected, atol=2e-6)
    assert model.optimality_ < 1e-10


@pytest.mark.parametrize("orders", [2, 8, 10])
def test_weights_decide_nothing_where_every_row_can_be_met(rng, orders):
    X = rng.normal(size=(30, 60))
    y = X @ rng.normal(size=60) + rng.normal(size=30)
    model = LinearRegression().fit(X, y, 10 ** rng.uniform(-orders, orders, size=30))
    alike(model, LinearRegression().fit(X, y), 1e-12)
    assert model.rank_ == 29


@pytest.mark.parametrize("means", [1e4, 1e7])
@pytest.mark.parametrize("n", [400, 70_000])
def test_far_means_cost_no_digits_where_features_outnumber_samples(rng, means, n):
    X = stored(rng.normal(size=(40, n)))
    y = stored(rng.normal(size=40))
    model = LinearRegression(l2=1e-3).fit(X, y)
    # About a digit for each of the means, of what a prediction adds up.
    alike(LinearRegression(l2=1e-3).fit(X + np.round(means), y), model, 1e-15 * means)


@pytest.mark.parametrize("n", [60, 1100])
@pytest.mark.parametrize("l2", [0.0, 1e-4])
@pytest.mark.parametrize("factors", [[1e4], [1e8], [1e12], [1e15], [1e5, 1e9, 1e12]])
def test_large_columns_hide_no_other_where_features_outnumber_samples(rng, n, l2, factors):
    X = rng.normal(size=(30, n))
    y = X[:, 0] + 0.1 * rng.normal(size=30)
    X[:, -len(factors) :] *= factors
    model = LinearRegression(l2=l2).fit(X, y)
    assert model.optimality_ < 1e-12
    assert model.rank_ == 29
    # At the minimum weights are combinations of the rows: those of large columns too.
    centred = X - X.mean(axis=0)
    alone = LinearRegression(l2=l2).fit(X[:, : -len(factors)], y)
    rest = centred[:, : -len(factors)]
    combination = np.linalg.lstsq(rest.T, model.coef_[: -len(factors)], rcond=None)[0]
    np.testing.assert_allclose(rest.T @ combination, model.coef_[: -len(factors)], atol=1e-12)
    expected = centred[:, -len(factors) :].T @ combination
    # What rows have in them is all but taken out of the combination.
    np.testing.assert_allclose(model.coef_[-len(factors) :], expected, atol=1e-13 * max(factors))
    if l2 == 0:
        np.testing.assert_allclose(model.predict(X), y, atol=1e-9)
        assert np.linalg.norm(model.coef_) <= np.linalg.norm(alone.coef_) * (1 + 1e-12)


@pytest.mark.parametrize("n", [400, 1100])
@pytest.mark.parametrize("l2", [0.0, 1e-12])
def test_rows_that_depend_on_each_other_leave_the_weights_of_least_norm(rng, n, l2):
    X, y = rng.normal(size=(60, n)), rng.normal(size=60)
    rows = rng.integers(0, 60, size=60)
    model = LinearRegression(l2=l2).fit(X[rows], y)
    centred = X[rows] - X[rows].mean(axis=0)
    np.testing.assert_allclose(model.coef_, np.linalg.pinv(centred, rcond=1e-10) @ (y - y.mean()), atol=1e-10)
    assert model.rank_ == len(set(rows)) - 1
    assert model.converged_


@pytest.mark.parametrize("n", [400, 1100])
@pytest.mark.parametrize("rest", ["repeated rows", "low rank", "weights of 0"])
def test_large_columns_beside_rows_that_depend_on_each_other(rng, n, rest):
    m, weights = 50, np.ones(50)
    X = rng.normal(size=(m, n))
    if rest == "repeated rows":
        X[30:] = X[:20]
    elif rest == "low rank":
        X = rng.normal(size=(m, 5)) @ rng.normal(size=(5, n))
    else:
        weights[:20] = 0
    X[:, :3] = 1e5 * rng.normal(size=(m, 3))
    y = X[:, :3] @ [1e-5, 2e-5, -1e-5] + X[:, 10]
    model = LinearRegression().fit(X, y, weights)
    assert model.score(X, y, weights) > 1 - 1e-10
    assert model.converged_
    assert model.rank_ == {"repeated rows": 32, "low rank": 8, "weights of 0": 29}[rest]


@pytest.mark.parametrize("noise", [1e-9, 1e-10, 1e-11])
def test_rows_that_nearly_depend_on_each_other_are_not_taken_for_dependent(rng, noise):
    X = rng.normal(size=(25, 100))
    X = np.vstack([X, X + noise * rng.normal(size=X.shape)])
    y = rng.normal(size=50)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = LinearRegression().fit(X, y)
    assert model.score(X, y) > 1 - 1e-6
    assert model.rank_ == 49


@pytest.mark.parametrize("value", [0.0, 1e9])
@pytest.mark.parametrize("n", [9, 2000])
def test_of_constants_alone_no_weight_is_left(value, n):
    for l2 in (0.0, 1.0):
        model = LinearRegression(l2=l2).fit(np.full((4, n), value), [0, 1, 2, 3])
        assert (model.coef_ == 0).all()
        assert model.intercept_ == 1.5
        assert model.converged_
        assert l2 > 0 or model.rank_ == 0


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize("degree", [4, 5])
@pytest.mark.parametrize(("low", "high"), [(1960, 2023), (980, 1040)])
def test_powers_of_a_column_far_from_0_reach_the_minimum_of_those_near(low, high, degree, loss):
    for seed, m in enumerate([60, 300, 2000]):
        rng = np.random.default_rng(seed)
        x = rng.integers(low, high + 1, size=m).astype(float)
        t = (x - x.mean()) / x.std()
        y = 1 / (1 + np.exp(-np.sin(1.7 * t) - 0.5 * t))
        y = rng.binomial(1, y) if loss == "log_loss" else np.clip(y + 0.1 * rng.normal(size=m), 0, 1)
        powers = np.arange(1, degree + 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # here a predictor has eight digits
            far = SigmoidRegression(loss=loss).fit(x[:, None] ** powers, y)
        near = SigmoidRegression(loss=loss).fit(t[:, None] ** powers, y)
        assert far.history_.cost[-1] < near.history_.cost[-1] * (1 + 1e-6)


def test_rows_that_hardly_count_are_no_centre(rng):
    m = 2000
    X, heavy = rng.normal(size=(m, 3)), rng.random(m) < 0.1
    t = X[:, 0] + rng.normal(size=m)
    X[heavy, 0] += 1e6
    s = np.where(heavy, 1.0, 1e-20)
    expected = LinearRegression().fit(X[heavy], t[heavy])
    np.testing.assert_allclose(
        LinearRegression(solver="lbfgs").fit(X, t, s).coef_, expected.coef_, rtol=1e-3, atol=1e-3
    )
