"""The estimators: protocol, history, stopping, starting, divergence."""

from __future__ import annotations

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import oracle
import steepest
from steepest import ConvergenceWarning, DivergenceError, LinearRegression, LogisticRegression, SigmoidRegression

ESTIMATORS = [LinearRegression, SigmoidRegression, LogisticRegression]
every_estimator = pytest.mark.parametrize("cls", ESTIMATORS)


@every_estimator
def test_constructor_only_stores_and_repr_shows_what_differs(cls):
    model = cls(max_iter=7, tol=1e-3)
    assert repr(model) == f"{cls.__name__}(max_iter=7, tol=0.001)"
    assert repr(cls()) == f"{cls.__name__}()"
    params = model.get_params()
    assert params["max_iter"] == 7
    assert cls(**params).get_params() == params
    assert model.set_params(patience=3) is model
    assert model.patience == 3
    with pytest.raises(ValueError, match="Invalid parameter 'depth'"):
        model.set_params(tol=9, depth=3)
    assert model.tol == 1e-3
    with pytest.raises(TypeError):
        cls(0.1)


@every_estimator
def test_pickled_and_copied_estimators_predict_the_same(cls, binary):
    X, y = binary
    model = cls().fit(X, y, X_val=X, y_val=y)
    for twin in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert (twin.predict(X) == model.predict(X)).all()
        assert (twin.history_.validation_cost == model.history_.validation_cost).all()


@every_estimator
def test_history_has_one_entry_an_iteration_and_entry_0_is_the_start(cls, binary):
    X, y = binary
    model = cls(max_iter=12, tol=0, learning_rate=0.1).fit(X, y, X_val=X[:50], y_val=y[:50])
    history = model.history_
    assert model.n_iter_ == 12
    for values in (history.cost, history.validation_cost, history.gradient_norm, history.seconds):
        assert values.shape == (13,)
        assert values.dtype == np.float64
    assert (np.diff(history.seconds) >= 0).all()
    assert (np.diff(history.cost) < 0).all()
    assert model.learning_rate_ == 0.1
    activation, loss = {
        LinearRegression: ("identity", "squared_error"),
        SigmoidRegression: ("sigmoid", "squared_error"),
        LogisticRegression: ("sigmoid", "log_loss"),
    }[cls]
    w, b = model.coef_.ravel(), float(np.ravel(model.intercept_)[0])
    dw, db = oracle.gradient(X, y, w, b, activation, loss)
    assert history.cost[-1] == pytest.approx(oracle.cost(X, y, w, b, activation, loss))
    assert history.validation_cost[-1] == pytest.approx(oracle.cost(X[:50], y[:50], w, b, activation, loss))
    assert history.gradient_norm[-1] == pytest.approx(np.hypot(np.linalg.norm(dw), db))
    assert pd.DataFrame(history.to_dict()).shape == (13, 4)
    without = cls(max_iter=3, tol=0).fit(X, y).history_
    assert len(without.validation_cost) == 0
    assert list(pd.DataFrame(without.to_dict())) == ["cost", "gradient_norm", "seconds"]


@every_estimator
def test_tol_ends_the_fit_and_too_few_iterations_are_said(cls, binary):
    X, y = binary
    model = cls(solver="gd", tol=1e-3).fit(X, y)
    assert model.converged_
    assert model.stop_reason_ == "tolerance"
    norm = model.history_.gradient_norm
    assert norm[-1] <= 1e-3 * norm[0] < norm[-2]
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2 .*tol=1e-08.*raise max_iter"):
        model = cls(solver="gd", max_iter=2, tol=1e-8).fit(X, y)
    assert not model.converged_
    assert model.stop_reason_ == "max_iter"


