"""Breast tumours, malignant or benign: when to stop training, and what under- and overfitting look like.

python examples/validation.py [output folder]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common import Fits, print_table, read_csv, run, standardise

N_TRAINING = 400  # of 569; the others are for validation
N_SMALL = 60  # the small training part of the overfit
FAR = 20_000  # iterations, far beyond the minimum of the validation curve


def main(folder: Path) -> Fits:
    data = read_csv("breast_cancer.csv")
    features = [name for name in data.dtype.names if name != "diagnosis"]
    X = np.column_stack([data[name] for name in features]).astype(float)
    y = data["diagnosis"]
    order = np.random.default_rng(SEED).permutation(len(y))
    training, validation = order[:N_TRAINING], order[N_TRAINING:]
    small = training[:N_SMALL]

    # The good fit: all features, stopped once the validation cost has not improved for 100 iterations.
    parts = split(X, y, training, validation)
    stopped = fit(parts, max_iter=FAR, tol=0, early_stopping=True, patience=100)
    run_on = fit(parts, max_iter=FAR, tol=0)

    # Underfit: one feature says too little, however long the training.
    column = features.index("mean_texture")
    parts_one = split(X[:, [column]], y, training, validation)
    underfit = fit(parts_one)

    # Overfit: squares and products of all features, more weights than rows, trained far beyond the minimum.
    small_training, small_validation = standardise(X[small], X[validation])
    X_products = np.empty((len(y), with_products(small_training[:1]).shape[1]))
    X_products[small], X_products[validation] = with_products(small_training), with_products(small_validation)
    parts_products = split(X_products, y, small, validation)
    overfit = fit(parts_products, max_iter=FAR, tol=0)

    print("(c) Breast tumours, malignant or benign: training and validation")
    print(
        f"{len(y)} tumours with {len(features)} features each, {len(training)} for training and {len(validation)} for"
    )
    print("validation. Columns are standardised with the mean and scale of the training part alone.")
    print_table(
        ["", "", "", "iterations", "cost", "cost", "right", "right"],
        [
            ["fit", "features", "rows", "", "training", "validation", "training", "validation"],
            ["underfit", *summary(underfit, parts_one)],
            ["good fit, stopped at the minimum", *summary(stopped, parts)],
            ["overfit", *summary(overfit, parts_products)],
        ],
    )
    return []


if __name__ == "__main__":
    run(main)
