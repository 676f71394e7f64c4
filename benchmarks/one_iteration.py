"""Time one iteration of gradient descent beside the two products that NumPy needs for it.

The linear model on 1,000,000 × 32 float64 by default. Each round times every contender once, in turn, with a short
pause before each, since NumPy's own threads spin for a while after their work; the figures are medians over the rounds.

    python benchmarks/one_iteration.py [--samples M] [--features N] [--rounds R] [--threads T]
"""

from __future__ import annotations

import argparse
import os
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "STEEPEST_NUM_THREADS"):
        os.environ[variable] = str(options.threads)
    compare(options.samples, options.features, options.rounds, options.threads)


def compare(n_samples: int, n_features: int, rounds: int, n_threads: int) -> None:
    # Imported here so that the number of threads is set before NumPy loads its BLAS.
    import numpy as np

    from steepest import LinearRegression, gradient

    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, n_features))
    y = X @ rng.normal(size=n_features) + rng.normal(size=n_samples)
    w = np.zeros(n_features)
    n_iter = 5

    def numpy_products() -> None:
        A = y - X @ w
        _ = A @ X

    def one_gradient() -> None:
        gradient(X, y, w)

    def iteration_of_fit() -> None:
        LinearRegression(solver="gd", learning_rate=0.1, max_iter=n_iter, tol=0).fit(X, y)

    def one_read() -> None:
        X.sum()

    contenders = {
        "NumPy: X @ w, then A @ X": (numpy_products, 1),
        "steepest: gradient": (one_gradient, 1),
        # A fit of k iterations makes k + 1 passes: entry 0 of the history is the start.
        f"steepest: fit, gd, a pass of {n_iter + 1}": (iteration_of_fit, n_iter + 1),
        "one reading by one core, X.sum()": (one_read, 1),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, (work, passes) in contenders.items():
            time.sleep(0.1)
            began = time.perf_counter()
            work()
            seconds[name].append((time.perf_counter() - began) / passes)

    reference = float(np.median(seconds["NumPy: X @ w, then A @ X"]))
    print(f"{n_samples:,} × {n_features} float64, {n_threads} threads, medians of {rounds} rounds")
    print(f"{'':36}{'ms':>8}{'NumPy / this':>14}{'GB of X a second':>18}")
    for name, times in seconds.items():
        median = float(np.median(times))
        print(f"{name:36}{median * 1e3:8.1f}{reference / median:14.2f}{X.nbytes / median / 1e9:18.1f}")


if __name__ == "__main__":
    main()
