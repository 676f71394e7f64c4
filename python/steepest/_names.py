"""The names by which activations, losses and solvers are chosen."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Activation: TypeAlias = Literal["identity", "sigmoid"]
Loss: TypeAlias = Literal["squared_error", "log_loss"]
Solver: TypeAlias = Literal["auto", "gd", "newton", "lbfgs"]

ACTIVATIONS: tuple[str, ...] = get_args(Activation)
LOSSES: tuple[str, ...] = get_args(Loss)
SOLVERS: tuple[str, ...] = get_args(Solver)
