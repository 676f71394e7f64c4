"""What a fit says of data that leave its weights undetermined or without end: separation, rank."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

from steepest import (
    ConvergenceWarning,
    LinearRegression,
    LogisticRegression,
    RankWarning,
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


@pytest.mark.parametrize("solver", ["auto", "newton"])
def test_separation_in_part_names_the_column(partly, solver):
    X, y = partly
    with pytest.warns(SeparationWarning, match=r"found that column 4 tells the classes apart.*for some: the log loss"):
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
