"""Results, and what is compared of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks import Size


@dataclass(frozen=True)
class Result:
    """A contender at one problem."""

    task: str
    size: Size
    contender: str
    seconds: float
    """The median over the runs."""
    shortest: float
    runs: int
    passes: int | None
    roofline: float | None
    """The bytes of X that these passes read, a second, as a share of the measured read bandwidth."""
    arrived: bool
    check: str


def fastest(results: Iterable[Result]) -> float | None:
    """Return the seconds of the fastest that arrived, if any did."""
    return min((result.seconds for result in results if result.arrived), default=None)


def by_problem(results: Iterable[Result]) -> dict[tuple[str, Size], list[Result]]:
    problems: dict[tuple[str, Size], list[Result]] = {}
    for result in results:
        problems.setdefault((result.task, result.size), []).append(result)
    return problems
