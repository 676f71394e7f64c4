"""The three examples in a row, and how long each fit took.

python examples/demo.py [output folder]
"""

from __future__ import annotations

from pathlib import Path

import line
import sigmoid
import validation
from common import Fits, print_table, run


def main(folder: Path) -> Fits:
    fits = []
    for example in (line, sigmoid, validation):
        fits += example.main(folder)
        print()
    print("How long each fit took")
    print_table(
        ["fit", "iterations", "milliseconds"],
        [[name, str(model.n_iter_), f"{1000 * model.history_.seconds[-1]:.2f}"] for name, model in fits],
    )
    return fits


if __name__ == "__main__":
    run(main)
