"""The solvers: one minimum, whatever the way, and what is recorded on the way."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import oracle
from steepest import ConvergenceWarning, LinearRegression, LogisticRegression, RankWarning, SigmoidRegression

SOLVERS = ["auto", "newton", "lbfgs", "gd"]
SECOND_ORDER = SOLVERS[:3]
models = pytest.mark.parametrize(("activation", "loss"), oracle.MODELS)
every_solver = pytest.mark.parametrize("solver", SOLVERS)
by_curvature = pytest.mark.parametrize("solver", SECOND_ORDER)
every_estimator = pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression, LogisticRegression])


@pytest.fixture
def problem(rng):
    """Features of unlike scale and place, targets between 0 and 1 that no weights fit, sample weights."""
    X = rng.normal(size=(400, 5)) * [1, 3, 0.5, 2, 1] + [0, 1, -1, 0, 2]
    z = (X - [0, 1, -1, 0, 2]) @ [1.0, -0.5, 1.0, 0.0, 0.3]
    return X, oracle.sigmoid(z + 0.5 * rng.normal(size=400)), rng.uniform(0.5, 2, size=400)


def standardised_gradient(X, y, w, b, activation, loss, s, l2=0.0, intercept=True):
    """The objective's gradient in variables in which every column has mean 0 and standard deviation 1.

    For the linear model it is divided by the standard deviation of y. Without an intercept nothing is centred.
    """
    share = s / s.sum()
    mean = (share @ X) * intercept
    deviation = np.sqrt(share @ (X - mean) ** 2)
    dw, db = oracle.gradient(X, y, w, b, activation, loss, s)
    gradient = np.append((dw + l2 * w - mean * db) / deviation, db * intercept)
    if activation == "identity":
        gradient /= np.sqrt(share @ (y - (share @ y) * intercept) ** 2)
    return gradient


@models
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("l2", [0.0, 0.03])
def test_all_end_at_the_same_minimum(problem, activation, loss, intercept, l2):
    X, y, s = problem
    params = {"l2": l2, "fit_intercept": intercept, "tol": 1e-9, "max_iter": 100_000}
    fits = {solver: oracle.estimator_for(activation, loss, solver=solver, **params).fit(X, y, s) for solver in SOLVERS}
    reference = fits["auto"]
    gradient = standardised_gradient(X, y, reference.coef_, reference.intercept_, activation, loss, s, l2, intercept)
    assert np.abs(gradient).max() <= 1e-8
    for model in fits.values():
        assert model.converged_
        np.testing.assert_allclose(model.coef_, reference.coef_, rtol=1e-6, atol=1e-7)
        assert model.intercept_ == pytest.approx(reference.intercept_, rel=1e-6, abs=1e-7)
        assert model.history_.cost[-1] == pytest.approx(reference.history_.cost[-1], rel=1e-12)


@by_curvature
def test_the_classifier_too(binary, solver):
    X, y = binary
    model = LogisticRegression(solver=solver, tol=1e-9).fit(X, y)
    dw, db = oracle.gradient(X, y, model.coef_[0], model.intercept_[0], "sigmoid", "log_loss")
    assert max(np.abs(dw).max(), abs(db)) <= 1e-8


@every_solver
@models
def test_the_history_tells_the_course(problem, activation, loss, solver):
    X, y, s = problem
    model = oracle.estimator_for(activation, loss, solver=solver, max_iter=20_000, l2=0.01)
    model.fit(X, y, s, X_val=X[:90], y_val=y[:90])
    history = model.history_
    for values in (history.cost, history.validation_cost, history.gradient_norm, history.seconds):
        assert values.shape == (model.n_iter_ + 1,)
        assert np.isfinite(values).all()
    assert (np.diff(history.cost) <= 1e-14 * history.cost[0]).all()
    assert (np.diff(history.seconds) >= 0).all()
    assert history.seconds[0] >= 0
    w, b = model.coef_, model.intercept_
    dw, db = oracle.gradient(X, y, w, b, activation, loss, s)
    expected = oracle.cost(X, y, w, b, activation, loss, s) + 0.005 * w @ w
    assert history.cost[-1] == pytest.approx(expected, rel=1e-12)
    assert history.validation_cost[-1] == pytest.approx(oracle.cost(X[:90], y[:90], w, b, activation, loss), rel=1e-12)
    assert history.gradient_norm[-1] == pytest.approx(np.hypot(np.linalg.norm(dw + 0.01 * w), db), rel=1e-3, abs=1e-14)


# Squared error on the sigmoid starts from the minimum of the log loss where that is lower.
starts_without_weights = pytest.mark.parametrize(
    ("activation", "loss"), [("identity", "squared_error"), ("sigmoid", "log_loss")]
)


@starts_without_weights
def test_entry_0_of_the_history_is_the_model_without_weights(problem, activation, loss):
    X, y, s = problem
    bias = (s @ y) / s.sum()
    if activation == "sigmoid":
        bias = np.log(bias / (1 - bias))
    model = oracle.estimator_for(activation, loss).fit(X, y, s, X_val=X[:90], y_val=y[:90])
    zeros = np.zeros(5)
    assert model.history_.cost[0] == pytest.approx(oracle.cost(X, y, zeros, bias, activation, loss, s), rel=1e-12)
    expected = oracle.cost(X[:90], y[:90], zeros, bias, activation, loss)
    assert model.history_.validation_cost[0] == pytest.approx(expected, rel=1e-12)


@starts_without_weights
def test_without_a_bias_entry_0_has_none(problem, activation, loss):
    X, y, _ = problem
    model = oracle.estimator_for(activation, loss, fit_intercept=False).fit(X, y, X_val=X[:90], y_val=y[:90])
    zeros = np.zeros(5)
    assert model.history_.cost[0] == pytest.approx(oracle.cost(X, y, zeros, 0.0, activation, loss), rel=1e-12)
    expected = oracle.cost(X[:90], y[:90], zeros, 0.0, activation, loss)
    assert model.history_.validation_cost[0] == pytest.approx(expected, rel=1e-12)


@by_curvature
@models
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1e6])
def test_optimality_is_the_largest_entry_of_the_standardised_gradient(
    problem, activation, loss, solver, intercept, scale
):
    X, y, s = problem
    # The linear model's is in units of y's standard deviation too.
    y = scale * y if activation == "identity" else y
    model = oracle.estimator_for(activation, loss, solver=solver, l2=0.05, fit_intercept=intercept, tol=1e-3)
    model.fit(scale * X, y, s)
    gradient = standardised_gradient(scale * X, y, model.coef_, model.intercept_, activation, loss, s, 0.05, intercept)
    assert model.optimality_ <= 1e-3
    assert model.optimality_ == pytest.approx(np.abs(gradient).max(), rel=1e-6, abs=1e-13)
    assert model.converged_


@every_estimator
def test_gradient_descent_knows_its_optimality_but_no_condition(cls, binary):
    model = cls(solver="gd").fit(*binary)
    assert 0 < model.optimality_ < 1e-4
    assert np.isnan(model.condition_)
    assert not hasattr(model, "rank_")


@every_estimator
def test_the_condition_is_that_of_the_scaled_hessian(cls, rng):
    noise = rng.normal(size=(500, 2))
    y = (noise[:, 0] + rng.logistic(size=500) > 0).astype(float)
    for closeness in (1.0, 0.1, 1e-3):
        X = np.column_stack([noise[:, 0], noise[:, 0] + closeness * noise[:, 1]]) * [1e-4, 1e7] + [0, 3e7]
        model = cls().fit(X, y)
        correlation = np.linalg.eigvalsh(np.corrcoef(X.T))
        # That of the sigmoid is of the Hessian, in which rows count by their curvature.
        within = {"rel": 0.1} if cls is LinearRegression else {"rel": 0.5}
        assert model.condition_ == pytest.approx(correlation[-1] / correlation[0], **within)


@every_estimator
def test_neither_units_nor_places_of_columns_matter(cls, rng):
    X = rng.normal(size=(300, 4))
    y = (X @ [1.0, -1.0, 0.5, 0.0] + rng.logistic(size=300) > 0).astype(float)
    plain = cls(tol=1e-9).fit(X, y)
    scale = np.array([1e-150, 1e150, 1e9, 1e-9])
    for solver in SECOND_ORDER:
        model = cls(tol=1e-9, solver=solver).fit(X * scale, y)
        assert model.n_iter_ < 30
        np.testing.assert_allclose(np.ravel(model.coef_ * scale), np.ravel(plain.coef_), rtol=1e-6, atol=1e-8)
        moved = cls(tol=1e-7, solver=solver).fit(X + np.array([1e3, -1e4, 1e5, 0.0]), y)
        np.testing.assert_allclose(np.ravel(moved.coef_), np.ravel(plain.coef_), rtol=1e-5, atol=1e-6)


@every_estimator
def test_a_learning_rate_means_gradient_descent(cls, binary):
    X, y = binary
    params = {"learning_rate": 0.1, "max_iter": 15, "tol": 0}
    by_rate, by_name = cls(**params).fit(X, y), cls(solver="gd", **params).fit(X, y)
    assert (by_rate.coef_ == by_name.coef_).all()
    assert by_rate.learning_rate_ == 0.1
    assert cls().fit(X, y).learning_rate_ is None


@by_curvature
@pytest.mark.parametrize("cls", [SigmoidRegression, LogisticRegression])
def test_a_start_at_the_minimum_is_the_end(cls, binary, solver):
    X, y = binary
    model = cls(solver=solver, tol=1e-8, warm_start=True).fit(X, y)
    first = model.coef_
    assert model.n_iter_ > 1
    model.fit(X, y)
    assert model.n_iter_ == 0
    np.testing.assert_allclose(model.coef_, first, rtol=1e-12)
    cold = cls(solver=solver, tol=1e-8).fit(X, y)
    given = cls(solver=solver, tol=1e-8).fit(X, y, coef_init=cold.coef_, intercept_init=cold.intercept_)
    assert given.n_iter_ == 0


@every_estimator
@by_curvature
def test_a_start_elsewhere_ends_at_the_same_minimum(cls, binary, solver):
    X, y = binary
    cold = cls(solver=solver, tol=1e-9).fit(X, y)
    # The squared error of the sigmoid has other minima, far out.
    far = [] if cls is SigmoidRegression else [[-1.0, 1.0, 1.0, 1.0]]
    for start in ([0.5, -1.0, 0.1, 0.2], *far):
        warm = cls(solver=solver, tol=1e-9).fit(X, y, coef_init=start, intercept_init=0.5)
        np.testing.assert_allclose(warm.coef_, cold.coef_, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("cls", [SigmoidRegression, LogisticRegression])
@by_curvature
def test_early_stopping_returns_to_the_validation_minimum(cls, rng, solver):
    X = rng.normal(size=(40, 12))
    y = (X[:, 0] + rng.logistic(size=40) > 0).astype(int)
    X_val = rng.normal(size=(300, 12))
    y_val = (X_val[:, 0] + rng.logistic(size=300) > 0).astype(int)
    data = {"X_val": X_val, "y_val": y_val}
    model = cls(solver=solver, l2=1e-4, early_stopping=True, patience=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, **data)
    best = model.history_.best_iteration
    assert len(caught) == int(best == 0 and not model.coef_.any())
    assert all(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    assert model.stop_reason_ == "early_stopping"
    assert not model.converged_
    assert model.n_iter_ == best + 3
    loss = "log_loss" if cls is LogisticRegression else "squared_error"
    w, b = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
    found = oracle.cost(X_val, y_val, w, b, "sigmoid", loss)
    assert found == pytest.approx(model.history_.validation_cost.min(), rel=1e-12)


def test_exact_least_squares_keeps_the_better_of_its_two_steps(rng):
    X, X_val = rng.normal(size=(12, 10)), rng.normal(size=(300, 10))
    y, y_val = rng.normal(size=12), rng.normal(size=300)  # nothing to be learnt: no weights are best
    with pytest.warns(ConvergenceWarning, match="went back to iteration 0, the model without weights.*X_val"):
        model = LinearRegression(early_stopping=True).fit(X, y, X_val=X_val, y_val=y_val)
    assert model.history_.best_iteration == 0
    assert model.stop_reason_ == "early_stopping"
    assert (model.coef_ == 0).all()
    assert model.intercept_ == pytest.approx(y.mean(), rel=1e-14)
    model = LinearRegression().fit(X, y, X_val=X_val, y_val=y_val)
    assert model.history_.validation_cost.shape == (2,)
    assert model.converged_


@every_estimator
def test_too_few_iterations_are_said_with_the_remedy(cls, binary):
    X, y = binary
    for solver in ("newton", "lbfgs"):
        model = cls(solver=solver, max_iter=1, tol=1e-12)
        if cls is LinearRegression and solver == "newton":
            model.fit(X, y)  # one step does
            continue
        with pytest.warns(
            ConvergenceWarning, match=r"max_iter=1 with optimality_ at .*; tol=1e-12 .*Raise max_iter, or set l2"
        ):
            model.fit(X, y)
        assert (model.stop_reason_, model.converged_, model.n_iter_) == ("max_iter", False, 1)


@by_curvature
@models
def test_threads_and_layout_change_no_bit(rng, activation, loss, solver):
    X, s = rng.normal(size=(30_000, 6)), rng.uniform(size=30_000)
    y = oracle.sigmoid(X @ np.linspace(-1, 1, 6) + rng.normal(size=30_000))
    results = set()
    for n_threads, order in [(1, "C"), (2, "C"), (5, "C"), (1, "F"), (3, "F")]:
        model = oracle.estimator_for(activation, loss, solver=solver, n_threads=n_threads)
        model.fit(np.asarray(X, order=order), y, s)
        parts = (model.coef_, model.history_.cost, np.array([model.intercept_, model.optimality_, model.condition_]))
        results.add(b"".join(part.tobytes() for part in parts))
    assert len(results) == 1


@pytest.mark.parametrize("shape", [(2000, 3), (40_000, 20), (300, 60)])
def test_few_iterations_do(rng, shape):
    X = rng.normal(size=shape) * np.logspace(-3, 3, shape[1])
    z = X / np.logspace(-3, 3, shape[1]) @ np.linspace(-1, 1, shape[1])
    y = (z / z.std() + rng.logistic(size=shape[0]) > 0).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for solver, most in [("auto", 15), ("newton", 15), ("lbfgs", 60)]:
            assert LogisticRegression(solver=solver).fit(X, y).n_iter_ <= most


@pytest.mark.parametrize("closeness", [1.0, 1e-1, 1e-4])
@pytest.mark.parametrize("n", [20, 70])
def test_the_hessian_of_some_rows_is_good_enough_where_there_are_many(rng, n, closeness):
    X = rng.normal(size=(24_000, n))
    X[:, 1] = X[:, 0] + closeness * X[:, 1]
    y = (X[:, 2:12].sum(axis=1) / 3 + rng.logistic(size=len(X)) > 0.5).astype(float)
    model = LogisticRegression(tol=1e-9).fit(X, y)
    w, b = model.coef_[0], model.intercept_[0]
    gradient = standardised_gradient(X, y, w, b, "sigmoid", "log_loss", np.ones(len(X)))
    assert model.converged_
    assert np.abs(gradient).max() <= 1.1e-9
    assert model.n_iter_ <= 12
    p = oracle.sigmoid(X @ w + b)
    curvature = p * (1 - p)
    centred = X - curvature @ X / curvature.sum()
    hessian = centred.T @ (curvature[:, None] * centred)
    root = np.sqrt(hessian.diagonal())
    eigenvalues = np.linalg.eigvalsh(hessian / np.outer(root, root))
    assert model.condition_ == pytest.approx(eigenvalues[-1] / eigenvalues[0], rel=0.3)


@pytest.mark.parametrize("seed", [20260, 100, 133])
@pytest.mark.parametrize("in_part", [0, 8])
def test_a_column_that_few_rows_have_is_not_judged_by_those_alone(seed, in_part):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60_000, 30))
    y = (X @ rng.normal(size=30) / 4 + rng.logistic(size=len(X)) > 0.5).astype(float)
    # One of these is in the part of the rows that the start is found by, where it says that the weight is large.
    ones = np.append(17 * 100 + in_part, rng.choice(len(X), 7, replace=False))
    X[:, 1] = 0
    X[ones, 1] = 1
    y[ones] = [1, 0, 1, 1, 1, 1, 1, 1]
    model = LogisticRegression(tol=1e-8).fit(X, y)
    assert model.converged_
    assert model.n_iter_ < 20
    at_ones = X[ones] @ model.coef_[0] + model.intercept_[0]
    assert oracle.sigmoid(at_ones).sum() == pytest.approx(7, abs=1e-3)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("l2", "stop_reason"), [(0.0, "separation"), (1e-8, "tolerance")])
@pytest.mark.filterwarnings("ignore::steepest.SeparationWarning")
def test_steps_that_have_to_be_shortened_are_few(seed, l2, stop_reason):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1400, 220))
    X[:, :28] = rng.random((1400, 28)) < 0.02
    y = X @ rng.normal(size=220) * 8 / np.sqrt(220) + rng.logistic(size=len(X)) > 0
    model = LogisticRegression(l2=l2, tol=1e-8).fit(X, y)
    assert model.stop_reason_ == stop_reason
    assert model.optimality_ <= 1e-8
    assert model.n_iter_ <= 60


@pytest.mark.parametrize("seed", [0, 3, 7])
def test_no_step_follows_one_after_which_the_gradient_is_as_small_as_asked(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(6000, 200))
    y = X @ rng.normal(size=200) / 10 + rng.logistic(size=len(X)) > 0
    model = LogisticRegression(tol=1e-8).fit(X, y)
    assert model.optimality_ <= 1e-8
    with pytest.warns(ConvergenceWarning):
        before = LogisticRegression(tol=1e-8, max_iter=model.n_iter_ - 1).fit(X, y)
    assert before.optimality_ > 1e-8
    exact = LogisticRegression(tol=0).fit(X, y)
    assert model.history_.cost[-1] <= exact.history_.cost[-1] * (1 + 1e-13)


def test_rows_without_curvature_count_for_nothing(rng):
    X = rng.normal(size=(41_000, 120))
    y = (X @ rng.normal(size=120) / 8 + rng.logistic(size=len(X)) > 0.5).astype(float)
    offset = 300 * rng.normal(size=len(X))
    model = LogisticRegression().fit(X, y, offset=offset)
    assert model.converged_
    assert model.n_iter_ < 100
    assert model.condition_ < 100


@by_curvature
@models
def test_tol_0_goes_to_the_last_digit_without_a_warning(problem, activation, loss, solver):
    X, y, s = problem
    model = oracle.estimator_for(activation, loss, solver=solver, tol=0).fit(X, y, s)
    assert model.optimality_ <= 1e-14
    assert model.stop_reason_ == "rounding"
    assert model.n_iter_ < 100
    assert not model.converged_


@every_estimator
def test_a_tol_below_rounding_is_said(cls, binary):
    X, y = binary
    with pytest.warns(ConvergenceWarning, match=r"rounding error hides any further descent.*tol=1e-30 .*Raise tol"):
        model = cls(tol=1e-30).fit(X + 1.0, y)
    assert model.stop_reason_ == "rounding"
    assert model.optimality_ < 1e-12


@pytest.mark.filterwarnings("ignore::steepest.SeparationWarning")
@pytest.mark.parametrize("tol", [1e-3, 1e-6])
@pytest.mark.parametrize("solver", ["auto", "lbfgs"])
def test_classes_told_apart_are_noticed_whatever_the_tolerance(rng, solver, tol):
    X = rng.normal(size=(50, 800))
    y = rng.random(50) < 0.5
    assert LogisticRegression(solver=solver, tol=tol).fit(X, y).stop_reason_ == "separation"
    one = np.sign(rng.normal(size=(200, 1)))
    assert LogisticRegression(solver=solver, tol=tol).fit(one, one[:, 0] > 0).stop_reason_ == "separation"
    all_alike = SigmoidRegression(loss="log_loss", solver=solver, tol=tol).fit(X, np.zeros(50))
    assert all_alike.stop_reason_ == "separation"


def test_a_small_log_loss_that_has_a_minimum_is_followed_to_it(rng):
    X = rng.normal(size=(1000, 2))
    y = X[:, 0] + rng.logistic(size=1000) > 0
    model = LogisticRegression().fit(X, y, offset=14 * (2.0 * y - 1))
    assert model.stop_reason_ == "tolerance"
    assert np.abs(model.coef_).max() > 0.1
    # All rows but one are told apart, and that one counts for next to nothing.
    y = X[:, 0] > 0
    y[0] = not y[0]
    weights = np.ones(1000)
    weights[0] = 1e-7
    model = LogisticRegression().fit(X, y, sample_weight=weights)
    assert model.stop_reason_ == "tolerance"
    z = X @ model.coef_[0] + model.intercept_[0]
    gradient = X.T @ (weights * (oracle.sigmoid(z) - y)) / weights.sum()
    assert np.abs(gradient).max() < 1e-12


@pytest.mark.parametrize("n_levels", [30, 300])
def test_indicators_that_add_up_to_the_constant_end_at_the_minimum(rng, n_levels):
    level = rng.integers(n_levels, size=20_000)
    X = np.column_stack([level[:, None] == np.arange(n_levels), rng.normal(size=(20_000, 5))]).astype(float)
    y = 0.5 * rng.normal(size=n_levels)[level] + X[:, -1] + rng.logistic(size=20_000) > 0
    with pytest.warns(RankWarning, match=f"column {n_levels - 1} is"):
        model = LogisticRegression(tol=1e-8).fit(X, y)
    assert model.stop_reason_ == "tolerance"
    assert model.n_iter_ < 30


@pytest.mark.parametrize("max_iter", [14, 16])
def test_what_arrived_before_the_last_steps_is_not_said_to_need_more(max_iter):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(int(rng.integers(50, 400)), 3))
    X[0, 1] = 10 ** rng.uniform(3, 8)
    y = X[:, 0] + rng.logistic(size=len(X)) > 0
    model = LogisticRegression(tol=1e-4, max_iter=max_iter).fit(X, y)
    assert model.converged_
    assert model.optimality_ <= 1e-4


def test_what_arrived_is_not_said_to_need_more_iterations():
    rng = np.random.default_rng(4)
    X = rng.normal(size=(5000, 5))
    y = (X @ rng.normal(size=5) - 8 + rng.logistic(size=5000) > 0).astype(float)
    for max_iter in (30, 1000):
        model = SigmoidRegression(tol=1e-4, max_iter=max_iter).fit(X, y)
        assert model.optimality_ <= 1e-4
        assert model.converged_


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (LinearRegression, {}),
        (LinearRegression, {"l1": 0.01}),
        (SigmoidRegression, {"solver": "newton"}),
        (LogisticRegression, {}),
        (LogisticRegression, {"solver": "lbfgs", "l2": 0.01}),
    ],
)
@pytest.mark.filterwarnings("ignore::steepest.ConvergenceWarning")
def test_after_early_stopping_optimality_is_that_of_the_answer(cls, options, rng):
    X, X_val = rng.normal(size=(80, 20)), rng.normal(size=(60, 20))
    y, y_val = (x[:, 0] + rng.logistic(size=len(x)) > 0 for x in (X, X_val))
    model = cls(early_stopping=True, tol=1e-10, **options).fit(
        X, y.astype(float), X_val=X_val, y_val=y_val.astype(float)
    )
    assert model.stop_reason_ == "early_stopping"
    assert model.optimality_ > 1e-6
    loss = "log_loss" if cls is LogisticRegression else "squared_error"
    activation = "identity" if cls is LinearRegression else "sigmoid"
    w, b = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
    l1, l2 = options.get("l1", 0.0), options.get("l2", 0.0)
    gradient = standardised_gradient(X, y.astype(float), w, b, activation, loss, np.ones(80), l2=l2)
    # Of a weight of 0 the gradient may be as large as l1; others have that added.
    penalties = l1 / X.std(axis=0) / (y.std() if cls is LinearRegression else 1.0)
    by_weights = np.where(
        w == 0, np.maximum(np.abs(gradient[:-1]) - penalties, 0), gradient[:-1] + penalties * np.sign(w)
    )
    expected = max(np.abs(by_weights).max(), abs(gradient[-1]))
    assert model.optimality_ == pytest.approx(expected, rel=1e-6)


def test_weights_that_validation_never_bettered_are_said_to_be_none_at_max_iter_too(rng):
    X, y = rng.normal(size=(100, 4)), np.arange(100) % 2
    X[:, 0] += y
    with pytest.warns(ConvergenceWarning, match="went back to iteration 0, the model without weights"):
        LogisticRegression(solver="gd", tol=0, early_stopping=True, max_iter=5).fit(X, y, X_val=X, y_val=1 - y)


def test_what_has_a_penalty_is_not_told_to_set_one(rng):
    X = rng.normal(size=(200, 50)) * 10.0 ** rng.uniform(-2, 2, size=50)
    y = (X[:, 0] / X[:, 0].std() + rng.logistic(size=200) > 0).astype(int)
    for l2, remedy in ((0.0, "or set l2 to a positive number"), (1e-6, "or leave solver at 'auto'")):
        with pytest.warns(ConvergenceWarning, match=f"Raise max_iter, {remedy}"):
            LogisticRegression(solver="lbfgs", l2=l2, max_iter=3).fit(X, y)
