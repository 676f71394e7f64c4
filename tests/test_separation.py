"""What a fit says of classes that can be told apart without error."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from steepest import (
    ConvergenceWarning,
    LogisticRegression,
    SeparationWarning,
    SigmoidRegression,
)

by_curvature = pytest.mark.parametrize("solver", ["auto", "newton", "lbfgs"])


@pytest.fixture
def separated(binary):
    """The sign of column 2 tells the classes apart."""
    X, _ = binary
    return X + 0.5 * np.sign(X) * [0, 0, 1, 0], X[:, 2] > 0


@pytest.fixture
def partly(binary):
    """Column 4 is 1 in rows that are all of class 1, and 0 in the others."""
    X, y = binary
    few = np.arange(300) < 40
    return np.column_stack([X, few]), np.where(few, 1, y)


@by_curvature
def test_perfect_separation_names_the_columns(separated, solver):
    X, y = separated
    with pytest.warns(SeparationWarning, match=r"found that columns? .*2.* the classes apart.*Set l2") as caught:
        model = LogisticRegression(solver=solver).fit(X, y)
    assert issubclass(SeparationWarning, ConvergenceWarning)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert (model.stop_reason_, model.converged_) == ("separation", False)
    assert np.isfinite(model.coef_).all()
    assert model.score(X, y) == 1.0


@by_curvature
def test_separation_in_part_names_the_column(partly, solver):
    X, y = partly
    with pytest.warns(SeparationWarning, match=r"found that column 4 tells the classes apart.*for some: the cost"):
        model = LogisticRegression(solver=solver).fit(X, y)
    assert np.isfinite(model.coef_).all()
    frame = pd.DataFrame(X, columns=["age", "sex", "mass", "height", "treated"])
    with pytest.warns(SeparationWarning, match="found that column 'treated' tells"):
        LogisticRegression(solver=solver).fit(frame, y)


def test_targets_0_and_1_separate_the_log_loss_of_rates_too(partly):
    X, y = partly
    with pytest.warns(SeparationWarning, match="SigmoidRegression found that column 4 tells"):
        SigmoidRegression(loss="log_loss").fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SigmoidRegression(loss="log_loss").fit(X, 0.9 * y + 0.05)


@by_curvature
def test_a_penalty_gives_the_log_loss_its_minimum(separated, partly, solver):
    for X, y in (separated, partly):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = LogisticRegression(solver=solver, l2=1e-4).fit(X, y)
        assert model.converged_


@by_curvature
def test_overlapping_classes_are_not_called_separated(rng, solver):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for m, n, noise in [(50, 2, 1.0), (400, 10, 1.0), (2000, 3, 0.05), (20_000, 4, 0.02)]:
            X = rng.normal(size=(m, n))
            y = X[:, 0] + noise * rng.logistic(size=m) > 0
            y[np.argsort(X[:, 0])[[0, -1]]] = [True, False]  # one row far on the wrong side, at either end
            assert LogisticRegression(solver=solver).fit(X, y).converged_


def test_separation_is_said_before_dependence(binary):
    X, _ = binary
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        LogisticRegression().fit(np.column_stack([X, X[:, 1]]), X[:, 0] > 0)
    assert len(caught) == 1
    assert issubclass(caught[0].category, SeparationWarning)


def test_early_stopping_ends_what_separation_would_not(separated, rng):
    X, y = separated
    X_val = rng.normal(size=(300, 4))
    y_val = X_val[:, 2] + 0.3 * rng.logistic(size=300) > 0
    model = LogisticRegression(early_stopping=True, patience=2)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert model.stop_reason_ == "early_stopping"


def test_targets_that_are_all_alike_are_separated_by_no_column(rng):
    X = rng.normal(size=(50, 3))
    for value in (0.0, 1.0):
        with pytest.warns(SeparationWarning, match="found the targets to be all 0 or all 1"):
            model = SigmoidRegression(loss="log_loss").fit(X, np.full(50, value))
        np.testing.assert_allclose(model.predict(X), value, atol=1e-5)
        # The bias is not penalised.
        for penalty in ({"l1": 0.1}, {"l2": 0.1}):
            with pytest.warns(SeparationWarning, match="found the targets to be all 0 or all 1"):
                SigmoidRegression(loss="log_loss", **penalty).fit(X, np.full(50, value))


@pytest.mark.parametrize("kind", ["cauchy", "cubes"])
@pytest.mark.parametrize("seed", range(30))
def test_one_value_far_from_others_does_not_make_classes_that_overlap_apart(kind, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_cauchy(30) if kind == "cauchy" else rng.normal(size=30) ** 3
    y = x + 0.01 * rng.logistic(size=30) > 0
    # The two values next to the border change places.
    low, high = np.argmax(np.where(y, -np.inf, x)), np.argmin(np.where(y, x, np.inf))
    if x[low] < x[high]:
        x[low], x[high] = x[high], x[low]
    model = LogisticRegression().fit(x[:, None], y)
    assert model.stop_reason_ == "tolerance"


@pytest.mark.parametrize("tol", [1e-6, 1e-12])
@pytest.mark.parametrize(
    ("digits", "columns"), [([0, 2, 4, 6, 8], [31, 40, 48, 56]), ([9], [8, 16, 24, 31, 40, 48, 56])]
)
def test_pixels_that_only_one_class_has_are_noticed(digits, columns, tol):
    X, y = load_digits(return_X_y=True)
    of_class = np.isin(y, digits)
    for column in columns:
        assert X[of_class, column].max() == 0 or X[~of_class, column].max() == 0
    with pytest.warns(SeparationWarning):
        model = LogisticRegression(tol=tol).fit(X, of_class)
    assert model.stop_reason_ == "separation"


def test_a_column_without_intercept_separates_about_0_alone(rng):
    X = rng.normal(size=(300, 2))
    y = (X[:, 0] + rng.logistic(size=300) > 0).astype(int)
    X[:, 1] = np.where(y == 1, 2.0, 1.0)
    model = LogisticRegression(fit_intercept=False).fit(X, y)
    assert model.stop_reason_ == "tolerance"
    with pytest.warns(SeparationWarning):
        LogisticRegression().fit(X, y)


@pytest.mark.parametrize("spread", [1, 2, 3])
@pytest.mark.parametrize("m", [200, 3000])
@pytest.mark.parametrize("tol", [1e-4, 1e-6, 1e-10])
def test_a_heavy_tailed_column_that_one_class_has_alone_is_noticed(spread, m, tol):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        money = np.where(rng.random(m) < 0.1, np.exp(spread * rng.normal(size=m)), 0.0)
        X = np.column_stack([rng.normal(size=m), money])
        y = (X[:, 0] + rng.logistic(size=m) > 0) & (money == 0)
        with pytest.warns(SeparationWarning, match="column 1 "):
            model = LogisticRegression(tol=tol).fit(X, y)
        assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("tol", [1e-6, 1e-8, 1e-10])
def test_separation_is_noticed_beside_columns_nearly_dependent(tol):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=300)
        rare = np.arange(300) < 12
        X = np.column_stack([x, x + 1e-5 * rng.normal(size=300), rare])
        y = (x + rng.logistic(size=300) > 0) | rare
        with pytest.warns(SeparationWarning, match="column 2 |columns .*2"):
            LogisticRegression(tol=tol).fit(X, y)


def test_a_value_far_from_all_others_separates_nothing_at_a_loose_tolerance():
    for seed in (37, *range(40, 80)):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(30, 2))
        X[rng.integers(30), 1] = 10 ** rng.uniform(3, 6)
        y = (X[:, 0] + rng.logistic(size=30) > 0).astype(int)
        # The far row may be one that tells its class, as far as the others let it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SeparationWarning)
            loose, tight = (LogisticRegression(tol=tol).fit(X, y) for tol in (1e-4, 1e-6))
        assert loose.stop_reason_ == tight.stop_reason_


@pytest.mark.parametrize("m", [30, 100])
@pytest.mark.parametrize("far", [1e6, 1e10, 1e12, 1e14])
def test_a_value_however_far_from_all_others_separates_nothing(m, far):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(m, 2))
        # Noise enough for the classes to overlap without the first row.
        y = (X[:, 0] + 2 * rng.logistic(size=m) > 0).astype(int)
        X[0, 1] = far
        assert LogisticRegression().fit(X, y).stop_reason_ == "tolerance"


@pytest.mark.parametrize("places", [[0, 1], [0, 2], [1, 40, 63]])
def test_values_far_from_all_others_separate_nothing_wherever_they_are(places):
    others = np.setdiff1d(np.arange(64), places)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(64, 1))
        y = 1.5 * X[:, 0] + rng.logistic(size=64) > 0
        X[places], y[places] = 1e12, True
        expected = LogisticRegression().fit(X[others], y[others])
        if expected.coef_[0, 0] > 0:
            model = LogisticRegression().fit(X, y)
            assert model.stop_reason_ != "separation"
            assert model.coef_[0, 0] == pytest.approx(expected.coef_[0, 0], rel=1e-3)


def test_where_the_sigmoid_is_flat_in_every_row_no_weights_are_blamed():
    X = np.array([[-0.42, 0.61], [0.84, 1.54], [-0.47, -0.93], [-0.01, -0.29], [0.43, -1.7], [1.29, -0.04], [1.36, 0]])
    offset = [-632, 379, -415, 1011, 555, 173, -648]
    with pytest.warns(SeparationWarning):
        LogisticRegression(fit_intercept=False).fit(X, [0, 1, 0, 0, 1, 1, 1], offset=offset)


@pytest.mark.parametrize("seed", [27, 45, 126, 130, 179, 214])
def test_separation_is_noticed_whatever_the_order_of_rows(seed):
    # Places and their powers, nearly dependent, and categories of which some are rare.
    rng = np.random.default_rng(seed)
    m = int(rng.integers(25, 70))
    latitude, longitude = 34 + 0.1 * rng.normal(size=m), -118.3 + 0.1 * rng.normal(size=m)
    age = rng.integers(15, 70, m).astype(float)
    sizes = rng.integers(2, 7, size=2)
    categories = [np.eye(k)[rng.choice(k, m, p=rng.dirichlet(np.full(k, 0.7)))] for k in sizes]
    columns = [latitude, longitude, age, latitude * longitude, latitude**2, *[each[:, 1:] for each in categories]]
    X, y, weights = np.column_stack(columns), rng.random(m) < 0.5, rng.integers(1, 4, m)
    order = rng.permutation(m)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for rows in (slice(None), order):
            assert LogisticRegression().fit(X[rows], y[rows], weights[rows]).stop_reason_ == "separation"


def test_separation_along_several_integer_columns_is_always_noticed():
    n_separated = 0
    for seed in range(500):
        rng = np.random.default_rng(seed)
        X = rng.integers(-2, 3, size=(60, 3)).astype(float)
        y = X @ rng.normal(size=3) * 10 + rng.logistic(size=60) > 0
        signed = X * np.where(y, 1, -1)[:, None]
        # Along an edge of the cone of directions that separate, two rows do not move.
        edges = [np.cross(signed[i], signed[j]) for i in range(0, 60, 3) for j in range(i)]
        is_separated = any(
            (signed @ edge >= 0).all() and (signed @ edge > 0).any() for edge in edges + [-e for e in edges]
        )
        if is_separated and 0 < y.sum() < 60:
            n_separated += 1
            with pytest.warns(SeparationWarning):
                LogisticRegression(fit_intercept=False).fit(X, y)
    assert n_separated > 50


@pytest.mark.parametrize("options", [{"solver": "lbfgs"}, {"max_iter": 6}])
@pytest.mark.filterwarnings("ignore::steepest.ConvergenceWarning", "ignore::steepest.RankWarning")
def test_columns_that_are_nearly_the_same_separate_nothing_for_that(options):
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x, d = rng.normal(size=100), (rng.random(100) < 0.2) * 1.0
        y = 5 * x - 2 * d + rng.logistic(size=100) > 0
        overlaps = [x[(d == k) & ~y].max(initial=-9) > x[(d == k) & y].min(initial=9) for k in (0, 1)]
        if not all(overlaps):
            continue
        for near in (1e-4, 1e-6):
            with warnings.catch_warnings():
                warnings.simplefilter("error", SeparationWarning)
                LogisticRegression(**options).fit(np.column_stack([x, x + near * d]), y)


@pytest.mark.parametrize("offset", [0.0, 290.0, 400.0, 1e5])
def test_an_offset_hides_no_separation_along_several_columns(offset, rng):
    d, e = np.repeat([1.0, 0.0], [40, 960]), rng.normal(size=1000)
    X = np.column_stack([rng.normal(size=1000), e, e + d])
    y = np.where(d > 0, True, X[:, 0] + rng.logistic(size=1000) > 0)
    with pytest.warns(SeparationWarning, match="columns 1, 2 "):
        LogisticRegression().fit(X, y, offset=np.full(1000, offset))


@by_curvature
def test_separation_leaves_squared_error_on_the_sigmoid_without_a_minimum_too(separated, solver):
    X, y = separated
    with pytest.warns(SeparationWarning, match="found that column 2 tells .*the cost falls for ever"):
        model = SigmoidRegression(solver=solver).fit(X, y)
    assert np.isfinite(model.coef_).all()
    assert not model.converged_
    with pytest.warns(SeparationWarning, match="targets to be all 0 or all 1"):
        SigmoidRegression(solver=solver).fit(X, np.ones(len(X)))
    for targets, l2 in ((y, 1e-3), (0.1 + 0.8 * y, 0.0)):
        assert SigmoidRegression(l2=l2, solver=solver).fit(X, targets).converged_


@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
@pytest.mark.parametrize("seed", [0, 6, 12, 31])
@pytest.mark.parametrize("columns", [["d", "dx"], ["d", "x", "dx"], ["d", "dx", "noise"]])
def test_a_group_whose_rows_are_flat_is_noticed_beside_others_that_are_mixed(columns, seed, solver):
    rng = np.random.default_rng(seed)
    x, d = rng.normal(size=1000), rng.random(1000) < 0.5
    y = np.where(d, x > rng.normal() * 0.5, rng.random(1000) < 0.3)
    known = {"d": d, "x": x, "dx": d * x, "noise": rng.normal(size=1000)}
    with pytest.warns(SeparationWarning):
        LogisticRegression(solver=solver).fit(np.column_stack([known[name] for name in columns]), y)


def powers_of_years(seed):
    """Classes that are those of the years between two, and mixed in these two; and the powers of the year."""
    rng = np.random.default_rng(seed)
    year = rng.integers(1960, 2024, 2000).astype(float)
    low = rng.integers(1965, 1990)
    high = rng.integers(low + 2, 2020)
    y = (year > low) & (year < high)
    mixed = (year == low) | (year == high)
    y[mixed] = rng.random(mixed.sum()) < 0.5
    return year[:, None] ** np.arange(1, 4), y


def days_and_their_squares(seed):
    """The same of Julian dates in one month, which leave a millionth of a millionth of what they are."""
    rng = np.random.default_rng(seed)
    day = rng.integers(0, 30, 200)
    low = rng.integers(3, 14)
    high = rng.integers(low + 2, 27)
    y = (day > low) & (day < high)
    mixed = (day == low) | (day == high)
    y[mixed] = rng.random(mixed.sum()) < 0.5
    return (2.45e6 + day)[:, None] ** np.arange(1, 3), y


def columns_that_nearly_agree(seed):
    """Two columns that differ by a millionth, in rows that are all of one class."""
    rng = np.random.default_rng(seed)
    x = np.round(1000 * rng.normal(size=200))
    few = rng.random(200) < 0.1
    return np.column_stack([x, x + few / 1024]), few | (x / 1000 + rng.logistic(size=200) > 0)


@pytest.mark.parametrize("data", [powers_of_years, days_and_their_squares, columns_that_nearly_agree])
def test_separation_in_part_is_noticed_along_columns_whose_products_tell_nothing(data):
    for seed in range(16):
        model = LogisticRegression()
        with pytest.warns(SeparationWarning):
            model.fit(*data(seed))
        assert np.isfinite(model.coef_).all()


def test_a_long_last_step_of_rows_that_are_flat_separates_nothing():
    # Found among some 10,000 such data.
    rng = np.random.default_rng(2924)
    m, degree = int(rng.integers(30, 600)), int(rng.integers(2, 4))
    year = rng.integers(1960, 2024, m).astype(float)
    z = ((year[:, None] - 1992) / 32) ** np.arange(degree + 1) @ rng.normal(size=degree + 1) * 10 ** rng.uniform(0, 1.5)
    y = z + rng.logistic(size=m) * rng.choice([1, 0.3, 0.1]) > 0
    is_mixed = [0 < y[year == each].mean() < 1 for each in np.unique(year)]
    assert sum(is_mixed) > degree, "no polynomial of the degree is 0 in so many years"
    with warnings.catch_warnings():
        warnings.simplefilter("error", SeparationWarning)
        LogisticRegression().fit(year[:, None] ** np.arange(1, degree + 1), y)
