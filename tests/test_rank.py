"""What a fit says of columns that depend on each other, and the weights that it gives them."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from steepest import (
    LinearRegression,
    LogisticRegression,
    RankWarning,
    SigmoidRegression,
)

by_curvature = pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])


def test_a_constant_column_is_named_and_gets_no_weight(binary):
    X, y = binary
    for value in (0.0, 7.0, 1e10):
        with_constant = np.column_stack([X, np.full(300, value)])
        with pytest.warns(RankWarning, match="found that column 4 is constant or a combination .*rank 4 beside the"):
            model = LinearRegression().fit(with_constant, y)
        assert model.rank_ == 4
        assert model.coef_[4] == 0.0
        np.testing.assert_allclose(model.coef_[:4], LinearRegression().fit(X, y).coef_, rtol=1e-10)
        for cls in (SigmoidRegression, LogisticRegression):
            with pytest.warns(RankWarning, match="found that column 4 is constant or a combination .*rank 4 beside"):
                assert np.ravel(cls().fit(with_constant, y).coef_)[4] == pytest.approx(0.0, abs=1e-12)


def test_a_constant_column_may_stand_for_the_bias(binary):
    X, y = binary
    with_constant = np.column_stack([X, np.full(300, 7.0)])
    model = LinearRegression(fit_intercept=False).fit(with_constant, y)
    expected = LinearRegression().fit(X, y)
    assert 7 * model.coef_[4] == pytest.approx(expected.intercept_, rel=1e-10)
    assert model.rank_ == 5
    with pytest.warns(RankWarning, match="column 4 is 0 or a combination of other columns: X has rank 4. "):
        LinearRegression(fit_intercept=False).fit(np.column_stack([X, np.zeros(300)]), y)


def test_a_rank_without_fault_warns_of_nothing(binary):
    X, y = binary
    assert LinearRegression().fit(X, y).rank_ == 4
    assert LinearRegression().fit(X * [1e-100, 1e100, 1, 1e10], y).rank_ == 4


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_of_columns_that_depend_on_each_other_the_later_are_named(binary, fit_intercept):
    X, y = binary
    combined = X[:, 1] + 2 * X[:, 2] - 3 * fit_intercept
    dependent = np.column_stack([X, X[:, 1], combined])
    with pytest.warns(
        RankWarning, match="found that columns 4, 5 are .* or a combination of other columns: X has rank 4"
    ):
        model = LinearRegression(fit_intercept=fit_intercept).fit(dependent, y)
    assert model.rank_ == 4
    plain = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    np.testing.assert_allclose(model.predict(dependent), plain.predict(X), rtol=1e-9, atol=1e-12)
    frame = pd.DataFrame(dependent, columns=list("abcdef"))
    with pytest.warns(RankWarning, match="found that columns 'e', 'f' are"):
        LinearRegression(fit_intercept=fit_intercept).fit(frame, y)


@pytest.mark.parametrize("copies", [1, 3])
def test_equal_columns_share_their_weight(binary, copies):
    X, y = binary
    repeated = np.column_stack([X, *[X[:, 1]] * copies])
    with pytest.warns(RankWarning, match="rank 4"):
        model = LinearRegression().fit(repeated, y)
    weight = LinearRegression().fit(X, y).coef_[1] / (copies + 1)
    np.testing.assert_allclose(model.coef_[[1, *range(4, 4 + copies)]], weight, rtol=1e-10)


@by_curvature
@pytest.mark.parametrize("cls", [SigmoidRegression, LogisticRegression])
@pytest.mark.filterwarnings("ignore::steepest.RankWarning")
def test_equal_columns_share_their_weight_in_the_sigmoid_too(binary, cls, solver):
    X, y = binary
    weight = np.ravel(cls(solver=solver, tol=1e-9).fit(X, y).coef_)[1] / 2
    found = np.ravel(cls(solver=solver, tol=1e-9).fit(np.column_stack([X, X[:, 1]]), y).coef_)
    np.testing.assert_allclose(found[[1, 4]], weight, rtol=1e-6)


@pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression, LogisticRegression])
@pytest.mark.parametrize("solver", ["auto", "newton"])
@pytest.mark.parametrize("m", [100, 1000, 30_000])
def test_indicators_of_all_categories_are_dependent(cls, solver, m):
    rng = np.random.default_rng(m)
    indicators = [np.eye(k)[rng.integers(0, k, m)] for k in (4, 3)]
    names = ["own", *(f"{name}{i}" for name, k in (("a", 4), ("b", 3)) for i in range(k))]
    frame = pd.DataFrame(np.column_stack([rng.normal(size=m), *indicators]), columns=names)
    y = frame["own"] + frame["a1"] + rng.logistic(size=m) > 0
    with pytest.warns(RankWarning, match="columns 'a3', 'b2' are .*X has rank 6 beside"):
        model = cls(solver=solver, tol=1e-9).fit(frame, y)
    assert model.condition_ == np.inf
    fewer = frame.drop(columns=["a3", "b2"])
    np.testing.assert_allclose(
        model._forward(frame, None, "identity"),
        cls(solver=solver, tol=1e-9).fit(fewer, y)._forward(fewer, None, "identity"),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("scales", [[1.0] * 3, [1e-2, 1.0, 1e2]])
@pytest.mark.parametrize("m", [1000, 60_000])
@pytest.mark.parametrize("far", [0.0, 1e3])
@pytest.mark.filterwarnings("ignore::steepest.RankWarning")
def test_of_dependent_columns_the_weights_are_those_of_least_norm(m, scales, far):
    rng = np.random.default_rng(m)
    own = rng.integers(-9, 10, size=(m, 3)) * np.array(scales)
    X = np.column_stack([np.eye(4)[rng.integers(0, 4, m)], own, own[:, 0] + own[:, 2], own[:, 1]]) + far
    y = X @ rng.normal(size=9) + rng.normal(size=m)
    s = rng.integers(0, 3, size=m)
    model = LinearRegression().fit(X, y, s)
    assert model.rank_ == 6
    means = np.average(np.column_stack([X, y]), axis=0, weights=s)
    centred = (np.column_stack([X, y]) - means) * np.sqrt(s)[:, None]
    lengths = np.linalg.norm(centred[:, :9], axis=0)
    left, values, right = np.linalg.svd(centred[:, :9] / lengths, full_matrices=False)
    basic = right[:6].T @ (left[:, :6].T @ centred[:, 9] / values[:6]) / lengths
    nowhere = np.linalg.qr(right[6:].T / lengths[:, None])[0]  # moves no row
    np.testing.assert_allclose(
        model.coef_, basic - nowhere @ (nowhere.T @ basic), rtol=1e-8, atol=1e-11 * abs(basic).max()
    )
    assert abs(nowhere.T @ model.coef_).max() < 1e-11 * abs(basic).max()


@pytest.mark.parametrize("m", [400, 20_000])
def test_columns_that_depend_on_each_other_but_for_much_more_than_rounding_do_not(m):
    rng = np.random.default_rng(m)
    X = rng.normal(size=(m, 12))
    y = X.sum(axis=1) + rng.normal(size=m)
    X[:, 4] = X[:, 7] - X[:, 2] + 1e-7 * rng.normal(size=m)
    assert LinearRegression().fit(X, y).rank_ == 12
    twins = np.column_stack([X, X[:, 4], X[:, 4]])  # whose small parts would cancel
    with pytest.warns(RankWarning, match="columns 12, 13 .*rank 12 beside"):
        LinearRegression().fit(twins, y)


@pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression, LogisticRegression])
def test_copies_of_integer_columns_are_always_noticed(cls):
    rng = np.random.default_rng(5)
    for m in [60, 500] * 5 + [20_000]:
        X = rng.integers(-3, 4, size=(m, 3)).astype(float)
        y = X[:, 0] - X[:, 1] + rng.logistic(size=m) > 1
        for of in (X[:, 1], X[:, 0] + X[:, 1]):
            with pytest.warns(RankWarning, match="column 3 is .*rank 3 beside"):
                model = cls().fit(np.column_stack([X, of]), y)
            assert model.condition_ == np.inf


def test_classes_that_count_unlike_make_no_column_independent(rng):
    X = rng.normal(size=(500, 3))
    y = X[:, 0] + rng.logistic(size=500) > 1
    with pytest.warns(RankWarning, match="column 3 is"):
        LogisticRegression(class_weight={False: 1, True: 1000}).fit(np.column_stack([X, X[:, 1]]), y)


def test_least_squares_of_low_rank_has_that_rank():
    for seed in (108, *range(12)):
        rng = np.random.default_rng(seed)
        X, y = rng.uniform(size=(120, 60)) @ rng.uniform(size=(60, 80)), rng.normal(size=120)
        with pytest.warns(RankWarning, match="rank 60 beside"):
            model = LinearRegression().fit(X, y)
        centred = X - X.mean(axis=0)
        np.testing.assert_allclose(model.coef_, np.linalg.pinv(centred, rcond=1e-10) @ y, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("m", [300, 40_000])
def test_a_whole_part_of_the_rows_may_not_count(m, rng):
    X, y = rng.normal(size=(m, 3)), rng.normal(size=m)
    X[:, 2] = X[:, 0] + 1e-8 * X[:, 2]  # by QR
    counts = np.arange(m) < 200
    model = LinearRegression().fit(X, y, counts.astype(float))
    expected = LinearRegression().fit(X[counts], y[counts])
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
    assert model.converged_


def test_rows_that_do_not_count_have_no_rank(rng):
    X, y, s = rng.normal(size=(300, 250)), rng.normal(size=300), np.repeat([1.0, 0.0], 150)
    for l2 in (0.0, 1e-3):
        assert LinearRegression(l2=l2).fit(X, y, s).rank_ == 149


@pytest.mark.parametrize("cls", [SigmoidRegression, LogisticRegression])
def test_what_a_hessian_cannot_see_is_not_called_dependent(cls, rng):
    X = rng.normal(size=(300, 4))
    y = X[:, 0] + rng.logistic(size=300) > 0
    X[5, 1] = 1e9  # no other row of this column differs from it by much, beside
    X[:, 3] = X[:, 0] + 1e-7 * X[:, 3]
    with warnings.catch_warnings():
        warnings.simplefilter("error", RankWarning)
        cls().fit(X, y)


@pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression])
def test_where_features_outnumber_samples_dependence_is_not_said(cls, rng):
    cls().fit(rng.normal(size=(20, 50)), rng.uniform(0.2, 0.8, size=20))


def test_a_penalty_makes_weights_unique(binary):
    X, y = binary
    repeated = np.column_stack([X, X[:, 1], np.ones(300)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cls in (LinearRegression, SigmoidRegression, LogisticRegression):
            found = np.ravel(cls(l2=0.01, tol=1e-10).fit(repeated, y).coef_)
            assert found[1] == pytest.approx(found[4], rel=1e-8)
            assert found[5] == pytest.approx(0, abs=1e-12)


def test_more_columns_than_rows_give_the_weights_of_least_norm(rng):
    X, y = rng.normal(size=(20, 50)) + 3.0, rng.normal(size=20)
    model = LinearRegression().fit(X, y)
    centred = X - X.mean(axis=0)
    np.testing.assert_allclose(model.coef_, np.linalg.pinv(centred) @ (y - y.mean()), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(model.predict(X), y, rtol=1e-9, atol=1e-9)
    assert model.rank_ == 19


def test_columns_nearly_dependent_are_not_called_dependent(rng):
    X = rng.normal(size=(200, 3))
    X[:, 2] = X[:, 0] + 1e-6 * X[:, 2]
    y = X @ [1.0, 2.0, 3.0] + rng.normal(size=200)
    model = LinearRegression().fit(X, y)
    assert model.rank_ == 3
    assert 1e11 < model.condition_ < 1e14
    design = np.column_stack([X, np.ones(200)])
    np.testing.assert_allclose(model.coef_, np.linalg.lstsq(design, y)[0][:3], rtol=1e-6)


@pytest.mark.parametrize("unit", [1.0, 1e-6, 1e-12])
def test_a_column_in_small_units_is_not_moved_for_one_that_depends_on_others(unit):
    rng = np.random.default_rng(3)
    number, other = 1e9 + np.floor(1e6 * rng.random(75)), rng.normal(size=75)
    X = np.column_stack([number, other, number + other, unit * rng.normal(size=75), rng.normal(size=(75, 3))])
    y = other + rng.normal(size=75)
    without = LinearRegression().fit(np.delete(X, 2, axis=1), y)
    with pytest.warns(RankWarning, match="column 2 "):
        model = LinearRegression().fit(X, y)
    residual = np.mean((y - model.predict(X)) ** 2)
    assert residual <= np.mean((y - without.predict(np.delete(X, 2, axis=1))) ** 2) * (1 + 1e-6)


@pytest.mark.parametrize("part", [1e-6, 3e-6, 1e-5])
def test_columns_dependent_but_for_rounding_cost_no_more_than_without_one(part):
    rng = np.random.default_rng(0)
    number = 1e9 + np.round(1e-3 * rng.normal(size=1000) * 2**23) / 2**23
    other = rng.normal(size=1000)
    y = 1000 * (number - 1e9) + other + 1e-3 * rng.normal(size=1000)
    X = np.column_stack([number, other, number + part * other])
    without = LinearRegression().fit(X[:, :2], y)
    with pytest.warns(RankWarning, match="column 2 "):
        model = LinearRegression().fit(X, y)
    assert model.converged_
    assert model.history_.cost[-1] <= without.history_.cost[-1] * (1 + 1e-8)


@pytest.mark.parametrize("seed", range(10))
def test_dependent_columns_of_all_scales_cost_no_more_than_independent_ones(seed):
    # Attended, missed and the rate of attendance: each tells the others.
    rng = np.random.default_rng(seed)
    attended, own = rng.integers(5, 33, size=400), rng.normal(size=(400, 2))
    X = np.column_stack([own, attended, 32 - attended, attended / 32 * 100]) * 10 ** rng.uniform(-4, 4, size=5)
    y = own[:, 0] + 0.1 * attended + rng.normal(size=400)
    with pytest.warns(RankWarning, match="X has rank 3 "):
        model = LinearRegression().fit(X, y)
    independent = LinearRegression().fit(X[:, :3] / X[:, :3].std(axis=0), y)
    assert model.converged_
    assert model.history_.cost[-1] <= independent.history_.cost[-1] * (1 + 1e-8)


@pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression, LogisticRegression])
def test_rows_that_count_may_be_rare_and_lie_together(cls):
    rng = np.random.default_rng(0)
    m = 100_000
    X, s = rng.normal(size=(m, 3)), np.zeros(m)
    counted = np.flatnonzero((np.arange(m) % (m // 64) > 400) & (rng.random(m) < 0.02))
    s[counted] = 1.0
    X[counted, 0] += 1e8
    y = X[:, 0] - 1e8 * s + rng.logistic(size=m) > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error", RankWarning)
        model = cls().fit(X, y, s)
    expected = cls().fit(X[counted], y[counted])
    np.testing.assert_allclose(np.ravel(model.coef_), np.ravel(expected.coef_), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression, LogisticRegression])
@pytest.mark.parametrize("constant", [1.1, 99.99, 1e5 / 3, 1e-3])
@pytest.mark.parametrize("weights", ["1/m", "two", "sorted"])
def test_a_constant_is_constant_whatever_rounding_makes_of_its_mean(cls, constant, weights):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        m = 2000 + seed
        X = np.column_stack([rng.normal(size=(m, 3)), np.full(m, constant)])
        y = X[:, 0] + rng.logistic(size=m) > 0
        two = np.where(rng.random(m) < 0.5, 0.37, 1.84)
        sample_weight = {"1/m": np.full(m, 1 / m), "two": two, "sorted": np.sort(two)}[weights]
        with pytest.warns(RankWarning, match="column 3 is constant"):
            model = cls().fit(X, y.astype(float), sample_weight)
        assert np.ravel(model.coef_)[3] == 0
        assert abs(np.ravel(model.intercept_)[0]) < 5
