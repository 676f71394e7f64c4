"""What the three estimators share: parameters, the fit from validation to result, prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np

from steepest import _core
from steepest._exceptions import NotFittedError, kin
from steepest._frames import check_feature_names, feature_names
from steepest._history import History
from steepest._hold_out import check_fraction, check_random_state, hold_out
from steepest._names import SOLVERS, Activation, Loss, Solver
from steepest._parametrised import Parametrised
from steepest._report import Asked, explained, quoted, warn_of_fit
from steepest._shown import shown
from steepest._sklearn import request_setter
from steepest._validation import (
    Array,
    FloatArray,
    as_matrix,
    as_optional_vector,
    as_scalar,
    as_targets,
    as_weights,
    average_weights,
    check_bool,
    check_choice,
    check_integer,
    check_real,
    check_threads,
    ravel_column,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steepest._hold_out import RandomState


class Estimator(Parametrised):
    """Base of the estimators; what a parameter means is said by each of them."""

    _activation: ClassVar[Activation]

    coef_: FloatArray
    intercept_: Any
    n_iter_: int
    converged_: bool
    stop_reason_: str
    learning_rate_: float | None
    optimality_: float
    condition_: float
    history_: History
    n_features_in_: int
    feature_names_in_: Array
    _metadata_request: Any

    def __init__(
        self,
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        fit_intercept: bool = True,
        solver: Solver = "auto",
        learning_rate: float | Literal["auto"] = "auto",
        max_iter: int = 1000,
        tol: float = 1e-6,
        early_stopping: bool = False,
        patience: int = 10,
        validation_fraction: float | None = None,
        random_state: RandomState = 0,
        warm_start: bool = False,
        n_threads: int | None = None,
    ) -> None:
        self.l1 = l1
        self.l2 = l2
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.tol = tol
        self.early_stopping = early_stopping
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.warm_start = warm_start
        self.n_threads = n_threads

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        offset: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        offset_val: Any = None,
        coef_init: Any = None,
        intercept_init: Any = None,
    ) -> Self:
        """Fit the model to training data.

        `X` is read where it lies and must not change meanwhile. Whatever is raised, the estimator stays as it was.

        Parameters
        ----------
        X : array-like of shape (m, n)
            One sample a row: any layout; float64, float32, float16, any integer or bool. Arithmetic is float64.
        y : array-like of shape (m,)
            Targets: numbers, for `SigmoidRegression` from 0 to 1; for `LogisticRegression` two labels of any kind.
        sample_weight : array-like of shape (m,), optional
            How often each sample counts, 0 or more; 1 each if not given.
        offset : array-like of shape (m,), optional
            A known number for each row, added to its linear predictor: z = w·x + b + offset. Nothing of it is kept:
            pass the rows' own to the methods that predict.
        X_val, y_val, sample_weight_val, offset_val : array-like, optional
            Validation data, of the same form, the first two together. Their cost C, without penalties, is recorded at
            each iteration; nothing is fitted to them.
        coef_init : array-like of shape (n,), optional
            Weights to start from. Least squares solved exactly need no start.
        intercept_init : float, optional
            Bias to start from; with `fit_intercept=False` it is 0. If only one of the two is given the other is 0; if
            neither is, the solver starts where it likes, gradient descent from 0.

        Returns
        -------
        self
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            For bad data or parameters; the message names the argument, the value and where it is.
        DivergenceError
            If the learning rate is too large for the data.

        Warns
        -----
        ConvergenceWarning
            If the fit ended, at `max_iter` or for rounding errors, before the gradient was as small as `tol` asks; or
            if early stopping went back to the model without weights.
        SeparationWarning
            If the classes can be told apart without error, so that the cost has no minimum; it names the columns. Of
            the squared error, if they can be for all rows. Gradient descent does not look.
        RankWarning
            If columns are constant or combinations of others, so that the weights are not unique; it names them. None
            is issued with more features than samples (weights are never unique then; see `rank_` of
            `LinearRegression`), with a penalty, or by gradient descent; L-BFGS, and the sigmoid models of more than
            some 600 columns, see constants alone.
        """
        options = self._options()
        fraction, seed = check_fraction(self.validation_fraction), check_random_state(self.random_state)
        X_array = as_matrix(X)
        n_samples, n_features = X_array.shape
        names = feature_names(X, n_features)
        labels = ravel_column(y, "y")
        classes, targets = self._find_classes(labels, n_samples)
        weights = as_optional_vector(sample_weight, "sample_weight", n_samples, "X")
        offsets = as_optional_vector(offset, "offset", n_samples, "X")
        class_weight = self._class_weight(classes, targets, weights)

        training: _Samples = X_array, targets, weights, offsets
        validation = self._validation(
            n_features, names, classes, X_val, y_val, sample_weight_val=sample_weight_val, offset_val=offset_val
        )
        if fraction is not None:
            training, validation = _split(fraction, seed, training, classes)

        start_weights, start_bias = self._start(n_features, names, classes, coef_init, intercept_init)
        try:
            result = _core.fit(
                *training,
                *(validation or _NO_SAMPLES),
                activation=self._activation,
                loss=self._loss(),
                start_weights=start_weights,
                start_bias=start_bias,
                class_weight=class_weight,
                **options,
            )
        except ValueError as error:
            raise explained(error, n_features, X=X, X_val=X_val) from None
        asked = Asked(
            type(self).__name__,
            l2=options["l2"],
            fit_intercept=options["fit_intercept"],
            solver=options["solver"],
            max_iter=options["max_iter"],
            tol=options["tol"],
            early_stopping=options["patience"] is not None,
            holds_out=fraction is not None,
        )
        warn_of_fit(asked, result, names)
        self._take(result, n_features, names, classes)
        return self

    def _options(self) -> Mapping[str, Any]:
        """Check the constructor's parameters and return them as the core takes them."""
        check_choice(self.solver, "solver", SOLVERS)
        rate = None
        if not (isinstance(self.learning_rate, str) and self.learning_rate == "auto"):
            expected = "'auto' or a positive number"
            rate = check_real(self.learning_rate, "learning_rate", expected, low=0.0, inclusive=False)
            if self.solver not in ("auto", "gd"):
                raise ValueError(
                    f"learning_rate is {shown(self.learning_rate)}, expected 'auto' with solver {self.solver!r}: only "
                    "gradient descent takes one, solver='gd'."
                )
        early_stopping = check_bool(self.early_stopping, "early_stopping")
        check_bool(self.warm_start, "warm_start")
        patience = check_integer(self.patience, "patience", "a positive integer", low=1)
        l1 = check_real(self.l1, "l1", "a number, 0 or larger", low=0.0, inclusive=True)
        if l1 > 0 and (rate is not None or self.solver != "auto"):
            chosen = f"solver {self.solver!r}"
            if rate is not None and self.solver == "auto":
                chosen = f"solver 'gd', which learning_rate={shown(self.learning_rate)} chooses"
            raise ValueError(
                f"l1 is {shown(self.l1)}, expected 0 with {chosen}: l1 Σ|wⱼ| has no gradient where a weight is 0. "
                "Leave solver and learning_rate at 'auto'."
            )
        return {
            "l1": l1,
            "l2": check_real(self.l2, "l2", "a number, 0 or larger", low=0.0, inclusive=True),
            "fit_intercept": check_bool(self.fit_intercept, "fit_intercept"),
            "solver": "gd" if rate is not None else self.solver,
            "learning_rate": rate,
            "max_iter": check_integer(self.max_iter, "max_iter", "a positive integer", low=1),
            "tol": check_real(self.tol, "tol", "a number, 0 or larger", low=0.0, inclusive=True),
            "patience": patience if early_stopping else None,
            "n_threads": check_threads(self.n_threads),
        }

    def _validation(
        self, n_features: int, names: Array | None, classes: Array | None, X: Any, y: Any, **others: Any
    ) -> _Samples | None:
        """Check validation data and whether there are any where they are needed; `others` are named as in `fit`."""
        given = [name for name, value in {"X_val": X, "y_val": y, **others}.items() if value is not None]
        if given and self.validation_fraction is not None:
            raise ValueError(
                f"{given[0]} is given and validation_fraction is {shown(self.validation_fraction)}; validation data "
                "are either given or held out."
            )
        if X is not None and y is not None:
            array = as_matrix(X, "X_val")
            check_feature_names(X, array.shape[1], names, type(self).__name__, "X_val")
            self._check_width(array, n_features, "X_val")
            targets = self._encode(y, "y_val", len(array), "X_val", classes)
            weights, offsets = (as_optional_vector(value, name, len(array), "X_val") for name, value in others.items())
            return array, targets, weights, offsets
        if given:
            missing = "y_val is" if X is not None else "X_val is" if y is not None else "X_val and y_val are"
            raise ValueError(f"{given[0]} is given but {missing} not; validation data needs both.")
        if self.early_stopping and self.validation_fraction is None:
            raise ValueError(
                "early_stopping=True needs validation data: pass X_val and y_val to fit, or set validation_fraction, "
                "such as 0.1, to hold out some of X and y."
            )
        return None

    def _start(
        self, n_features: int, names: Array | None, classes: Array | None, coef_init: Any, intercept_init: Any
    ) -> tuple[FloatArray | None, float]:
        if coef_init is None and intercept_init is None:
            if not (self.warm_start and "coef_" in (last := vars(self))):
                return None, 0.0
            if last["n_features_in_"] != n_features:
                raise ValueError(
                    f"warm_start=True starts from the last fit, which had {last['n_features_in_']} features; X has "
                    f"{n_features}."
                )
            fitted = last.get("classes_")
            if fitted is not None and classes is not None and not np.array_equal(fitted, classes):
                raise ValueError(
                    f"warm_start=True starts from the last fit, whose classes were {shown(fitted.tolist())}; y has "
                    f"{shown(classes.tolist())}."
                )
            known = last.get("feature_names_in_")
            if known is not None and names is not None and list(known) != list(names):
                raise ValueError(
                    f"warm_start=True starts from the last fit, whose columns were {quoted(known)}; those of X are "
                    f"{quoted(names)}."
                )
            weights, bias = parameters(last)
            return weights, bias if self.fit_intercept else 0.0
        weights = np.zeros(n_features) if coef_init is None else as_weights(coef_init, n_features, "coef_init")
        bias = 0.0 if intercept_init is None else as_scalar(intercept_init, "intercept_init")
        if bias != 0.0 and not self.fit_intercept:
            raise ValueError(f"intercept_init is {bias}, expected 0: fit_intercept=False fixes the bias at 0.")
        return weights, bias

    def _take(self, result: _core.FitResult, n_features: int, names: Array | None, classes: Array | None) -> None:
        """Keep a fit: by one assignment, so that threads, signals and copies meet the last state or the new one."""
        coef, intercept = self._shaped(result.weights, result.bias)
        fitted = {
            "coef_": coef,
            "intercept_": intercept,
            "n_iter_": result.n_iter,
            "stop_reason_": result.stop_reason,
            "converged_": result.stop_reason == "tolerance",
            "learning_rate_": result.learning_rate,
            "optimality_": _or_nan(result.optimality),
            "condition_": _or_nan(result.condition),
            "history_": History(
                cost=result.cost,
                validation_cost=result.validation_cost,
                gradient_norm=result.gradient_norm,
                seconds=result.seconds,
            ),
            "n_features_in_": n_features,
        }
        sometimes = {"rank_": result.rank, "classes_": classes, "feature_names_in_": names}
        state = vars(self).copy()
        for name in sometimes:
            state.pop(name, None)
        state.update(fitted)
        state.update((name, value) for name, value in sometimes.items() if value is not None)
        self.__dict__ = state

    # What the estimators differ in.

    def _loss(self) -> Loss:
        return "squared_error"

    def _find_classes(self, labels: Array, n_samples: int) -> tuple[Array | None, Array]:
        """Return the classes, if the model has any, and `labels` as targets."""
        return None, self._encode(labels, "y", n_samples, "X", None)

    def _encode(self, y: Any, name: str, n_samples: int, X_name: str, classes: Array | None) -> Array:
        return as_targets(y, name, n_samples, X_name)

    def _class_weight(
        self, classes: Array | None, targets: Array, weights: Array | None
    ) -> tuple[float, float] | Literal["balanced"] | None:
        return None

    def _shaped(self, weights: FloatArray, bias: float) -> tuple[FloatArray, Any]:
        return weights, bias

    # Prediction.

    def _fitted(self) -> Mapping[str, Any]:
        """Return the attributes of this moment, all of one fit: the next makes new ones."""
        state = vars(self)
        if "coef_" not in state:
            name = type(self).__name__
            raise kin(NotFittedError)(f"This {name} instance is not fitted yet. Call fit with training data first.")
        return state

    def _check_width(self, X: Array, n_features: int, name: str = "X") -> None:
        if X.shape[1] != n_features:
            raise ValueError(
                f"{name} has {X.shape[1]} features, but {type(self).__name__} is expecting {n_features} features "
                "as input."
            )

    def _checked(self, fitted: Mapping[str, Any], X: Any, offset: Any) -> tuple[Array, Array | None]:
        """Return `X` and `offset` as arrays that what was fitted can predict for."""
        array = as_matrix(X)
        check_feature_names(X, array.shape[1], fitted.get("feature_names_in_"), type(self).__name__)
        self._check_width(array, fitted["n_features_in_"])
        return array, as_optional_vector(offset, "offset", len(array), "X")

    def _forward(
        self, X: Any, offset: Any, activation: Activation, fitted: Mapping[str, Any] | None = None
    ) -> FloatArray:
        if fitted is None:
            fitted = self._fitted()
        array, offsets = self._checked(fitted, X, offset)
        try:
            return _core.forward(array, offsets, *parameters(fitted), activation, check_threads(self.n_threads))
        except ValueError as error:
            raise explained(error, array.shape[1], X=X) from None

    # scikit-learn's metadata routing.

    def get_metadata_routing(self) -> Any:
        """Return which arguments of which methods scikit-learn is to pass on, as its `set_config` enables."""
        from steepest._sklearn import metadata_routing

        return metadata_routing(self)

    set_fit_request = request_setter("fit")
    set_predict_request = request_setter("predict")
    set_score_request = request_setter("score")


def parameters(fitted: Mapping[str, Any]) -> tuple[FloatArray, float]:
    """Return the weights and the bias among fitted attributes as the core takes them."""
    weights = np.asarray(fitted["coef_"], dtype=np.float64).reshape(-1)
    return weights, float(np.reshape(fitted["intercept_"], -1)[0])


_Samples: TypeAlias = tuple[Array, Array, Array | None, Array | None]
"""X, y, sample weights and offsets."""
_NO_SAMPLES = (None, None, None, None)


def _split(fraction: float, seed: RandomState, training: _Samples, classes: Array | None) -> tuple[_Samples, _Samples]:
    """Set samples aside for validation: copies of these, and weights of 0 where they were."""
    X, targets, weights, offsets = training
    counts = average_weights(weights, len(X))
    held_out = hold_out(fraction, seed, len(X), counts, None if classes is None else targets)
    validation = (
        X[held_out],
        targets[held_out],
        None if weights is None else weights[held_out],
        None if offsets is None else offsets[held_out],
    )
    return (X, targets, ~held_out if weights is None else np.where(held_out, 0, weights), offsets), validation


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value
