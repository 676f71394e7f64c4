"""Data frames: the names of their columns, and their values as one array. None of their libraries is imported."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from steepest._exceptions import stacklevel
from steepest._shown import cut, shown

if TYPE_CHECKING:
    from collections.abc import Callable

Array: TypeAlias = npt.NDArray[Any]


def frame_to_array(data: Any, name: str, *, numeric: bool) -> Array | None:
    """Return the values of a data frame as an array, None if `data` is none; no copy if it holds one array.

    Columns of different numeric dtypes become the least that holds them all; what is missing becomes NaN.

    Raises
    ------
    TypeError
        If a column holds dates or times where numbers are needed; if NumPy lacks its dtype; if the frame is lazy.
    """
    if _is_a(data, "pandas", "DataFrame"):
        if numeric:
            _refuse_times(data, name, data.dtypes, lambda dtype: dtype.kind in "mM")
        return _pandas_to_array(data)
    if _is_a(data, "polars", "LazyFrame"):
        raise TypeError(f"{name} is a polars LazyFrame; collect it first: {name}.collect().")
    if _is_a(data, "polars", "DataFrame"):
        if numeric:
            _refuse_times(data, name, data.dtypes, lambda dtype: dtype.is_temporal())
        return _polars_to_array(data, name, data.dtypes)
    if _is_a(data, "polars", "Series"):
        return _polars_to_array(data, name, [data.dtype])
    if numeric and _is_arrow(data):
        _refuse_times(data, name, data.schema.types, sys.modules["pyarrow"].types.is_temporal)
    return None


def _is_a(data: Any, module: str, name: str) -> bool:
    cls = getattr(sys.modules.get(module), name, None)
    return cls is not None and isinstance(data, cls)


def _is_arrow(data: Any) -> bool:
    return _is_a(data, "pyarrow", "Table") or _is_a(data, "pyarrow", "RecordBatch")


def _pandas_to_array(frame: Any) -> Array:
    distinct = set(frame.dtypes)
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


def _polars_to_array(data: Any, name: str, dtypes: list[Any]) -> Array:
    try:
        return np.asarray(data)
    except sys.modules["polars"].exceptions.InvalidOperationError as error:
        for column, dtype in enumerate(dtypes):
            if str(dtype) in ("Int128", "UInt128"):
                where = "" if len(data.shape) == 1 else f" in column {column_label(data, column, len(dtypes))}"
                raise TypeError(
                    f"{name} has dtype {dtype}{where}, which NumPy lacks. Cast it to Int64 or Float64."
                ) from None
        raise TypeError(f"{name} cannot be made an array: {cut(error)}") from None


def _refuse_times(data: Any, name: str, dtypes: Iterable[Any], is_time: Callable[[Any], bool]) -> None:
    dtypes = list(dtypes)
    for column, dtype in enumerate(dtypes):
        if is_time(dtype):
            raise TypeError(
                f"{name} has dates or times in column {column_label(data, column, len(dtypes))}, of dtype {dtype}. "
                "Turn them into numbers first, such as days since the first of them, or leave the column out."
            )


def _labels(data: Any, n_columns: int) -> list[Any] | None:
    """Return what the columns of a frame are called, None if `data` is no frame of so many."""
    if isinstance(data, np.ndarray):
        return None
    # pyarrow's `columns` are their values.
    found = data.column_names if _is_arrow(data) else getattr(data, "columns", None)
    labels = list(found) if isinstance(found, Iterable) else []
    return labels if len(labels) == n_columns else None


def column_label(data: Any, column: int, n_columns: int) -> str:
    """Return how to call a column of `data`: by its name if the names of all are strings, else by its position."""
    labels = _labels(data, n_columns)
    return shown(labels[column]) if labels is not None and _kinds(labels) == ["str"] else str(column)


def feature_names(X: Any, n_columns: int) -> Array | None:
    """Return the column names of a data frame if all are strings, None if there are none.

    Raises
    ------
    TypeError
        If some names are strings and some are not.
    """
    labels = _labels(X, n_columns)
    if labels is None or "str" not in (kinds := _kinds(labels)):
        return None
    if len(kinds) > 1:
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{kinds} as feature name / column name types. Convert them all with X.columns = X.columns.astype(str)."
        )
    return np.array(labels, dtype=object)


def _kinds(labels: list[Any]) -> list[str]:
    return sorted({type(label).__name__ for label in labels})


def check_feature_names(X: Any, n_columns: int, fitted: Array | None, estimator: str, name: str = "X") -> None:
    """Compare the column names of `X` with those seen at fit, or of `X_val` with those of `X`."""
    names = feature_names(X, n_columns)
    if names is None and fitted is None:
        return
    if fitted is None and name != "X":
        warnings.warn(
            f"{name} has feature names, but X has none; pass both as frames, or neither", UserWarning, stacklevel()
        )
    elif fitted is None:
        warnings.warn(
            f"{name} has feature names, but {estimator} was fitted without feature names", UserWarning, stacklevel()
        )
    elif names is None and name != "X":
        warnings.warn(
            f"{name} has no feature names, but X has; pass both as frames, or neither", UserWarning, stacklevel()
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
        shown = "".join(f"- {cut(item)}\n" for item in items[:limit])
        return f"{title}\n{shown}" + ("- ...\n" if len(items) > limit else "")

    message += listed(f"Feature names unseen at {seen}:", unexpected)
    message += listed(f"Feature names seen at {seen}, yet now missing:", missing)
    if not unexpected and not missing:
        message += "Feature names must be in the same order as they were in fit.\n"
    return message
