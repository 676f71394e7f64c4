"""Coefficients that others published: of Stata and R, as the tests of statsmodels have them, and of textbooks."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels import datasets
from statsmodels.discrete.tests.results.results_discrete import Spector
from statsmodels.genmod.tests.results.results_glm import Lbw, Longley, Star98

from steepest import LinearRegression, LogisticRegression, SigmoidRegression


def coefficients(model):
    return [*np.ravel(model.coef_), *np.ravel(model.intercept_)]


def test_spectors_logit_agrees_with_stata():
    """Stata 11 stopped where seven digits were right; the others are by mpmath."""
    data = datasets.spector.load()
    model = LogisticRegression(tol=1e-12).fit(data.exog, data.endog)
    assert coefficients(model) == pytest.approx(Spector.logit.params, rel=2e-7)
    exact = [2.826112594889321, 0.09515766131790929, 2.378687655093354, -13.02134685811569]
    assert coefficients(model) == pytest.approx(exact, rel=1e-12)
    assert model.predict_proba(data.exog)[:, 1] == pytest.approx(Spector.logit.phat, rel=1e-6)


def test_low_birth_weight_agrees_with_stata():
    published = Lbw()
    X = published.exog.drop(columns="const")
    model = LogisticRegression(tol=1e-12).fit(X, published.endog)
    assert coefficients(model) == pytest.approx(published.params, abs=1e-8)
    log_likelihood = -len(X) * model.history_.cost[-1]
    assert log_likelihood == pytest.approx(published.llf, rel=1e-12)


def test_rates_of_schools_weighted_by_their_size_agree_with_r():
    """Columns from 1e-2 to 1e5 in size, products of others among them, raw."""
    published = Star98()
    data = datasets.star98.load()
    above, below = np.asarray(data.endog, dtype=float).T
    model = SigmoidRegression(loss="log_loss", tol=1e-12)
    model.fit(data.exog, above / (above + below), sample_weight=above + below)
    assert coefficients(model) == pytest.approx(published.params, rel=3e-8, abs=6e-11)


def test_longley_agrees_with_stata_and_r():
    """Nearly dependent columns."""
    published = Longley()
    data = datasets.longley.load()
    model = LinearRegression().fit(data.exog, data.endog)
    assert coefficients(model) == pytest.approx(published.params, rel=5e-9)


def test_beetles_agree_with_the_published_grouped_logit():
    """Bliss (1935), 481 beetles in 8 groups by dose: rates, weighted by the group's size, and beetle by beetle.

    Coefficients and fitted numbers as in Dobson and Barnett, An Introduction to Generalized Linear Models, chapter 7,
    and the coefficients by mpmath.
    """
    dose = np.array([1.6907, 1.7242, 1.7552, 1.7842, 1.8113, 1.8369, 1.8610, 1.8839])
    size = np.array([59, 60, 62, 56, 63, 59, 62, 60])
    killed = np.array([6, 13, 18, 28, 52, 53, 61, 60])
    X = dose[:, None]
    grouped = SigmoidRegression(loss="log_loss", tol=1e-12)
    grouped.fit(X, killed / size, sample_weight=size)
    assert coefficients(grouped) == pytest.approx([34.270, -60.717], rel=2e-5)
    assert coefficients(grouped) == pytest.approx([34.27032573414698, -60.71745456163542], rel=1e-11)
    expected = size * grouped.predict(X)
    assert expected == pytest.approx([3.46, 9.84, 22.45, 33.90, 50.10, 53.29, 59.22, 58.74], abs=5e-3)

    one_each = np.concatenate([np.repeat([1, 0], [k, n - k]) for k, n in zip(killed, size, strict=True)])
    singly = LogisticRegression(tol=1e-12).fit(np.repeat(X, size, axis=0), one_each)
    assert coefficients(singly) == pytest.approx(coefficients(grouped), rel=1e-11)
