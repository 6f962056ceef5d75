"""Stopping calls: from another thread, or after a time."""

from __future__ import annotations

import ctypes
import math
import threading
from typing import Any, List

from ._errors import bad_argument
from ._handle import Handle
from ._library import check, library
from .options import real


class Cancellation:
    """Stops calls of the threads that are inside of it, when another thread says so or a time has passed. Since 1.1.

        stop = swiftclip.Cancellation()
        with stop:                      # on the thread that works
            model.embed_images(paths)   # CancelledError once another thread calls stop.cancel()

    Any number of threads may be inside, and one may be inside of several, and of one several times: the first that
    says stop stops. A call looks between products, pictures, texts and pieces of files; what it works on stays as
    it was. Calls on other threads, and results that are not stopped, are not touched in any bit.
    """

    def __init__(self) -> None:
        handle = ctypes.c_void_p()
        check(library().swiftclip_cancellation_create(ctypes.byref(handle)))
        assert handle.value is not None
        self._handle = Handle(self, handle.value, library().swiftclip_cancellation_free, "cancellation")
        # __exit__ belongs to the __enter__ of its own thread.
        self._inside = threading.local()

    def cancel(self) -> None:
        """Stops calls inside, under way and to come, with CancelledError. For good. From any thread."""
        check(library().swiftclip_cancellation_cancel(self._handle.value))

    def set_deadline(self, seconds: float) -> None:
        """Stops calls inside with DeadlineExceededError from `seconds` from now on: 0 is now, and infinity never.

        Replaces the deadline set before, but one that a call has run into has passed for good. Raises
        InvalidArgumentError for a negative time.
        """
        check(library().swiftclip_cancellation_set_deadline(self._handle.value, _milliseconds(seconds)))

    def __enter__(self) -> "Cancellation":
        check(library().swiftclip_cancellation_attach(self._handle.value))
        self._depths().append(self._handle.value)
        return self

    def __exit__(self, *_: Any) -> None:
        library().swiftclip_cancellation_detach(self._depths().pop())

    def _depths(self) -> List[int]:
        if not hasattr(self._inside, "attached"):
            self._inside.attached = []
        attached: List[int] = self._inside.attached
        return attached


def deadline(seconds: float) -> Cancellation:
    """For a `with` block: calls inside raise DeadlineExceededError once `seconds` have passed from here. Since 1.1.

        with swiftclip.deadline(0.25):
            model.encode_text(texts)

    0 stops every call at once, infinity none. Blocks may be nested: the earliest deadline counts. Raises
    InvalidArgumentError for a negative time.
    """
    made = Cancellation()
    made.set_deadline(seconds)
    return made


def _milliseconds(seconds: float) -> int:
    value = real("seconds", seconds)
    if math.isnan(value) or value < 0:
        raise bad_argument(f"seconds is {seconds!r}, and must be 0 or more.")
    return -1 if value > 1e12 else math.ceil(value * 1000)