@every_estimator
def test_early_stopping_returns_to_the_validation_minimum(cls, rng):
    X = rng.normal(size=(30, 20))
    y = (X[:, 0] + rng.normal(size=30) > 0).astype(int)
    X_val = rng.normal(size=(200, 20))
    y_val = (X_val[:, 0] + rng.normal(size=200) > 0).astype(int)
    params = {"learning_rate": 0.1, "max_iter": 2000, "tol": 0}
    model = cls(early_stopping=True, patience=5, **params).fit(X, y, X_val=X_val, y_val=y_val)
    best = model.history_.best_iteration
    assert model.stop_reason_ == "early_stopping"
    assert 0 < best < 2000
    assert model.n_iter_ == best + 5
    assert model.history_.validation_cost[best] == model.history_.validation_cost.min()
    stopped_there = cls(**{**params, "max_iter": best}).fit(X, y)
    assert (stopped_there.coef_ == model.coef_).all()
    assert np.all(stopped_there.intercept_ == model.intercept_)


@every_estimator
def test_validation_data_change_nothing_without_early_stopping(cls, binary):
    X, y = binary
    for solver in ("auto", "gd", "newton", "lbfgs"):
        plain = cls(solver=solver, max_iter=20, tol=0).fit(X, y)
        watched = cls(solver=solver, max_iter=20, tol=0)
        watched.fit(X, y, X_val=X[::-1], y_val=y[::-1], sample_weight_val=y + 1.0)
        assert (watched.coef_ == plain.coef_).all()


@every_estimator
def test_warm_start_and_given_start_go_on_where_the_last_fit_ended(cls, binary):
    X, y = binary
    params = {"learning_rate": 0.3, "tol": 0}
    whole = cls(max_iter=20, **params).fit(X, y)
    half = cls(max_iter=10, warm_start=True, **params).fit(X, y)
    given = cls(max_iter=10, **params).fit(X, y, coef_init=half.coef_, intercept_init=half.intercept_)
    half.fit(X, y)
    for model in (half, given):
        # Moments are relative to the start, so the last bits may differ.
        np.testing.assert_allclose(model.coef_, whole.coef_, rtol=1e-12)
        np.testing.assert_allclose(model.intercept_, whole.intercept_, rtol=1e-12)
        np.testing.assert_allclose(model.history_.cost, whole.history_.cost[10:], rtol=1e-12)
    cold = cls(max_iter=10, **params).fit(X, y)
    assert (cold.fit(X, y).history_.cost == whole.history_.cost[:11]).all()


def test_warm_start_keeps_to_the_classes_of_the_last_fit(binary):
    X, y = binary
    model = LogisticRegression(warm_start=True, max_iter=2, tol=0).fit(X, y)
    with pytest.raises(ValueError, match=r"classes were \[0, 1\]; y has \[0, 5\]"):
        model.fit(X, 5 * y)


def test_divergence_names_the_iteration_and_the_largest_stable_rate(rng):
    X = rng.normal(size=(300, 3)) * [1.0, 10.0, 3.0]
    y = X @ [1.0, 2.0, 3.0] + 1
    augmented = np.column_stack([X, np.ones(300)])
    stable = 2 / np.linalg.eigvalsh(2 / 300 * augmented.T @ augmented)[-1]
    with pytest.raises(DivergenceError, match=r"diverged at iteration \d+: .*largest stable rate .* is ") as caught:
        LinearRegression(learning_rate=1.05 * stable).fit(X, y)
    error = caught.value
    assert error.largest_stable_rate == pytest.approx(stable, rel=1e-4)
    assert error.learning_rate == 1.05 * stable
    assert f"at iteration {error.iteration}:" in str(error)
    twin = pickle.loads(pickle.dumps(error))
    assert (str(twin), twin.iteration) == (str(error), error.iteration)
    model = LinearRegression(learning_rate=0.99 * stable, max_iter=200, tol=0).fit(X, y)
    assert (np.diff(model.history_.cost) <= 0).all()


def test_a_rate_far_too_large_diverges_for_the_log_loss_too(binary):
    X, y = binary
    for model in (LogisticRegression(learning_rate=1e6), SigmoidRegression(loss="log_loss", learning_rate=1e6)):
        with pytest.raises(DivergenceError, match="largest stable rate"):
            model.fit(X, y)


def test_a_single_step_may_overshoot():
    model = LinearRegression(learning_rate=0.5, max_iter=1, tol=0).fit([[1.0, 2.0], [3.0, 4.0]], [1.0, 2.0])
    assert model.history_.cost[1] > model.history_.cost[0]


