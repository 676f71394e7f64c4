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


def test_import_adds_few_modules_to_numpy_and_its_own():
    code = """
import json, sys, numpy
before = set(sys.modules)
import steepest
print(json.dumps(sorted(name for name in set(sys.modules) - before if name.split(".")[0] != "steepest")))
"""
    added = run(code)
    assert len(added) <= 15, added
    assert {name.split(".")[0] for name in added} <= sys.stdlib_module_names | {"numpy"}
