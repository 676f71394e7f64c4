"""What the three estimators share: parameters, the fit from validation to result, prediction."""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

import numpy as np

from steepest import _core
from steepest._exceptions import ConvergenceWarning, NotFittedError, RankWarning, SeparationWarning, kin, stacklevel
from steepest._frames import check_feature_names, feature_names
from steepest._history import History
from steepest._names import Activation, Loss, Solver
from steepest._sklearn import request_setter
from steepest._validation import (
    FILL_IN,
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
    check_finite,
    check_integer,
    check_real,
    check_threads,
    ravel_column,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Estimator:
    """Base of the estimators; what a parameter means is said by each of them."""

    _activation: ClassVar[Activation]
    _defaults: ClassVar[Mapping[str, Any]]

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
        self.warm_start = warm_start
        self.n_threads = n_threads

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        parameters = inspect.signature(cls.__init__).parameters
        cls._defaults = {name: parameter.default for name, parameter in parameters.items() if name != "self"}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters, by name.

        Parameters
        ----------
        deep : bool, default=True
            Accepted for scikit-learn's protocol; no parameter holds another estimator.
        """
        return {name: getattr(self, name) for name in self._defaults}

    def set_params(self, **params: Any) -> Self:
        """Set constructor parameters by name and return the estimator.

        Raises
        ------
        ValueError
            If a name is not a parameter; nothing is set then.
        """
        for name in params:
            if name not in self._defaults:
                raise ValueError(
                    f"Invalid parameter {name!r} for {self!r}. Valid parameters are: {sorted(self._defaults)}."
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        differs = (item for item in self.get_params().items() if repr(item[1]) != repr(self._defaults[item[0]]))
        shown = (f"{name}={value!r}" for name, value in differs)
        return f"{type(self).__name__}({', '.join(shown)})"

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
            Weights to start from, 0 if not given. Least squares solved exactly need no start.
        intercept_init : float, optional
            Bias to start from, 0 if not given; with `fit_intercept=False` it is 0.

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
            If the classes can be told apart without error, so that the log loss has no minimum; it names the columns.
        RankWarning
            By `LinearRegression`, if columns are constant or combinations of others, so that the weights are not
            unique; it names them. With more features than samples they never are without a penalty; `rank_` says so,
            and nothing is raised.
        """
        options = self._options()
        X_array = as_matrix(X)
        names = feature_names(X)
        n_samples, n_features = X_array.shape
        labels = ravel_column(y, "y")
        classes, targets = self._find_classes(labels, n_samples)
        weights = as_optional_vector(sample_weight, "sample_weight", n_samples, "X")
        offsets = as_optional_vector(offset, "offset", n_samples, "X")

        if (X_val is None) != (y_val is None):
            given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
            raise ValueError(f"{given} is given but {missing} is not; validation data needs both.")
        X_val_array = targets_val = weights_val = offsets_val = None
        if X_val is not None:
            X_val_array = as_matrix(X_val, "X_val")
            check_feature_names(X_val, names, type(self).__name__, "X_val")
            self._check_width(X_val_array, n_features, "X_val")
            targets_val = self._encode(y_val, "y_val", len(X_val_array), "X_val", classes)
            weights_val = as_optional_vector(sample_weight_val, "sample_weight_val", len(X_val_array), "X_val")
            offsets_val = as_optional_vector(offset_val, "offset_val", len(X_val_array), "X_val")
        elif self.early_stopping:
            raise ValueError(
                "early_stopping=True needs validation data: pass X_val and y_val to fit. What fits for you, such as "
                "scikit-learn's cross_val_score, passes them on if they are among its params."
            )
        else:
            for name, given in (("sample_weight_val", sample_weight_val), ("offset_val", offset_val)):
                if given is not None:
                    raise ValueError(f"{name} is given but X_val and y_val are not.")

        class_weight = self._class_weight(classes, targets, weights)
        start_weights, start_bias = self._start(n_features, names, classes, coef_init, intercept_init)
        try:
            result = _core.fit(
                X_array,
                targets,
                weights,
                offsets,
                X_val_array,
                targets_val,
                weights_val,
                offsets_val,
                activation=self._activation,
                loss=self._loss(),
                start_weights=start_weights,
                start_bias=start_bias,
                class_weight=class_weight,
                **options,
            )
        except ValueError as error:
            raise explained(error, names) from None
        self._take(result, n_features, names, classes)
        return self

    def _options(self) -> Mapping[str, Any]:
        """Check the constructor's parameters and return them as the core takes them."""
        check_choice(self.solver, "solver", get_args(Solver))
        rate = None
        if not (isinstance(self.learning_rate, str) and self.learning_rate == "auto"):
            expected = "'auto' or a positive number"
            rate = check_real(self.learning_rate, "learning_rate", expected, low=0.0, inclusive=False)
            if self.solver not in ("auto", "gd"):
                raise ValueError(
                    f"learning_rate is {self.learning_rate!r}, expected 'auto' with solver {self.solver!r}: only "
                    "gradient descent takes one, solver='gd'."
                )
        early_stopping = check_bool(self.early_stopping, "early_stopping")
        check_bool(self.warm_start, "warm_start")
        patience = check_integer(self.patience, "patience", "a positive integer", low=1)
        l1 = check_real(self.l1, "l1", "a number, 0 or larger", low=0.0, inclusive=True)
        if l1 > 0 and (rate is not None or self.solver != "auto"):
            chosen = f"solver {self.solver!r}"
            if rate is not None and self.solver == "auto":
                chosen = f"solver 'gd', which learning_rate={self.learning_rate!r} chooses"
            raise ValueError(
                f"l1 is {self.l1!r}, expected 0 with {chosen}: l1 Σ|wⱼ| has no gradient where a weight is 0. Leave "
                "solver and learning_rate at 'auto'."
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

    def _start(
        self, n_features: int, names: Array | None, classes: Array | None, coef_init: Any, intercept_init: Any
    ) -> tuple[FloatArray | None, float]:
        if coef_init is None and intercept_init is None:
            if not (self.warm_start and hasattr(self, "coef_")):
                return None, 0.0
            if self.n_features_in_ != n_features:
                raise ValueError(
                    f"warm_start=True starts from the last fit, which had {self.n_features_in_} features; X has "
                    f"{n_features}."
                )
            fitted = getattr(self, "classes_", None)
            if fitted is not None and classes is not None and not np.array_equal(fitted, classes):
                raise ValueError(
                    f"warm_start=True starts from the last fit, whose classes were {fitted.tolist()}; y has "
                    f"{classes.tolist()}."
                )
            known = getattr(self, "feature_names_in_", None)
            if known is not None and names is not None and list(known) != list(names):
                raise ValueError(
                    f"warm_start=True starts from the last fit, whose columns were {_quoted(known)}; those of X are "
                    f"{_quoted(names)}."
                )
            weights, bias = self._parameters()
            return weights, bias if self.fit_intercept else 0.0
        weights = np.zeros(n_features) if coef_init is None else as_weights(coef_init, n_features, "coef_init")
        bias = 0.0 if intercept_init is None else as_scalar(intercept_init, "intercept_init")
        if bias != 0.0 and not self.fit_intercept:
            raise ValueError(f"intercept_init is {bias}, expected 0: fit_intercept=False fixes the bias at 0.")
        return weights, bias

    def _take(self, result: _core.FitResult, n_features: int, names: Array | None, classes: Array | None) -> None:
        """Say what is to be said of the fit, then keep it, all at once."""
        history = History(
            cost=result.cost,
            validation_cost=result.validation_cost,
            gradient_norm=result.gradient_norm,
            seconds=result.seconds,
        )
        self._warn(result, history, names)
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
            "history_": history,
            "n_features_in_": n_features,
        }
        if result.rank is not None:
            fitted["rank_"] = result.rank
        else:
            vars(self).pop("rank_", None)
        if classes is not None:
            fitted["classes_"] = classes
        if names is not None:
            fitted["feature_names_in_"] = names
        else:
            vars(self).pop("feature_names_in_", None)
        vars(self).update(fitted)

    def _warn(self, result: _core.FitResult, history: History, names: Array | None) -> None:
        def warn(category: type[Warning], message: str) -> None:
            warnings.warn(f"{type(self).__name__} {message}", kin(category), stacklevel=stacklevel())

        if result.dependent:
            listed = _listed(result.dependent, names)
            penalty = "set l2 to a positive number" if self.l2 == 0 else f"raise l2: {self.l2:g} is lost in rounding"
            beside = ("constant", " beside the constant") if self.fit_intercept else ("0", "")
            warn(
                RankWarning,
                f"found that {listed} {_agree('is', 'are', result.dependent)} {beside[0]} or a combination of other "
                f"columns: X has rank {result.rank}{beside[1]}. Of all weights that fit equally well those of least "
                f"norm are taken; predictions are not affected. Leave out such columns, or {penalty}.",
            )
        if result.stop_reason == "separation":
            where = f"where its gradient fell to {result.optimality:.2g}"
            if not result.separating:
                warn(
                    SeparationWarning,
                    "found the targets to be all 0 or all 1: the log loss falls for ever as the bias grows, and has no "
                    f"minimum. The bias is the one {where}.",
                )
                return
            listed = _listed(result.separating, names)
            warn(
                SeparationWarning,
                f"found that {listed} {_agree('tells', 'tell', result.separating)} the classes apart without error, "
                "for all rows or for some: the log loss falls for ever as the weights grow, and has no minimum. The "
                f"weights are those {where}. Set l2 to a positive number, such as 1e-4, or leave out such columns.",
            )
        elif result.stop_reason == "early_stopping" and history.best_iteration == 0 and not np.any(result.weights):
            smaller = "; solver='gd' takes smaller steps" if result.learning_rate is None else ""
            warn(
                ConvergenceWarning,
                "went back to iteration 0, the model without weights: no iteration lowered the validation cost. Look "
                f"whether X_val went through all that X went through{smaller}.",
            )
        elif self.tol == 0 and result.learning_rate is None:
            return
        elif result.stop_reason == "rounding":
            warn(
                ConvergenceWarning,
                f"stopped after {result.n_iter} iterations where rounding error hides any further descent, with "
                f"optimality_ at {result.optimality:.2g}; tol={self.tol:g} asks for less. Raise tol, or bring the "
                "columns of X nearer to mean 0.",
            )
        elif result.stop_reason == "max_iter" and result.learning_rate is None:
            warn(
                ConvergenceWarning,
                f"stopped at max_iter={self.max_iter} with optimality_ at {result.optimality:.2g}; tol={self.tol:g} "
                "asks for less. Raise max_iter, or set l2 to a positive number.",
            )
        elif result.stop_reason == "max_iter":
            self._warn_of_descent(result, history, warn)

    def _warn_of_descent(
        self, result: _core.FitResult, history: History, warn: Callable[[type[Warning], str], None]
    ) -> None:
        cost, norm = history.cost, history.gradient_norm
        if (cost[-1] > cost[0] or norm[-1] > norm[0]) and result.n_iter > 1:
            warn(
                ConvergenceWarning,
                f"stopped at max_iter={self.max_iter} with the cost gone from {cost[0]:.4g} to {cost[-1]:.4g} "
                f"and the gradient norm from {norm[0]:.4g} to {norm[-1]:.4g}: "
                f"learning_rate={result.learning_rate:.4g} is too large for this data. Lower it, leave it at 'auto', "
                "or scale the columns of X alike.",
            )
        elif self.tol > 0:
            warn(
                ConvergenceWarning,
                f"stopped at max_iter={self.max_iter} with the gradient norm at {norm[-1] / norm[0]:.2g} of its "
                f"first value, tol={self.tol:g} asks for less. Leave solver and learning_rate at 'auto', or for "
                "gradient descent scale the columns of X alike, raise max_iter, or set tol=0 to run max_iter "
                "iterations without this warning.",
            )

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

    def _parameters(self) -> tuple[FloatArray, float]:
        return np.asarray(self.coef_, dtype=np.float64).reshape(-1), float(np.reshape(self.intercept_, -1)[0])

    def _check_fitted(self) -> None:
        if not hasattr(self, "coef_"):
            name = type(self).__name__
            raise kin(NotFittedError)(f"This {name} instance is not fitted yet. Call fit with training data first.")

    def _check_width(self, X: Array, n_features: int, name: str = "X") -> None:
        if X.shape[1] != n_features:
            raise ValueError(
                f"{name} has {X.shape[1]} features, but {type(self).__name__} is expecting {n_features} features "
                "as input."
            )

    def _checked(self, X: Any, offset: Any) -> tuple[Array, Array | None]:
        """Return `X` and `offset` as arrays that this fitted estimator can predict for."""
        self._check_fitted()
        array = as_matrix(X)
        check_feature_names(X, getattr(self, "feature_names_in_", None), type(self).__name__)
        self._check_width(array, self.n_features_in_)
        return array, as_optional_vector(offset, "offset", len(array), "X")

    def _forward(self, X: Any, offset: Any, activation: Activation) -> FloatArray:
        checked = self._checked(X, offset)
        try:
            return _core.forward(*checked, *self._parameters(), activation, check_threads(self.n_threads))
        except ValueError as error:
            raise explained(error, feature_names(X)) from None

    # scikit-learn's metadata routing.

    def get_metadata_routing(self) -> Any:
        """Return which arguments of which methods scikit-learn is to pass on, as its `set_config` enables."""
        from steepest._sklearn import metadata_routing

        return metadata_routing(self)

    set_fit_request = request_setter("fit")
    set_predict_request = request_setter("predict")
    set_score_request = request_setter("score")


class Regressor(Estimator):
    """An estimator that predicts a number."""

    def predict(self, X: Any, *, offset: Any = None) -> FloatArray:
        """Return the prediction ŷ for each row of `X`.

        Parameters
        ----------
        X : array-like of shape (m, n)
        offset : array-like of shape (m,), optional
            Added to z = w·x + b.

        Returns
        -------
        ndarray of shape (m,)
        """
        return self._forward(X, offset, self._activation)

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, offset: Any = None) -> float:
        """Return the coefficient of determination R² = 1 − Σ s (y − ŷ)² / Σ s (y − ȳ)².

        For a constant `y`, where it is not defined: 1 if every prediction is right, else 0.
        """
        predicted = self.predict(X, offset=offset)
        targets = check_finite(self._encode(y, "y", len(predicted), "X", None), "y").astype(np.float64, copy=False)
        weights = average_weights(sample_weight, len(predicted))
        mean = np.average(targets, weights=weights)
        residual = np.average((targets - predicted) ** 2, weights=weights)
        total = np.average((targets - mean) ** 2, weights=weights)
        if total == 0.0:
            return 1.0 if residual == 0.0 else 0.0
        return float(1.0 - residual / total)

    def __sklearn_tags__(self) -> Any:
        from steepest._sklearn import regressor_tags

        return regressor_tags()


def explained(error: ValueError, names: Array | None) -> ValueError:
    """Return the core's error with the column of `X` by its name, and with what to do."""
    column = getattr(error, "column", None)
    if column is None:
        return error
    message = str(error)
    if names is not None:
        message = message.replace(f"column {column};", f"column {names[column]!r};")
    return ValueError(f"{message}.{FILL_IN}" if "NaN" in message else message)


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _agree(singular: str, plural: str, columns: Sequence[int]) -> str:
    return singular if len(columns) == 1 else plural


def _listed(columns: Sequence[int], names: Array | None) -> str:
    return f"column{'s' if len(columns) > 1 else ''} " + _first(
        [str(column) if names is None else repr(names[column]) for column in columns]
    )


def _quoted(names: Array) -> str:
    return _first([repr(name) for name in names])


def _first(items: Sequence[str], limit: int = 5) -> str:
    return ", ".join(items[:limit]) + (f" and {len(items) - limit} more" if len(items) > limit else "")
