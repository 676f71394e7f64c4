"""Turns what the caller hands in into arrays that the core can read, without copying any that already is one."""

from __future__ import annotations

import datetime
import math
import numbers
import warnings
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steepest._exceptions import DataConversionWarning, kin, stacklevel
from steepest._frames import column_label, frame_to_array
from steepest._shown import cut, shown

Array: TypeAlias = npt.NDArray[Any]
FloatArray: TypeAlias = npt.NDArray[np.float64]

_BOOL = (bool, np.bool_)
_EXPECTED_DTYPE = "expected float64, float32, float16, an integer or bool"


def as_matrix(X: Any, name: str = "X") -> Array:
    """Return `X` as a two-dimensional numeric array; no copy if it is one.

    Raises
    ------
    TypeError
        If `X` is sparse, masked, or not numeric.
    ValueError
        If `X` is complex, has not two dimensions, or no rows or columns.
    """
    array = _as_numeric(X, name)
    if array.ndim != 2:
        remedy = (
            "Reshape your data either using array.reshape(-1, 1) if your data has a single feature or "
            "array.reshape(1, -1) if it contains a single sample."
            if array.ndim < 2
            else "Reshape it to one row a sample, array.reshape(len(array), -1)."
        )
        raise ValueError(f"{name} has {array.ndim} dimension(s), expected 2. {remedy}")
    for count, what in zip(array.shape, ("sample", "feature"), strict=True):
        if count == 0:
            raise ValueError(f"{name} has 0 {what}(s) (shape={array.shape}) while a minimum of 1 is required.")
    return array


def as_vector(values: Any, name: str, n_samples: int, X_name: str) -> Array:
    """Return `values` as a one-dimensional numeric array with one entry for each row of the matrix."""
    array = _as_numeric(values, name)
    if array.ndim != 1:
        raise ValueError(f"{name} should be a 1d array, got an array of shape {array.shape} instead.")
    return check_length(array, name, n_samples, X_name)


def as_optional_vector(values: Any, name: str, n_samples: int, X_name: str) -> Array | None:
    """Return `values` as `as_vector` does, or None for None."""
    return None if values is None else as_vector(values, name, n_samples, X_name)


def as_targets(y: Any, name: str, n_samples: int, X_name: str) -> Array:
    """Return `y`, one-dimensional or a single column, as a one-dimensional numeric array."""
    return as_vector(ravel_column(y, name), name, n_samples, X_name)


def check_finite(array: Array, name: str) -> Array:
    """Return a vector if every entry is finite."""
    finite = np.isfinite(array)
    if not finite.all():
        index = int(np.argmin(finite))
        raise ValueError(f"{name} contains {array[index]} at index {index}; every value must be finite.")
    return array


def average_weights(sample_weight: Any, n_samples: int) -> FloatArray | None:
    """Return the weights of an average over the rows, checked as the core checks those of a fit, the largest near 1."""
    if sample_weight is None:
        return None
    weights = check_finite(as_vector(sample_weight, "sample_weight", n_samples, "X"), "sample_weight")
    if weights.min() < 0:
        index = int(np.argmax(weights < 0))
        raise ValueError(f"sample_weight contains {weights[index]} at index {index}; weights must not be negative.")
    if not weights.any():
        raise ValueError("sample_weight is zero everywhere; at least one weight must be positive.")
    weights = weights.astype(np.float64, copy=False)
    scaled: FloatArray = np.ldexp(weights, -exponent(weights))
    return scaled


def exponent(*arrays: FloatArray) -> int:
    """Return the exponent of the power of 2 just above every entry: to divide by that costs no digit."""
    return int(np.frexp(max(np.abs(array).max() for array in arrays))[1])


