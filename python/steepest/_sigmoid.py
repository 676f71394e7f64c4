"""The sigmoid model for targets between 0 and 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from steepest._names import LOSSES, Loss, Solver
from steepest._regressor import Regressor
from steepest._validation import check_choice

if TYPE_CHECKING:
    from steepest._hold_out import RandomState


class SigmoidRegression(Regressor):
    """The sigmoid model ŷ = σ(w·x + b), σ(z) = 1 / (1 + e⁻ᶻ), for targets between 0 and 1 such as rates.

    Minimises, with S = Σ sᵢ, the mean of squares C = (1/S) Σ sᵢ (yᵢ − ŷᵢ)², or the mean log loss
    C = (1/S) Σ sᵢ (log(1 + e^zᵢ) − yᵢ zᵢ), zᵢ = w·xᵢ + b. The log loss is convex; the mean of squares is not, so that a
    fit may end at a local minimum, the more so the nearer targets are to 0 and 1.

    Parameters
    ----------
    loss : {"squared_error", "log_loss"}, default="squared_error"
        The cost of one sample.
    l1, l2 : float, default=0.0
        Penalties: the objective is C + l1 Σ|wⱼ| + (l2/2) Σ wⱼ², the bias not penalised. C is a mean over the samples,
        so the penalties need not grow with their number. Weights are those of X as given, so a penalty weighs on each
        column by its units. `l1` makes weights exactly 0; it needs solver "auto".
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
        The share of the samples, above 0 and below 1, that `fit` sets aside as validation data; they
        are drawn at random, and nothing is fitted to them. Not together with `X_val`. They are copied, the others not.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None, default=0
        The seed by which they are drawn, or what draws one; None for another one at each fit.
    warm_start : bool, default=False
        Start from the last fit, instead of where the solver would: gradient descent from 0.
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
        The number of iterations done. After early stopping the parameters are those of an earlier one,
        `history_.best_iteration`.
    converged_ : bool
        Whether the fit ended where `tol` asks, `stop_reason_` "tolerance".
    stop_reason_ : {"tolerance", "max_iter", "rounding", "separation", "early_stopping"}
        Why the fit ended: the gradient is as small as `tol` asks; `max_iter` iterations are done; no step lowers the
        cost by more than rounding error; the classes can be told apart without error, so that the cost
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
    >>> from steepest import SigmoidRegression
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = SigmoidRegression(loss="log_loss").fit(X, [0.1, 0.3, 0.6, 0.9])
    >>> model.predict([[1.5]]).round(2)
    array([0.46])
    """

    _activation = "sigmoid"

    def __init__(
        self,
        *,
        loss: Loss = "squared_error",
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
        self.loss = loss

    def _loss(self) -> Loss:
        check_choice(self.loss, "loss", LOSSES)
        return self.loss