def test_any_two_labels_are_classes(binary):
    X, y = binary
    reference = LogisticRegression().fit(X, y)
    assert reference.coef_.shape == (1, 4)
    assert reference.intercept_.shape == (1,)
    probabilities = reference.predict_proba(X)
    assert probabilities.shape == (300, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-15)
    assert ((reference.decision_function(X) > 0) == (probabilities[:, 1] > 0.5)).all()
    for low, high in [("no", "yes"), (-1, 1), (False, True), (0.5, 2.5), (3, 200), (b"a", b"b")]:
        labels = np.where(y == 1, np.array([high]), np.array([low]))
        for given in (labels, labels.astype(object), labels.tolist()):
            model = LogisticRegression().fit(X, given, X_val=X, y_val=given)
            assert model.classes_.tolist() == [low, high]
            assert (model.coef_ == reference.coef_).all()
            assert (model.predict(X) == given).mean() == model.score(X, given) == reference.score(X, y)


def test_labels_that_cannot_be_sorted_are_refused(binary):
    X, y = binary
    with pytest.raises(TypeError, match="y holds labels that cannot be sorted"):
        LogisticRegression().fit(X, np.where(y == 1, "yes", np.array(5, dtype=object)))


def test_score_is_the_coefficient_of_determination(rng):
    X = rng.normal(size=(100, 2))
    y = X @ [1.0, 2.0] + rng.normal(size=100)
    s = rng.integers(0, 3, size=100)
    model = LinearRegression().fit(X, y)
    residual = y - model.predict(X)
    assert model.score(X, y) == pytest.approx(1 - residual @ residual / ((y - y.mean()) ** 2).sum())
    assert model.score(X, y, s) == pytest.approx(model.score(np.repeat(X, s, axis=0), np.repeat(y, s)))
    assert model.score(X, np.zeros(100)) == 0.0
    model.coef_, model.intercept_ = np.zeros(2), 3.0
    assert model.score(X, np.full(100, 3.0)) == 1.0


@pytest.mark.parametrize("size", [1e-163, 1e-300, 1e155, 1e300])
def test_score_does_not_depend_on_the_size_of_targets_and_weights(rng, size):
    X = rng.normal(size=(100, 2))
    y = X @ [1.0, 2.0] + rng.normal(size=100)
    s = rng.integers(1, 4, size=100)
    model = LinearRegression().fit(X, y)
    expected, weighted = model.score(X, y), model.score(X, y, s)
    for weight in (5e-324, 1e-200, 0.1, 1e308):
        assert model.score(X, y, np.full(100, weight)) == pytest.approx(expected, rel=1e-14)
    assert model.score(X, y, s * 1e-320) == pytest.approx(weighted, rel=1e-3)
    assert model.score(X, y, s * 5e307) == pytest.approx(weighted, rel=1e-14)
    model.coef_, model.intercept_ = size * model.coef_, size * model.intercept_
    assert model.score(X, size * y) == pytest.approx(expected, rel=1e-12)
    assert model.score(X, size * y, s) == pytest.approx(weighted, rel=1e-12)
    if size == 1e300:
        assert model.score(X, y) == -np.inf
    model.coef_, model.intercept_ = np.zeros(2), 0.1 * size
    assert model.score(X, np.full(100, 0.1 * size)) == 1.0
    assert model.score(X, np.full(100, 0.2 * size), s) == 0.0


def test_accuracy_does_not_depend_on_the_size_of_weights(binary):
    X, y = binary
    model = LogisticRegression().fit(X, y)
    for weight in (5e-324, 1e308):
        assert model.score(X, y, np.full(300, weight)) == pytest.approx(model.score(X, y), rel=1e-14)


def test_the_plot_marks_the_minimum_of_the_validation_curve(binary):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    X, y = binary
    model = LogisticRegression(solver="gd", max_iter=30, tol=0).fit(X, y, X_val=X[:40], y_val=y[:40])
    ax = model.history_.plot()
    training, validation, marker = ax.lines
    assert (training.get_ydata() == model.history_.cost).all()
    assert (validation.get_ydata() == model.history_.validation_cost).all()
    best = model.history_.best_iteration
    assert marker.get_xydata().tolist() == [[best, model.history_.validation_cost[best]]]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("iteration", "cost")
    assert LogisticRegression(max_iter=3, tol=0).fit(X, y).history_.plot(ax=ax) is ax
    pyplot.close("all")
    assert repr(model.history_).startswith("History(30 iterations, cost 0.693147 to ")


