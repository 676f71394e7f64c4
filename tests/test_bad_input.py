"""Bad input: a clear error that names the argument and the fault; a fitted estimator stays as it was."""

from __future__ import annotations

import copy
import re

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import steepest
from steepest import LinearRegression, LogisticRegression, SigmoidRegression

ESTIMATORS = [LinearRegression, SigmoidRegression, LogisticRegression]
every_estimator = pytest.mark.parametrize("cls", ESTIMATORS)
X = np.random.default_rng(1).normal(size=(40, 3))
Y = (X[:, 0] + 0.5 * X[:, 1] + np.random.default_rng(2).logistic(size=40) > 0.1).astype(float)  # classes that overlap


def with_value(value, row, column, order="C"):
    data = np.array(X, order=order)
    data[row, column] = value
    return data


def refuses(cls, error, match, *args, params=None, **kwargs):
    """Fit well, then badly: the bad fit must raise and leave no trace."""
    model = cls(max_iter=3, tol=0).fit(X, Y)
    model.set_params(**(params or {}))
    before = copy.deepcopy(vars(model))
    with pytest.raises(error, match=match):
        model.fit(*args, **kwargs)
    after = vars(model)
    assert before.keys() == after.keys()
    for name, value in before.items():
        if not isinstance(value, steepest.History):
            np.testing.assert_array_equal(after[name], value)


@every_estimator
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "-infinity")])
def test_non_finite_features_are_named_by_row_and_column(cls, order, value, word):
    match = f"X contains {word} at row 17, column 2"
    refuses(cls, ValueError, match, with_value(value, 17, 2, order), Y)
    model = cls(max_iter=2, tol=0).fit(X, Y)
    with pytest.raises(ValueError, match=match):
        model.predict(with_value(value, 17, 2, order))


@pytest.mark.parametrize("cls", [LinearRegression, LogisticRegression])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize(("n", "column"), [(150, 149), (300, 256), (600, 512), (600, 0)])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (-np.inf, "-infinity")])
def test_one_value_among_many_columns_is_found(rng, cls, fit_intercept, n, column, value, word):
    features = rng.normal(size=(700, n))
    targets = np.arange(700) % 2
    features[677, column] = value
    model = cls(fit_intercept=fit_intercept)
    for counts in (None, (np.arange(700) != 677).astype(float)):
        with pytest.raises(ValueError, match=f"X contains {word} at row 677, column {column}"):
            model.fit(features, targets, sample_weight=counts)
    assert not hasattr(model, "coef_")


def test_the_first_non_finite_value_is_named_for_any_number_of_threads():
    big = np.zeros((50_000, 8), dtype=np.float32)
    big[[49_000, 31_234, 40_000], [0, 5, 1]] = np.nan
    for n_threads in (1, 2, 5):
        with pytest.raises(ValueError, match="X contains NaN at row 31234, column 5"):
            steepest.forward(big, np.zeros(8), n_threads=n_threads)


@every_estimator
def test_non_finite_targets_weights_and_validation_data_are_named(cls):
    bad = np.where(np.arange(40) == 7, np.nan, Y)
    refuses(cls, ValueError, r"y contains (NaN|nan) at index 7", X, bad)
    refuses(cls, ValueError, "sample_weight contains NaN at index 7", X, Y, bad)
    refuses(cls, ValueError, "X_val contains NaN at row 1, column 0", X, Y, X_val=with_value(np.nan, 1, 0), y_val=Y)
    refuses(cls, ValueError, r"sample_weight_val contains NaN", X, Y, X_val=X, y_val=Y, sample_weight_val=bad)


@every_estimator
def test_lengths_that_differ_are_both_named(cls):
    refuses(cls, ValueError, "y has 39 samples, X has 40", X, Y[:-1])
    refuses(cls, ValueError, "sample_weight has 41 samples, X has 40", X, Y, np.ones(41))
    refuses(cls, ValueError, "y_val has 3 samples, X_val has 40", X, Y, X_val=X, y_val=Y[:3])


