"""Models through the origin."""

from __future__ import annotations

import numpy as np
import pytest

import oracle
from steepest import LinearRegression, LogisticRegression, SigmoidRegression

models = pytest.mark.parametrize(("activation", "loss"), oracle.MODELS)


@models
@pytest.mark.parametrize("shape", [(300, 4), (20, 70)])
def test_the_bias_stays_at_0_and_the_weights_take_the_textbook_steps(rng, activation, loss, shape):
    X, y, s = rng.normal(size=shape) + 1, rng.uniform(size=shape[0]), rng.uniform(size=shape[0])
    model = oracle.estimator_for(activation, loss, fit_intercept=False, max_iter=40, tol=0, learning_rate=0.01)
    model.fit(X, y, s, X_val=X, y_val=y)
    weights, bias, costs = oracle.gradient_descent(X, y, activation, loss, 0.01, 40, s, intercept=False)
    assert model.intercept_ == bias == 0.0
    np.testing.assert_allclose(model.coef_, weights, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(model.history_.cost, costs, rtol=1e-11)
    assert model.history_.validation_cost[-1] == pytest.approx(
        oracle.cost(X, y, weights, 0.0, activation, loss), rel=1e-11
    )
    np.testing.assert_allclose(model.predict(X), oracle.forward(X, weights, 0.0, activation), rtol=1e-9, atol=1e-13)


def test_a_classifier_keeps_its_shapes(binary):
    X, y = binary
    model = LogisticRegression(fit_intercept=False).fit(X, y)
    assert model.intercept_.tolist() == [0.0]
    assert (model.decision_function(-X) == -model.decision_function(X)).all()


def test_least_squares_through_the_origin(rng):
    X = rng.normal(loc=[0.0, 1.0, 2.0], size=(200, 3))
    y = X @ [1.0, 2.0, 3.0] + 5 + rng.normal(size=200)
    for params in ({}, {"solver": "gd", "precompute": True}, {"solver": "gd", "precompute": False}):
        model = LinearRegression(fit_intercept=False, tol=1e-12, max_iter=10_000, **params).fit(X, y)
        np.testing.assert_allclose(model.coef_, np.linalg.lstsq(X, y)[0], rtol=1e-9)


@pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression, LogisticRegression])
def test_a_warm_start_takes_the_weights_alone(cls, binary):
    X, y = binary
    params = {"solver": "gd", "max_iter": 5, "tol": 0}
    model = cls(warm_start=True, **params).fit(X, y)
    weights = model.coef_
    model.set_params(fit_intercept=False).fit(X, y)
    given = cls(fit_intercept=False, **params).fit(X, y, coef_init=weights, intercept_init=0)
    assert (model.coef_ == given.coef_).all()
    assert np.ravel(model.intercept_).tolist() == [0.0]
