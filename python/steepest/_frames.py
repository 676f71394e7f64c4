"""Data frames: the names of their columns, and their values as one array. Neither pandas nor polars is imported."""

from __future__ import annotations

import sys
import warnings
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steepest._exceptions import stacklevel

Array: TypeAlias = npt.NDArray[Any]


def frame_to_array(data: Any, name: str) -> Array | None:
    """Return the values of a pandas or polars frame as an array, None if `data` is none; no copy if it holds one array.

    Columns of different numeric dtypes become the least that holds them all; what is missing becomes NaN.

    Raises
    ------
    TypeError
        If a column holds dates or times; if the frame is lazy.
    """
    if _is_a(data, "pandas", "DataFrame"):
        return _pandas_to_array(data, name)
    if _is_a(data, "polars", "LazyFrame"):
        raise TypeError(f"{name} is a polars LazyFrame; collect it first: {name}.collect().")
    if _is_a(data, "polars", "DataFrame"):
        _refuse_times(name, {column: dtype for column, dtype in data.schema.items() if dtype.is_temporal()})
    return None


def _is_a(data: Any, module: str, name: str) -> bool:
    cls = getattr(sys.modules.get(module), name, None)
    return cls is not None and isinstance(data, cls)


def _pandas_to_array(frame: Any, name: str) -> Array:
    dtypes = list(frame.dtypes)
    columns = zip(frame.columns, dtypes, strict=True)
    _refuse_times(name, {column: dtype for column, dtype in columns if dtype.kind in "mM"})
    distinct = set(dtypes)
    plain = all(isinstance(dtype, np.dtype) for dtype in distinct)
    if not all(dtype.kind in "fiub" for dtype in distinct) or (plain and len(distinct) <= 1):
        return np.asarray(frame)
    # Left to itself pandas makes objects of bool beside numbers, and of nullable dtypes.
    if plain:
        return np.asarray(frame.to_numpy(dtype=np.result_type(*distinct)))
    # Of sparse columns it is that of their values.
    common = np.result_type(*(getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype)) for dtype in distinct))
    if common.kind != "f" and frame.isna().to_numpy().any():
        common = np.dtype(np.float64)
    return np.asarray(frame.to_numpy(dtype=common, na_value=np.nan if common.kind == "f" else 0))


def _refuse_times(name: str, columns: dict[Any, Any]) -> None:
    for column, dtype in columns.items():
        raise TypeError(
            f"{name} has dates or times in column {column!r}, of dtype {dtype}. Turn them into numbers first, such as "
            "days since the first of them, or leave the column out."
        )


def column_label(data: Any, column: int) -> str:
    """Return how to call a column of `data`: by its name, if it has any."""
    columns = getattr(data, "columns", None)
    return str(column) if columns is None or isinstance(data, np.ndarray) else repr(list(columns)[column])


def feature_names(X: Any) -> Array | None:
    """Return the column names of a data frame if all are strings, None if there are none.

    Raises
    ------
    TypeError
        If some names are strings and some are not.
    """
    columns = getattr(X, "columns", None)
    if columns is None or isinstance(X, np.ndarray):
        return None
    names = np.asarray(columns, dtype=object)
    kinds = sorted({type(name).__name__ for name in names})
    if "str" not in kinds:
        return None
    if len(kinds) > 1:
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{kinds} as feature name / column name types. Convert them all with X.columns = X.columns.astype(str)."
        )
    return names


def check_feature_names(X: Any, fitted: Array | None, estimator: str, name: str = "X") -> None:
    """Compare the column names of `X` with those seen at fit, or of `X_val` with those of `X`."""
    names = feature_names(X)
    if names is None and fitted is None:
        return
    if fitted is None:
        warnings.warn(
            f"{name} has feature names, but {estimator} was fitted without feature names", UserWarning, stacklevel()
        )
    elif names is None:
        warnings.warn(
            f"{name} does not have valid feature names, but {estimator} was fitted with feature names",
            UserWarning,
            stacklevel(),
        )
    elif len(names) != len(fitted) or (names != fitted).any():
        raise ValueError(_names_differ(list(names), list(fitted), name))


def _names_differ(names: list[str], fitted: list[str], name: str) -> str:
    seen = "fit time" if name == "X" else "fit time, in X"
    message = "The feature names should match those that were passed during fit.\n"
    if name != "X":
        message = f"The feature names of {name} should match those of X.\n"
    unexpected, missing = sorted(set(names) - set(fitted)), sorted(set(fitted) - set(names))

    def listed(title: str, items: list[str], limit: int = 5) -> str:
        if not items:
            return ""
        shown = "".join(f"- {item}\n" for item in items[:limit])
        return f"{title}\n{shown}" + ("- ...\n" if len(items) > limit else "")

    message += listed(f"Feature names unseen at {seen}:", unexpected)
    message += listed(f"Feature names seen at {seen}, yet now missing:", missing)
    if not unexpected and not missing:
        message += "Feature names must be in the same order as they were in fit.\n"
    return message
