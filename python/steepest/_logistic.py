"""The sigmoid model as a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from steepest import _core
from steepest._estimator import Estimator, parameters
from steepest._names import Loss, Solver
from steepest._report import explained
from steepest._shown import cut, shown
from steepest._sklearn import request_setter
from steepest._validation import (
    Array,
    FloatArray,
    average_weights,
    check_finite,
    check_length,
    check_real,
    check_threads,
    is_missing,
    ravel_column,
)

if TYPE_CHECKING:
    from steepest._hold_out import RandomState


class LogisticRegression(Estimator):
    """The sigmoid model P(class 1) = σ(w·x + b), σ(z) = 1 / (1 + e⁻ᶻ), as a classifier for any two labels.

    Minimises the mean log loss C = (1/S) Σ sᵢ (log(1 + e^zᵢ) − yᵢ zᵢ), S = Σ sᵢ, zᵢ = w·xᵢ + b, where yᵢ is 1 for the
    second of the two labels in sorted order and 0 for the first.

    Parameters
    ----------
    l1, l2 : float, default=0.0
        Penalties: the objective is C + l1 Σ|wⱼ| + (l2/2) Σ wⱼ², the bias not penalised. C is a mean over the samples,
        so the penalties need not grow with their number. Weights are those of X as given, so a penalty weighs on each
        column by its units. `l1` makes weights exactly 0; it needs solver "auto". scikit-learn's `C` on m samples is
        l2 = 1/(m·C).
    class_weight : dict, "balanced" or None, default=None
        What the sample weights of each class are multiplied by. "balanced": S / (2 S_c), with S_c the sum of the
        class's sample weights, so that both classes count alike. A dict: {label: weight}, 1 for a label that it lacks.
        The validation cost is without these weights.
    fit_intercept : bool, default=True
        Whether the bias b is fitted; else it is 0.
    solver : {"auto", "gd", "newton", "lbfgs"}, default="auto"
        The way to the minimum. "newton" and "lbfgs" iterate in variables in which every column has standard deviation
        1: Newton's method with as few Hessians as pay, and limited-memory BFGS with none; "auto" chooses what is
        expected to be fastest, whatever the columns' units. "gd" is textbook gradient descent, w ← w − α ∂/∂w and
        b ← b − α ∂/∂b of the objective; it needs columns of like scale.
    learning_rate : float or "auto", default="auto"
        The step size α of gradient descent; a number chooses solver "gd". "auto" is 1 / L, with L the largest
        eigenvalue of a bound of the Hessian, by power iteration.
    max_iter : int, default=1000
        At most this many iterations.
    tol : float, default=1e-6
        Stop when `optimality_` is at most `tol`; with 0 go on until rounding error hides any descent. With solver "gd":
        stop when the gradient norm is at most `tol` times its first value in this fit, or a step is smaller than
        rounding error; with 0 do `max_iter` iterations.
    early_stopping : bool, default=False
        Stop when the validation cost has not improved for `patience` iterations, and return to the parameters at its
        minimum. Needs validation data: `X_val` and `y_val` in `fit`, or `validation_fraction`. Meant for solver "gd":
        others take few steps, if any, before the end.
    patience : int, default=10
        See `early_stopping`.
    validation_fraction : float, optional
        The share of the samples, above 0 and below 1, that `fit` sets aside as validation data, the same of each class;
        they are drawn at random, and nothing is fitted to them. Not together with `X_val`. They are copied, the others
        not.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        The seed by which they are drawn, or what draws one; None for another one at each fit.
    warm_start : bool, default=False
        Start from the last fit, instead of where the solver would: gradient descent from 0.
    n_threads : int, optional
        The number of threads. If not given: STEEPEST_NUM_THREADS, RAYON_NUM_THREADS or OMP_NUM_THREADS from the
        environment, else the cores available to the process. It changes no result by a bit.

    Attributes
    ----------
    classes_ : ndarray of shape (2,)
        The two labels, sorted.
    coef_ : ndarray of shape (1, n)
        The weights w.
    intercept_ : ndarray of shape (1,)
        The bias b.
    n_iter_ : int
        The number of iterations done. After early stopping the parameters are those of an earlier one,
        `history_.best_iteration`.
    converged_ : bool
        Whether the fit ended where `tol` asks, `stop_reason_` "tolerance".
    stop_reason_ : {"tolerance", "max_iter", "rounding", "separation", "early_stopping"}
        Why the fit ended: the gradient is as small as `tol` asks; `max_iter` iterations are done; no step lowers the
        cost by more than rounding error; the classes can be told apart without error, so that the log loss
        has no minimum; the validation cost had its minimum earlier.
    optimality_ : float
        How far from the minimum: the largest entry of the objective's gradient in variables in which every column
        has standard deviation 1.
    condition_ : float
        The condition number of the objective's Hessian in those variables, scaled to a diagonal of 1; of many rows
        estimated from some of them; NaN where no Hessian was formed. At 1e6 the weights may have lost 6 of their 16
        digits.
    learning_rate_ : float or None
        The step size used by gradient descent; None after another solver.
    history_ : History
        Cost, validation cost, gradient norm and seconds at each iteration.
    n_features_in_ : int
        The number of features n seen by `fit`.
    feature_names_in_ : ndarray of shape (n,)
        The column names of `X`, if they are all strings.

    Examples
    --------
    >>> import numpy as np
    >>> from steepest import LogisticRegression
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0], [4.0]])
    >>> model = LogisticRegression().fit(X, ["no", "no", "yes", "no", "yes"])
    >>> model.predict([[0.5], [3.5]])
    array(['no', 'yes'], dtype='<U3')
    """

    _activation = "sigmoid"

    classes_: Array

    def __init__(
        self,
        *,
        l1: float = 0.0,
        l2: float = 0.0,
        class_weight: Mapping[Any, float] | Literal["balanced"] | None = None,
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
        super().__init__(
            l1=l1,
            l2=l2,
            fit_intercept=fit_intercept,
            solver=solver,
            learning_rate=learning_rate,
            max_iter=max_iter,
            tol=tol,
            early_stopping=early_stopping,
            patience=patience,
            validation_fraction=validation_fraction,
            random_state=random_state,
            warm_start=warm_start,
            n_threads=n_threads,
        )
        self.class_weight = class_weight

    def decision_function(self, X: Any, *, offset: Any = None) -> FloatArray:
        """Return z = w·x + b for each row of `X`: the log odds of `classes_[1]`.

        Parameters
        ----------
        X : array-like of shape (m, n)
        offset : array-like of shape (m,), optional
            Added to z = w·x + b.

        Returns
        -------
        ndarray of shape (m,)
        """
        return self._forward(X, offset, "identity")

    def predict_proba(self, X: Any, *, offset: Any = None) -> FloatArray:
        """Return the probability of each class for each row of `X`.

        Parameters
        ----------
        X : array-like of shape (m, n)
        offset : array-like of shape (m,), optional
            Added to z = w·x + b.

        Returns
        -------
        ndarray of shape (m, 2)
            Columns in the order of `classes_`; both are right to the last digits also near 0.
        """
        fitted = self._fitted()
        array, offsets = self._checked(fitted, X, offset)
        try:
            return _core.class_probabilities(array, offsets, *parameters(fitted), check_threads(self.n_threads))
        except ValueError as error:
            raise explained(error, array.shape[1], X=X) from None

    def predict_log_proba(self, X: Any, *, offset: Any = None) -> FloatArray:
        """Return the logarithm of the probability of each class for each row of `X`.

        Parameters
        ----------
        X : array-like of shape (m, n)
        offset : array-like of shape (m,), optional
            Added to z = w·x + b.

        Returns
        -------
        ndarray of shape (m, 2)
            Columns in the order of `classes_`: −log(1 + eᶻ) and −log(1 + e⁻ᶻ), finite also where a probability is 0.
        """
        z = self.decision_function(X, offset=offset)
        return np.column_stack([-np.logaddexp(0.0, z), -np.logaddexp(0.0, -z)])

    def predict(self, X: Any, *, offset: Any = None) -> Array:
        """Return the more likely class for each row of `X`.

        Parameters
        ----------
        X : array-like of shape (m, n)
        offset : array-like of shape (m,), optional
            Added to z = w·x + b.

        Returns
        -------
        ndarray of shape (m,)
        """
        fitted = self._fitted()
        classes: Array = fitted["classes_"]
        if type(self).decision_function is LogisticRegression.decision_function:
            # By one state: another thread may fit meanwhile.
            margins = self._forward(X, offset, "identity", fitted)
        else:
            margins = self.decision_function(X, offset=offset)
        return classes[(margins > 0).view(np.int8)]

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, offset: Any = None) -> float:
        """Return the accuracy: the (weighted) share of rows whose class is predicted right.

        A label that is neither of `classes_` counts as wrong.

        Raises
        ------
        ValueError
            If none of the labels in `y` is one of `classes_`, besides what is wrong with any argument.
        """
        known: Array = self._fitted()["classes_"]
        predicted = self.predict(X, offset=offset)
        labels = check_length(ravel_column(y, "y"), "y", len(predicted), "X")
        if not any(np.any(labels == label) for label in known):
            first, classes = labels[:1].tolist()[0], known.tolist()
            raise ValueError(
                f"y contains {shown(first)} at index 0, and none of the classes {shown(classes)} anywhere."
            )
        weights = average_weights(sample_weight, len(predicted))
        return float(np.average(predicted == labels, weights=weights))

    set_decision_function_request = request_setter("decision_function")
    set_predict_proba_request = request_setter("predict_proba")
    set_predict_log_proba_request = request_setter("predict_log_proba")

    def _loss(self) -> Loss:
        return "log_loss"

    def _find_classes(self, labels: Array, n_samples: int) -> tuple[Array, Array]:
        classes = self._two_classes(labels)
        check_length(labels, "y", n_samples, "X")
        return classes, np.asarray(labels == classes[1], dtype=np.bool_)

    def _two_classes(self, labels: Array) -> Array:
        kind = labels.dtype.kind
        if kind == "c":
            raise ValueError(f"Complex data not supported: y has dtype {labels.dtype}, expected labels.")
        if kind == "V":
            raise TypeError(f"y has dtype {labels.dtype}, expected one label a row.")
        if len(labels) == 0:
            raise ValueError("y has 0 samples, expected labels of two classes.")
        if kind in "OmM" and (index := _first_missing(labels)) is not None:
            raise ValueError(f"y contains a missing value, {shown(labels[index])}, at index {index}.")
        try:
            classes = _distinct(labels)
        except TypeError as error:
            raise TypeError(f"y holds labels that cannot be sorted: {cut(error)}.") from None
        if kind == "f" and not np.isfinite(classes).all():
            check_finite(labels, "y")
        if len(classes) == 1:
            raise ValueError(
                f"y contains one class only, {shown(classes.tolist()[0])}; LogisticRegression needs two classes."
            )
        if len(classes) > 2:
            if labels.dtype.kind == "f" and (classes != np.floor(classes)).any():
                raise ValueError(
                    f"Unknown label type: continuous. y holds {len(classes)} different values such as {classes[0]}; "
                    "LogisticRegression takes two labels. For rates between 0 and 1 use SigmoidRegression, else "
                    "LinearRegression."
                )
            listed = ", ".join(map(shown, classes[:5].tolist())) + (", …" if len(classes) > 5 else "")
            remedy = " Fit one against the others for each: scikit-learn's OneVsRestClassifier does."
            if kind in "iuf" and len(classes) > 20:
                remedy = " For numbers to predict use LinearRegression."
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass: y holds "
                f"{len(classes)} classes, {listed}.{remedy}"
            )
        return classes

    def _encode(self, y: Any, name: str, n_samples: int, X_name: str, classes: Array | None) -> Array:
        assert classes is not None
        labels = check_length(ravel_column(y, name), name, n_samples, X_name)
        positive = np.asarray(labels == classes[1], dtype=np.bool_)
        known = positive | np.asarray(labels == classes[0], dtype=np.bool_)
        if not known.all():
            index = int(np.argmin(known))
            found, expected = labels[index : index + 1].tolist()[0], shown(classes.tolist())
            raise ValueError(
                f"{name} contains {shown(found)} at index {index}, expected one of the classes {expected}."
            )
        return positive

    def _class_weight(
        self, classes: Array | None, targets: Array, weights: Array | None
    ) -> tuple[float, float] | Literal["balanced"]:
        assert classes is not None
        of_class = self._weights_by_class(classes.tolist())
        if weights is not None and weights.any():
            for label, rows in zip(classes.tolist(), (~targets, targets), strict=True):
                # The core names weights that are negative or NaN.
                if not np.any(weights, where=rows) and weights.min() >= 0:
                    raise ValueError(
                        f"sample_weight is zero for every sample of class {shown(label)}; LogisticRegression needs two "
                        "classes."
                    )
        self._check_shares(of_class, classes, targets, weights)
        return of_class

    def _check_shares(
        self, of_class: tuple[float, float] | Literal["balanced"], classes: Array, targets: Array, weights: Array | None
    ) -> None:
        """Refuse class weights beside which rounding leaves nothing of one class."""
        if of_class == "balanced" or max(of_class) / min(of_class) <= _LARGEST_RATIO:
            return
        if weights is None:
            totals = [np.count_nonzero(~targets), np.count_nonzero(targets)]
        elif np.isfinite(weights).all() and weights.min() >= 0 < weights.max():
            parts = weights.astype(np.float64) / weights.max()
            totals = [parts[~targets].sum(), parts[targets].sum()]
        else:
            return
        with np.errstate(divide="ignore"):
            logs = np.log10(totals) + np.log10(of_class)
        if abs(logs[0] - logs[1]) > np.log10(_LARGEST_RATIO):
            label = shown(classes.tolist()[int(np.argmin(logs))])
            raise ValueError(
                f"class_weight is {shown(self.class_weight)}, beside which rounding leaves nothing of class {label}; "
                f"LogisticRegression needs two classes. Expected sums of weights of ratio {_LARGEST_RATIO:g} at most."
            )

    def _weights_by_class(self, labels: list[Any]) -> tuple[float, float] | Literal["balanced"]:
        given = self.class_weight
        if given is None:
            return 1.0, 1.0
        if isinstance(given, str) and given == "balanced":
            return "balanced"
        if not isinstance(given, Mapping):
            raise (ValueError if isinstance(given, str) else TypeError)(
                f"class_weight is {shown(given)}, expected None, 'balanced' or a dict {{label: weight}}."
            )
        weights = [1.0, 1.0]
        has_all = all(label in given for label in labels)
        for label, weight in given.items():
            if label not in labels:
                # Beside weights for both it may be meant for other data.
                if has_all:
                    continue
                raise ValueError(
                    f"class_weight has a weight for {shown(label)}, expected one of the classes {shown(labels)}."
                )
            name = f"class_weight[{shown(label)}]"
            number = check_real(weight, name, "a number, 0 or larger", low=0.0, inclusive=True)
            if number == 0.0:
                raise ValueError(f"{name} is {shown(weight)}, which leaves one class; LogisticRegression needs two.")
            weights[labels.index(label)] = number
        return weights[0], weights[1]

    def _shaped(self, weights: FloatArray, bias: float) -> tuple[FloatArray, Any]:
        return weights.reshape(1, -1), np.array([bias])

    def __sklearn_tags__(self) -> Any:
        from steepest._sklearn import binary_classifier_tags

        return binary_classifier_tags()


_LARGEST_RATIO = 1e15
"""Of the weights of two classes: at 1e16 the sum of both is that of one."""


def _distinct(labels: Array) -> Array:
    """Return the sorted distinct labels; without sorting them all, and the memory for it, where they are two."""
    others = labels != labels[0]
    if not others.any():
        return labels[:1].copy()
    pair = labels[[0, int(np.argmax(others))]]
    return np.sort(pair) if np.array_equal(others, labels == pair[1]) else np.unique(labels)


def _first_missing(labels: Array) -> int | None:
    if labels.dtype.kind in "mM":
        missing = np.isnat(labels)
        return int(np.argmax(missing)) if missing.any() else None
    # NaN differs from itself; pandas' NA answers neither yes nor no.
    return next((i for i, label in enumerate(labels) if is_missing(label) or label != label), None)
