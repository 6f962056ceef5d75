"""What goes wrong, as exceptions: one class for each status of the C library."""

from __future__ import annotations

import enum
from typing import Any, Dict, Tuple, Type


class Status(enum.IntEnum):
    """How a call ended, numbered as `swiftclip_status` in swiftclip.h. Since 1.0."""

    OK = 0
    INVALID_ARGUMENT = 1
    IO_ERROR = 2
    INVALID_DATA = 3
    UNSUPPORTED = 4
    TEXT_TOO_LONG = 5
    LIMIT_EXCEEDED = 6
    OUT_OF_MEMORY = 7
    CANCELLED = 8
    BUFFER_TOO_SMALL = 9
    MISSING_PART = 10
    INTERNAL_ERROR = 11
    DEADLINE_EXCEEDED = 12


class SwiftCLIPError(Exception):
    """The base of everything that swiftclip raises. Since 1.0.

    Each subclass also derives from the built-in exception that fits it (ValueError, OSError, ...), so
    code that knows only those catches it as well. The message says what was wrong, where, and what to do.
    """

    status: int
    """The `Status` behind it; a plain int where the library is newer than this package."""

    def __init__(self, message: str, status: int = Status.INTERNAL_ERROR) -> None:
        super().__init__(message)
        self.status: int = status

    def __reduce__(self) -> Tuple[Any, ...]:
        return (type(self), (str(self), self.status))


class InvalidArgumentError(SwiftCLIPError, ValueError):
    """An argument is out of range, of the wrong shape, or a handle that was closed."""


class ArgumentTypeError(InvalidArgumentError, TypeError):
    """An argument is of a type that swiftclip does not know what to do with."""


class FileError(SwiftCLIPError, OSError):
    """A file is missing or cannot be read."""

    def __str__(self) -> str:
        return str(self.args[0])


class InvalidDataError(SwiftCLIPError, ValueError):
    """A file, picture or text is damaged or malformed."""


class UnsupportedError(SwiftCLIPError, ValueError):
    """Well-formed, but nothing that this version understands or can do."""


class TextTooLongError(SwiftCLIPError, ValueError):
    """A text needs more tokens than the context has; `truncate=True` cuts it instead."""


class LimitExceededError(SwiftCLIPError, ValueError):
    """Something is larger than a limit allows: `Preprocess.max_pixels` and `max_bytes`, `Limits`, or a trainer's
    `max_bytes`."""


class OutOfMemoryError(SwiftCLIPError, MemoryError):
    """Weights, activations or a picture did not fit in memory."""


class CancelledError(SwiftCLIPError):
    """The work was stopped, by a `Cancellation`."""


class DeadlineExceededError(SwiftCLIPError, TimeoutError):
    """The work did not end before its `deadline`. Since 1.1."""

    def __str__(self) -> str:
        return str(self.args[0])


class BufferTooSmallError(SwiftCLIPError, ValueError):
    """A result did not fit. This package sizes every buffer, so: a library of another version."""


class MissingPartError(SwiftCLIPError, ValueError):
    """The model has no such tower, or no vocabulary."""


class InternalError(SwiftCLIPError, RuntimeError):
    """A defect of swiftclip: please report it."""


class LibraryError(SwiftCLIPError, ImportError):
    """The shared object is missing, or not one that this package can use."""


_CLASSES: Dict[int, Type[SwiftCLIPError]] = {
    Status.INVALID_ARGUMENT: InvalidArgumentError,
    Status.IO_ERROR: FileError,
    Status.INVALID_DATA: InvalidDataError,
    Status.UNSUPPORTED: UnsupportedError,
    Status.TEXT_TOO_LONG: TextTooLongError,
    Status.LIMIT_EXCEEDED: LimitExceededError,
    Status.OUT_OF_MEMORY: OutOfMemoryError,
    Status.CANCELLED: CancelledError,
    Status.BUFFER_TOO_SMALL: BufferTooSmallError,
    Status.MISSING_PART: MissingPartError,
    Status.INTERNAL_ERROR: InternalError,
    Status.DEADLINE_EXCEEDED: DeadlineExceededError,
}


def error_for(status: int, message: str) -> SwiftCLIPError:
    """The exception for a status of the library, not yet raised."""
    if status in _CLASSES:
        return _CLASSES[status](message, Status(status))
    return SwiftCLIPError(message, status)


def bad_argument(message: str) -> SwiftCLIPError:
    """An InvalidArgumentError, not yet raised."""
    return error_for(Status.INVALID_ARGUMENT, message)


def bad_type(message: str) -> SwiftCLIPError:
    """An ArgumentTypeError, not yet raised."""
    return ArgumentTypeError(message, Status.INVALID_ARGUMENT)
