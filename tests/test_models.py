"""Forward pass, cost, gradient and gradient descent against plain NumPy and against sums done by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

import oracle
import steepest

X2 = np.array([[1.0, 2.0], [3.0, 4.0]])
models = pytest.mark.parametrize(("activation", "loss"), oracle.MODELS)


def make(rng, n_samples, n_features, dtype=np.float64):
    if np.issubdtype(dtype, np.floating):
        X = rng.normal(size=(n_samples, n_features)).astype(dtype)
    else:
        X = rng.integers(0, 2 if dtype is np.bool_ else 5, size=(n_samples, n_features)).astype(dtype)
    return X, rng.uniform(size=n_samples), 0.1 * rng.normal(size=n_features), rng.uniform(0, 3, size=n_samples)


@models
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.int8, np.uint16, np.bool_])
def test_pieces_agree_with_numpy(rng, activation, loss, weighted, order, dtype):
    for shape in [(1, 1), (7, 3), (50, 17), (3000, 5)]:
        X, y, w, s = make(rng, *shape, dtype)
        X = np.asarray(X, order=order)
        s = s if weighted else None
        np.testing.assert_allclose(
            steepest.forward(X, w, 0.3, activation), oracle.forward(X, w, 0.3, activation), rtol=1e-12, atol=1e-14
        )
        args = (X, y, w, 0.3, activation, loss, s)
        np.testing.assert_allclose(steepest.cost(*args), oracle.cost(*args), rtol=1e-12)
        dw, db = steepest.gradient(*args)
        expected_dw, expected_db = oracle.gradient(*args)
        scale = np.abs(expected_dw).max()
        np.testing.assert_allclose(dw, expected_dw, rtol=1e-11, atol=1e-13 * scale)
        np.testing.assert_allclose(db, expected_db, rtol=1e-11, atol=1e-13 * scale)


@models
@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_descent_takes_the_textbook_steps(rng, activation, loss, weighted):
    X, y, _, s = make(rng, 500, 6)
    s = s if weighted else None
    weights, bias, costs = oracle.gradient_descent(X, y, activation, loss, 0.2, 30, s)
    model = oracle.estimator_for(activation, loss, solver="gd", learning_rate=0.2, max_iter=30, tol=0.0)
    model.fit(X, y, s)
    np.testing.assert_allclose(model.coef_, weights, rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(model.intercept_, bias, rtol=1e-11)
    np.testing.assert_allclose(model.history_.cost, costs, rtol=1e-12)
    assert model.n_iter_ == 30
    assert len(model.history_) == 31


def one_step(model, y):
    model.set_params(learning_rate=0.5, max_iter=1, tol=0.0).fit(X2, y)
    return model.coef_.ravel().tolist(), float(np.ravel(model.intercept_)[0]), model.history_.cost.tolist()


def test_one_step_of_the_linear_model_by_hand():
    # y = (1, 2), A = y − 0 = (1, 2), C = (1 + 4)/2. ∂C/∂w = −(2/2)(1·(1,2) + 2·(3,4)) = −(7, 10), ∂C/∂b = −3.
    # w = 0.5·(7, 10), b = 1.5; then ŷ = 1.5 + (3.5 + 10, 10.5 + 20) = (15, 32), A = (−14, −30), C = (196 + 900)/2.
    assert one_step(steepest.LinearRegression(), [1, 2]) == ([3.5, 5.0], 1.5, [2.5, 548.0])


def test_one_step_of_the_sigmoid_model_with_squared_error_by_hand():
    # y = (0, 1), ŷ = ½, A = (−½, ½), C = ¼. δ = −A ŷ(1 − ŷ) = (⅛, −⅛), ∂C/∂w = (1−3, 2−4)/8 = −(¼, ¼), ∂C/∂b = 0.
    # w = (⅛, ⅛), b = 0; then z = (3/8, 7/8).
    weights, bias, costs = one_step(steepest.SigmoidRegression(), [0, 1])
    assert (weights, bias, costs[0]) == ([0.125, 0.125], 0.0, 0.25)
    p, q = 1 / (1 + math.exp(-3 / 8)), 1 / (1 + math.exp(-7 / 8))
    assert costs[1] == pytest.approx((p**2 + (1 - q) ** 2) / 2, rel=1e-15)


@pytest.mark.parametrize(
    ("model", "y"),
    [(steepest.SigmoidRegression(loss="log_loss"), [0, 1]), (steepest.LogisticRegression(), ["low", "high"][::-1])],
)
def test_one_step_of_the_sigmoid_model_with_log_loss_by_hand(model, y):
    # y = (0, 1), ŷ = ½, A = (−½, ½), C = log 2. ∂C/∂w = −½ Xᵀ A = ¼ (1−3, 2−4) = −(½, ½), ∂C/∂b = 0.
    # w = (¼, ¼), b = 0; then z = (¾, 7/4), C = (log(1 + e^¾) + log(1 + e^−7/4))/2.
    weights, bias, costs = one_step(model, y)
    assert (weights, bias) == ([0.25, 0.25], 0.0)
    expected = [math.log(2), (math.log1p(math.exp(0.75)) + math.log1p(math.exp(-1.75))) / 2]
    assert costs == pytest.approx(expected, rel=1e-15)


def test_log_loss_and_sigmoid_are_right_at_the_extremes():
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 60
    for magnitude in [0.0, 1e-300, 1e-9, 0.3, 1.0, 20.0, 36.7, 37.0, 300.0, 700.0, 1e5, 1e300]:
        for z in (magnitude, -magnitude):
            exact = 1 / (1 + mpmath.exp(-mpmath.mpf(z)))
            assert steepest.forward([[z]], [1.0], activation="sigmoid")[0] == pytest.approx(float(exact), rel=1e-14)
            for y in (0.0, 1.0, 0.25):
                exact = mpmath.log1p(mpmath.exp(-abs(mpmath.mpf(z)))) + max(mpmath.mpf(z), 0) - y * mpmath.mpf(z)
                found = steepest.cost([[z]], [y], [1.0], 0.0, "sigmoid", "log_loss")
                assert found == pytest.approx(float(exact), rel=1e-14)


def test_class_probabilities_keep_their_digits_near_zero():
    model = steepest.LogisticRegression(l2=1.0).fit([[0.0], [1.0]], [0, 1])
    model.coef_, model.intercept_ = np.array([[1.0]]), np.array([0.0])
    for z in [-200.0, -40.0, 0.0, 40.0, 200.0]:
        expected = [1 / (1 + math.exp(z)), 1 / (1 + math.exp(-z))]
        assert model.predict_proba([[z]])[0] == pytest.approx(expected, rel=1e-14)


@models
def test_row_order_duplicates_and_weight_scale_do_not_matter(rng, activation, loss):
    X, y, w, _ = make(rng, 400, 3)
    s = rng.integers(0, 4, size=400).astype(float)
    reference = steepest.cost(X, y, w, 0.1, activation, loss, s)
    order = rng.permutation(400)
    repeats = s.astype(int)
    for value in [
        steepest.cost(X[order], y[order], w, 0.1, activation, loss, s[order]),
        steepest.cost(np.repeat(X, repeats, axis=0), np.repeat(y, repeats), w, 0.1, activation, loss),
        steepest.cost(X, y, w, 0.1, activation, loss, 1e-200 * s),
    ]:
        assert value == pytest.approx(reference, rel=1e-12)


def test_identity_with_log_loss_is_refused():
    with pytest.raises(ValueError, match=r"log_loss.*needs activation .*sigmoid"):
        steepest.cost([[1.0]], [1.0], [0.0], 0.0, "identity", "log_loss")
    with pytest.raises(ValueError, match="activation is 'relu'"):
        steepest.forward([[1.0]], [0.0], 0.0, "relu")
    with pytest.raises(ValueError, match="loss is 'hinge'"):
        steepest.gradient([[1.0]], [1.0], [0.0], 0.0, "sigmoid", "hinge")


@pytest.mark.parametrize("model", [steepest.LinearRegression(), steepest.SigmoidRegression(loss="log_loss")])
def test_the_automatic_rate_is_one_over_the_largest_eigenvalue(rng, model):
    X = rng.normal(size=(200, 5)) * [1, 2, 3, 4, 10]
    y = rng.uniform(size=200)
    model.set_params(solver="gd", max_iter=1, tol=0).fit(X, y)
    augmented = np.column_stack([X, np.ones(200)])
    bound = (2.0 if isinstance(model, steepest.LinearRegression) else 0.25) * augmented.T @ augmented / 200
    assert model.learning_rate_ == pytest.approx(1 / np.linalg.eigvalsh(bound)[-1], rel=0.01)


def test_weights_of_any_layout_are_read_right():
    packed = np.zeros(3, dtype=[("tag", "i1"), ("weight", "f8")])
    packed["weight"] = [1.0, 2.0, 3.0]
    odd = np.zeros(25, dtype=np.uint8)[1:].view(np.float64)
    odd[:] = [1.0, 2.0, 3.0]
    swapped = np.array([1.0, 2.0, 3.0], dtype=">f8")
    for weights in (packed["weight"], odd, swapped, np.array([3.0, 2.0, 1.0])[::-1], [1, 2, 3]):
        assert steepest.forward(np.eye(3), weights).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("mean", [0.412, 0.42, 0.432, 0.6342])
def test_the_automatic_rate_is_stable_wherever_the_data_lie(mean):
    X = np.tile([mean - 0.76, mean + 0.76], 10)[:, None]
    model = steepest.LinearRegression(solver="gd").fit(X, 2 * X[:, 0] + 1)
    assert model.coef_ == pytest.approx([2.0], abs=1e-4)
