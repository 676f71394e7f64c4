"""The penalty l1: weights that are exactly 0, at the minimum by its conditions, where others arrive too."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import linear_model

import oracle
from steepest import ConvergenceWarning, LinearRegression, LogisticRegression, SigmoidRegression

models = pytest.mark.parametrize(("activation", "loss"), oracle.MODELS)
every_estimator = pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression, LogisticRegression])


@pytest.fixture
def sparse_problem(rng):
    """Ten features, three of which matter: X, numbers, labels and sample weights."""
    X = rng.normal(size=(300, 10)) * np.linspace(0.5, 2, 10) + np.linspace(-1, 1, 10)
    z = (X - np.linspace(-1, 1, 10)) @ np.array([1.0, 0, 0, -1.5, 0, 0, 0, 0.7, 0, 0])
    return X, z + rng.normal(size=300), (z + rng.logistic(size=300) > 0).astype(int), rng.uniform(0.5, 2, size=300)


def objective(X, y, w, b, activation, loss, s, l1, l2):
    return oracle.cost(X, y, w, b, activation, loss, s) + l1 * np.abs(w).sum() + l2 / 2 * w @ w


def check_minimum(X, y, w, b, activation, loss, s=None, l1=0.0, l2=0.0, intercept=True, tol=1e-6):
    """The conditions of Karush, Kuhn and Tucker, in units in which every column has standard deviation 1."""
    dw, db = oracle.gradient(X, y, w, b, activation, loss, s)
    deviation = X.std(axis=0)
    dw = dw + l2 * w
    zero = w == 0
    assert (np.abs(dw[zero]) <= l1 + tol * deviation[zero]).all()
    assert (np.abs(dw + l1 * np.sign(w))[~zero] <= tol * deviation[~zero]).all()
    if intercept:
        assert abs(db) <= tol


@models
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_the_conditions_of_a_minimum_hold(sparse_problem, activation, loss, intercept, l2):
    X, numbers, labels, s = sparse_problem
    y = numbers if activation == "identity" else labels
    largest = np.abs(
        oracle.gradient(X, y, np.zeros(10), y.mean() if intercept else 0.0, "identity", "squared_error")[0]
    )
    for l1 in (0.01 * largest.max(), 0.1 * largest.max()):
        model = oracle.estimator_for(activation, loss, l1=l1, l2=l2, fit_intercept=intercept, tol=1e-9)
        model.fit(X, y, s)
        assert model.converged_
        check_minimum(X, y, model.coef_, model.intercept_, activation, loss, s, l1, l2, intercept, tol=1e-7)
        found = objective(X, y, model.coef_, model.intercept_, activation, loss, s, l1, l2)
        assert model.history_.cost[-1] == pytest.approx(found, rel=1e-10)


@every_estimator
def test_weights_of_columns_that_say_nothing_are_exactly_0(sparse_problem, cls):
    X, numbers, labels, _ = sparse_problem
    l1 = {LinearRegression: 0.2, SigmoidRegression: 0.008, LogisticRegression: 0.02}[cls]
    w = np.ravel(cls(l1=l1).fit(X, numbers if cls is LinearRegression else labels).coef_)
    assert set(np.flatnonzero(w)) >= {0, 3, 7}
    assert (w == 0).sum() >= 3


@pytest.mark.parametrize("intercept", [True, False])
def test_scikit_learns_lasso_is_half_of_l1(sparse_problem, intercept):
    X, y, _, s = sparse_problem
    for alpha in (0.02, 0.2):
        expected = linear_model.Lasso(alpha, fit_intercept=intercept, tol=1e-12, max_iter=100_000).fit(X, y, s)
        model = LinearRegression(l1=2 * alpha, fit_intercept=intercept, tol=1e-10).fit(X, y, s)
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6, atol=1e-8)
        assert model.intercept_ == pytest.approx(expected.intercept_, rel=1e-6, abs=1e-8)
        assert ((model.coef_ == 0) == (expected.coef_ == 0)).all()


def test_scikit_learns_elastic_net_by_conversion(sparse_problem):
    X, y, _, _ = sparse_problem
    alpha, ratio = 0.3, 0.4
    expected = linear_model.ElasticNet(alpha=alpha, l1_ratio=ratio, tol=1e-12, max_iter=100_000).fit(X, y)
    model = LinearRegression(l1=2 * alpha * ratio, l2=2 * alpha * (1 - ratio), tol=1e-10).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6, atol=1e-8)
    assert model.intercept_ == pytest.approx(expected.intercept_, rel=1e-6)


@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("intercept", [True, False])
def test_scikit_learns_logistic_regression_by_conversion(rng, binary, ratio, intercept):
    X, y = binary
    C = 0.1
    with warnings.catch_warnings():
        # The names of its options change between versions.
        warnings.simplefilter("ignore")
        expected = linear_model.LogisticRegression(
            C=C,
            penalty="elasticnet",
            l1_ratio=ratio,
            solver="saga",
            fit_intercept=intercept,
            tol=1e-12,
            max_iter=50_000,
        ).fit(X, y)
    model = LogisticRegression(l1=ratio / (300 * C), l2=(1 - ratio) / (300 * C), fit_intercept=intercept, tol=1e-10)
    model.fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, rtol=1e-5, atol=1e-7)


@every_estimator
def test_above_the_largest_gradient_all_weights_are_0(sparse_problem, cls):
    X, numbers, labels, _ = sparse_problem
    y = numbers if cls is LinearRegression else labels
    activation, loss = {
        LinearRegression: ("identity", "squared_error"),
        SigmoidRegression: ("sigmoid", "squared_error"),
        LogisticRegression: ("sigmoid", "log_loss"),
    }[cls]
    bias = y.mean() if activation == "identity" else np.log(y.mean() / (1 - y.mean()))
    largest = np.abs(oracle.gradient(X, y, np.zeros(10), bias, activation, loss)[0]).max()
    model = cls(l1=1.001 * largest, tol=1e-10).fit(X, y)
    assert (model.coef_ == 0).all()
    assert float(np.ravel(model.intercept_)[0]) == pytest.approx(bias, rel=1e-6)
    assert (cls(l1=0.98 * largest, tol=1e-10).fit(X, y).coef_ != 0).sum() == 1


@every_estimator
def test_more_columns_than_rows(rng, cls):
    X = rng.normal(size=(60, 200))
    z = X[:, :3] @ [2.0, -2.0, 1.0]
    y = z + 0.1 * rng.normal(size=60) if cls is LinearRegression else (z + rng.logistic(size=60) > 0).astype(int)
    activation, loss = ("identity" if cls is LinearRegression else "sigmoid"), "squared_error"
    loss = "log_loss" if cls is LogisticRegression else loss
    model = cls(l1=0.05, tol=1e-9).fit(X, y)
    w, b = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
    assert model.converged_
    assert np.count_nonzero(w) < 60
    check_minimum(X, y, w, b, activation, loss, l1=0.05)


def many_columns(rng, n, cls, m=150):
    """Targets of ten of so many columns, which are not independent; their units differ."""
    X = (rng.normal(size=(m, n)) + rng.normal(size=(m, 1))) * rng.uniform(0.5, 2, size=n)
    z = X[:, 5 : n : n // 10] @ rng.normal(size=len(range(5, n, n // 10)))
    return X, z + rng.normal(size=m) if cls is LinearRegression else (z + rng.logistic(size=m) > 0).astype(float)


@every_estimator
@pytest.mark.parametrize("n", [300, 3000])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("share", [0.3, 0.01])
def test_of_many_columns_none_is_forgotten(rng, cls, n, intercept, share):
    X, y = many_columns(rng, n, cls)
    s, offset = rng.uniform(0.5, 2, size=150), rng.normal(size=150)
    activation, loss = ("identity" if cls is LinearRegression else "sigmoid"), "squared_error"
    loss = "log_loss" if cls is LogisticRegression else loss
    l1, l2 = share * np.abs(oracle.gradient(X, y, np.zeros(n), 0.0, activation, loss, s)[0]).max(), 1e-4
    model = cls(l1=l1, l2=l2, fit_intercept=intercept, tol=1e-8).fit(X, y, s)
    w, b = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
    assert model.converged_
    assert 0 < np.count_nonzero(w) < 300
    check_minimum(X, y, w, b, activation, loss, s, l1, l2, intercept, tol=1e-7)
    assert model.history_.cost[-1] == pytest.approx(objective(X, y, w, b, activation, loss, s, l1, l2), rel=1e-10)
    assert len(model.history_.cost) == model.n_iter_ + 1
    with_offset = cls(l1=l1, l2=l2, fit_intercept=intercept, tol=1e-8).fit(X, y, s, offset=offset)
    assert with_offset.converged_
    assert not np.allclose(with_offset.coef_, model.coef_)


@pytest.mark.parametrize("cls", [LinearRegression, LogisticRegression])
@pytest.mark.parametrize("layout", ["F", "float32", "every second", "float16"])
def test_layouts_and_threads_change_no_bit_with_many_columns(rng, cls, layout):
    X, y = many_columns(rng, 600, cls, m=1000)
    X = X.astype(layout if layout.startswith("float") else np.float64)
    plain = X.astype(np.float64)
    other = {"F": np.asfortranarray(X), "every second": np.repeat(X, 2, axis=1)[:, ::2]}.get(layout, X)
    l1 = 0.1 * np.abs((plain - plain.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    fits = [cls(l1=l1, n_threads=k).fit(other, y) for k in (1, 2, 5)]
    assert len({fit.coef_.tobytes() for fit in fits}) == 1
    expected = cls(l1=l1).fit(plain, y)
    np.testing.assert_allclose(fits[0].coef_, expected.coef_, rtol=1e-9, atol=1e-9)
    assert ((fits[0].coef_ == 0) == (expected.coef_ == 0)).all()


def test_weak_penalties_on_wide_data_arrive_as_low_as_scikit_learn(rng):
    X, y = many_columns(rng, 3000, LinearRegression, m=60)
    largest = 2 * np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / 60
    for share in (0.1, 0.01, 0.001):
        model = LinearRegression(l1=share * largest).fit(X, y)
        lars = linear_model.LassoLars(alpha=share * largest / 2, max_iter=5000).fit(X, y)
        found, best = (
            objective(X, y, fit.coef_, fit.intercept_, "identity", "squared_error", np.ones(60), share * largest, 0.0)
            for fit in (model, lars)
        )
        assert found <= best * (1 + 1e-12)
        assert model.converged_


@every_estimator
def test_a_start_with_all_of_many_weights_is_no_worse(rng, cls):
    X, y = many_columns(rng, 2500, cls, m=60)
    l1 = 0.1 * np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / 60
    cold = cls(l1=l1, tol=1e-8).fit(X, y)
    warm = cls(l1=l1, tol=1e-8).fit(X, y, coef_init=np.full(2500, 1e-4), intercept_init=0.1)
    assert warm.history_.cost[-1] <= cold.history_.cost[-1] * (1 + 1e-6)
    assert len(warm.history_.cost) == warm.n_iter_ + 1


@every_estimator
@pytest.mark.parametrize("n", [257, 2500])
@pytest.mark.parametrize("intercept", [True, False])
def test_of_many_columns_none_need_have_a_weight(rng, cls, n, intercept):
    X, y = many_columns(rng, n, cls, m=60)
    for coef_init in (None, np.full(n, 1e-4)):
        model = cls(l1=1e9, fit_intercept=intercept, tol=1e-8).fit(X, y, coef_init=coef_init)
        assert model.converged_
        assert (model.coef_ == 0).all()
        z = float(np.ravel(model.intercept_)[0])
        mean = y.mean() if intercept else (0.0 if cls is LinearRegression else 0.5)
        assert (z if cls is LinearRegression else 1 / (1 + np.exp(-z))) == pytest.approx(mean, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("m", [1, 40])
def test_a_constant_target_gives_many_columns_no_weight(rng, m):
    model = LinearRegression(l1=0.01).fit(rng.normal(size=(m, 400)), np.full(m, 3.0))
    assert (model.coef_ == 0).all()
    assert model.intercept_ == pytest.approx(3.0, rel=1e-14)


def test_an_iteration_of_many_columns_can_be_the_last(rng):
    X, y = many_columns(rng, 3000, LinearRegression)
    l1 = 0.01 * np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / 150
    with pytest.warns(ConvergenceWarning):
        model = LinearRegression(l1=l1, max_iter=1).fit(X, y)
    assert model.n_iter_ == 1
    assert len(model.history_.cost) == 2
    assert model.history_.cost[1] < model.history_.cost[0]


def test_separated_classes_have_a_minimum_with_l1(binary):
    X, _ = binary
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LogisticRegression(l1=1e-3, tol=1e-8).fit(X, X[:, 2] > 0)
    check_minimum(X, X[:, 2] > 0, model.coef_[0], model.intercept_[0], "sigmoid", "log_loss", l1=1e-3)


@every_estimator
def test_equal_and_constant_columns_do_no_harm(sparse_problem, cls):
    X, numbers, labels, _ = sparse_problem
    y = numbers if cls is LinearRegression else labels
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = cls(l1=0.01, tol=1e-9).fit(np.column_stack([X, X[:, 3], np.full(300, 7.0)]), y)
    expected = cls(l1=0.01, tol=1e-9).fit(X, y)
    w, plain = np.ravel(found.coef_), np.ravel(expected.coef_)
    assert w[11] == 0
    assert w[3] * w[10] >= 0
    assert w[3] + w[10] == pytest.approx(plain[3], rel=1e-5)
    np.testing.assert_allclose(np.delete(w[:10], 3), np.delete(plain, 3), rtol=1e-4, atol=1e-6)


@every_estimator
def test_the_penalty_is_in_the_units_of_the_data(sparse_problem, cls):
    X, numbers, labels, _ = sparse_problem
    y = numbers if cls is LinearRegression else labels
    plain = cls(l1=0.03, tol=1e-10).fit(X, y)
    scaled = cls(l1=0.03 * 1e4, tol=1e-10).fit(X * 1e4, y)
    np.testing.assert_allclose(1e4 * np.ravel(scaled.coef_), np.ravel(plain.coef_), rtol=1e-6, atol=1e-9)


@every_estimator
def test_sample_weights_are_repeats_and_offsets_count(rng, sparse_problem, cls):
    X, numbers, labels, _ = sparse_problem
    y, s = numbers if cls is LinearRegression else labels, rng.integers(0, 3, size=300)
    offset = 0.5 * rng.normal(size=300)
    weighted = cls(l1=0.03, tol=1e-10).fit(X, y, s, offset=offset)
    repeated = cls(l1=0.03, tol=1e-10).fit(np.repeat(X, s, axis=0), np.repeat(y, s), offset=np.repeat(offset, s))
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-6, atol=1e-9)
    without = cls(l1=0.03, tol=1e-10).fit(X, y, s)
    assert not np.allclose(weighted.coef_, without.coef_, rtol=1e-3)


@every_estimator
def test_the_history_falls_and_validation_has_no_penalty(sparse_problem, cls):
    X, numbers, labels, _ = sparse_problem
    y = numbers if cls is LinearRegression else labels
    model = cls(l1=0.03, l2=0.02).fit(X, y, X_val=X, y_val=y)
    history, w = model.history_, np.ravel(model.coef_)
    assert (np.diff(history.cost) <= 1e-12).all()
    assert len(history.cost) == len(history.validation_cost) == model.n_iter_ + 1
    penalty = 0.03 * np.abs(w).sum() + 0.01 * w @ w
    assert history.cost[-1] - history.validation_cost[-1] == pytest.approx(penalty, rel=1e-9)


@every_estimator
def test_a_start_changes_the_way_and_not_the_end(sparse_problem, cls):
    X, numbers, labels, _ = sparse_problem
    y = numbers if cls is LinearRegression else labels
    cold = cls(l1=0.03, tol=1e-10).fit(X, y)
    warm = cls(l1=0.03, tol=1e-10).fit(X, y, coef_init=np.linspace(-0.5, 0.5, 10), intercept_init=0.3)
    np.testing.assert_allclose(warm.coef_, cold.coef_, rtol=1e-6, atol=1e-9)
    assert ((warm.coef_ == 0) == (cold.coef_ == 0)).all()


@every_estimator
def test_threads_change_no_bit(sparse_problem, cls):
    X, numbers, labels, _ = sparse_problem
    y = np.tile(numbers if cls is LinearRegression else labels, 100)
    X = np.tile(X, (100, 1))
    fits = [cls(l1=0.03, n_threads=n).fit(X, y).coef_.tobytes() for n in (1, 2, 5)]
    assert len(set(fits)) == 1


def nearly_dependent(rng):
    X = rng.normal(size=(600, 7))
    y = X @ rng.normal(size=7) + rng.normal(size=600)
    X[:, 6] = X[:, 0] + 1e-4 * X[:, 6]
    return X, y


def few_rows(rng):
    X = rng.normal(size=(40, 100))
    return X, X[:, :3].sum(axis=1) + rng.normal(size=40)


@pytest.mark.parametrize("data", [nearly_dependent, few_rows])
def test_a_weak_penalty_arrives_where_columns_are_nearly_dependent(rng, data):
    X, y = data(rng)
    l1 = 1e-5 * 2 * np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    model = LinearRegression(l1=l1, max_iter=50).fit(X, y)
    lars = linear_model.LassoLars(alpha=l1 / 2, max_iter=5000).fit(X, y)

    def cost(w, b):
        return objective(X, y, w, b, "identity", "squared_error", np.ones(len(y)), l1, 0.0)

    assert cost(model.coef_, model.intercept_) <= cost(lars.coef_, lars.intercept_) * (1 + 1e-11)


def test_a_weak_penalty_on_classes_is_as_good_as_asked_for(rng):
    X, y = few_rows(rng)
    y = (y > 0).astype(int)
    l1 = 1e-5 * np.abs((X - X.mean(axis=0)).T @ (y - y.mean())).max() / len(y)
    loose, tight = (LogisticRegression(l1=l1, tol=tol).fit(X, y) for tol in (1e-6, 1e-12))
    assert loose.history_.cost[-1] <= tight.history_.cost[-1] * (1 + 1e-10)


@every_estimator
def test_a_constant_column_gives_up_the_weight_it_starts_with(rng, cls):
    X = rng.normal(size=(200, 4))
    X[:, 2] = 3.0
    y = (X[:, 0] + rng.normal(size=200) > 0).astype(int)
    model = cls(l1=0.01).fit(X, y, coef_init=[0.5, -0.3, 0.7, 0.2])
    assert np.ravel(model.coef_)[2] == 0
    assert model.coef_ == pytest.approx(cls(l1=0.01).fit(X, y).coef_, abs=1e-4)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("far", [1, 50])
def test_a_start_far_away_is_left_whatever_the_offset(rng, intercept, far):
    X = rng.normal(size=(200, 5)) + 100 * intercept
    y = (X[:, 0] - 100 * intercept + rng.logistic(size=200) > 0).astype(int)
    offset = rng.normal(size=200)
    model = LogisticRegression(l1=0.01, fit_intercept=intercept)
    expected = model.fit(X, y, offset=offset).history_.cost[-1]
    found = model.fit(X, y, offset=offset, coef_init=far * rng.normal(size=5))
    assert found.converged_
    assert found.history_.cost[-1] == pytest.approx(expected, rel=1e-10)


def test_a_start_where_the_sigmoid_is_flat_is_left(rng):
    X, y = np.ones((300, 3)), (rng.random(300) < 0.5).astype(float)
    model = SigmoidRegression(l1=1e-2).fit(X, y, coef_init=[1.0, 2.0, 3.0])
    assert model.history_.cost[-1] <= 0.25
    assert not model.coef_.any()


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("deviation", "m"), [(100, 6), (200, 6), (400, 20)])
def test_offsets_however_large_hide_no_minimum(fit_intercept, deviation, m):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(m, 5))
        y = (X[:, 0] + rng.logistic(size=m) > 0).astype(int)
        y[:2] = [0, 1]
        offset = deviation * rng.normal(size=m)
        model = LogisticRegression(l1=1e-2, fit_intercept=fit_intercept).fit(X, y, offset=offset)
        assert model.converged_
        assert model.n_iter_ <= 100