@every_estimator
def test_shapes_come_with_the_remedy(cls):
    refuses(cls, ValueError, r"X has 1 dimension.*reshape\(-1, 1\)", X[:, 0], Y)
    refuses(cls, ValueError, r"X has 3 dimension.*reshape\(len\(array\), -1\)", X[None], Y)
    refuses(cls, ValueError, "X has 0 dimension", 3.0, Y)
    refuses(cls, ValueError, r"y should be a 1d array.*\(40, 3\)", X, X)
    refuses(cls, ValueError, "X has 0 sample", X[:0], Y[:0])
    refuses(cls, ValueError, "X has 0 feature", X[:, :0], Y)
    refuses(cls, ValueError, "X cannot be made an array", [[1.0, 2.0], [3.0]], Y)
    refuses(cls, ValueError, "y is None", X, None)


@every_estimator
def test_dtypes_that_are_not_numbers_are_refused(cls):
    refuses(cls, ValueError, "Complex data not supported: X has dtype complex128", X + 1j, Y)
    refuses(cls, TypeError, "X has dtype <U3, expected float64", np.full((40, 3), "abc"), Y)
    refuses(cls, TypeError, "X has dtype datetime64", np.zeros((40, 3), dtype="M8[s]"), Y)
    refuses(cls, TypeError, "X has dtype float128|longdouble", X.astype(np.longdouble), Y)
    objects = X.astype(object)
    objects[4, 1] = "many"
    refuses(cls, ValueError, "X has dtype object and holds 'many' at row 4, column 1.*get_dummies", objects, Y)
    objects[4, 1] = [1, 2]
    refuses(cls, TypeError, "at row 4, column 1, which is not a finite number", objects, Y)
    objects[4, 1] = pd.NA
    refuses(
        cls, ValueError, "X has a missing value, <NA>, at row 4, column 1. Fill in what is", pd.DataFrame(objects), Y
    )
    refuses(cls, TypeError, r"X is sparse.*X\.toarray\(\).*sparse_output=False", sparse.csr_matrix(X), Y)
    refuses(cls, TypeError, "X has masked values", np.ma.masked_less(X, 0), Y)


@pytest.mark.skipif(not hasattr(np.dtypes, "StringDType"), reason="needs NumPy 2")
def test_strings_of_any_length_come_with_the_remedy_for_text():
    strings = np.full((40, 3), "abc", dtype=np.dtypes.StringDType())
    refuses(LinearRegression, TypeError, "X has dtype StringDType.*Turn text into numbers first", strings, Y)
    refuses(LinearRegression, TypeError, "y has dtype StringDType.*Text is for LogisticRegression", X, strings[:, 0])


def test_targets_outside_zero_and_one_are_refused_by_the_sigmoid():
    refuses(SigmoidRegression, ValueError, r"y contains 1\.5 at index 3", X, np.where(np.arange(40) == 3, 1.5, Y))
    refuses(SigmoidRegression, ValueError, "y contains -1 at index 0", X, np.where(np.arange(40) == 0, -1, Y))
    refuses(SigmoidRegression, ValueError, "y_val contains 2 at index 39", X, Y, X_val=X, y_val=[*Y[:-1], 2])
    with pytest.raises(ValueError, match="y contains 2 at index 1"):
        steepest.cost(X[:2], [0, 2], np.zeros(3), 0, "sigmoid", "squared_error")


def test_a_classifier_takes_two_classes():
    refuses(LogisticRegression, ValueError, "one class only", X, np.zeros(40))
    refuses(LogisticRegression, ValueError, "one class only, 'a'", X, ["a"] * 40)
    refuses(LogisticRegression, ValueError, r"Only binary.*3 classes, 0, 1, 2", X, np.arange(40) % 3)
    refuses(
        LogisticRegression, ValueError, r"3 classes, 'x', 'y', 'z'", X, np.array(["x", "y", "z"])[np.arange(40) % 3]
    )
    refuses(LogisticRegression, ValueError, "Unknown label type: continuous", X, X[:, 0])
    refuses(
        LogisticRegression, ValueError, "y_val contains .*7.* at index 2", X, Y, X_val=X, y_val=[0, 1, 7] + [1] * 37
    )


