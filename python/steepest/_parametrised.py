"""The parameters of an estimator, which its constructor names."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Self

from steepest._shown import shown

if TYPE_CHECKING:
    from collections.abc import Mapping


class Parametrised:
    """Base of what has parameters by scikit-learn's protocol.

    A constructor that takes ``**kwargs`` passes them on, so that what its parents take are parameters too.
    """

    _defaults: ClassVar[Mapping[str, Any]] = {}
    _takes_positional: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        kinds = {parameter.kind for parameter in parameters}
        inherited = cls._defaults if inspect.Parameter.VAR_KEYWORD in kinds else {}
        named = {p.name: p.default for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        cls._defaults = {**named, **{name: value for name, value in inherited.items() if name not in named}}
        cls._takes_positional = inspect.Parameter.VAR_POSITIONAL in kinds

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the constructor's parameters, by name.

        Parameters
        ----------
        deep : bool, default=True
            Accepted for scikit-learn's protocol; no parameter holds another estimator.

        Raises
        ------
        RuntimeError
            If the constructor of a subclass takes ``*args``, which have no names.
        """
        if self._takes_positional:
            raise RuntimeError(
                f"{type(self).__name__}.__init__ takes *args, expected parameters by name: without names a clone "
                "would lack them."
            )
        return {name: getattr(self, name) for name in self._defaults}

    def set_params(self, **params: Any) -> Self:
        """Set constructor parameters by name and return the estimator.

        Raises
        ------
        ValueError
            If a name is not a parameter; nothing is set then.
        """
        for name in params:
            if name not in self._defaults:
                raise ValueError(
                    f"Invalid parameter {shown(name)} for {self!r}. Valid parameters are: {sorted(self._defaults)}."
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        values = ((name, getattr(self, name), default) for name, default in self._defaults.items())
        differing = (f"{name}={shown(value)}" for name, value, default in values if shown(value) != shown(default))
        return f"{type(self).__name__}({', '.join(differing)})"
