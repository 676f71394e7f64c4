"""Values in messages: as Python writes them, cut to what can be read."""

from __future__ import annotations

import reprlib
from typing import Any


class _Shown(reprlib.Repr):
    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = 100

    def repr_int(self, value: int, level: int) -> str:
        # Python writes out no integer of more than some thousand digits.
        if value.bit_length() > 4096:
            return f"<integer of {value.bit_length()} bits>"
        return super().repr_int(value, level)


shown = _Shown().repr
"""Return a value as Python writes it, but no more than a line of it."""


def cut(text: Any, limit: int = 200) -> str:
    """Return a text without its middle, where it is long."""
    whole = str(text)
    return whole if len(whole) <= limit else f"{whole[: limit // 2]}...{whole[-limit // 2 :]}"
