"""The sigmoid through the 23 shuttle flights before Challenger: temperature and distress of the O-rings.

python examples/sigmoid.py [output folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import pyplot

from common import Fits, original_units, print_table, read_csv, run, save, say, standardise
from steepest import LogisticRegression, forward

LAUNCH = 31.0  # °F, the forecast for Challenger's launch


def main(folder: Path) -> Fits:
    data = read_csv("challenger.csv")
    temperature, distress = data["temperature"], data["distress"]
    (standard,) = standardise(temperature)
    model = LogisticRegression(solver="gd", tol=1e-9).fit(standard.reshape(-1, 1), distress)
    slope, intercept = original_units(model.coef_[0, 0], model.intercept_[0], temperature)
    fast = LogisticRegression().fit(temperature.reshape(-1, 1), distress)

    shown = np.array([LAUNCH, 53.0, 65.0, 75.0])
    probability = sigmoid(shown, slope, intercept)
    print("(b) The sigmoid through the 23 shuttle flights before Challenger")
    say(
        f"""{distress.sum()} flights came back with distressed O-rings. Gradient descent took {model.n_iter_}
        iterations on the standardised temperature, the default solver {fast.n_iter_} on the temperature t as it is. In
        °F, beside the estimates of maximum likelihood:"""
    )
    print_table(
        ["", "gradient descent", "default solver", "reference"],
        [
            ["weight of t", f"{slope:.4f}", f"{fast.coef_[0, 0]:.4f}", "-0.2322"],
            ["bias", f"{intercept:.4f}", f"{fast.intercept_[0]:.4f}", "15.0429"],
        ],
    )
    say("The colder, the more probable is distress:")
    print_table(
        ["temperature", *(f"{t:.0f} °F" for t in shown)],
        [["probability of distress", *(f"{p:.4f}" for p in probability)]],
    )
    say(
        f"""Challenger was launched at about {LAUNCH:.0f} °F. No earlier flight was colder than
        {temperature.min()} °F: the model extrapolates there, so take the number as a warning and not as a
        measurement."""
    )

    figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    axes.axvspan(28, temperature.min(), color="0.93", label="colder than any earlier flight")
    stacked = distress + 0.04 * np.where(distress == 1, -1, 1) * earlier_alike(temperature, distress)
    axes.plot(temperature, stacked, "o", markerfacecolor="none", label="flight (alike ones stacked)")
    curve = np.linspace(28, 84, 400)
    axes.plot(curve, sigmoid(curve, slope, intercept), label=f"ŷ = σ({intercept:.2f} − {-slope:.4f} t)")
    axes.plot(
        LAUNCH, probability[0], "s", color="black", label=f"Challenger, {LAUNCH:.0f} °F: ŷ = {probability[0]:.4f}"
    )
    axes.set(xlim=(28, 84), xlabel="temperature t at launch (°F)", ylabel="probability of O-ring distress")
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0 (none)", "0.25", "0.5", "0.75", "1 (distress)"])
    celsius = axes.secondary_xaxis("top", functions=(lambda f: (f - 32) / 1.8, lambda c: 1.8 * c + 32))
    celsius.set_xlabel("temperature at launch (°C)")
    axes.legend(loc="center left", bbox_to_anchor=(0.02, 0.4))
    save(figure, folder, "sigmoid.png")
    pyplot.close(figure)
    return [("sigmoid: Challenger, gradient descent", model), ("sigmoid: Challenger, default solver", fast)]


def sigmoid(temperature: np.ndarray, slope: float, intercept: float) -> np.ndarray:
    """Return the probability of distress at each temperature."""
    return forward(temperature.reshape(-1, 1), [slope], intercept, activation="sigmoid")


def earlier_alike(temperature: np.ndarray, distress: np.ndarray) -> np.ndarray:
    """Return for each flight how many earlier ones had the same temperature and outcome."""
    pairs = list(zip(temperature, distress, strict=True))
    return np.array([pairs[:index].count(pair) for index, pair in enumerate(pairs)])


if __name__ == "__main__":
    run(main)
