"""Whether a fit arrives: no oracle and no peer finds a smaller objective."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from steepest import LinearRegression, LogisticRegression, RankWarning, SeparationWarning, SigmoidRegression

L2 = [0.0, 1e-6, 1e-2]


def log_losses(z, y):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))) - y * z


def objective(loss, X, y, weights, bias, sample_weight=None, offset=0.0, l2=0.0):
    """The objective in extended precision."""
    s = np.ones(len(y)) if sample_weight is None else sample_weight
    z = X.astype(np.longdouble) @ weights.astype(np.longdouble) + bias + offset
    costs = (y - z) ** 2 if loss == "squared_error" else log_losses(z, y)
    return (s * costs).sum() / s.sum() + np.longdouble(l2) / 2 * (weights.astype(np.longdouble) ** 2).sum()


class Oracle:
    """Damped Newton from a given place, in standardised columns, its gradients and sums in extended precision.

    The objectives are convex, so wherever it starts it ends at the minimum: started from an answer it says what the
    answer lacks.
    """

    def __init__(self, loss, X, y, sample_weight=None, offset=0.0, l2=0.0):
        s = np.ones(len(y)) if sample_weight is None else sample_weight
        counts = s > 0
        self.loss, self.y = loss, y[counts]
        self.offset = np.broadcast_to(offset, s.shape)[counts]
        self.share = s[counts].astype(np.longdouble) / s.sum(dtype=np.longdouble)
        X = X[counts].astype(np.longdouble)
        self.mean = self.share @ X
        X = X - self.mean
        self.scale = np.sqrt(self.share @ X**2)
        self.scale[self.scale == 0] = 1
        self.design = np.hstack([X / self.scale, np.ones((len(X), 1))])
        self.penalty = np.append(l2 / self.scale**2, 0)

    def cost(self, at):
        z = self.design @ at + self.offset
        costs = (self.y - z) ** 2 if self.loss == "squared_error" else log_losses(z, self.y)
        return self.share @ costs + (self.penalty * at * at).sum() / 2

    def step(self, at):
        z = self.design @ at + self.offset
        if self.loss == "squared_error":
            slope, curvature = 2 * (z - self.y), np.full(len(z), 2.0)
        else:
            e = np.exp(-np.abs(z))
            slope, curvature = np.where(z >= 0, 1, e) / (1 + e) - self.y, e / (1 + e) ** 2
        gradient = self.design.T @ (self.share * slope) + self.penalty * at
        roots = np.sqrt((self.share * curvature).astype(float))
        stacked = np.vstack([roots[:, None] * self.design.astype(float), np.diag(np.sqrt(self.penalty.astype(float)))])
        _, values, vectors = np.linalg.svd(np.linalg.qr(stacked)[1])
        kept = values > 1e-14 * values[0]
        vectors, values = vectors[kept], values[kept]
        size = np.abs(gradient).max() or np.longdouble(1)
        return -(vectors.T @ ((vectors @ (gradient / size).astype(float)) / values**2)) * size

    def minimum(self, weights, bias):
        at = np.append(weights * self.scale, bias + self.mean @ weights.astype(np.longdouble))
        cost = self.cost(at)
        for _ in range(60):
            step = self.step(at)
            for halvings in range(30):
                there = at + step / 2**halvings
                cost_there = self.cost(there)
                if cost_there < cost:
                    break
            else:
                break
            at, gain, cost = there, cost - cost_there, cost_there
            if gain < 1e-16 * cost:
                break
        return cost


def fitted(model, X, y, **data):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, **data)
    weights, bias = np.ravel(model.coef_), float(np.ravel(model.intercept_)[0])
    assert np.isfinite(weights).all()
    assert np.isfinite(bias)
    return weights, bias, {warning.category.__name__ for warning in caught}


def estimator(loss, **params):
    if loss == "squared_error":
        return LinearRegression(**params)
    return SigmoidRegression(loss=loss, **params)


def awkward(seed):
    """A data set as people have them: two targets, for the linear model and for the sigmoid."""
    rng = np.random.default_rng(seed)
    m = int(np.exp(rng.uniform(np.log(30), np.log(20_000))))
    n = min(int(rng.integers(1, 61)), max(1, m // 6))
    X = rng.normal(size=(m, n))

    def chance(probability):
        return rng.random() < probability

    if chance(0.7):
        X = X @ (np.eye(n) + rng.uniform(0, 2) * rng.normal(size=(n, n)) / np.sqrt(n))
    for j in range(n):
        kind = rng.random()
        if kind < 0.15:
            X[:, j] = np.exp(1.5 * X[:, j])
        elif kind < 0.25:
            X[:, j] = rng.random(m) < rng.uniform(0.5, 5) / np.sqrt(m)
        elif kind < 0.3:
            X[:, j] = rng.standard_t(2.5, size=m)
    if n > 3 and chance(0.5):
        X[:, -1] = X[:, 0] + 10 ** rng.uniform(-6, -2) * X[:, -1]
    if n > 3 and chance(0.4):
        width = min(n, int(rng.integers(3, 8)))
        X[:, :width] = np.eye(width)[rng.integers(0, width, size=m)]
        if chance(0.5):
            X[:, 0] = rng.normal(size=m)
    twins = n > 2 and chance(0.3)
    deviation = X.std(axis=0)
    deviation[deviation == 0] = 1
    standard = (X - X.mean(axis=0)) / deviation
    if chance(0.7):
        X = X * 10 ** rng.uniform(-5, 5, size=n)
    if chance(0.4):
        X = X + 10 ** rng.uniform(0, 2) * X.std(axis=0)
    if twins:
        X[:, 1] = X[:, 0]
        standard[:, 1] = standard[:, 0]
    offset = rng.normal(size=m) if chance(0.4) else None
    sample_weight = None
    if chance(0.5):
        sample_weight = rng.exponential(size=m)
        sample_weight[rng.random(m) < rng.choice([0.0, 0.2])] = 0
    z = standard @ rng.normal(size=n) * rng.uniform(0.2, 2) / np.sqrt(n) + (0 if offset is None else offset)
    rare = rng.uniform(3, 6) if m > 2000 and chance(0.3) else 0.0
    y = (z - rare + rng.logistic(size=m) > 0).astype(float)
    y[:2] = 0, 1
    data = {"sample_weight": sample_weight, "offset": offset}
    return X, {"squared_error": z + rng.normal(size=m), "log_loss": y}, data


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
def test_no_oracle_finds_less_on_awkward_data(loss, seed):
    X, targets, data = awkward(seed)
    y = targets[loss]
    numbers = {"sample_weight": data["sample_weight"], "offset": 0.0 if data["offset"] is None else data["offset"]}
    for l2 in L2:
        weights, bias, warned = fitted(estimator(loss, l2=l2, tol=1e-12), X, y, **data)
        if SeparationWarning.__name__ in warned:
            assert l2 == 0
            continue
        found = objective(loss, X, y, weights, bias, l2=l2, **numbers)
        best = Oracle(loss, X, y, l2=l2, **numbers).minimum(weights, bias)
        assert found <= best * (1 + 1e-12), f"l2={l2}: {float(found / best - 1):.2g} too much, {warned}"


def real(name):
    from sklearn import datasets

    if name == "diabetes":
        return datasets.load_diabetes(return_X_y=True, scaled=False)
    if name == "breast cancer":
        return datasets.load_breast_cancer(return_X_y=True)
    load, classes = {"iris": ("iris", (1, 2)), "wine": ("wine", (0, 1)), "digits": ("digits", (3, 8))}[name]
    X, y = getattr(datasets, f"load_{load}")(return_X_y=True)
    rows = np.isin(y, classes)
    return X[rows], (y[rows] == classes[1]).astype(float)


# Some weights tell the classes apart without error: there is no minimum without a penalty.
SEPARABLE = ["breast cancer", "wine", "digits"]


@pytest.mark.parametrize("l2", L2)
@pytest.mark.parametrize("name", ["breast cancer", "diabetes", "iris", "wine", "digits"])
def test_no_oracle_and_no_peer_finds_less_on_real_data(name, l2):
    from sklearn import linear_model

    X, y = real(name)
    loss = "squared_error" if name == "diabetes" else "log_loss"
    weights, bias, warned = fitted(estimator(loss, l2=l2, tol=1e-12), X, y)
    separated = l2 == 0 and name in SEPARABLE
    assert warned == ({SeparationWarning.__name__} if separated else set())
    if separated:
        return
    found = objective(loss, X, y, weights, bias, l2=l2)
    assert found <= Oracle(loss, X, y, l2=l2).minimum(weights, bias) * (1 + 1e-12)
    m = len(y)
    if loss == "squared_error":
        peers = [linear_model.Ridge(alpha=l2 * m / 2, solver="cholesky") if l2 else linear_model.LinearRegression()]
    else:
        strength = 1 / (m * l2) if l2 else np.inf
        peers = [
            linear_model.LogisticRegression(C=strength, solver=solver, tol=1e-10, max_iter=200)
            for solver in ("newton-cholesky", "lbfgs")
        ]
    for peer in peers:
        theirs = objective(loss, X, y, *fitted(peer, X, y)[:2], l2=l2)
        assert found <= theirs * (1 + 1e-12)


@pytest.mark.parametrize("name", SEPARABLE)
def test_the_default_tolerance_notices_separable_classes(name):
    assert SeparationWarning.__name__ in fitted(LogisticRegression(), *real(name))[2]


@pytest.mark.parametrize("mean", [1e3, 1e5, 1e8])
def test_rows_that_do_not_count_mislead_no_choice_of_scales(mean):
    """Every hundredth row is masked: all zero, weight zero. So are all that a look at 64 rows sees."""
    rng = np.random.default_rng(0)
    X, share = rng.normal(size=(6400, 3)), np.ones(6400)
    y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=6400)
    X += mean
    X[::100], share[::100] = 0, 0
    kept = X[share > 0] - mean
    design = np.column_stack([kept, np.ones(len(kept))])
    expected = np.linalg.lstsq(design, y[share > 0], rcond=None)[0][:3]
    model = LinearRegression().fit(X, y, sample_weight=share)
    assert model.coef_ == pytest.approx(expected, rel=1e-15 * mean + 1e-12)
    assert model.rank_ == 3


def nearly_another(nearness, seed=0):
    """Classes that depend on the difference of two columns, of which the products tell nothing."""
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(600, 3))
    y = (parts.sum(axis=1) + rng.logistic(size=600) > 0).astype(float)
    X = parts.copy()
    X[:, 2] = X[:, 0] + nearness * parts[:, 2]
    # The same model, of the difference itself as it was rounded.
    easy = np.column_stack([X[:, :2], (X[:, 2] - X[:, 0]) / nearness])
    return X, y, objective("log_loss", easy, y, *fitted(LogisticRegression(tol=1e-12), easy, y)[:2])


@pytest.mark.parametrize(
    ("nearness", "seed"), [(1e-6, 0), (3e-7, 0), (1e-8, 0), (3.4145488738336004e-08, 22), (1e-10, 0)]
)
@pytest.mark.parametrize("tol", [1e-6, 1e-8, 1e-10, 1e-12, 0])
def test_log_loss_arrives_where_a_column_is_nearly_another(nearness, seed, tol):
    X, y, least = nearly_another(nearness, seed)
    model = LogisticRegression(tol=tol)
    weights, bias, warned = fitted(model, X, y)
    assert SeparationWarning.__name__ not in warned
    if tol >= 1e-6:
        assert not warned
    assert model.history_.cost[-1] == pytest.approx(float(objective("log_loss", X, y, weights, bias)), rel=1e-7)
    # Weights of 1/nearness round what they add up to.
    assert objective("log_loss", X, y, weights, bias) <= least * (1 + 1e-12 + 1e-17 / nearness)


def test_too_few_iterations_are_called_that_where_a_column_is_nearly_another():
    X, y, least = nearly_another(1e-8)
    n_iter = LogisticRegression().fit(X, y).n_iter_
    assert n_iter > 5
    for max_iter in range(1, n_iter):
        model = LogisticRegression(max_iter=max_iter)
        _, _, warned = fitted(model, X, y)
        assert SeparationWarning.__name__ not in warned
        assert model.n_iter_ == len(model.history_.cost) - 1
        if model.history_.cost[-1] > least * (1 + 1e-8):
            assert model.stop_reason_ == "max_iter"
            assert not model.converged_


def test_early_stopping_is_heeded_where_a_column_is_nearly_another():
    X, y, _ = nearly_another(1e-8)
    X_val, y_val, _ = nearly_another(1e-8, seed=51)
    model = LogisticRegression(early_stopping=True, patience=2).fit(X, y, X_val=X_val, y_val=y_val)
    costs = model.history_.validation_cost
    best = int(np.argmin(costs))
    assert len(costs) - 1 - best <= 2


def test_exactly_dependent_columns_take_no_steps_by_qr():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(600, 4))
    y = (X.sum(axis=1) + rng.logistic(size=600) > 0).astype(float)
    alone = LogisticRegression().fit(X, y)
    with pytest.warns(RankWarning, match="column 4 is"):
        twice = LogisticRegression().fit(np.column_stack([X, X[:, 0] + X[:, 1]]), y)
    assert twice.n_iter_ == alone.n_iter_
    assert twice.history_.cost[-1] == pytest.approx(alone.history_.cost[-1], rel=1e-12)


@pytest.mark.parametrize("nearness", [1e-11, 2e-12])
@pytest.mark.parametrize("seed", range(6))
def test_least_squares_arrives_where_a_column_is_nearly_another(nearness, seed):
    rng = np.random.default_rng(seed)
    first, other = rng.normal(size=(2, 600))
    y = first + other + rng.normal(size=600)
    X = np.column_stack([first, first + nearness * other])
    weights, bias, _ = fitted(LinearRegression(), X, y)
    found = objective("squared_error", X, y, weights, bias)
    easy = np.column_stack([first, (X[:, 1] - X[:, 0]) / nearness])
    least = objective("squared_error", easy, y, *fitted(LinearRegression(), easy, y)[:2])
    # Weights of 1/nearness round what they add up to.
    assert found <= least * (1 + 1e-5)


FAR = pytest.mark.parametrize("far", [1e6, 1e8, 1e10, 1e12])


def one_far_row(seed, label):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(500, 4))
    y = (X @ rng.normal(size=4) + rng.logistic(size=500) > 0).astype(float)
    y[77] = label
    return X, y, np.arange(500) != 77


@FAR
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("tol", [1e-6, 1e-10])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_value_far_from_all_others_hides_no_minimum(far, seed, tol, order):
    # The row goes where its class has it for next to no cost, or holds the column's weight at 0.
    for label in 0, 1:
        X, y, others = one_far_row(seed, label)
        X[77, 1] = far
        model = LogisticRegression(tol=tol).fit(np.asarray(X, order=order), y)
        expected = LogisticRegression(tol=1e-12).fit(X[others], y[others]).coef_
        if (expected[0, 1] > 0) != label:
            without = np.delete(X[others], 1, axis=1)
            expected = np.insert(LogisticRegression(tol=1e-12).fit(without, y[others]).coef_, 1, 0, axis=1)
        assert model.converged_
        assert len(model.history_.cost) == model.n_iter_ + 1
        np.testing.assert_allclose(model.coef_, expected, rtol=0, atol=1e-6 + 100 / far)


@FAR
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("l2", [0, 1e-2])
def test_a_row_far_from_all_others_hides_no_minimum(far, seed, l2):
    for label in 0, 1:
        X, y, others = one_far_row(seed, label)
        X[77] = far
        model = LogisticRegression(l2=l2).fit(X, y)
        free = LogisticRegression(tol=1e-12, l2=l2 * 500 / 499).fit(X[others], y[others])
        expected = free.coef_[0]
        if (expected.sum() > 0) != label:
            # What is left are the differences of columns; the penalty is that of orthonormal ones.
            basis = np.linalg.qr(np.column_stack([np.ones(4), np.eye(4)[:, :3]]))[0][:, 1:]
            free = LogisticRegression(tol=1e-12, l2=l2 * 500 / 499).fit(X[others] @ basis, y[others])
            expected = basis @ free.coef_[0]
        assert model.converged_
        np.testing.assert_allclose(model.coef_[0], expected, rtol=0, atol=1e-6 + 100 / far)


@pytest.mark.parametrize("row", [0, 77])
@pytest.mark.parametrize("cls", [LinearRegression, LogisticRegression])
def test_a_row_far_from_all_others_that_does_not_count_changes_nothing(cls, row):
    X, y, _ = one_far_row(0, 1)
    X[row] = 1e12
    others = np.arange(500) != row
    expected = cls().fit(X[others], y[others]).coef_
    np.testing.assert_allclose(cls().fit(X, y, sample_weight=others.astype(float)).coef_, expected, rtol=1e-7)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n", [200, 300])
@pytest.mark.parametrize("l2", [0, 1e-2])
def test_many_columns_cost_no_digits(rng, dtype, order, n, l2):
    X = rng.normal(size=(3000, n)) * 20 + rng.normal(size=n)
    X = np.asarray(X.astype(dtype), order=order)
    share = rng.uniform(0.1, 2, size=3000)
    y = X @ rng.normal(size=n) + rng.normal(size=3000)
    root = np.sqrt(share / share.sum())[:, None]
    centred = root * (X.astype(np.float64) - share @ X / share.sum())
    design = np.vstack([centred, np.sqrt(l2 / 2) * np.eye(n)])
    targets = np.concatenate([root[:, 0] * (y - share @ y / share.sum()), np.zeros(n)])
    expected = np.linalg.lstsq(design, targets, rcond=None)[0]
    models = [LinearRegression(l2=l2, n_threads=k).fit(X, y, sample_weight=share) for k in (1, 2, 3)]
    np.testing.assert_allclose(models[0].coef_, expected, rtol=0, atol=2e-14 * np.abs(expected).max())
    residuals = root[:, 0] * (y - models[0].predict(X))
    gradient = l2 * models[0].coef_ - 2 * centred.T @ residuals
    largest = np.abs(gradient / np.linalg.norm(centred, axis=0)).max() / np.linalg.norm(targets)
    assert largest - 1e-14 < models[0].optimality_ < 1e-12
    for model in models[1:]:
        np.testing.assert_array_equal(model.coef_, models[0].coef_)


@pytest.mark.parametrize("n", [100, 150, 300])
@pytest.mark.parametrize("noise", [0, 1e-9, 1e-5, 1e-2])
def test_the_last_cost_is_that_of_the_answer(rng, n, noise):
    X = rng.normal(size=(5000, n))
    y = X @ rng.normal(size=n) + noise * rng.normal(size=5000)
    model = LinearRegression().fit(X, y)
    cost = np.mean((y - X @ model.coef_ - model.intercept_) ** 2)
    first, *_, last = model.history_.cost
    np.testing.assert_allclose(last, cost, rtol=1e-6 if noise else 0, atol=0 if noise else 1e-28 * first)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1])
def test_targets_that_are_all_alike_need_no_columns(rng, value):
    model = LinearRegression().fit(rng.normal(size=(3000, 150)), np.full(3000, value))
    np.testing.assert_allclose(model.coef_, 0, atol=1e-17)
    np.testing.assert_allclose(model.intercept_, value, rtol=1e-15)
    assert model.converged_
    assert model.optimality_ == 0


@pytest.mark.parametrize("l2", [0, 1e-3])
def test_many_indicators_cost_no_digits(rng, l2):
    groups = rng.integers(0, 200, size=20_000)
    indicators = groups[:, None] == np.arange(1, 200)
    X = np.column_stack([indicators, rng.normal(size=(20_000, 3)), rng.integers(0, 7, size=20_000)])
    y = 0.1 * groups + X @ rng.normal(size=X.shape[1]) + rng.normal(size=20_000)
    centred = (X - X.mean(axis=0)) / np.sqrt(len(X))
    design = np.vstack([centred, np.sqrt(l2 / 2) * np.eye(X.shape[1])])
    targets = np.concatenate([(y - y.mean()) / np.sqrt(len(X)), np.zeros(X.shape[1])])
    expected = np.linalg.lstsq(design, targets, rcond=None)[0]
    model = LinearRegression(l2=l2).fit(X, y)
    np.testing.assert_allclose(model.coef_, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    assert model.optimality_ < 1e-11


@pytest.mark.parametrize("nearness", [1e-2, 1e-4, 1e-7])
def test_dependence_of_two_of_many_columns_costs_no_digits_but_its_own(rng, nearness):
    parts = rng.normal(size=(3000, 300))
    y = parts.sum(axis=1) + rng.normal(size=3000)
    X = parts.copy()
    X[:, 299] = X[:, 0] + nearness * parts[:, 299]
    model = LinearRegression().fit(X, y)
    difference = (X[:, 299] - X[:, 0]) / nearness
    easy = LinearRegression().fit(np.column_stack([X[:, :299], difference]), y)
    np.testing.assert_allclose(model.coef_[299] * nearness, easy.coef_[299], rtol=1e-13 / nearness)
    np.testing.assert_allclose(model.coef_[1:299], easy.coef_[1:299], rtol=0, atol=1e-14 / nearness)
    assert model.rank_ == 300


def mean_log_loss(X, y, model):
    z = X @ model.coef_[0] + model.intercept_[0]
    return np.mean(np.logaddexp(0, z) - y * z)


@pytest.mark.parametrize("n_features", [1, 3])
@pytest.mark.parametrize("l2", [0, 1e-6])
@pytest.mark.parametrize("size", [1e7, 1e9, 1e12])
def test_a_long_tail_hides_no_minimum(n_features, l2, size):
    # Means and deviations are those of five rows, beside which all others are alike.
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = np.exp(rng.normal(size=(400, n_features)))
        y = np.log(X[:, 0]) + rng.logistic(size=400) > 0
        far = rng.choice(np.flatnonzero(y), 5, replace=False)
        X[far, 0] = size * rng.uniform(1, 10, size=5)
        model = LogisticRegression(l2=l2).fit(X, y)
        bulk = np.setdiff1d(np.arange(400), far)
        without = LogisticRegression(l2=l2 * 400 / 395, tol=1e-10).fit(X[bulk], y[bulk])
        assert without.coef_[0, 0] > 0
        assert model.converged_
        # The far rows cost nothing there.
        assert mean_log_loss(X, y, model) == pytest.approx(mean_log_loss(X, y, without), rel=1e-7)
        np.testing.assert_allclose(model.coef_, without.coef_, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("mean", "deviation"), [(1e6, 1e-9), (1e12, 1e-3), (1e15, 1.0)])
def test_a_column_that_differs_in_its_last_digits_is_no_constant(mean, deviation):
    rng = np.random.default_rng(0)
    x = mean + deviation * rng.normal(size=500)
    y = rng.random(500) < 1 / (1 + np.exp(-3 * (x - x.mean()) / x.std()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert LogisticRegression().fit(x[:, None], y).score(x[:, None], y) > 0.8


def test_columns_over_many_decades_have_one_minimum_whatever_the_order_of_rows():
    rng = np.random.default_rng(34)
    m = int(rng.integers(40, 400))
    x = np.exp(rng.uniform(1.5, 3.5) * rng.normal(size=m))
    y = np.log(x) + 2 * rng.logistic(size=m) > 0
    X = np.column_stack([x, x**2, x**3])
    costs = []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(m)
        model = LogisticRegression(max_iter=3000).fit(X[order], y[order])
        assert model.converged_
        costs.append(model.history_.cost[-1])
    np.testing.assert_allclose(costs, min(costs), rtol=1e-6)


@pytest.mark.parametrize("constant", [1e6, 1.7e12])
@pytest.mark.parametrize("l2", [1e-6, 1e-2])
@pytest.mark.parametrize("n_features", [5, 500])
def test_a_constant_column_gets_no_weight_under_a_penalty(constant, l2, n_features):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, n_features))
    y = X[:, 0] + rng.logistic(size=200) > 0
    for cls in (LogisticRegression, SigmoidRegression):
        without = cls(l2=l2, tol=1e-8).fit(X, y)
        model = cls(l2=l2, tol=1e-8).fit(np.column_stack([X, np.full(200, constant)]), y)
        assert np.ravel(model.coef_)[-1] == 0.0
        assert model.history_.cost[-1] == pytest.approx(without.history_.cost[-1], rel=1e-9)


@pytest.mark.parametrize("tiny", [1e-155, 1e-200, 1e-310])
@pytest.mark.parametrize("options", [{}, {"l2": 1e-3}, {"l1": 1e-3}])
@pytest.mark.parametrize("cls", [LinearRegression, SigmoidRegression, LogisticRegression])
def test_values_may_be_next_to_nothing_where_the_scales_are_looked_for(cls, options, tiny):
    # As of a narrow kernel. A few rows in a thousand are looked at first.
    rng = np.random.default_rng(0)
    X = np.column_stack([np.zeros(1000), rng.normal(size=1000)])
    X[rng.random(1000) < 0.1, 0] = tiny
    X[[501, 777, 902], 0] = 1.0, 0.9, 0.7
    y = X[:, 1] + rng.logistic(size=1000) > 0
    y[[501, 777, 902]] = True, False, True
    rounded = np.where(abs(X) < 1e-100, 0.0, X)
    model, expected = cls(tol=1e-10, **options).fit(X, y), cls(tol=1e-10, **options).fit(rounded, y)
    np.testing.assert_allclose(np.ravel(model.coef_), np.ravel(expected.coef_), rtol=1e-6, atol=1e-9)
