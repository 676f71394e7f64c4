"""What scikit-learn asks of an estimator, answered in its own terms only when it does."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable


def regressor_tags() -> Any:
    """Return the tags of a regressor."""
    from sklearn.utils import RegressorTags

    return _tags("regressor", regressor_tags=RegressorTags())


def binary_classifier_tags() -> Any:
    """Return the tags of a classifier for two classes."""
    from sklearn.utils import ClassifierTags

    return _tags("classifier", classifier_tags=ClassifierTags(multi_class=False))


def _tags(estimator_type: str, **kind: Any) -> Any:
    from sklearn.utils import InputTags, Tags, TargetTags

    return Tags(estimator_type=estimator_type, target_tags=TargetTags(required=True), input_tags=InputTags(), **kind)


class Consumer(Protocol):
    """An estimator whose methods take more than `X` and `y`."""

    _metadata_request: Any


ConsumerT = TypeVar("ConsumerT", bound=Consumer)

_METHODS = ("fit", "predict", "predict_proba", "predict_log_proba", "decision_function", "score")


def metadata_routing(estimator: Consumer) -> Any:
    """Return a copy of what was requested, or that nothing was."""
    from sklearn.utils.metadata_routing import get_routing_for_object

    requests = getattr(estimator, "_metadata_request", None)
    if requests is not None:
        return get_routing_for_object(requests)
    return _default_requests(type(estimator))


def _default_requests(cls: type) -> Any:
    """Return what is requested where nothing was said: what methods take, and what class attributes say of it."""
    from sklearn.utils.metadata_routing import MetadataRequest

    requests = MetadataRequest(owner=cls.__name__)
    for method in _METHODS:
        for name in _metadata(cls, method):
            getattr(requests, method).add_request(param=name, alias=None)
    # Of attributes that begin with two underscores Python makes `_Class__metadata_request__method`.
    for base in reversed(cls.__mro__):
        for attribute, aliases in vars(base).copy().items():
            _, found, method = attribute.partition("__metadata_request__")
            for name, alias in aliases.items() if found else ():
                getattr(requests, method).add_request(param=name, alias=alias)
    return requests


def _metadata(cls: type, method: str) -> list[str]:
    function = getattr(cls, method, None)
    if not inspect.isfunction(function):
        return []
    _, *parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.name not in ("X", "y") and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


class RequestSetter(Protocol):
    """A method `set_…_request`, which returns its estimator."""

    def __get__(self, instance: ConsumerT, owner: type | None = None) -> Callable[..., ConsumerT]: ...


def request_setter(method: str) -> RequestSetter:
    """Return the method `set_…_request` for one of an estimator's methods."""

    def set_request(self: ConsumerT, **requests: bool | str | None) -> ConsumerT:
        import sklearn

        if not sklearn.get_config()["enable_metadata_routing"]:
            raise RuntimeError(
                "This method is only available when metadata routing is enabled. You can enable it using "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        known = list(getattr(_default_requests(type(self)), method).requests)
        if unknown := sorted(set(requests) - set(known)):
            raise TypeError(f"Unexpected args: {unknown} in {method}. Accepted arguments are: {known}.")
        routing = metadata_routing(self)
        for name, alias in requests.items():
            getattr(routing, method).add_request(param=name, alias=alias)
        self._metadata_request = routing
        return self

    set_request.__name__ = set_request.__qualname__ = f"set_{method}_request"
    set_request.__doc__ = f"""Say which arguments scikit-learn's meta-estimators are to pass on to `{method}`.

        Only where scikit-learn's metadata routing is enabled, `sklearn.set_config(enable_metadata_routing=True)`.

        Parameters
        ----------
        **requests : bool, str or None
            By the name of an argument: True to pass it on, False not to, None to raise if it is given, a string to
            pass on what is given by that name.

        Returns
        -------
        self

        Raises
        ------
        RuntimeError
            If metadata routing is not enabled.
        TypeError
            For a name that `{method}` has no argument of.
        """
    return cast("RequestSetter", set_request)
