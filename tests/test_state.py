"""What a fit leaves of the state before it, to whatever looks, or comes in, meanwhile."""

from __future__ import annotations

import copy
import pickle
import sys
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from steepest import (
    ConvergenceWarning,
    LinearRegression,
    LogisticRegression,
    RankWarning,
    SigmoidRegression,
)

ESTIMATORS = [LinearRegression, SigmoidRegression, LogisticRegression]
every_estimator = pytest.mark.parametrize("cls", ESTIMATORS)


class Meanwhile:
    """Something that does `action` when it is read: as data, by a copy or by pickle."""

    def __init__(self, action, data=None):
        self.action, self.data = action, data

    def __array__(self, dtype=None, copy=None):
        self.action()
        return self.data

    def __deepcopy__(self, memo):
        self.action()
        return self

    def __reduce__(self):
        self.action()
        return int, ()


@pytest.fixture
def model_and_refit(binary):
    """A classifier of 4 columns for "no" and "yes", and what fits it to 2 named columns, for "up" and "down"."""
    X, y = binary
    model = LogisticRegression().fit(X, np.where(y == 1, "yes", "no"))
    frame = pd.DataFrame(X[:, :2], columns=["a", "b"])
    return model, lambda: model.fit(frame, np.where(y == 1, "down", "up"))


def test_an_exception_from_a_signal_leaves_the_last_state_or_the_new_one(binary):
    X, y = binary
    old = LinearRegression().fit(pd.DataFrame(X, columns=list("abcd")), y)
    new = copy.deepcopy(old).set_params(solver="lbfgs").fit(X[:, :3], y)
    states = [vars(old).keys(), vars(new).keys()]
    assert states[0] - states[1] == {"rank_", "feature_names_in_"}

    def interrupt_at(step, model):
        left = step

        def trace(frame, event, arg):
            nonlocal left
            if frame.f_code.co_name != "_take":
                return trace
            left -= event == "line"
            if left < 0:
                raise KeyboardInterrupt
            return trace

        model.set_params(solver="lbfgs")
        sys.settrace(trace)
        try:
            model.fit(X[:, :3], y)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(None)
        return False

    step = 0
    while interrupt_at(step, model := copy.deepcopy(old)):
        assert vars(model).keys() == states[len(model.coef_) == 3]
        assert model.n_features_in_ == len(model.coef_)
        step += 1
    assert step > 5


@pytest.mark.parametrize("read", [copy.deepcopy, pickle.dumps])
def test_a_copy_made_beside_a_fit_is_whole(model_and_refit, read):
    model, refit = model_and_refit
    model.note = Meanwhile(refit)
    twin = read(model)
    assert list(model.classes_) == ["down", "up"]
    twin = pickle.loads(twin) if read is pickle.dumps else twin
    assert list(twin.classes_) == ["no", "yes"]
    assert twin.coef_.shape == (1, 4)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function", "score"])
def test_a_prediction_is_of_one_fit(model_and_refit, binary, method):
    X, y = binary
    model, refit = model_and_refit
    others = (np.where(y == 1, "yes", "no"),) if method == "score" else ()
    expected = getattr(model, method)(X, *others)
    found = getattr(model, method)(Meanwhile(refit, X), *others)
    assert list(model.classes_) == ["down", "up"]
    assert np.all(found == expected)


def test_predict_and_score_follow_a_subclass(binary):
    class Contrary(LogisticRegression):
        def decision_function(self, X, *, offset=None):
            return -super().decision_function(X, offset=offset)

    X, y = binary
    model, contrary = LogisticRegression().fit(X, y), Contrary().fit(X, y)
    assert (contrary.predict(X) == 1 - model.predict(X)).all()
    assert contrary.score(X, y) == pytest.approx(1 - model.score(X, y))


@every_estimator
@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"max_iter": 1, "tol": Fraction(1, 10**12)}, r"max_iter=1 .*tol=1e-12 asks"),
        ({"max_iter": 1, "tol": Fraction(1, 10**12), "solver": "gd"}, r"max_iter=1 .*tol=1e-12 asks"),
    ],
)
def test_warnings_say_fractions_as_decimals(cls, binary, params, match):
    X, y = binary
    if cls is LinearRegression and "solver" not in params:
        params = {**params, "solver": "lbfgs"}
    with pytest.warns(ConvergenceWarning, match=match):
        cls(**params).fit(X, y)


def test_a_penalty_that_is_a_fraction_is_said_as_a_decimal(binary):
    X, y = binary
    with pytest.warns(RankWarning, match="raise l2: 1e-30 is lost in rounding"):
        LinearRegression(l2=Fraction(1, 10**30)).fit(np.column_stack([X, X[:, 0]]), y)


def test_warnings_speak_of_the_parameters_that_the_fit_began_with(binary):
    X, y = binary
    model = LogisticRegression(solver="gd", max_iter=2, tol=1e-9)
    weights = Meanwhile(lambda: model.set_params(max_iter=77, tol=0.5), np.ones(300))
    with pytest.warns(ConvergenceWarning, match=r"max_iter=2 .*tol=1e-09 asks"):
        model.fit(X, y, weights)


def test_a_prediction_meets_one_state_though_a_fit_comes_between(rng):
    X = rng.normal(size=(200, 2))
    y = np.where(X[:, 0] > 0, "b", "a")
    other = np.where(X[:, 0] > 0, "x", "y")

    class Refitted(LogisticRegression):
        def _fitted(self):
            fitted = super()._fitted()
            LogisticRegression.fit(self, X, other)
            return fitted

    model = Refitted(l2=1e-3)
    LogisticRegression.fit(model, X, y)
    assert (model.predict(X) == y).mean() > 0.95
