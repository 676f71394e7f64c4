"""The linear model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from steepest._regressor import Regressor
from steepest._validation import check_bool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steepest._hold_out import RandomState
    from steepest._names import Solver


class LinearRegression(Regressor):
    """The linear model ŷ = w·x + b, fitted by least squares.

    Minimises the mean of squares C = (1/S) Σ sᵢ (yᵢ − ŷᵢ)², S = Σ sᵢ, without a factor ½.

    Parameters
    ----------
    l1, l2 : float, default=0.0
        Penalties: the objective is C + l1 Σ|wⱼ| + (l2/2) Σ wⱼ², the bias not penalised. C is a mean over the samples,
        so the penalties need not grow with their number. Weights are those of X as given, so a penalty weighs on each
        column by its units. `l1` makes weights exactly 0; it needs solver "auto". scikit-learn's `Ridge(alpha)` on m
        samples is l2 = 2·alpha/m, its `Lasso(alpha)` is l1 = 2·alpha.
    fit_intercept : bool, default=True
        Whether the bias b is fitted; else it is 0.
    solver : {"auto", "gd", "newton", "lbfgs"}, default="auto"
        The way to the minimum. "auto" solves least squares exactly, whatever the columns' units. "newton" and "lbfgs"
        iterate in variables in which every column has standard deviation 1: Newton's method with few Hessians, and
        limited-memory BFGS with none. "gd" is textbook gradient descent, w ← w − α ∂/∂w and b ← b − α ∂/∂b of the
        objective; it needs columns of like scale.
    learning_rate : float or "auto", default="auto"
        The step size α of gradient descent; a number chooses solver "gd". "auto" is 1 / L, with L the largest
        eigenvalue of the Hessian, by power iteration.
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
        The share of the samples, above 0 and below 1, that `fit` sets aside as validation data; they
        are drawn at random, and nothing is fitted to them. Not together with `X_val`. They are copied, the others not.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        The seed by which they are drawn, or what draws one; None for another one at each fit.
    warm_start : bool, default=False
        Start from the last fit instead of 0. What "auto" solves exactly needs no start.
    precompute : bool or "auto", default="auto"
        Whether gradient descent collects the moments of the data (XᵀX, Xᵀy, yᵀy) in one pass and iterates on them, with
        the same iterates and history but for rounding, or reads the data at each iteration. "auto" takes what is
        expected to be faster.
    n_threads : int, optional
        The number of threads. If not given: STEEPEST_NUM_THREADS, RAYON_NUM_THREADS or OMP_NUM_THREADS from the
        environment, else the cores available to the process. It changes no result by a bit.

    Attributes
    ----------
    coef_ : ndarray of shape (n,)
        The weights w.
    intercept_ : float
        The bias b.
    n_iter_ : int
        The number of iterations done, 1 where least squares are solved exactly. After early stopping the parameters
        are those of an earlier one, `history_.best_iteration`.
    converged_ : bool
        Whether the fit ended where `tol` asks, `stop_reason_` "tolerance".
    stop_reason_ : {"tolerance", "max_iter", "rounding", "early_stopping"}
        Why the fit ended: the gradient is as small as `tol` asks; `max_iter` iterations are done; no step lowers the
        cost by more than rounding error; the validation cost had its minimum earlier.
    optimality_ : float
        How far from the minimum: the largest entry of the objective's gradient in variables in which every column
        has standard deviation 1, divided by the standard deviation of y.
    condition_ : float
        The condition number of the objective's Hessian in those variables, scaled to a diagonal of 1; NaN where no
        Hessian was formed. At 1e6 the weights may have lost 6 of their 16 digits.
    rank_ : int
        The number of linearly independent columns of `X` beside the constant, where `l2` does not make them
        independent. There after solver "auto" alone.
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
    >>> from steepest import LinearRegression
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = LinearRegression().fit(X, 2 * X[:, 0] + 1)
    >>> model.predict([[4.0]]).round(3)
    array([9.])
    """

    _activation = "identity"

    rank_: int

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
        precompute: bool | Literal["auto"] = "auto",
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
        self.precompute = precompute

    def _options(self) -> Mapping[str, Any]:
        if isinstance(self.precompute, str) and self.precompute == "auto":
            precompute = None
        else:
            precompute = check_bool(self.precompute, "precompute", "True, False or 'auto'")
        return {**super()._options(), "precompute": precompute}
