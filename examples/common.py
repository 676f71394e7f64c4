"""What the example scripts share: reading a CSV, standardising, printing a table, saving a picture."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # pictures go to files; no window is opened

import numpy as np

DATA = Path(__file__).parent / "data"
Fits = list[tuple[str, Any]]  # a name and the fitted model


def read_csv(name: str) -> np.ndarray:
    """Return a file of examples/data as a structured array: one field a column, by its name in the first line."""
    return np.genfromtxt(DATA / name, delimiter=",", names=True, dtype=None, encoding="utf-8")


def standardise(training: np.ndarray, *others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return each array with the training array's mean subtracted, divided by its standard deviation.

    Gradient descent needs far fewer iterations when all columns have the same scale.
    """
    mean, scale = training.mean(axis=0), training.std(axis=0)
    return tuple((array - mean) / scale for array in (training, *others))


def original_units(slope: float, intercept: float, training: np.ndarray) -> tuple[float, float]:
    """Return slope and intercept for x, given those for one standardised x."""
    slope_x = slope / training.std()
    return slope_x, intercept - slope_x * training.mean()


def say(text: str) -> None:
    """Print a paragraph, wrapped."""
    print(textwrap.fill(" ".join(text.split()), width=100))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [header, ["-" * width for width in widths], *rows]
    for first, *rest in lines:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        print("  " + "  ".join(cells))


def save(figure: Any, folder: Path, name: str) -> None:
    """Write the picture and say where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / name, dpi=120)
    print(f"Picture: {folder / name}")


def run(main: Callable[[Path], Fits]) -> Fits:
    """Call `main` with the output folder named on the command line."""
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo-output"), help="where the pictures go")
    return main(parser.parse_args().folder)
