"""Reading Python pickles from strangers: numbers, text, lists, dicts and arrays of whole numbers, nothing else.

An ordinary unpickler runs what the file says. This one calls nothing that a file names: the three names by which numpy
writes an array stand for plain records here, checked before an array is made of them; any other name is refused.
"""

from __future__ import annotations

import io
import pickle
from typing import Any, Dict, Tuple

import numpy as np

from .._errors import SwiftCLIPError, Status, error_for

_OPCODES = frozenset(
    b"\x80\x95.(012"  # protocol, frame, stop, mark, pop, duplicate
    b"hjgqrp\x94"  # memory
    b"JKMIN\x88\x89\x8aGF"  # numbers, None, True, False
    b"UTBC\x8eX\x8c\x8dSV"  # bytes and texts
    b"]ael)t\x85\x86\x87}sud"  # lists, tuples, dicts
    b"c\x93Rb"  # names, calls, states
)
"""What a file may do. Not: objects of any class, persistent ids,
the registry of extensions, out-of-band buffers, sets."""

_TYPES = {"u1": np.uint8, "i1": np.int8, "i2": np.int16, "i4": np.int32, "i8": np.int64}


class _Refused(Exception):
    """What a file may not hold."""


class _Array:
    """What numpy's `_reconstruct` makes: an array that BUILD fills."""

    value: np.ndarray = np.zeros(0, np.uint8)

    def fill(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) == 5 and isinstance(state[2], _Type)):
            raise _Refused("an array whose state is none")
        _, shape, kind, by_columns, content = state
        if not (isinstance(shape, tuple) and all(type(size) is int and 0 <= size < 2**40 for size in shape)):
            raise _Refused("an array without a shape")
        if isinstance(content, str):
            content = content.encode("latin-1")
        values = 1
        for size in shape:
            values *= size
        if not isinstance(content, bytes) or values * np.dtype(kind.value).itemsize != len(content):
            raise _Refused(f"an array of the shape {shape} whose bytes are not of that size")
        order = "F" if by_columns else "C"
        self.value = np.frombuffer(content, kind.value).reshape(shape, order=order)  # type: ignore[call-overload]


class _Type:
    """What numpy's `dtype` makes; BUILD tells its byte order."""

    def __init__(self, name: str) -> None:
        if name not in _TYPES:
            raise _Refused(f"an array of {name!r}, which are no whole numbers")
        self.value = np.dtype(_TYPES[name])

    def fill(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) >= 2 and state[1] in ("<", "|", b"<", b"|")):
            raise _Refused("numbers that do not begin with the lowest byte")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise _Refused("a name that is no text")
    return value


class _Callable:
    """A name that a file may call."""

    def __init__(self, name: str) -> None:
        self.name = name

    def made(self, arguments: Any) -> Any:
        if not isinstance(arguments, tuple):
            raise _Refused("a call without arguments")
        if self.name == "_reconstruct":
            return _Array()
        if self.name == "dtype" and arguments:
            return _Type(_text(arguments[0]))
        if self.name == "encode" and len(arguments) == 2 and _text(arguments[1]) in ("latin1", "latin-1"):
            return _text(arguments[0]).encode("latin-1")  # how Python 3 writes bytes for Python 2
        raise _Refused(f"a call of {self.name}")


_NAMES: Dict[Tuple[str, str], str] = {
    ("numpy.core.multiarray", "_reconstruct"): "_reconstruct",
    ("numpy._core.multiarray", "_reconstruct"): "_reconstruct",
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
}


_Unpickler: Any = getattr(pickle, "_Unpickler")


class _Reader(_Unpickler):  # type: ignore[misc]
    """The unpickler of the standard library that is written in Python: its memory is a dict, so that a huge index in a
    file takes no memory, and what an opcode does can be replaced."""

    dispatch: Dict[int, Any] = {code: action for code, action in _Unpickler.dispatch.items() if code in _OPCODES}

    def find_class(self, module: Any, name: Any) -> Any:
        known = _NAMES.get((module, name))
        if known is None:
            raise _Refused(f"the name {module}.{name}, which could run any code")
        return _Callable(known)

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        function = self.stack[-1]
        if not isinstance(function, _Callable):
            raise _Refused("a call of something that is no name")
        self.stack[-1] = function.made(arguments)

    def load_build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], (_Array, _Type)):
            raise _Refused("a state for something that has none")
        self.stack[-1].fill(state)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put((key, value))

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self._put(items)

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._put(items)

    def _put(self, items: Any) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise _Refused("an entry of something that is no dict")
        for key, value in zip(items[::2], items[1::2]):
            if not isinstance(key, (str, bytes, int)):  # hashing nested tuples could take forever
                raise _Refused("a dict whose keys are no names")
            target[key] = value

    def load_append(self) -> None:
        value = self.stack.pop()
        self._extend([value])

    def load_appends(self) -> None:
        values = self.pop_mark()
        self._extend(values)

    def _extend(self, values: Any) -> None:
        if not isinstance(self.stack[-1], list):
            raise _Refused("an entry of something that is no list")
        self.stack[-1].extend(values)

    for _code, _action in ((b"R", load_reduce), (b"b", load_build), (b"s", load_setitem), (b"u", load_setitems),
                           (b"d", load_dict), (b"a", load_append), (b"e", load_appends)):  # fmt: skip
        dispatch[_code[0]] = _action


def unpickled(content: bytes, where: str) -> Dict[str, Any]:
    """The dict in a pickle: texts as keys; numbers, text or bytes, lists, dicts and numpy arrays of whole numbers.

    content  the bytes of the file, of protocol 0 to 5; Python 2's strings come back as bytes
    where    what the file is called in messages

    Raises InvalidDataError for anything else, before any of it runs.
    """
    try:
        found = _Reader(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(found, dict):
            raise _Refused(f"a {type(found).__name__} in place of a dict")
        return {_text(key): value.value if isinstance(value, _Array) else value for key, value in found.items()}
    except SwiftCLIPError:
        raise
    except _Refused as error:
        told = f"it holds {error}"
    except Exception as error:  # a damaged pickle makes the reader raise nearly anything
        told = f"it is damaged ({type(error).__name__}: {str(error)[:100]})"
    raise error_for(
        Status.INVALID_DATA,
        f"{where} is no pickle of numbers, texts, lists, dicts and arrays: {told}. It was not opened.",
    )