def ravel_column(y: Any, name: str) -> Array:
    """Return `y` as an array, a single column as a one-dimensional view of it."""
    if y is None:
        raise ValueError(f"{name} is None; this estimator requires y to be passed, but the target y is None.")
    array = as_array(y, name, numeric=False)
    if array.ndim == 2 and array.shape[1] == 1:
        warnings.warn(
            f"A column-vector {name} was passed when a 1d array was expected: its shape is {array.shape}; "
            f"pass it one-dimensional to silence this.",
            kin(DataConversionWarning),
            stacklevel=stacklevel(),
        )
        return array[:, 0]
    if array.ndim == 0:
        found = shown(y) if isinstance(y, numbers.Number | str) else f"an object of type {type(y).__name__}"
        raise ValueError(f"{name} should be a 1d array of one target a sample, got {found} instead.")
    if array.ndim != 1:
        raise ValueError(
            f"{name} should be a 1d array or a single column, got an array of shape {array.shape} instead. Fit each "
            "column by a model of its own; of classes as columns of 0 and 1 the number is y.argmax(axis=1)."
        )
    return array


def check_length(array: Array, name: str, n_samples: int, X_name: str) -> Array:
    """Return `array` if it has as many entries as the matrix has rows."""
    if len(array) != n_samples:
        raise ValueError(f"{name} has {len(array)} samples, {X_name} has {n_samples}; they must be equal.")
    return array


def as_weights(weights: Any, n_features: int, name: str = "weights") -> FloatArray:
    """Return one finite weight a feature as a float64 array."""
    array = _as_numeric(weights, name)
    if array.ndim == 2 and array.shape[0] == 1:
        array = array[0]
    if array.shape != (n_features,):
        raise ValueError(f"{name} has shape {array.shape}, expected ({n_features},): one weight for each column of X.")
    return check_finite(np.asarray(array, dtype=np.float64), name)


def as_scalar(value: Any, name: str) -> float:
    """Return a single finite number as a float."""
    if isinstance(value, int):
        try:
            value = float(value)
        except OverflowError:
            raise ValueError(f"{name} is {shown(value)}, expected a finite number.") from None
    array = _as_numeric(value, name)
    if array.size != 1:
        raise ValueError(f"{name} has shape {array.shape}, expected a single number.")
    number = float(array.reshape(())[()])
    if not math.isfinite(number):
        raise ValueError(f"{name} is {number}, expected a finite number.")
    return number


def check_real(value: Any, name: str, expected: str, *, low: float, inclusive: bool) -> float:
    """Return a finite real option above `low`, or at it if `inclusive`."""
    # Floats are known at once; of others abstract classes tell, which takes long beside a small fit.
    if type(value) is not float and (not isinstance(value, numbers.Real) or isinstance(value, _BOOL)):
        raise TypeError(f"{name} is {shown(value)}, expected {expected}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number < low or (number == low and not inclusive):
        raise ValueError(f"{name} is {shown(value)}, expected {expected}.")
    return number


def check_integer(value: Any, name: str, expected: str, *, low: int) -> int:
    """Return an integer option from `low` to 2⁶³ − 1."""
    if type(value) is not int and (not isinstance(value, numbers.Integral) or isinstance(value, _BOOL)):
        raise TypeError(f"{name} is {shown(value)}, expected {expected}.")
    number = int(value)
    if not low <= number < 2**63:
        raise ValueError(f"{name} is {shown(value)}, expected {expected}{' below 2**63' if number > low else ''}.")
    return number


def check_choice(value: Any, name: str, choices: tuple[str, ...]) -> None:
    """Accept an option that is one of some strings."""
    if not (isinstance(value, str) and value in choices):
        raise ValueError(f"{name} is {shown(value)}, expected {' or '.join(map(repr, choices))}.")


def check_bool(value: Any, name: str, expected: str = "True or False") -> bool:
    """Return an option that is True or False."""
    if not isinstance(value, _BOOL):
        raise TypeError(f"{name} is {shown(value)}, expected {expected}.")
    return bool(value)


def check_threads(n_threads: Any) -> int | None:
    """Return a number of threads, or None for the default."""
    return None if n_threads is None else check_integer(n_threads, "n_threads", "None or a positive integer", low=1)


def as_array(data: Any, name: str, *, numeric: bool) -> Array:
    """Return `data` as an array, of whatever dtype unless it has to be `numeric`; no copy if it is one."""
    if type(data) is np.ndarray:
        return data
    if (array := frame_to_array(data, name, numeric=numeric)) is not None:
        return array
    if hasattr(data, "tocsr") or hasattr(data, "todense"):
        kind = type(data).__name__
        raise TypeError(
            f"{name} is sparse ({kind}); sparse data is not supported, pass a dense array: {name}.toarray(), or from "
            "scikit-learn's encoders by sparse_output=False."
        )
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise TypeError(f"{name} has masked values; fill them, {name}.filled(value), or leave out their rows.")
    try:
        return np.asarray(data)
    except ValueError as error:
        raise ValueError(f"{name} cannot be made an array: {cut(error)}") from None


def _as_numeric(data: Any, name: str) -> Array:
    array = as_array(data, name, numeric=True)
    kind = array.dtype.kind
    if kind == "O":
        return _object_to_float(array, name, data)
    if kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {array.dtype}, {_EXPECTED_DTYPE}.")
    if kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"{name} has dtype {array.dtype}, {_EXPECTED_DTYPE}.{_remedy(kind, name)}")
    return array


