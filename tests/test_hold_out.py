"""validation_fraction: samples that a fit sets aside as validation data."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from steepest import ConvergenceWarning, LinearRegression, LogisticRegression, SigmoidRegression

ESTIMATORS = (LinearRegression, LogisticRegression, SigmoidRegression)
every_estimator = pytest.mark.parametrize("cls", ESTIMATORS)

PARAMS = {"solver": "gd", "learning_rate": 0.3, "max_iter": 500, "early_stopping": True, "validation_fraction": 0.25}


@pytest.fixture
def few(rng):
    """Few samples of many features, and their sample weights and offsets: easy to overfit."""
    X = rng.normal(size=(120, 40))
    y = (X[:, 0] - X[:, 1] + rng.logistic(size=120) > 0).astype(int)
    return X, y, rng.integers(1, 4, size=120).astype(float), 0.1 * rng.normal(size=120)


def held_out(cls, X, y, **params):
    """Find which samples a fit sets aside: those whose weight changes nothing but the validation cost."""
    base = cls(**{**PARAMS, **params}).fit(X, y)
    return np.array([_is_held_out(base, cls, X, y, i, params) for i in range(len(X))])


def _is_held_out(base, cls, X, y, i, params):
    weights = np.ones(len(X))
    weights[i] = 1.5
    model = cls(**{**PARAMS, **params}).fit(X, y, sample_weight=weights)
    return model.history_.cost[0] == base.history_.cost[0] and model.history_.cost[1] == base.history_.cost[1]


@every_estimator
def test_it_is_the_fit_to_the_others_with_the_held_out_as_validation_data(cls, few):
    X, y, weights, offset = few
    aside = held_out(cls, X, y)
    assert aside.sum() == 30
    kept = ~aside
    model = cls(**PARAMS).fit(X, y, weights, offset=offset)
    given = cls(**{**PARAMS, "validation_fraction": None}).fit(
        X[kept],
        y[kept],
        weights[kept],
        offset=offset[kept],
        X_val=X[aside],
        y_val=y[aside],
        sample_weight_val=weights[aside],
        offset_val=offset[aside],
    )
    assert 0 < model.history_.best_iteration == given.history_.best_iteration
    assert model.n_iter_ == given.n_iter_
    np.testing.assert_allclose(model.coef_, given.coef_, rtol=1e-10)
    np.testing.assert_allclose(model.history_.validation_cost, given.history_.validation_cost, rtol=1e-10)


@every_estimator
@pytest.mark.filterwarnings("ignore:.*the model without weights:steepest.ConvergenceWarning")  # by some of all seeds
def test_the_seed_decides_which(cls, few):
    X, y, _, _ = few
    first, again, other = (cls(**PARAMS, random_state=seed).fit(X, y) for seed in (0, 0, 1))
    assert (first.coef_ == again.coef_).all()
    assert (first.coef_ != other.coef_).any()
    assert (first.coef_ == cls(**PARAMS).fit(X, y).coef_).all()
    assert (first.coef_ != cls(**PARAMS, random_state=None).fit(X, y).coef_).any()


@every_estimator
@pytest.mark.parametrize("generator", [np.random.default_rng, np.random.RandomState])
@pytest.mark.filterwarnings("ignore:.*the model without weights:steepest.ConvergenceWarning")  # by some of all seeds
def test_a_generator_draws_another_share_for_each_fit_and_the_same_again_from_its_state(cls, few, generator):
    X, y, _, _ = few

    def two_fits():
        model = cls(**PARAMS, random_state=generator(0))
        return [model.fit(X, y).coef_ for _ in range(2)]

    (first, second), again = two_fits(), two_fits()
    assert (first != second).any()
    np.testing.assert_array_equal([first, second], again)


@every_estimator
def test_samples_of_weight_0_might_as_well_not_be_there(cls, few):
    X, y, _, _ = few
    weights = (np.arange(120) % 3 > 0).astype(float)
    counted = weights > 0
    params = {**PARAMS, "max_iter": 30, "tol": 0, "early_stopping": False}
    model = cls(**params).fit(X, y, weights)
    without = cls(**params).fit(X[counted], y[counted])
    np.testing.assert_allclose(model.coef_, without.coef_, rtol=1e-10)
    np.testing.assert_allclose(model.history_.validation_cost, without.history_.validation_cost, rtol=1e-10)


@pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression])
def test_as_few_samples_as_are_left_are_not_blamed_on_the_columns(cls, rng):
    cls(validation_fraction=0.1).fit(rng.normal(size=(100, 95)), rng.uniform(0.2, 0.8, size=100))


def test_both_classes_give_the_same_share(rng):
    X = rng.normal(size=(100, 2))
    y = np.where(np.arange(100) % 10 == 0, "rare", "usual")
    aside = held_out(LogisticRegression, X, y, max_iter=1, early_stopping=False, tol=0, validation_fraction=0.2)
    assert (aside.sum(), (y[aside] == "rare").sum()) == (20, 2)


@every_estimator
def test_without_early_stopping_the_cost_of_the_held_out_is_recorded(cls, few):
    X, y, _, _ = few
    model = cls(validation_fraction=0.2, l2=0.1).fit(X, y)
    assert model.converged_
    assert len(model.history_.validation_cost) == len(model.history_.cost)


@every_estimator
@pytest.mark.parametrize("order", ["C", "F"])
def test_only_the_held_out_are_copied(cls, rng, order):
    X = np.asarray(rng.normal(size=(50_000, 20)), order=order)
    y = X[:, 0] > 0.5
    model = cls(solver="gd", max_iter=2, tol=0, validation_fraction=0.1)
    tracemalloc.start()
    model.fit(X, y)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 0.1 * X.nbytes <= peak < 0.25 * X.nbytes


@every_estimator
def test_shares_that_leave_nothing_are_refused(cls, few):
    X, y, weights, _ = few
    for value, error in [
        (0, ValueError),
        (1.0, ValueError),
        (-0.1, ValueError),
        (np.nan, ValueError),
        ("a", TypeError),
    ]:
        with pytest.raises(error, match=f"validation_fraction is {value!r}, expected None or a number above 0"):
            cls(validation_fraction=value).fit(X, y)
    for seed, error in [(-1, ValueError), (0.5, TypeError), ("0", TypeError)]:
        with pytest.raises(error, match=r"random_state is .*, expected None, an integer, 0 or larger, a numpy.random"):
            cls(validation_fraction=0.1, random_state=seed).fit(X, y)
    with pytest.raises(ValueError, match=r"validation_fraction is 0\.9, which leaves none of the [12] sample\(s\)"):
        cls(validation_fraction=0.9).fit(X[:3], [0, 1, 1], [1.0, 1.0, 0.0])
    weights[7] = -1.0
    with pytest.raises(ValueError, match=r"sample_weight contains -1\.0 at index 7"):
        cls(validation_fraction=0.1).fit(X, y, weights)
    with pytest.raises(ValueError, match=r"X_val is given and validation_fraction is 0\.1"):
        cls(validation_fraction=0.1).fit(X, y, X_val=X, y_val=y)
    with pytest.raises(ValueError, match="offset_val is given but X_val and y_val are not"):
        cls().fit(X, y, offset_val=y)


def test_what_is_wrong_in_the_data_is_named_by_its_place_in_them(few):
    X, y, _, _ = few
    for i in range(0, 120, 7):
        broken = X.copy()
        broken[i, 3] = np.nan
        with pytest.raises(ValueError, match=f"^X contains NaN at row {i}, column 3"):
            LogisticRegression(**PARAMS).fit(broken, y)
        targets = y.astype(float)
        targets[i] = 1.5
        with pytest.raises(ValueError, match=rf"^y contains 1\.5 at index {i}"):
            SigmoidRegression(**PARAMS).fit(X, targets)


def test_going_back_to_no_weights_is_explained(rng):
    X = rng.normal(size=(60, 30))
    with pytest.warns(ConvergenceWarning, match="The columns may tell nothing of y, or held-out samples be too few"):
        LinearRegression(**{**PARAMS, "learning_rate": "auto", "max_iter": 50}).fit(X, rng.normal(size=60))
