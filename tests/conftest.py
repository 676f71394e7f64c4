"""Data that several tests share."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(20260)


@pytest.fixture
def binary(rng):
    """Two overlapping classes: X of shape (300, 4), y of 0 and 1."""
    X = rng.normal(size=(300, 4))
    y = (X @ [1.0, -2.0, 0.5, 0.0] + rng.logistic(size=300) > 0).astype(int)
    return X, y
