"""Weights of the classes of LogisticRegression."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from sklearn import linear_model
from sklearn.utils.class_weight import compute_sample_weight

from steepest import LogisticRegression


@pytest.fixture
def rare(rng):
    """One "yes" in some six: X of shape (400, 3)."""
    X = rng.normal(size=(400, 3))
    return X, np.where(X @ [1.0, -1.0, 0.5] + rng.logistic(size=400) > 2, "yes", "no")


WEIGHTS = ["balanced", {"yes": 5}, {"no": 0.2, "yes": 3.0}, {}, {np.str_("no"): np.float32(0.5)}]


@pytest.mark.parametrize("class_weight", WEIGHTS)
@pytest.mark.parametrize("weighted", [False, True])
def test_they_multiply_sample_weights(rare, rng, class_weight, weighted):
    X, y = rare
    s = rng.uniform(size=400) if weighted else np.ones(400)
    if class_weight == "balanced":
        share = {label: s.sum() / (2 * s[y == label].sum()) for label in ("no", "yes")}
        if not weighted:
            np.testing.assert_allclose(np.vectorize(share.get)(y), compute_sample_weight("balanced", y))
    else:
        share = {"no": 1.0, "yes": 1.0, **class_weight}
    expected = LogisticRegression(solver="gd", max_iter=50, tol=0).fit(X, y, s * np.vectorize(share.get)(y))
    model = LogisticRegression(solver="gd", class_weight=class_weight, max_iter=50, tol=0)
    model.fit(X, y, s if weighted else None)
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-10)
    np.testing.assert_allclose(model.history_.cost, expected.history_.cost, rtol=1e-12)
    model.set_params(solver="auto", tol=1e-9).fit(X, y, s if weighted else None)
    expected.set_params(solver="auto", tol=1e-9).fit(X, y, s * np.vectorize(share.get)(y))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-7)


@pytest.mark.parametrize("class_weight", ["balanced", {"yes": 5.0, "no": 0.5}])
@pytest.mark.parametrize("intercept", [True, False])
def test_scikit_learn_ends_at_the_same_minimum(rare, class_weight, intercept):
    X, y = rare
    # There C multiplies the weighted sum, here the mean is divided by the sum of all weights.
    total = compute_sample_weight(class_weight, y).sum()
    expected = linear_model.LogisticRegression(
        C=1 / (total * 0.02), class_weight=class_weight, fit_intercept=intercept, tol=1e-10
    ).fit(X, y)
    model = LogisticRegression(
        l2=0.02, class_weight=class_weight, fit_intercept=intercept, tol=1e-10, max_iter=20_000
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected.coef_, atol=1e-5)
    np.testing.assert_allclose(model.intercept_, expected.intercept_, atol=1e-5)


def test_none_and_ones_change_no_bit_and_validation_has_none(rare):
    X, y = rare
    validation = {"X_val": X[:100], "y_val": y[:100]}
    plain = LogisticRegression(max_iter=20, tol=0).fit(X, y, **validation)
    ones = LogisticRegression(class_weight={"no": 1, "yes": 1}, max_iter=20, tol=0).fit(X, y, **validation)
    assert (ones.coef_ == plain.coef_).all()
    weighted = LogisticRegression(class_weight="balanced", max_iter=20, tol=0).fit(X, y, **validation)
    z, positive = weighted.decision_function(X[:100]), y[:100] == "yes"
    cost = np.mean(np.logaddexp(0, z) - positive * z)
    assert weighted.history_.validation_cost[-1] == pytest.approx(cost, rel=1e-12)
    # Validation data may be of one class.
    LogisticRegression(max_iter=2, tol=0).fit(X, y, X_val=X[y == "no"], y_val=y[y == "no"])


@pytest.mark.parametrize(
    ("class_weight", "error", "match"),
    [
        (
            {"maybe": 2},
            ValueError,
            r"class_weight has a weight for 'maybe', expected one of the .*\['no', 'yes'\]",
        ),
        ({"yes": -1.5}, ValueError, r"class_weight\['yes'\] is -1\.5, expected a number, 0 or larger"),
        ({"yes": np.nan}, ValueError, r"class_weight\['yes'\] is nan, expected a number"),
        ({"no": np.inf}, ValueError, r"class_weight\['no'\] is inf, expected a number"),
        ({"no": "much"}, TypeError, r"class_weight\['no'\] is 'much', expected a number"),
        ({"no": 0}, ValueError, r"class_weight\['no'\] is 0, which leaves one class"),
        ("equal", ValueError, "class_weight is 'equal', expected None, 'balanced' or a dict"),
        ([1, 2], TypeError, r"class_weight is \[1, 2\], expected None, 'balanced' or a dict"),
        (3.0, TypeError, r"class_weight is 3\.0, expected None"),
    ],
)
def test_faults_are_named(rare, class_weight, error, match):
    model = LogisticRegression(max_iter=2, tol=0).fit(*rare).set_params(class_weight=class_weight)
    before = copy.deepcopy(model.coef_)
    with pytest.raises(error, match=match):
        model.fit(*rare)
    assert (model.coef_ == before).all()


@pytest.mark.parametrize("class_weight", [{"yes": 1e16}, {"yes": 1e308}, {"yes": 1e300, "no": 1e-300}])
def test_weights_that_leave_nothing_of_a_class_are_refused(rare, class_weight):
    X, y = rare
    for weights in (None, np.full(400, 1e308), np.full(400, 5e-324), np.ones(400, dtype=np.float16)):
        with pytest.raises(ValueError, match=r"class_weight is \{.*leaves nothing of class 'no'; .* needs two classes"):
            LogisticRegression(class_weight=class_weight).fit(X, y, weights)
    with pytest.raises(ValueError, match="leaves nothing of class 'yes'"):
        LogisticRegression(class_weight={"yes": 1e-16}).fit(X, y)


def test_weights_of_classes_may_undo_those_of_samples(rare):
    X, y = rare
    expected = LogisticRegression().fit(X, y)
    model = LogisticRegression(class_weight={"yes": 2.0**70}).fit(X, y, np.where(y == "yes", 2.0**-70, 1.0))
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6)
    with pytest.raises(ValueError, match="sample_weight contains -1 at index 3"):
        model.fit(X, y, np.where(np.arange(400) == 3, -1.0, 1.0))


@pytest.mark.parametrize("class_weight", [None, "balanced", {"yes": 2}])
def test_sample_weights_that_leave_one_class_are_refused(rare, class_weight):
    X, y = rare
    model = LogisticRegression(class_weight=class_weight)
    for label in ("no", "yes"):
        with pytest.raises(ValueError, match=f"sample_weight is zero for every sample of class '{label}'"):
            model.fit(X, y, (y != label).astype(np.float32))
    with pytest.raises(ValueError, match="sample_weight is zero everywhere"):
        model.fit(X, y, np.zeros(400))


def test_neither_threads_nor_storage_change_a_bit(rare, rng):
    X, y = rare
    X, y, s = np.tile(X, (60, 1)), np.tile(y, 60), rng.uniform(size=24_000).astype(np.float32)
    models = [
        LogisticRegression(class_weight="balanced", max_iter=5, tol=0, n_threads=n).fit(X, y, weights)
        for n, weights in [(1, s), (3, s), (2, s.astype(np.float64)), (1, np.repeat(s, 2)[::2].astype(">f4"))]
    ]
    assert len({model.coef_.tobytes() + model.history_.cost.tobytes() for model in models}) == 1


def test_weights_of_labels_that_are_not_there_count_for_nothing_beside_those_of_all_that_are(binary):
    X, y = binary
    model = LogisticRegression(class_weight={0: 1, 1: 2, 2: 3}).fit(X, y)
    expected = LogisticRegression(class_weight={0: 1, 1: 2}).fit(X, y)
    np.testing.assert_array_equal(model.coef_, expected.coef_)
