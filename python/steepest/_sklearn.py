"""scikit-learn's description of an estimator, built only when scikit-learn asks for it."""

from __future__ import annotations

from typing import Any


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
