"""The penalties l1 and l2."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import linear_model

import oracle
from steepest import LinearRegression, LogisticRegression, SigmoidRegression

models = pytest.mark.parametrize(("activation", "loss"), oracle.MODELS)


@models
@pytest.mark.parametrize("shape", [(300, 4), (20, 70)])
@pytest.mark.parametrize("intercept", [True, False])
def test_descent_takes_the_textbook_steps(rng, activation, loss, shape, intercept):
    X, y, s = rng.normal(size=shape), rng.uniform(size=shape[0]), rng.uniform(size=shape[0])
    offset = 0.1 * rng.normal(size=shape[0])
    params = {"l2": 0.7, "fit_intercept": intercept, "learning_rate": 0.02, "max_iter": 40, "tol": 0}
    model = oracle.estimator_for(activation, loss, **params).fit(X, y, s, offset=offset)
    weights, bias, costs = oracle.gradient_descent(
        X, y, activation, loss, 0.02, 40, s, offset=offset, intercept=intercept, l2=0.7
    )
    np.testing.assert_allclose(model.coef_, weights, rtol=1e-10, atol=1e-14)
    assert model.intercept_ == pytest.approx(bias, rel=1e-11, abs=1e-15)
    np.testing.assert_allclose(model.history_.cost, costs, rtol=1e-11)


@models
def test_the_validation_cost_has_no_penalty(binary, activation, loss):
    X, y = binary
    model = oracle.estimator_for(activation, loss, l2=0.5, max_iter=20, tol=0).fit(X, y, X_val=X, y_val=y)
    penalty = 0.25 * (model.coef_**2).sum()
    assert model.history_.cost[-1] - model.history_.validation_cost[-1] == pytest.approx(penalty, rel=1e-12)


@pytest.mark.parametrize("shape", [(300, 4), (20, 70)])
@pytest.mark.parametrize("intercept", [True, False])
def test_scikit_learns_ridge_is_two_alpha_over_m(rng, shape, intercept):
    X, y = rng.normal(size=shape), rng.normal(size=shape[0]) + 1
    expected = linear_model.Ridge(alpha=3.0, fit_intercept=intercept).fit(X, y)
    for params in ({}, {"solver": "gd", "precompute": True}, {"solver": "gd", "precompute": False}):
        model = LinearRegression(
            l2=2 * 3.0 / shape[0], fit_intercept=intercept, tol=1e-10, max_iter=200_000, **params
        ).fit(X, y)
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-7, atol=1e-9)
        assert model.intercept_ == pytest.approx(expected.intercept_, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("intercept", [True, False])
def test_scikit_learns_logistic_regression_is_one_over_m_l2(binary, rng, intercept):
    X, y = binary
    s = rng.uniform(size=300)
    expected = linear_model.LogisticRegression(C=1 / (s.sum() * 0.05), fit_intercept=intercept, tol=1e-10)
    expected.fit(X, y, s)
    model = LogisticRegression(l2=0.05, fit_intercept=intercept, tol=1e-9, max_iter=20_000).fit(X, y, s)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-5)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, atol=1e-5)


@pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression, LogisticRegression])
def test_no_penalty_may_be_an_integer_0(cls, binary):
    for solver in ("auto", "gd", "newton", "lbfgs"):
        assert cls(solver=solver, l1=0, l2=0).fit(*binary).converged_
