"""The names by which activations, losses and solvers are chosen."""

from __future__ import annotations

from typing import Literal, TypeAlias

Activation: TypeAlias = Literal["identity", "sigmoid"]
Loss: TypeAlias = Literal["squared_error", "log_loss"]
Solver: TypeAlias = Literal["auto", "gd", "newton", "lbfgs"]
