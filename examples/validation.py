"""Breast tumours, malignant or benign: when to stop training, and what under- and overfitting look like.

python examples/validation.py [output folder]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot

from common import Fits, print_table, read_csv, run, save, say, standardise
from steepest import LogisticRegression

SEED = 2  # of the split; of the seeds 0 to 7 the one that shows the minimum of the validation curve best
N_TRAINING = 400  # of 569 rows; the others are for validation
N_SMALL = 60  # the rows of the training part that the overfit gets
FAR = 20_000  # iterations, far beyond the minimum of the validation curve
PATIENCE = 100
COST = "cost, mean log loss (nats per tumour)"


def main(folder: Path) -> Fits:
    data = read_csv("breast_cancer.csv")
    features = [name for name in data.dtype.names if name != "diagnosis"]
    X = np.column_stack([data[name] for name in features])
    y = data["diagnosis"]
    order = np.random.default_rng(SEED).permutation(len(y))
    training, validation, small = order[:N_TRAINING], order[N_TRAINING:], order[:N_SMALL]
    y_validation = y[validation]

    # The good fit: all features, stopped once the validation cost has not improved for PATIENCE iterations.
    parts = (*standardise(X[training], X[validation]), y[training], y_validation)
    good = fit(parts, max_iter=FAR, tol=0, early_stopping=True, patience=PATIENCE)
    unstopped = fit(parts, max_iter=FAR, tol=0)

    # Underfit: one feature says too little, however long the training.
    one = [features.index("mean_compactness")]
    parts_one = (*standardise(X[training][:, one], X[validation][:, one]), y[training], y_validation)
    underfit = fit(parts_one)

    # Overfit: features, their squares and products, so more weights than rows; trained far beyond the minimum.
    products = [with_products(part) for part in standardise(X[small], X[validation])]
    parts_products = (*standardise(*products), y[small], y_validation)
    overfit = fit(parts_products, max_iter=FAR, tol=0)

    print("(c) Breast tumours, malignant or benign: when to stop")
    say(
        f"""{len(y)} tumours, {len(training)} for training and {len(validation)} for validation. Columns are
        standardised by the mean and scale of the training part alone. The cost is the mean log loss, lower is
        better; "right" is the share of right diagnoses. Both are taken at the iteration whose parameters the
        fit ended with."""
    )
    rows = [
        ("underfit", underfit, parts_one),
        ("good fit", good, parts),
        ("good fit, not stopped", unstopped, parts),
        ("overfit", overfit, parts_products),
    ]
    print_table(
        ["", "rows", "features", "iteration", "training cost", "right", "validation cost", "right"],
        [[name, *summary(model, parts)] for name, model, parts in rows],
    )
    best = good.history_.best_iteration
    course, best_overfit = overfit.history_.validation_cost, overfit.history_.best_iteration
    say(
        f"""Good fit: the validation cost is smallest at iteration {best}. Training stopped {PATIENCE}
        iterations later, at {good.n_iter_}, and went back to the parameters of iteration {best}. Had it run on
        to iteration {FAR}, the training cost would have fallen further and the validation cost risen: the model
        learns the accidents of the training rows."""
    )
    say(
        """Underfit: one feature, the mean compactness. Both costs are high and close together, and more
        iterations do not help: the model is too simple. Remedy: more features."""
    )
    say(
        f"""Overfit: {overfit.n_features_in_} features (the {len(features)}, their squares and products) from
        {N_SMALL} rows. The training cost is near 0, yet the validation cost rose from
        {course[best_overfit]:.3f} at iteration {best_overfit} to {course[-1]:.3f}: the model knows its training
        rows by heart. Remedy: more rows, fewer features, or stopping at the minimum."""
    )

    say(
        f"""The figures illustrate, they don't estimate: the split (seed {SEED} of the seeds 0 to 7) and the single
        feature (of {len(features)}) were picked because they show these cases clearly, and the same validation rows
        say when to stop and how good the stop was. How right such a model is on new tumours takes a third part,
        used for nothing else."""
    )

    figure, axes = pyplot.subplots(figsize=(9, 5.5), layout="constrained")
    good.history_.plot(axes)
    trained, validated = axes.get_lines()[:2]
    axes.plot(unstopped.history_.cost, color=trained.get_color(), linestyle=":", label="training, had it run on")
    axes.plot(
        unstopped.history_.validation_cost,
        color=validated.get_color(),
        linestyle=":",
        label="validation, had it run on",
    )
    axes.axvline(good.n_iter_, color="0.5", linestyle="--", label=f"training stopped, iteration {good.n_iter_}")
    axes.set(xscale="log", xlim=(1, FAR), ylim=(0, None), ylabel=COST, xlabel="iteration (log scale)")
    axes.set_title(f"Stopping at the minimum: {len(features)} features, {len(training)} training rows")
    axes.legend(loc="upper left")
    save(figure, folder, "validation.png")
    pyplot.close(figure)

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(12, 5), layout="constrained")
    underfit.history_.plot(left)
    left.set_title(f"Underfit: 1 feature, {len(training)} training rows")
    overfit.history_.plot(right)
    right.set_title(f"Overfit: {overfit.n_features_in_} features, {N_SMALL} training rows")
    for axes, model in ((left, underfit), (right, overfit)):
        axes.set(
            xscale="log", xlim=(1, 1.3 * model.n_iter_), ylim=(0, 0.75), xlabel="iteration (log scale)", ylabel=COST
        )
    save(figure, folder, "under_and_overfit.png")
    pyplot.close(figure)
    return [
        ("sigmoid: tumours, good fit", good),
        ("sigmoid: tumours, not stopped", unstopped),
        ("sigmoid: tumours, underfit", underfit),
        ("sigmoid: tumours, overfit", overfit),
    ]


def fit(parts: tuple[np.ndarray, ...], **options: Any) -> LogisticRegression:
    """Fit to the training part and record the cost on the validation part."""
    X_training, X_validation, y_training, y_validation = parts
    model = LogisticRegression(solver="gd", **options)
    return model.fit(X_training, y_training, X_val=X_validation, y_val=y_validation)


def with_products(X: np.ndarray) -> np.ndarray:
    """Return the columns, their squares, and the products of any two."""
    first, second = np.triu_indices(X.shape[1])
    return np.hstack([X, X[:, first] * X[:, second]])


def summary(model: LogisticRegression, parts: tuple[np.ndarray, ...]) -> list[str]:
    """Return the table's row: the costs and accuracies that belong to the parameters the fit ended with."""
    X_training, X_validation, y_training, y_validation = parts
    history = model.history_
    final = history.best_iteration if model.stop_reason_ == "early_stopping" else model.n_iter_
    return [
        str(len(y_training)),
        str(model.n_features_in_),
        str(final),
        f"{history.cost[final]:.4f}",
        f"{model.score(X_training, y_training):.1%}",
        f"{history.validation_cost[final]:.4f}",
        f"{model.score(X_validation, y_validation):.1%}",
    ]


if __name__ == "__main__":
    run(main)
