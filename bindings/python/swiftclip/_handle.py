"""Owning a handle of the C library."""

from __future__ import annotations

import weakref
from typing import Any, Callable, Optional

from ._errors import bad_argument


class Handle:
    """A handle and the function that frees it: at `close`, or when nothing refers to the owner any more.

    Closing while another thread is inside a call is safe: the library lets that call finish first.
    """

    def __init__(self, owner: Any, value: int, free: Callable[[int], None], what: str) -> None:
        self._value: Optional[int] = value
        self._what = what
        self._finalizer = weakref.finalize(owner, free, value)
        self._finalizer.atexit = False  # the end of the process frees it anyway

    @property
    def value(self) -> int:
        """The handle for a C call. Raises InvalidArgumentError once it is closed."""
        if self._value is None:
            raise bad_argument(f"This {self._what} is closed. Open it again to use it.")
        return self._value

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._value is None

    def close(self) -> None:
        """Frees the handle; a second call does nothing."""
        self._value = None
        self._finalizer()
