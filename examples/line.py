"""A line through 36 measurements of ozone, compared with the values that NIST certifies.

python examples/line.py [output folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import pyplot

from common import Fits, original_units, print_table, read_csv, run, save, say, standardise
from steepest import LinearRegression

# NIST StRD, Norris: the certified estimates and residual sum of squares.
CERTIFIED_SLOPE, CERTIFIED_INTERCEPT = 1.00211681802045, -0.262323073774029
CERTIFIED_COST = 26.6173985294224 / 36


def main(folder: Path) -> Fits:
    data = read_csv("norris.csv")
    x, y = data["x"], data["y"]
    (x_standard,) = standardise(x)
    model = LinearRegression(solver="gd", learning_rate=0.1, tol=1e-12).fit(x_standard.reshape(-1, 1), y)
    slope, intercept = original_units(model.coef_[0], model.intercept_, x)
    exact = LinearRegression().fit(x.reshape(-1, 1), y)

    print("(a) A line through a calibration of ozone monitors (NIST Norris, 36 points)")
    say(
        f"""Gradient descent with learning rate {model.learning_rate_:g} took {model.n_iter_} iterations on
        standardised x. The default solver, solver="auto", takes x as it is and solves for the line at once. Both in
        the units of the data, beside the values certified by NIST:"""
    )
    rows = [
        ("slope, gradient descent", slope, CERTIFIED_SLOPE),
        ("slope, default solver", exact.coef_[0], CERTIFIED_SLOPE),
        ("intercept, gradient descent", intercept, CERTIFIED_INTERCEPT),
        ("intercept, default solver", exact.intercept_, CERTIFIED_INTERCEPT),
    ]
    print_table(
        ["", "steepest", "NIST", "digits agreed"],
        [[name, f"{found:.14f}", f"{certified:.14f}", digits(found, certified)] for name, found, certified in rows],
    )

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    ends = np.array([x.min(), x.max()])
    left.plot(x, y, "o", markerfacecolor="none", label="measurements")
    left.plot(ends, slope * ends + intercept, label=f"ŷ = {slope:.4f} x − {-intercept:.4f}")
    left.set(title="Line", xlabel="ozone by NIST's instrument, x (units as recorded)")
    left.set_ylabel("ozone by the monitor, y (units as recorded)")
    left.legend()
    right.semilogy(model.history_.cost, label="cost of each iteration")
    label = f"smallest possible, {CERTIFIED_COST:.4f} (NIST)"
    right.axhline(CERTIFIED_COST, color="black", linestyle=":", label=label)
    right.set(title="Cost curve", xlabel="iteration", ylabel="cost, mean squared residual (units of y, squared)")
    right.legend()
    save(figure, folder, "line.png")
    pyplot.close(figure)
    return [("line: Norris, gradient descent", model), ("line: Norris, default solver", exact)]


def digits(value: float, certified: float) -> str:
    """Return how many leading digits agree: −log10 of the relative error, at most the 15 that are certified."""
    error = max(abs(value / certified - 1), 1e-15)
    return f"{-np.log10(error):.1f}"


if __name__ == "__main__":
    run(main)