def test_a_fit_on_ready_data_warns_of_nothing(binary):
    X, y = binary
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cls in ESTIMATORS:
            model = cls().fit(X, y)
            model.predict(X)
            model.score(X, y)


def test_all_public_names_are_there():
    for name in steepest.__all__:
        assert getattr(steepest, name) is not None


def test_early_stopping_does_not_hide_divergence(rng):
    X = 3 * rng.normal(size=(100, 3))
    y = X @ [1.0, 2.0, 3.0]
    stop = {"early_stopping": True, "patience": 4}
    with pytest.raises(DivergenceError):
        LinearRegression(learning_rate=10.0, **stop).fit(X, y, X_val=X, y_val=y)
    with pytest.raises(DivergenceError):
        LogisticRegression(learning_rate=1000.0, **stop).fit(X, y + rng.logistic(size=100) > 0, X_val=X, y_val=y > 0)
    with pytest.warns(ConvergenceWarning, match="the cost gone from .*learning_rate=10 is too large"):
        LinearRegression(learning_rate=10.0, max_iter=4, tol=0).fit(X, y)


def test_converged_speaks_of_the_parameters_returned(binary, rng):
    X, y = binary
    model = LogisticRegression(solver="gd", early_stopping=True, patience=100_000, max_iter=5000)
    with pytest.warns(ConvergenceWarning, match="the model without weights.*all that X went through.$"):
        model.fit(X, y, X_val=X, y_val=rng.permutation(y))
    assert model.history_.best_iteration < model.n_iter_
    own_start = np.array([0.1, 0.2, -0.1, 0.3])
    model.fit(X, y, X_val=X, y_val=(X @ own_start > 0).astype(int), coef_init=100 * own_start)
    assert model.history_.best_iteration == 0
    assert (model.stop_reason_, model.converged_) == ("early_stopping", False)


@every_estimator
def test_a_fit_that_goes_on_from_the_minimum_ends_there(cls, binary):
    X, y = binary
    for solver in ("auto", "gd", "newton", "lbfgs"):
        model = cls(solver=solver, warm_start=True, max_iter=5000)
        for _ in range(5):
            model.fit(X, y)
            assert model.converged_


def test_a_column_of_targets_warns_once(binary):
    X, y = binary
    with pytest.warns(steepest.DataConversionWarning) as caught:
        LogisticRegression().fit(X, y[:, None])
    assert len(caught) == 1


def test_precompute_changes_the_course_by_rounding_alone(rng):
    for shape in [(300, 5), (20, 90)]:
        X, y = rng.normal(size=shape) + 1.0, rng.normal(size=shape[0])
        fits = [
            LinearRegression(solver="gd", precompute=p, max_iter=50, tol=0).fit(X, y) for p in (True, False, "auto")
        ]
        for model in fits[1:]:
            np.testing.assert_allclose(model.coef_, fits[0].coef_, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(model.history_.cost, fits[0].history_.cost, rtol=1e-9)
    with pytest.raises(TypeError, match="precompute is 1, expected True, False or 'auto'"):
        LinearRegression(precompute=1).fit(X, y)


def test_logarithms_of_probabilities_are_finite_where_these_are_0(binary):
    X, y = binary
    model = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)), rtol=1e-12)
    far = 1e5 * X[:1]
    z = model.decision_function(far)
    assert 0 in model.predict_proba(far)
    np.testing.assert_allclose(model.predict_log_proba(far), [[min(-z[0], 0), min(z[0], 0)]], rtol=1e-12)


@pytest.mark.parametrize("labels", [np.array([True, False] * 150), np.array(["0", "1"] * 150, dtype=object)])
def test_labels_of_another_kind_have_no_score(binary, labels):
    X, y = binary
    model = LogisticRegression().fit(X, np.where(y == 1, "yes", "no"))
    with pytest.raises(ValueError, match=r"y contains .* at index 0, and none of the classes \['no', 'yes'\]"):
        model.score(X, labels)
