"""The libraries compared, a small adapter each; those that are not installed are left out."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from interface import Peer

ADAPTERS = {
    "steepest": "steepest",
    "numpy": "numpy_loop",
    "jax": "jax_loop",
    "torch": "torch_loop",
    "sklearn": "sklearn",
    "sklearnex": "sklearnex",
    "glum": "glum",
    "skglm": "skglm",
    "statsmodels": "statsmodels",
}


def load(names: Sequence[str]) -> tuple[list[Peer], list[str]]:
    """Return the adapters asked for, and a line for each that cannot be had."""
    loaded, missing = [], []
    for name in names:
        try:
            loaded.append(import_module(f"peers.{ADAPTERS[name]}").PEER)
        except ImportError as error:
            missing.append(f"{name} is left out: {error}")
    return loaded, missing