def _object_to_float(array: Array, name: str, data: Any) -> FloatArray:
    if array.ndim == 0:
        value = shown(array[()])
        found = value if len(value) <= 40 and "..." not in value else f"of type {type(array[()]).__name__}"
        raise TypeError(f"{name} is {found}, expected an array of numbers.")
    if any(issubclass(kind, str | bytes) for kind in set(map(type, array.flat))):
        # Some text would be read as numbers.
        index, text = next((i, entry) for i, entry in np.ndenumerate(array) if isinstance(entry, str | bytes))
        place = _place(index, array, data)
        raise ValueError(
            f"{name} has dtype object and holds {shown(text)} at {place}, which is text.{_remedy('U', name)}"
        )
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        for index, entry in np.ndenumerate(array):
            try:
                float(entry)
            except (TypeError, ValueError, OverflowError) as error:
                place = _place(index, array, data)
                if is_missing(entry):
                    raise ValueError(f"{name} has a missing value, {shown(entry)}, at {place}.{FILL_IN}") from None
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(
                    f"{name} has dtype object and holds {shown(entry)} at {place}, which is not a finite number: "
                    f"{cut(error)}.{_remedy(_kind(entry), name)}"
                ) from None
        raise


def _place(index: tuple[int, ...], array: Array, data: Any) -> str:
    if len(index) == 2:
        return f"row {index[0]}, column {column_label(data, index[1], array.shape[1])}"
    return f"index {', '.join(map(str, index))}"


def is_missing(entry: Any) -> bool:
    """Return whether an entry is None, or pandas' NA or NaT, which are known by their types' names."""
    return entry is None or type(entry).__name__ in ("NAType", "NaTType")


FILL_IN = " Fill in what is missing, or leave out its row or column."


def _kind(entry: Any) -> str:
    if isinstance(entry, str):
        return "U"
    return "M" if isinstance(entry, datetime.date | datetime.timedelta) else "O"


def _remedy(kind: str, name: str) -> str:
    """Return what to do about data of a dtype's kind."""
    if kind == "f":
        return f" Convert it by {name}.astype(float)."
    if kind in "UST" and name.startswith("y"):
        return " Text is for LogisticRegression, which takes two labels of any kind."
    if kind in "UST" and name.startswith("sample_weight"):
        return " Weights of classes are class_weight of LogisticRegression."
    if kind in "UST" and name.startswith("X"):
        return " Turn text into numbers first, for instance by pandas.get_dummies or scikit-learn's OneHotEncoder."
    if kind in "mM":
        return " Turn dates and times into numbers first, such as days since the first of them."
    return ""
