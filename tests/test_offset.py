"""An offset: a known part of the linear predictor."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
import steepest
from steepest import LinearRegression, LogisticRegression, SigmoidRegression

models = pytest.mark.parametrize(("activation", "loss"), oracle.MODELS)
every_estimator = pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression, LogisticRegression])


@pytest.fixture
def offset(rng):
    return rng.normal(size=300)


@models
def test_the_pieces_agree_with_numpy(binary, offset, rng, activation, loss):
    (X, y), w, s = binary, rng.normal(size=4), rng.uniform(size=300)
    args = (X, y, w, 0.3, activation, loss, s)
    for given in (offset, offset.astype(np.float32).astype(">f4"), offset.tolist(), (5 * offset).astype(np.int8)):
        wide = np.asarray(given, dtype=np.float64)
        found = steepest.forward(X, w, 0.3, activation, offset=given)
        np.testing.assert_allclose(found, oracle.forward(X, w, 0.3, activation, wide), rtol=1e-12, atol=1e-15)
        assert steepest.cost(*args, offset=given) == pytest.approx(oracle.cost(*args, offset=wide), rel=1e-13)
        dw, db = steepest.gradient(*args, offset=given)
        expected_dw, expected_db = oracle.gradient(*args, offset=wide)
        np.testing.assert_allclose(dw, expected_dw, rtol=1e-11, atol=1e-14)
        assert db == pytest.approx(expected_db, rel=1e-11, abs=1e-14)


@every_estimator
def test_a_fit_with_the_true_offset_finds_what_is_left(cls, binary, offset):
    X, y = binary
    model = cls(solver="gd", max_iter=40, tol=0)
    model.fit(X, y, offset=offset, X_val=X[:50], y_val=y[:50], offset_val=offset[:50])
    activation, loss = ("identity" if cls is LinearRegression else "sigmoid"), "squared_error"
    loss = "log_loss" if cls is LogisticRegression else loss
    weights, bias, costs = oracle.gradient_descent(X, y, activation, loss, model.learning_rate_, 40, offset=offset)
    np.testing.assert_allclose(np.ravel(model.coef_), weights, rtol=1e-10)
    np.testing.assert_allclose(model.history_.cost, costs, rtol=1e-11)
    expected = oracle.cost(X[:50], y[:50], weights, bias, activation, loss, offset=offset[:50])
    assert model.history_.validation_cost[-1] == pytest.approx(expected, rel=1e-11)


@every_estimator
def test_predictions_take_it(cls, binary, offset):
    X, y = binary
    model = cls(max_iter=20, tol=0).fit(X, y, offset=offset)
    z = X @ np.ravel(model.coef_) + model.intercept_ + offset
    if cls is LogisticRegression:
        np.testing.assert_allclose(model.decision_function(X, offset=offset), z, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(model.predict_proba(X, offset=offset)[:, 1], oracle.sigmoid(z), rtol=1e-12)
        assert (model.predict(X, offset=offset) == (z > 0)).all()
        assert model.score(X, y, offset=offset) == ((z > 0) == y).mean()
    else:
        expected = z if cls is LinearRegression else oracle.sigmoid(z)
        np.testing.assert_allclose(model.predict(X, offset=offset), expected, rtol=1e-12, atol=1e-14)
        score = 1 - ((y - expected) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        assert model.score(X, y, offset=offset) == pytest.approx(score, rel=1e-12)
    assert (model.predict(X, offset=np.zeros(300)) == model.predict(X)).all()


@every_estimator
def test_faults_are_named(cls, binary, offset):
    X, y = binary
    bad = np.where(np.arange(300) == 7, np.nan, offset)
    fitted = cls(max_iter=2, tol=0).fit(X, y)
    for match, kwargs in [
        ("offset has 299 samples, X has 300", {"offset": offset[1:]}),
        (r"offset should be a 1d array, got an array of shape \(300, 1\)", {"offset": offset[:, None]}),
        ("offset contains NaN at index 7", {"offset": bad}),
        ("offset_val contains NaN at index 7", {"X_val": X, "y_val": y, "offset_val": bad}),
        ("offset_val has 3 samples, X_val has 300", {"X_val": X, "y_val": y, "offset_val": [1, 2, 3]}),
        ("offset_val is given but X_val and y_val are not", {"offset_val": offset}),
    ]:
        with pytest.raises(ValueError, match=match):
            cls(max_iter=2, tol=0).fit(X, y, **kwargs)
    for match, given in [("offset has 299 samples", offset[1:]), ("offset contains NaN at index 7", bad)]:
        with pytest.raises(ValueError, match=match):
            fitted.predict(X, offset=given)
        with pytest.raises(ValueError, match=match):
            fitted.score(X, y, offset=given)
    with pytest.raises(TypeError, match="offset has dtype <U"):
        fitted.predict(X, offset=["much"] * 300)
    with pytest.raises(ValueError, match="offset contains NaN at index 7"):
        steepest.cost(X, y, np.zeros(4), offset=bad)