@every_estimator
def test_sample_weights_are_checked(cls):
    refuses(cls, ValueError, "sample_weight contains -1 at index 5", X, Y, np.where(np.arange(40) == 5, -1.0, 1.0))
    refuses(cls, ValueError, "sample_weight is zero everywhere", X, Y, np.zeros(40))
    refuses(cls, ValueError, "sample_weight should be a 1d array", X, Y, np.ones((40, 2)))
    refuses(cls, ValueError, "X_val and y_val are not", X, Y, sample_weight_val=np.ones(40))


@every_estimator
@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"learning_rate": -0.1}, ValueError),
        ({"learning_rate": 0}, ValueError),
        ({"learning_rate": np.nan}, ValueError),
        ({"learning_rate": np.inf}, ValueError),
        ({"learning_rate": "fast"}, TypeError),
        ({"learning_rate": None}, TypeError),
        ({"max_iter": 0}, ValueError),
        ({"max_iter": 2.5}, TypeError),
        ({"tol": -1e-3}, ValueError),
        ({"tol": "small"}, TypeError),
        ({"patience": 0}, ValueError),
        ({"early_stopping": "yes"}, TypeError),
        ({"warm_start": 1}, TypeError),
        ({"n_threads": 0}, ValueError),
        ({"n_threads": 1.0}, TypeError),
        ({"solver": "newton-raphson"}, ValueError),
        ({"solver": 3}, ValueError),
        ({"fit_intercept": 1}, TypeError),
        ({"l1": -1}, ValueError),
        ({"l1": np.nan}, ValueError),
        ({"l2": -1e-3}, ValueError),
        ({"l2": np.inf}, ValueError),
        ({"l2": "much"}, TypeError),
        ({"l2": None}, TypeError),
        ({"fit_intercept": None}, TypeError),
        ({"max_iter": 10**30}, ValueError),
        ({"n_threads": 2**63}, ValueError),
        ({"learning_rate": (0.1, 0.2)}, TypeError),
    ],
)
def test_parameters_are_named_with_their_value(cls, params, error):
    ((name, value),) = params.items()
    refuses(cls, error, re.escape(f"{name} is {value!r}, expected"), X, Y, params=params)


@every_estimator
def test_messages_are_short_whatever_the_value(cls):
    text = "x" * 10**6
    for params, error, match in [
        ({"l2": 10**5000}, ValueError, "l2 is <integer of 16610 bits>, expected a number"),
        ({"learning_rate": 10**400}, ValueError, r"learning_rate is 10+\.\.\.0+, expected 'auto' or a positive number"),
        ({"max_iter": -(10**5000)}, ValueError, "max_iter is <integer of 16610 bits>, expected"),
        ({"solver": text}, ValueError, r"solver is 'x+\.\.\.x+', expected 'auto'"),
        ({"tol": [1] * 10**6}, TypeError, r"tol is \[1, 1, 1, 1, 1, 1, \.\.\.\], expected a number"),
    ]:
        refuses(cls, error, rf"^(?=.{{0,200}}$){match}", X, Y, params=params)
        assert len(repr(cls(**params))) < 200
    with pytest.raises(ValueError, match=r"^(?=.{0,1000}$)Invalid parameter 'x+\.\.\.x+' for"):
        cls().set_params(**{text: 1})
    refuses(cls, ValueError, "^intercept_init is 10+.*0, expected a finite number", X, Y, intercept_init=10**400)
    refuses(cls, ValueError, "^intercept_init is <integer of 16610 bits>", X, Y, intercept_init=10**5000)
    objects = X.astype(object)
    objects[4, 1] = text
    refuses(cls, ValueError, r"^(?=.{0,600}$)X has dtype object and holds 'x+\.\.\.x+' at row 4, column 1", objects, Y)


