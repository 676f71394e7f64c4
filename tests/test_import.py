"""Importing the package is cheap and loads nothing that was not asked for."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = ["matplotlib", "tqdm", "scipy", "pandas", "polars", "sklearn"]


def run(code):
    outcome = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return json.loads(outcome.stdout)


def test_import_and_fit_load_no_optional_package():
    code = f"""
import json, sys, steepest
steepest.LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1]).predict([[1.0]])
print(json.dumps([name for name in {HEAVY} if name in sys.modules]))
"""
    assert run(code) == []


def test_import_adds_at_most_20_milliseconds_to_numpy():
    code = """
import json, time, numpy
began = time.process_time()
import steepest
print(json.dumps(time.process_time() - began))
"""
    # Of the processor's time, which other processes take none of; some go by in any start.
    assert any(run(code) <= 0.020 for _ in range(10))
