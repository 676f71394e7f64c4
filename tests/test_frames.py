"""Data frames: what their columns hold, and what messages call them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest

from steepest import LinearRegression, LogisticRegression, cost, forward, gradient


@pytest.fixture
def frame(rng):
    return pd.DataFrame(
        {
            "size": rng.normal(size=200),
            "rooms": rng.integers(1, 9, size=200),
            "new": rng.random(200) < 0.3,
            "small": rng.normal(size=200).astype(np.float32),
        }
    )


@pytest.fixture
def y(frame, rng):
    return frame.to_numpy(dtype=float) @ [1.0, 0.5, -2.0, 0.3] + rng.normal(size=200)


@pytest.mark.parametrize("convert", [lambda frame: frame, lambda frame: frame.convert_dtypes(), pl.from_pandas])
def test_columns_of_different_types_are_those_numbers(frame, y, convert):
    as_is, plain = convert(frame), frame.to_numpy(dtype=float)
    for model, targets in [(LinearRegression(), y), (LogisticRegression(), y > 2)]:
        fitted = model.fit(as_is, targets)
        np.testing.assert_allclose(fitted.predict(as_is), type(model)().fit(plain, targets).predict(plain), rtol=1e-12)
        assert list(fitted.feature_names_in_) == list(frame.columns)


def test_bool_beside_numbers_never_becomes_objects(frame, monkeypatch):
    monkeypatch.setattr("steepest._validation._object_to_float", None)
    whole = pd.DataFrame({"a": [1, 2, 3], "b": [True, False, True]})
    for columns in (frame, frame[["rooms", "new"]], whole.convert_dtypes(), whole[["b"]], whole[["a"]].astype("Int64")):
        weights = np.arange(1.0, columns.shape[1] + 1)
        np.testing.assert_allclose(forward(columns, weights), columns.to_numpy(dtype=float) @ weights, rtol=1e-13)


def test_sparse_columns_are_numbers(frame, y):
    whole = pd.get_dummies(frame[["size", "rooms"]].astype({"rooms": "category"}), sparse=True, dtype=float)
    for columns in (whole, whole.drop(columns="size"), frame.assign(few=pd.arrays.SparseArray(frame["new"]))):
        found = LinearRegression(l2=1e-3).fit(columns, y)
        np.testing.assert_allclose(found.coef_, LinearRegression(l2=1e-3).fit(columns.to_numpy(dtype=float), y).coef_)


def test_a_frame_without_columns_or_rows_says_so(frame, y):
    with pytest.raises(ValueError, match=r"X has 0 feature\(s\)"):
        LinearRegression().fit(frame[[]], y)
    with pytest.raises(ValueError, match=r"X has 0 sample\(s\)"):
        LinearRegression().fit(frame[:0], y[:0])


def test_wide_integers_keep_their_digits():
    columns = pd.DataFrame({"id": [2**53 + 1, 5], "flag": [True, False]})
    for case in (columns, columns.astype({"id": "Int64"})):
        assert forward(case, [1.0, 0.0], -(2.0**53)).tolist() == forward(columns[["id"]], [1.0], -(2.0**53)).tolist()


def test_labels_in_a_frame_keep_their_type(frame, y):
    labels = pd.DataFrame({"label": pd.array((y > 2).astype(int), dtype="Int64")})
    with pytest.warns(match="column-vector y"):
        assert LogisticRegression().fit(frame, labels).classes_.tolist() == [0, 1]


@pytest.mark.parametrize("missing", [np.nan, None])
@pytest.mark.parametrize("nullable", [False, True])
def test_what_is_missing_is_named_by_its_column(frame, y, missing, nullable):
    gaps = frame.convert_dtypes() if nullable else frame
    gaps.loc[7, "size"] = missing
    with pytest.raises(
        ValueError, match=r"X contains NaN at row 7, column 'size'; .* Fill in what is missing, or leave"
    ):
        LinearRegression().fit(gaps, y)
    with pytest.raises(ValueError, match="X_val contains NaN at row 7, column 'size'"):
        LinearRegression().fit(frame.fillna(0.0), y, X_val=gaps, y_val=y)
    model = LogisticRegression().fit(frame.fillna(0.0), y > 2)
    for method in (model.predict, model.predict_proba):
        with pytest.raises(ValueError, match="X contains NaN at row 7, column 'size'"):
            method(gaps)


def test_infinity_and_arrays_keep_their_words(frame, y):
    frame.loc[3, "small"] = np.inf
    with pytest.raises(ValueError, match=r"X contains infinity at row 3, column 'small'; every value must be finite$"):
        LinearRegression().fit(frame, y)
    with pytest.raises(ValueError, match=r"X contains infinity at row 3, column 3; every value must be finite$"):
        LinearRegression().fit(frame.to_numpy(dtype=float), y)


def test_missing_objects_and_text_are_named_by_their_column(frame, y):
    frame["kind"] = frame["rooms"].astype(object)
    frame.loc[5, "kind"] = pd.NA
    with pytest.raises(ValueError, match=r"X has a missing value, <NA>, at row 5, column 'kind'. Fill in"):
        LinearRegression().fit(frame, y)
    frame.loc[5, "kind"] = "flat"
    with pytest.raises(ValueError, match=r"holds 'flat' at row 5, column 'kind'.* get_dummies|Turn text into numbers"):
        LinearRegression().fit(frame, y)


@pytest.mark.parametrize("convert", [lambda frame: frame, pl.from_pandas])
def test_dates_are_not_numbers(frame, y, convert):
    frame["built"] = pd.date_range("2020-01-01", periods=200)
    for columns in (list(frame.columns), ["built"]):
        with pytest.raises(TypeError, match=r"X has dates or times in column 'built', of dtype .*days since"):
            LinearRegression().fit(convert(frame[columns]), y)
    with pytest.raises(TypeError, match=r"y has dtype datetime64.*Turn dates and times into numbers"):
        LinearRegression().fit(frame[["size"]], frame["built"])


def test_a_lazy_frame_has_to_be_collected(frame, y):
    with pytest.raises(TypeError, match=r"X is a polars LazyFrame; collect it first: X\.collect\(\)"):
        LinearRegression().fit(pl.from_pandas(frame).lazy(), y)


def test_text_as_targets_is_for_the_classifier(frame, y):
    text = np.where(y > 2, "yes", "no")
    for targets in (text, pd.Series(text)):
        with pytest.raises((TypeError, ValueError), match=r"Text is for LogisticRegression"):
            LinearRegression().fit(frame, targets)


def test_columns_of_x_val_are_compared_with_those_of_x(frame, y):
    with pytest.raises(
        ValueError, match=r"feature names of X_val should match those of X\.\n.*in X, yet now missing:\n- n"
    ):
        LinearRegression().fit(frame, y, X_val=frame.drop(columns="new"), y_val=y)


def test_columns_of_arrow_tables_have_names(frame, y):
    pa = pytest.importorskip("pyarrow")
    table = pa.table(frame.to_dict("list"))
    expected = LinearRegression().fit(frame, y)
    for data in (table, table.combine_chunks().to_batches()[0]):
        model = LinearRegression().fit(data, y)
        assert list(model.feature_names_in_) == list(frame.columns)
        assert (model.predict(data) == model.predict(frame)).all()
        np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-9)
        with pytest.raises(ValueError, match="must be in the same order"):
            model.predict(data.select(["rooms", "size", "new", "small"]))
    gaps = table.set_column(1, "rooms", pa.array([None, *frame["rooms"][1:]]))
    with pytest.raises(ValueError, match=r"X contains NaN at row 0, column 'rooms'; .* Fill in what is missing"):
        LinearRegression().fit(gaps, y)
    text = table.append_column("kind", pa.array(["flat"] * 200))
    with pytest.raises(ValueError, match="X has dtype object and holds 'flat' at row 0, column 'kind'"):
        LinearRegression().fit(text, y)
    dates = table.append_column("built", pa.array([0] * 200, pa.timestamp("s")))
    for data in (dates, dates.select(["built"])):
        with pytest.raises(TypeError, match=r"X has dates or times in column 'built', of dtype timestamp.*days since"):
            LinearRegression().fit(data, y)


def test_integers_that_numpy_lacks_are_named_by_their_column():
    wide = pl.DataFrame({"a": [1, 2, 3], "b": [1, 2, 4]}).with_columns(pl.col("b").cast(pl.Int128))
    with pytest.raises(TypeError, match=r"X has dtype Int128 in column 'b', which NumPy lacks. Cast it to Int64"):
        LinearRegression().fit(wide, [1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match=r"sample_weight has dtype Int128, which NumPy lacks. Cast it"):
        LinearRegression().fit(wide[["a"]], [1.0, 2.0, 3.0], wide["b"])


def test_functions_call_columns_by_their_names(frame, y):
    frame.loc[7, "size"] = np.nan
    weights = np.ones(4)
    for call in (
        lambda: forward(frame, weights),
        lambda: cost(frame, y, weights),
        lambda: gradient(frame, y, weights),
    ):
        with pytest.raises(ValueError, match=r"X contains NaN at row 7, column 'size'; .*Fill in what is missing"):
            call()


def test_names_that_are_not_all_strings_are_not_used(frame, y):
    """Columns are then called by their positions, whatever is wrong with them."""
    labels = [[10, 20, 30], ["a", 20, 30], pd.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "x")])]
    for columns in labels:
        faulty = pd.DataFrame(np.ones((20, 3)), columns=columns)
        gap = faulty.copy()
        gap.iloc[4, 2] = np.nan
        text = faulty.astype(object)
        text.iloc[4, 2] = "many"
        date = faulty.astype(object)
        date[date.columns[2]] = pd.Timestamp("2020-01-01")
        for data, error, match in [
            (gap, ValueError, "X contains NaN at row 4, column 2;"),
            (text, ValueError, "holds 'many' at row 4, column 2,"),
            (date, TypeError, "X has dates or times in column 2,"),
        ]:
            with pytest.raises(error, match=match):
                forward(data, np.ones(3))


def test_a_nameless_x_val_has_positions(frame, y):
    gaps = frame.to_numpy(dtype=float)
    gaps[7, 0] = np.nan
    with (
        pytest.raises(ValueError, match="X_val contains NaN at row 7, column 0;"),
        pytest.warns(UserWarning, match="X_val has no feature names, but X has"),
    ):
        LinearRegression().fit(frame, y, X_val=gaps, y_val=y)


def test_columns_of_another_number_are_no_names(frame, y):
    class Loaded:
        columns = ("id", "size", "rooms", "new", "small")

        def __array__(self, dtype=None, copy=None):
            return frame.to_numpy(dtype=float)

    model = LinearRegression().fit(Loaded(), y)
    assert not hasattr(model, "feature_names_in_")
    frame.loc[3, "size"] = np.nan
    with pytest.raises(ValueError, match="X contains NaN at row 3, column 0;"):
        model.predict(Loaded())


def test_a_column_may_be_called_column_names(frame, y):
    named = frame.rename(columns={"small": "column_names"})
    assert list(LinearRegression().fit(named, y).feature_names_in_) == list(named.columns)


@pytest.mark.parametrize(
    "convert",
    [lambda column: column.to_frame(), lambda column: pl.DataFrame({"day": column.to_numpy("datetime64[us]")})],
)
def test_dates_may_be_the_labels_of_two_classes(frame, y, convert):
    days = pd.Series(np.where(y > 2, np.datetime64("2020-01-02"), np.datetime64("2020-01-01")), name="day")
    with pytest.warns(match="column-vector y"):
        model = LogisticRegression().fit(frame, convert(days))
    assert (model.coef_ == LogisticRegression().fit(frame, days).coef_).all()
