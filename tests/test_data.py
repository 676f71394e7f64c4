"""Real data with answers that others certified or published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from steepest import LinearRegression, LogisticRegression

DATA = Path(__file__).parents[1] / "examples" / "data"


def test_norris_agrees_with_nists_certified_line():
    x, y = np.loadtxt(DATA / "norris.csv", delimiter=",", skiprows=1, unpack=True)
    model = LinearRegression().fit(x[:, None], y)
    assert model.coef_[0] == pytest.approx(1.00211681802045, rel=1e-14, abs=0)
    assert model.intercept_ == pytest.approx(-0.262323073774029, rel=1e-12, abs=0)
    mean, scale = x.mean(), x.std()
    model = LinearRegression(solver="gd", tol=1e-13).fit(((x - mean) / scale)[:, None], y)
    slope = model.coef_[0] / scale
    assert slope == pytest.approx(1.00211681802045, rel=1e-11)
    assert model.intercept_ - slope * mean == pytest.approx(-0.262323073774029, rel=1e-8)


def test_challenger_agrees_with_the_published_maximum_likelihood_fit():
    table = np.genfromtxt(DATA / "challenger.csv", delimiter=",", names=True)
    temperature, distress = table.dtype.names[-2:]
    t, y = table[temperature], table[distress].astype(int)
    assert (len(y), y.sum()) == (23, 7)
    model = LogisticRegression().fit(t[:, None], y)
    assert model.coef_[0, 0] == pytest.approx(-0.2322, abs=5e-5)
    assert model.intercept_[0] == pytest.approx(15.0429, abs=5e-4)
    model = LogisticRegression(solver="gd", tol=1e-9, max_iter=100_000).fit(((t - t.mean()) / t.std())[:, None], y)
    slope = model.coef_[0, 0] / t.std()
    assert slope == pytest.approx(-0.2322, abs=5e-5)
    assert model.intercept_[0] - slope * t.mean() == pytest.approx(15.0429, abs=5e-4)
