"""Which samples a fit sets aside as validation data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from steepest._shown import shown
from steepest._validation import check_integer, check_real

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy.typing as npt

    from steepest._validation import Array

    RandomState: TypeAlias = int | np.random.Generator | np.random.RandomState | None


def hold_out(
    fraction: float, random_state: RandomState, n_samples: int, weights: Array | None, groups: Array | None
) -> npt.NDArray[np.bool_]:
    """Draw a share of the samples.

    Parameters
    ----------
    fraction : float
        Which share of each group, between 0 and 1; at least one sample of each.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        The seed, or what draws one.
    n_samples : int
        The number of samples m.
    weights : ndarray of shape (m,), or None
        Samples of weight 0 are never drawn, so that they might as well not be there.
    groups : ndarray of bool, shape (m,), or None
        Two groups, such as classes; None for one of all.

    Returns
    -------
    ndarray of bool, shape (m,)
        Whether a sample is drawn.

    Raises
    ------
    ValueError
        If no sample of a group would be left.
    """
    counted = np.ones(n_samples, dtype=np.bool_) if weights is None else weights > 0
    if isinstance(random_state, np.random.RandomState):
        random_state = int(random_state.randint(1 << 32, dtype=np.uint64))
    generator = np.random.default_rng(random_state)
    drawn = np.zeros(n_samples, dtype=np.bool_)
    for group in [counted] if groups is None else [counted & ~groups, counted & groups]:
        members = np.flatnonzero(group)
        n_drawn = max(1, round(fraction * len(members)))
        if n_drawn >= len(members):
            of = "" if groups is None else " of one class"
            raise ValueError(
                f"validation_fraction is {fraction}, which leaves none of the {len(members)} sample(s){of} that have "
                "a positive weight to fit to."
            )
        drawn[generator.choice(members, n_drawn, replace=False, shuffle=False)] = True
    return drawn


def check_fraction(value: Any) -> float | None:
    """Return the share of the samples to hold out, or None for none."""
    if value is None:
        return None
    expected = "None or a number above 0 and below 1"
    fraction = check_real(value, "validation_fraction", expected, low=0.0, inclusive=False)
    if fraction >= 1.0:
        raise ValueError(f"validation_fraction is {shown(value)}, expected {expected}.")
    return fraction


def check_random_state(value: Any) -> RandomState:
    """Return a seed, what draws one, or None for one from the operating system."""
    # NumPy imports its generators when they are first asked for, which takes time.
    if value is None or (not isinstance(value, int) and isinstance(value, np.random.Generator | np.random.RandomState)):
        return value
    expected = "None, an integer, 0 or larger, a numpy.random.Generator or RandomState"
    return check_integer(value, "random_state", expected, low=0)