def test_messages_about_labels_and_columns_are_short():
    long = ["x" * 10**6, "y" * 10**6]
    labels = np.array(long, dtype=object)[np.arange(40) % 2]
    short = r"^(?=[\s\S]{0,1500}$)"
    refuses(LogisticRegression, ValueError, short + "class_weight is", X, Y, params={"class_weight": {1: 1e-300}})
    refuses(
        LogisticRegression, TypeError, short + r"class_weight is \[1, 1", X, Y, params={"class_weight": [1] * 10**6}
    )
    refuses(LogisticRegression, ValueError, short + "y_val contains 'y+", X, labels, X_val=X, y_val=labels[::-1] + "y")
    refuses(LogisticRegression, ValueError, short + "y contains one class only, 'x+", X, labels[[0] * 40])
    with pytest.raises(ValueError, match=short + "y contains 5 at index 0, and none of the classes"):
        LogisticRegression().fit(X, labels).score(X, np.full(40, 5))
    frame = pd.DataFrame(X[:, :2], columns=long)
    with pytest.raises(ValueError, match=short + "The feature names should match"):
        LinearRegression().fit(frame, Y).predict(pd.DataFrame(X[:, :2], columns=["a", "b"]))
    with pytest.warns(steepest.RankWarning, match=short):
        LinearRegression().fit(0 * frame, Y)
    with pytest.raises(ValueError, match=short + "X contains NaN at row 0, column 'x+"):
        steepest.forward(frame * np.nan, np.ones(2))


@every_estimator
def test_l1_needs_the_solver_that_can_take_it(cls):
    for params, chosen in [
        ({"solver": "gd"}, "solver 'gd'"),
        ({"solver": "newton"}, "solver 'newton'"),
        ({"solver": "lbfgs"}, "solver 'lbfgs'"),
        ({"learning_rate": 0.1}, "solver 'gd', which learning_rate=0.1 chooses"),
    ]:
        match = re.escape(f"l1 is 0.5, expected 0 with {chosen}: ") + ".*no gradient where a weight is 0.*'auto'"
        refuses(cls, ValueError, match, X, Y, params={"l1": 0.5, **params})


@every_estimator
@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_a_learning_rate_needs_gradient_descent(cls, solver):
    match = f"learning_rate is 0.1, expected 'auto' with solver '{solver}'.*only gradient descent takes one"
    refuses(cls, ValueError, match, X, Y, params={"solver": solver, "learning_rate": 0.1})


def test_an_unknown_loss_is_named():
    refuses(SigmoidRegression, ValueError, "loss is 'hinge'", X, Y, params={"loss": "hinge"})


@every_estimator
def test_validation_data_must_be_complete(cls):
    refuses(cls, ValueError, "X_val is given but y_val is not", X, Y, X_val=X)
    refuses(cls, ValueError, "y_val is given but X_val is not", X, Y, y_val=Y)
    refuses(cls, ValueError, "early_stopping=True needs validation", X, Y, params={"early_stopping": True})
    refuses(cls, ValueError, f"X_val has 2 features, but {cls.__name__} is expecting 3", X, Y, X_val=X[:, :2], y_val=Y)


@every_estimator
def test_start_values_are_checked(cls):
    refuses(cls, ValueError, r"coef_init has shape \(2,\), expected \(3,\)", X, Y, coef_init=[1, 2])
    refuses(cls, ValueError, "coef_init contains nan at index 1", X, Y, coef_init=[0, np.nan, 0])
    refuses(cls, ValueError, "intercept_init is inf", X, Y, intercept_init=np.inf)
    no_bias = {"fit_intercept": False}
    refuses(cls, ValueError, r"intercept_init is 0\.5, expected 0", X, Y, params=no_bias, intercept_init=0.5)
    refuses(cls, ValueError, "warm_start=True.*3 features.*2", X[:, :2], Y, params={"warm_start": True})


