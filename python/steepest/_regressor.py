"""What the two estimators share that predict a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steepest._estimator import Estimator
from steepest._validation import average_weights, check_finite, exponent

if TYPE_CHECKING:
    from steepest._validation import FloatArray


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
        return _determination(targets, predicted, average_weights(sample_weight, len(predicted)))

    def __sklearn_tags__(self) -> Any:
        from steepest._sklearn import regressor_tags

        return regressor_tags()


def _determination(y: FloatArray, predicted: FloatArray, weights: FloatArray | None) -> float:
    """Return R², whatever the size of the numbers."""
    if weights is not None:
        counted = weights > 0
        y, predicted, weights = y[counted], predicted[counted], weights[counted]
    if (y == y[0]).all():
        return 0.0 if (predicted != y).any() else 1.0
    own, common = exponent(y), exponent(y, predicted)
    if max(abs(own), abs(common)) < _LARGE:
        own = common = 0
        residuals = y - predicted
    else:
        residuals = np.ldexp(y, -common) - np.ldexp(predicted, -common)
        y = np.ldexp(y, -own)
    deviations = y - np.average(y, weights=weights)
    ratio = np.average(np.square(residuals, out=residuals), weights=weights)
    ratio /= np.average(np.square(deviations, out=deviations), weights=weights)
    with np.errstate(over="ignore"):
        return float(1.0 - np.ldexp(ratio, 2 * (common - own)))


_LARGE = 400
"""The squares of numbers with exponents beyond may overflow or vanish."""
