"""Threads: the same bits for any number, several fits at once, fork, Ctrl-C."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import oracle
import steepest

SOURCE = """
import os, signal, threading, time
import numpy as np, steepest
"""


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", SOURCE + code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("activation", "loss"), oracle.MODELS)
def test_any_number_of_threads_gives_the_same_bits(rng, activation, loss):
    for order in ("C", "F"):
        X = np.asarray(rng.normal(size=(60_000, 7)), order=order)
        y, s = rng.uniform(size=60_000), rng.uniform(size=60_000)
        results = set()
        for n_threads in (1, 2, 3, 5, 8):
            model = oracle.estimator_for(activation, loss, n_threads=n_threads, max_iter=5, tol=0)
            model.fit(X, y, s, X_val=X[::3], y_val=y[::3])
            history = model.history_
            parts = (model.coef_, model.predict(X), history.cost, history.validation_cost, history.gradient_norm)
            results.add((model.intercept_, *(part.tobytes() for part in parts)))
        assert len(results) == 1


def test_two_threads_may_fit_at_once(rng):
    X, y = rng.normal(size=(40_000, 8)), rng.normal(size=40_000)

    def fit(scale):
        return steepest.LinearRegression(max_iter=20, tol=0, n_threads=2).fit(X, scale * y).coef_

    expected = [fit(scale) for scale in range(1, 7)]
    with ThreadPoolExecutor(4) as pool:
        for found, coef in zip(pool.map(fit, range(1, 7)), expected, strict=True):
            assert (found == coef).all()


def test_other_python_threads_run_during_a_fit(rng):
    X, y = rng.normal(size=(200_000, 16)), rng.normal(size=200_000)
    ticks = []
    done = threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    steepest.LinearRegression(learning_rate=0.01, max_iter=60, tol=0, precompute=False).fit(X, y)
    done.set()
    thread.join()
    assert len(ticks) > 10


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_has_threads_of_its_own():
    outcome = run("""
X = np.ones((100_000, 8)); y = np.ones(100_000)
fit = lambda: steepest.LinearRegression(n_threads=2, max_iter=3, tol=0, learning_rate=0.01).fit(X, y).coef_
parent = fit()
child = os.fork()
if child == 0:
    os._exit(0 if (fit() == parent).all() else 1)
for _ in range(200):
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        break
    time.sleep(0.05)
else:
    os.kill(child, signal.SIGKILL)
assert done and os.waitstatus_to_exitcode(status) == 0, status
""")
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("precompute", [True, False])
@pytest.mark.parametrize("shape", [(100_000, 16), (20, 200)])
def test_ctrl_c_ends_a_fit_soon_and_leaves_the_estimator(shape, precompute):
    outcome = run(
        f"shape, precompute = {shape}, {precompute}"
        + """
X = np.random.default_rng(0).normal(size=shape); y = X[:, 0]
model = steepest.LinearRegression(max_iter=10, tol=0, precompute=precompute).fit(X, y)
before = model.coef_.copy()
model.set_params(max_iter=10**9, learning_rate=1e-6)
sent = []
def interrupt():
    time.sleep(0.5)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    model.fit(X, y)
except KeyboardInterrupt:
    assert time.perf_counter() - sent[0] < 2
    assert (model.coef_ == before).all()
    assert np.isfinite(model.set_params(max_iter=5, learning_rate="auto").fit(X, y).coef_).all()
    print("interrupted")
"""
    )
    assert outcome.stdout.strip() == "interrupted", outcome.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("variable", ["STEEPEST_NUM_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS"])
def test_the_environment_sets_the_number_of_threads(variable):
    code = """
names = lambda: [open(f"/proc/self/task/{t}/comm").read().strip() for t in os.listdir("/proc/self/task")]
for _ in range(20):
    steepest.gradient(np.ones((200_000, 8)), np.ones(200_000), np.zeros(8))
print(sum(name.startswith("steepest-") for name in names()))
"""
    names = ("STEEPEST_NUM_THREADS", "RAYON_NUM_THREADS", "OMP_NUM_THREADS")
    lower = dict.fromkeys(names[names.index(variable) + 1 :], "7")
    assert run(code, **dict.fromkeys(names, "")).returncode == 0
    value = "4,2" if variable == "OMP_NUM_THREADS" else "4"
    outcome = run(code, **{**dict.fromkeys(names, ""), variable: value, **lower})
    assert outcome.stdout.strip() == "3", outcome.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_one_pool_serves_data_of_every_size():
    outcome = run("""
def count():
    names = [open(f"/proc/self/task/{t}/comm").read() for t in os.listdir("/proc/self/task")]
    return sum(name.startswith("steepest-") for name in names)
for m in range(2_000, 130_000, 8_000):
    steepest.forward(np.ones((m, 16)), np.ones(16), n_threads=5)
print(count())
steepest.forward(np.ones((m, 16)), np.ones(16), n_threads=10**6)
for _ in range(100):  # a thread takes its name a moment after it began
    if count() >= 131:
        break
    time.sleep(0.02)
print(count())
""")
    assert outcome.stdout.split() == ["4", str(4 + 127)], outcome.stderr
