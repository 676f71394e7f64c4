"""The examples in the README and in the docstrings run and say the truth."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import steepest

README = Path(__file__).parents[1] / "README.md"


def test_readme_blocks_run_in_order(tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) >= 3
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), namespace)


def test_docstring_examples_run():
    tried = 0
    for info in pkgutil.iter_modules(steepest.__path__, "steepest."):
        result = doctest.testmod(importlib.import_module(info.name))
        assert result.failed == 0
        tried += result.attempted
    assert tried >= 12


def test_everything_public_has_a_docstring():
    for name in set(steepest.__all__) - {"__version__"}:
        thing = getattr(steepest, name)
        assert thing.__doc__, name
        for member, value in vars(thing).items() if isinstance(thing, type) else ():
            if callable(value) and not member.startswith("_"):
                assert value.__doc__, f"{name}.{member}"
