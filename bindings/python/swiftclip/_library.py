"""Opening the shared object, once, when it is first needed, and calling it."""

from __future__ import annotations

import ctypes
import threading
from pathlib import Path
from typing import Any, Optional

from ._declarations import FUNCTIONS
from ._errors import LibraryError, Status, error_for
from ._places import find_library

MAJOR_VERSION = 1

_lock = threading.Lock()
_opened: Optional[ctypes.CDLL] = None


def open_library(path: Path) -> ctypes.CDLL:
    """Opens one shared object and declares its functions.

    Raises LibraryError where it cannot be opened, is of another major version, or lacks a function.
    """
    try:
        found = ctypes.CDLL(str(path))
    except OSError as error:
        raise LibraryError(
            f"{path} could not be opened: {error}. It needs libjpeg, libpng and libwebp; "
            "if one is missing, install libjpeg62-turbo, libpng16-16 and libwebp7.",
            Status.IO_ERROR,
        ) from error
    try:
        for name, (result, arguments) in FUNCTIONS.items():
            function = getattr(found, name)
            function.restype = result
            function.argtypes = arguments
            if name == "swiftclip_version":
                _check_version(found, path)
    except AttributeError as error:
        raise LibraryError(
            f"{path} lacks a function that this package calls ({error}). "
            "Install a libswiftclip.so of the package's version or later.",
            Status.UNSUPPORTED,
        ) from None
    return found


def _check_version(found: ctypes.CDLL, path: Path) -> None:
    number = found.swiftclip_version()
    if number // 10000 != MAJOR_VERSION:
        version = f"{number // 10000}.{number // 100 % 100}.{number % 100}"
        raise LibraryError(
            f"{path} is version {version} of swiftclip, and this package needs version {MAJOR_VERSION}. "
            "Install the two from the same release.",
            Status.UNSUPPORTED,
        )


def library() -> ctypes.CDLL:
    """The shared object, opened at the first call. Safe from any thread."""
    global _opened
    if _opened is None:
        with _lock:
            if _opened is None:
                _opened = open_library(find_library())
    return _opened


def check(status: int, start: int = 0) -> None:
    """Raises the exception for a status that is not OK, with the library's own message.

    start  where in the caller's list the call's items began, if not at its beginning
    """
    if status != Status.OK:
        message = library().swiftclip_last_error().decode("utf-8", "replace") or "The library gave no reason."
        if start:
            message += f" (Counted from item {start} of the list.)"
        raise error_for(status, message)


def version() -> str:
    """The version of the shared object that is in use, such as "1.0.0". Since 1.0.

    Raises LibraryError where none is found.
    """
    number = library().swiftclip_version()
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def address(array: Any) -> int:
    """Where a numpy array's numbers lie; it must be kept alive for the length of the call."""
    return int(array.ctypes.data)