@every_estimator
def test_prediction_needs_a_fit_and_the_same_features(cls):
    for method in ("predict", "decision_function", "predict_proba", "score"):
        if hasattr(cls, method):
            arguments = (X, Y) if method == "score" else (X,)
            with pytest.raises(steepest.NotFittedError, match=f"This {cls.__name__} instance is not fitted yet"):
                getattr(cls(), method)(*arguments)
    assert issubclass(steepest.NotFittedError, ValueError)
    assert issubclass(steepest.NotFittedError, AttributeError)
    model = cls(max_iter=2, tol=0).fit(X, Y)
    with pytest.raises(ValueError, match=f"X has 2 features, but {cls.__name__} is expecting 3 features as input"):
        model.predict(X[:, :2])


@every_estimator
def test_values_that_overflow_are_diagnosed(cls):
    huge = 1e200 * (X if cls is LinearRegression else np.sign(X) * 1e100)
    refuses(cls, ValueError, "too large for double precision; rescale", huge, Y, params={"solver": "gd"})
    # In standardised variables only differences that overflow are too large.
    refuses(cls, ValueError, "too large for double precision; rescale", np.sign(X) * 1.7e308, Y)


@every_estimator
def test_a_prediction_that_overflows_is_named_by_its_row(cls):
    model = cls(max_iter=2, tol=0).fit(X, Y)
    model.coef_ = np.full_like(model.coef_, 5.0)
    many = np.ones((5000, 3))
    many[4321] = 1e308
    for data in (many, np.asfortranarray(many)):
        with pytest.raises(ValueError, match="the prediction for row 4321 of X overflows"):
            model.predict(data)
        with pytest.raises(ValueError, match="the prediction for row 4321 of X overflows"):
            model.predict(data, offset=np.ones(5000))


def test_column_names_must_match():
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = LinearRegression(max_iter=2, tol=0).fit(frame, Y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="must be in the same order"):
        model.predict(frame[["b", "a", "c"]])
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- d\n.*now missing:\n- c"):
        model.predict(frame.rename(columns={"c": "d"}))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X)
    refuses(LinearRegression, TypeError, "Feature names are only supported", frame.rename(columns={"c": 3}), Y)
    model.fit(X, Y)
    assert not hasattr(model, "feature_names_in_")
    with pytest.warns(UserWarning, match="was fitted without feature names"):
        model.predict(frame)


@every_estimator
def test_a_warm_start_keeps_to_the_columns_of_the_last_fit(cls):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = cls(warm_start=True).fit(frame, Y)
    match = "warm_start=True .* whose columns were 'a', 'b', 'c'; those of X are 'c', 'b', 'a'"
    with pytest.raises(ValueError, match=match):
        model.fit(frame[["c", "b", "a"]], Y)
    model.fit(frame, Y)
    model.fit(X, Y).fit(frame, Y)


@every_estimator
def test_score_checks_its_data_like_fit(cls):
    model = cls(max_iter=3, tol=0).fit(X, Y)
    with pytest.raises(ValueError, match=r"sample_weight contains -1\.0 at index 3; weights must not be negative"):
        model.score(X, Y, np.where(np.arange(40) == 3, -1.0, 1.0))
    with pytest.raises(ValueError, match="sample_weight is zero everywhere"):
        model.score(X, Y, np.zeros(40))
    with pytest.raises(ValueError, match="sample_weight contains nan at index 0"):
        model.score(X, Y, np.full(40, np.nan))
    with pytest.raises(ValueError, match="y has 39 samples"):
        model.score(X, Y[1:])
    if cls is not LogisticRegression:
        with pytest.raises(ValueError, match="y contains nan at index 0"):
            model.score(X, np.full(40, np.nan))


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_missing_labels_are_named_by_index(missing):
    labels = np.array(["a", "b"] * 20, dtype=object)
    labels[5] = missing
    refuses(LogisticRegression, ValueError, "y contains a missing value, .* at index 5", X, labels)
    refuses(LogisticRegression, ValueError, "at index 5", X, pd.Series(labels))


