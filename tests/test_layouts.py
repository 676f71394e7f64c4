"""Data as it comes: the layout and the dtype change nothing, and X is never copied."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest

import steepest


def bits(X, y=None, sample_weight=None):
    y = np.linspace(0, 1, len(X)) if y is None else y
    model = steepest.SigmoidRegression(max_iter=5, tol=0).fit(X, y, sample_weight)
    parts = (model.coef_, [model.intercept_], model.history_.cost, model.predict(X))
    return b"".join(np.asarray(part).tobytes() for part in parts)


def unaligned(X):
    raw = np.empty(X.nbytes + 1, dtype=np.uint8)[1:].view(X.dtype).reshape(X.shape)
    raw[:] = X
    assert not raw.flags.aligned
    return raw


def record_field(X):
    packed = np.zeros(X.shape, dtype=np.dtype([("tag", "u1"), ("value", X.dtype)]))
    packed["value"] = X
    return packed["value"]


def read_only(X):
    copy = X.copy()
    copy.flags.writeable = False
    return copy


LAYOUTS = {
    "fortran": np.asfortranarray,
    "reversed": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "some columns": lambda X: np.column_stack([X, X])[:, : X.shape[1]],
    "read-only": read_only,
    "unaligned": unaligned,
    "record field": record_field,
    "byte-swapped": lambda X: X.astype(X.dtype.newbyteorder()),
    "byte-swapped fortran": lambda X: np.asfortranarray(X.astype(X.dtype.newbyteorder())),
    "list": lambda X: X.tolist(),
    "pandas": pd.DataFrame,
    "polars": lambda X: pl.DataFrame(X, schema=[f"c{j}" for j in range(X.shape[1])]),
}


@pytest.mark.parametrize("shape", [(3, 2), (70, 9), (9000, 5)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_changes_no_bit(rng, layout, shape):
    X = rng.normal(size=shape)
    by_columns = layout in {"fortran", "byte-swapped fortran", "pandas", "polars"}
    assert bits(LAYOUTS[layout](X)) == bits(np.asfortranarray(X) if by_columns else X)


def test_rows_and_columns_agree_to_rounding(rng):
    X, y = rng.normal(size=(9000, 20)), rng.uniform(size=9000)
    by_rows, by_columns = (
        steepest.SigmoidRegression(solver="gd", max_iter=5, tol=0).fit(data, y) for data in (X, np.asfortranarray(X))
    )
    assert by_columns.coef_ == pytest.approx(by_rows.coef_, rel=1e-12, abs=1e-13)
    assert by_columns.history_.cost == pytest.approx(by_rows.history_.cost, rel=1e-13)


@pytest.mark.parametrize("layout", ["fortran", "reversed", "every other column", "unaligned", "byte-swapped"])
@pytest.mark.parametrize("dtype", ["f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1", "?"])
def test_dtype_changes_no_bit(rng, dtype, layout):
    X = rng.integers(0, 2 if dtype == "?" else 100, size=(500, 7)).astype(dtype)
    if layout == "unaligned" and X.itemsize == 1:
        pytest.skip("a single byte is always aligned")
    y, s = rng.integers(0, 2, size=500).astype(dtype), rng.integers(0, 3, size=500).astype(dtype)
    expected = bits(X.astype(np.float64), y.astype(np.float64), s.astype(np.float64))
    assert bits(X, y, s) == expected
    assert bits(LAYOUTS[layout](X), y[::-1].copy()[::-1], s.astype(s.dtype.newbyteorder())) == expected


def test_memory_map_is_read_where_it_lies(rng, tmp_path):
    X = rng.normal(size=(1000, 4))
    np.save(tmp_path / "X.npy", X)
    assert bits(np.load(tmp_path / "X.npy", mmap_mode="r")) == bits(X)


def test_targets_may_be_a_single_column(rng):
    X, y = rng.normal(size=(20, 2)), rng.normal(size=20)
    expected = steepest.LinearRegression().fit(X, y)
    for column in (y[:, None], pd.DataFrame({"y": y})):
        with pytest.warns(steepest.DataConversionWarning, match="column-vector y"):
            model = steepest.LinearRegression().fit(X, column)
        assert (model.coef_ == expected.coef_).all()
    for series in (pd.Series(y), pl.Series(y), y.tolist()):
        assert (steepest.LinearRegression().fit(X, series).coef_ == expected.coef_).all()


def test_anything_with_an_array_method_is_accepted(rng):
    class Wrapped:
        def __init__(self, values):
            self.values = values

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.values, dtype=dtype)

    X = rng.normal(size=(20, 2))
    model = steepest.LinearRegression().fit(Wrapped(X), Wrapped(X[:, 0]))
    assert model.predict(Wrapped(X)) == pytest.approx(X[:, 0], abs=1e-4)


PEAK = """
import sys
import numpy as np, steepest

def high_water():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

order, dtype, name, labels = sys.argv[1:]
Model = getattr(steepest, name)
X = np.zeros((1_000_000, 32), dtype=dtype, order=order)
X[::7] = 1
y = np.zeros(1_000_000)
y[::14] = 1
if labels == "strings":
    y = np.where(y == 1, "malignant", "benign")
Model(max_iter=2, tol=0).fit(X[:1000], y[:1000])  # loads what is loaded once: threads, code
before = high_water()
Model(max_iter=3, tol=0).fit(X, y)
print(high_water() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "labels"), [("LinearRegression", ""), ("LogisticRegression", ""), ("LogisticRegression", "strings")]
)
def test_fit_takes_at_most_16_mib_beside_X(order, dtype, name, labels):
    command = [sys.executable, "-c", PEAK, order, dtype, name, labels]
    mib = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert mib <= 16.0
