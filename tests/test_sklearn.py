"""scikit-learn's own checks, and our estimators inside its tools."""

from __future__ import annotations

import collections
import copy
import pickle
import subprocess
import sys
import warnings
from typing import ClassVar

import numpy as np
import pytest
from sklearn import config_context, exceptions
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from sklearn.utils.metadata_routing import UNUSED

from steepest import (
    ConvergenceWarning,
    DataConversionWarning,
    LinearRegression,
    LogisticRegression,
    NotFittedError,
    SeparationWarning,
    SigmoidRegression,
)

# The checks fit few rows, which separate, and columns that depend on each other, with at most 5 iterations; and they
# feed data frames without names.
pytestmark = [
    pytest.mark.filterwarnings("ignore::steepest.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::steepest.RankWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]


class SigmoidOfAnyTargets(SigmoidRegression):
    """The checks make up targets of any size, which SigmoidRegression refuses; this brings them into [0, 1]."""

    def _encode(self, y, name, n_samples, X_name, classes):
        targets = super()._encode(y, name, n_samples, X_name, classes)
        low, high = np.min(targets), np.max(targets)
        return targets if low == high or not np.isfinite(high - low) else (targets - low) / (high - low)


ESTIMATORS = [
    LinearRegression(),
    # Without a penalty 15 rows of 30 columns are met exactly, by weights without end.
    SigmoidOfAnyTargets(l2=1e-2),
    SigmoidOfAnyTargets(loss="log_loss", l2=1e-2),
    LogisticRegression(),
]
RAN: collections.Counter[str] = collections.Counter()


with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=".*does not inherit from `sklearn.base.BaseEstimator`")
    every_check = parametrize_with_checks(ESTIMATORS)
    THERE = [sum(1 for _ in estimator_checks_generator(estimator)) for estimator in ESTIMATORS]


@every_check
def test_scikit_learns_checks(estimator, check):
    check(estimator)
    RAN[repr(estimator)] += 1


def test_nearly_every_check_ran():
    # One is skipped: array API input, which scikit-learn checks only where SCIPY_ARRAY_API is set.
    for estimator, there in zip(ESTIMATORS, THERE, strict=True):
        assert there >= 55
        if not RAN[repr(estimator)]:
            pytest.skip("the checks themselves were not selected")
        assert RAN[repr(estimator)] >= there - 1


@pytest.fixture
def data(rng):
    X = rng.normal(size=(120, 3)) * [1, 100, 0.01] + [0, 50, 3]
    z = (X - X.mean(axis=0)) / X.std(axis=0) @ [1.0, -2.0, 0.5]
    return X, z, (z + rng.logistic(size=120) > 0).astype(int)


def test_pipeline_cross_validation_and_grid_search(data):
    X, z, labels = data
    for estimator, y in [
        (LinearRegression(), z),
        (SigmoidRegression(), 1 / (1 + np.exp(-z))),
        (LogisticRegression(), labels),
    ]:
        pipeline = make_pipeline(StandardScaler(), estimator)
        assert cross_val_score(pipeline, X, y).min() > 0.6
        name = type(estimator).__name__.lower()
        for solver, grid in [("gd", {"max_iter": [1, 200], "learning_rate": ["auto", 0.2]}), ("auto", {"l2": [50, 0]})]:
            pipeline.set_params(**{f"{name}__solver": solver})
            search = GridSearchCV(pipeline, {f"{name}__{key}": values for key, values in grid.items()}, cv=3).fit(X, y)
            key, (_, better) = next(iter(grid.items()))
            assert search.best_params_[f"{name}__{key}"] == better
        weighted = pipeline.fit(X, y, **{f"{name}__sample_weight": np.ones(120)})
        assert weighted.score(X, y) > 0.6


def test_kinds_and_clones():
    assert is_regressor(LinearRegression())
    assert is_regressor(SigmoidRegression())
    assert is_classifier(LogisticRegression())
    model = SigmoidRegression(loss="log_loss", max_iter=3)
    assert clone(model).get_params() == model.get_params()


def test_our_exceptions_are_caught_as_scikit_learns(data):
    with pytest.raises(exceptions.NotFittedError) as caught:
        LinearRegression().predict(data[0])
    assert isinstance(caught.value, NotFittedError)
    with pytest.warns(exceptions.ConvergenceWarning):
        LinearRegression(solver="gd", max_iter=1).fit(data[0], data[1])


@pytest.mark.parametrize("ours", [NotFittedError, ConvergenceWarning, DataConversionWarning])
def test_our_exceptions_are_scikit_learns_too_where_they_are_unpickled(ours):
    theirs = getattr(exceptions, ours.__name__)
    with_theirs = pickle.loads(pickle.dumps(ours("said")))  # as from a worker that has not loaded scikit-learn
    for error in (with_theirs, pickle.loads(pickle.dumps(with_theirs)), copy.copy(with_theirs)):
        assert isinstance(error, ours)
        assert isinstance(error, theirs)
        assert error.args == ("said",)
    code = f"""import pickle, sys, steepest
error = pickle.loads({pickle.dumps(with_theirs)!r})
assert "sklearn" not in sys.modules and type(error) is steepest.{ours.__name__} and error.args == ("said",)"""
    subprocess.run([sys.executable, "-c", code], check=True)


class OwnError(NotFittedError):
    pass


def test_a_subclass_of_our_exceptions_is_unpickled_as_itself():
    assert type(pickle.loads(pickle.dumps(OwnError("said")))) is OwnError
    said = pickle.loads(pickle.dumps(SeparationWarning("said")))
    assert type(said).__mro__[1:3] == (SeparationWarning, ConvergenceWarning)
    assert isinstance(said, exceptions.ConvergenceWarning)


@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


@pytest.mark.usefixtures("routing")
def test_pipelines_score_where_metadata_routing_is_enabled(data):
    X, z, labels = data
    for estimator, y in [
        (LinearRegression(), z),
        (SigmoidRegression(), 1 / (1 + np.exp(-z))),
        (LogisticRegression(), labels),
    ]:
        assert cross_val_score(make_pipeline(StandardScaler(), estimator), X, y, error_score="raise").min() > 0.6


@pytest.mark.usefixtures("routing")
def test_offsets_and_weights_are_routed_where_they_are_requested(data, rng):
    X, z, _ = data
    offset = 10 * rng.normal(size=120)
    weights = (np.arange(120) % 3 > 0).astype(float)
    model = LinearRegression()
    assert model.set_fit_request(offset=True, sample_weight="importance") is model
    model.set_score_request(offset=True, sample_weight=False)
    scores = cross_val_score(model, X, z + offset, params={"offset": offset, "importance": weights})
    assert scores.min() > 0.999
    requests = clone(model).get_metadata_routing()
    assert requests.fit.requests["sample_weight"] == "importance"
    assert requests.score.requests == {"sample_weight": False, "offset": True}
    with pytest.raises(TypeError, match=r"Unexpected args: \['weight'\] in fit"):
        model.set_fit_request(weight=True)
    with pytest.raises(exceptions.UnsetMetadataPassedError):
        cross_val_score(LinearRegression(), X, z, params={"offset": offset})
    probabilities = LogisticRegression().set_predict_proba_request(offset=True)
    assert probabilities.get_metadata_routing().predict_proba.requests == {"offset": True}


@pytest.mark.usefixtures("routing")
def test_a_pipeline_transforms_the_validation_data_that_it_is_told_to(data):
    X, z, _ = data
    model = LinearRegression(solver="gd", early_stopping=True).set_fit_request(X_val=True, y_val=True)
    pipeline = make_pipeline(StandardScaler(), model, transform_input=["X_val"])
    pipeline.fit(X[:90], z[:90], X_val=X[90:], y_val=z[90:])
    assert pipeline[-1].history_.validation_cost[-1] < 1e-4
    assert pickle.loads(pickle.dumps(pipeline)).score(X, z) > 0.999


def test_early_stopping_works_in_a_search_by_samples_held_out(data):
    X, z, _ = data
    model = LinearRegression(solver="gd", early_stopping=True, validation_fraction=0.2)
    grid = {"linearregression__max_iter": [1, 1000]}
    search = GridSearchCV(make_pipeline(StandardScaler(), model), grid).fit(X, z)
    assert search.best_params_ == {"linearregression__max_iter": 1000}
    assert search.best_score_ > 0.999


def test_requests_need_routing_and_may_be_mixed_with_scikit_learns_base():
    with pytest.raises(RuntimeError, match="enable_metadata_routing=True"):
        LinearRegression().set_fit_request(offset=True)

    class First(LinearRegression, BaseEstimator):
        pass

    class Second(BaseEstimator, LinearRegression):
        pass

    with config_context(enable_metadata_routing=True):
        for cls in (First, Second):
            assert cls().set_fit_request(offset=True).get_metadata_routing().fit.requests["offset"] is True


class Extended(LinearRegression):
    """Passes on what it does not name itself."""

    def __init__(self, alpha=1.0, **kwargs):
        super().__init__(**kwargs)
        self.alpha = alpha


def test_a_constructor_that_passes_keywords_on_has_its_parents_parameters():
    # scikit-learn's base would know `alpha` alone: a clone would lose the others in silence.
    model = Extended(alpha=2.0, l2=0.5)
    assert model.get_params() == {**LinearRegression(l2=0.5).get_params(), "alpha": 2.0}
    assert repr(clone(model)) == repr(model) == "Extended(alpha=2.0, l2=0.5)"
    assert model.set_params(tol=1e-3).tol == 1e-3

    class Further(Extended):
        def __init__(self, beta=0, **kwargs):
            super().__init__(**kwargs)
            self.beta = beta

    assert repr(clone(Further(beta=1, alpha=2, l1=3))) == "Further(beta=1, alpha=2, l1=3)"

    class Narrow(LinearRegression):
        def __init__(self, alpha=1.0):
            super().__init__(l2=alpha)
            self.alpha = alpha

    assert Narrow(3.0).get_params() == {"alpha": 3.0}


def test_positional_arguments_without_names_cannot_be_cloned_and_say_so():
    class Positional(LinearRegression):
        def __init__(self, *columns, **kwargs):
            super().__init__(**kwargs)
            self.columns = columns

    model = Positional(0, 1, l2=2.0)
    assert repr(model) == "Positional(l2=2.0)"
    with pytest.raises(RuntimeError, match=r"Positional.__init__ takes \*args, expected parameters by name"):
        clone(model)


@pytest.mark.usefixtures("routing")
def test_requests_of_a_subclass_are_read_as_scikit_learn_reads_them():
    class Open(LinearRegression):
        def fit(self, X, y, extra=None, *args, **kwargs):
            return super().fit(X, y, *args, **kwargs)

    class Asking(Open):
        __metadata_request__fit: ClassVar = {"offset": True, "extra": UNUSED}
        __metadata_request__score: ClassVar = {"sample_weight": "importance"}

    class Again(Asking):
        __metadata_request__fit: ClassVar = {"offset": "exposure"}

    assert Open().get_metadata_routing().fit.requests == {"extra": None}
    for cls, offset in [(Asking, True), (Again, "exposure")]:
        requests = cls().get_metadata_routing()
        theirs = type(cls.__name__, (BaseEstimator, cls), {})().get_metadata_routing()
        assert requests.fit.requests == theirs.fit.requests == {"offset": offset}
        assert requests.score.requests == theirs.score.requests == {"sample_weight": "importance", "offset": None}
        assert cls().set_fit_request(offset=False).get_metadata_routing().fit.requests == {"offset": False}
        with pytest.raises(TypeError, match=r"Unexpected args: \['extra'\] in fit. Accepted arguments are: \['offset'"):
            cls().set_fit_request(extra=True)


def test_a_filter_on_the_convergence_warning_of_sklearn_is_one_on_separation_too(binary):
    X, y = binary
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", exceptions.ConvergenceWarning)
        LogisticRegression().fit(np.column_stack([X, y]), y)