def test_things_that_are_no_arrays_are_named():
    for thing in ({1, 2}, {"a": 1}, (x for x in [1.0])):
        refuses(LinearRegression, TypeError, "X is .*, expected an array of numbers", thing, Y)
    refuses(LinearRegression, TypeError, "X is of type dict, expected an array of numbers", {"a": list(range(99))}, Y)
    refuses(LinearRegression, ValueError, "X has dtype object and holds 1000.* at row 0, column 0", [[10**400]] * 40, Y)
    with pytest.raises(ValueError, match="activation is 5, expected 'identity' or 'sigmoid'"):
        steepest.forward(X, np.zeros(3), activation=5)


@every_estimator
def test_a_warning_made_an_error_leaves_the_estimator(cls):
    refuses(cls, steepest.ConvergenceWarning, "max_iter=3", X, Y, params={"tol": 1e-9, "solver": "gd"})
    if cls is LogisticRegression:
        refuses(cls, steepest.SeparationWarning, "columns? 0", X, X[:, 0] > 0)
    refuses(cls, steepest.RankWarning, "columns? 2", np.column_stack([X[:, :2], np.ones(40)]), Y)


def test_what_is_named_does_not_depend_on_the_layout():
    X = np.random.default_rng(0).normal(size=(3000, 9))
    X[5], X[400, 2] = 1e308, np.nan
    for x in (X, np.asfortranarray(X)):
        with pytest.raises(ValueError, match="NaN at row 400, column 2"):
            steepest.cost(x, np.zeros(3000), weights=np.full(9, 10.0), bias=0.0)


def test_what_is_named_of_a_prediction_is_the_first_row_whatever_the_layout():
    X, offset = np.ones((3000, 200)), np.zeros(3000)
    weights = np.full(200, 10.0)
    X[5] = 1e308
    X[20, 3] = offset[12] = np.nan
    for x in (X.copy(), np.asfortranarray(X), X.astype(">f8")):
        with pytest.raises(ValueError, match="prediction for row 5 of X overflows"):
            steepest.forward(x, weights, 0.0, offset=offset)
        x[5] = 1.0
        with pytest.raises(ValueError, match="offset contains NaN at index 12"):
            steepest.forward(x, weights, 0.0, offset=offset)
        with pytest.raises(ValueError, match="X contains NaN at row 20, column 3"):
            steepest.forward(x, weights, 0.0)


@pytest.mark.parametrize("n_features", [3, 300])
def test_the_first_bad_target_is_named_whatever_is_wrong_with_it(n_features):
    y = np.full(5000, 0.5)
    y[5], y[60] = 2.0, np.nan
    with pytest.raises(ValueError, match="2 at index 5"):
        SigmoidRegression().fit(np.random.default_rng(0).normal(size=(5000, n_features)), y)


def test_text_is_never_read_as_numbers():
    numerals = np.array([["1_0", 1.0], ["2", 2.0]], dtype=object)
    with pytest.raises(
        ValueError, match=r"X has dtype object and holds '1_0' at row 0, column 0, which is text.*get_d"
    ):
        LinearRegression().fit(numerals, [1.0, 2.0])
    with pytest.raises(ValueError, match="y has dtype object and holds '2' at index 1, which is text"):
        LinearRegression().fit([[1.0], [2.0]], np.array([1, "2"], dtype=object))
    with pytest.raises(TypeError, match=r"sample_weight has dtype <U8.*class_weight of LogisticRegression"):
        LogisticRegression().fit([[1.0], [2.0]], [0, 1], sample_weight="balanced")


@pytest.mark.parametrize(("y", "found"), [(3.0, "3.0"), ((i for i in (1, 2)), "an object of type generator")])
def test_targets_that_are_no_array_are_said_to_be_none(y, found):
    with pytest.raises(ValueError, match=f"y should be a 1d array of one target a sample, got {found} instead"):
        LinearRegression().fit([[1.0], [2.0]], y)
