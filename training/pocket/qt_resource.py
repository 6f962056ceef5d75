"""Reads Qt's binary resource files (.rcc), in which GCompris keeps its pictures."""

import struct
import zlib
from pathlib import Path
from typing import Dict, Iterator, Tuple

COMPRESSED, FOLDER = 1, 2
MAGIC = b"qres"


def files_inside(path: Path) -> Dict[str, bytes]:
    """Every file of the archive by its path. Those compressed otherwise than by zlib are left out."""
    data = path.read_bytes()
    magic, version, tree, contents, names = struct.unpack_from(">4s4I", data)
    if magic != MAGIC:
        raise ValueError(f"{path} is not a Qt resource file.")
    # Since version 2 an entry ends with the time of its last change.
    size = 14 if version < 2 else 22

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", data, names + offset)
        start = names + offset + 6  # 2 bytes of length, 4 of hash
        return data[start : start + 2 * length].decode("utf-16-be")

    def content_at(offset: int, flags: int) -> bytes:
        (length,) = struct.unpack_from(">I", data, contents + offset)
        start = contents + offset + 4
        stored = data[start : start + length]
        return zlib.decompress(stored[4:]) if flags & COMPRESSED else stored

    def walk(index: int, folder: str) -> Iterator[Tuple[str, bytes]]:
        name, flags = struct.unpack_from(">IH", data, tree + index * size)
        here = folder + (name_at(name) if index else "")
        if flags & FOLDER:
            count, child = struct.unpack_from(">II", data, tree + index * size + 6)
            for each in range(child, child + count):
                yield from walk(each, here + "/" if index else "")
        elif not flags & ~COMPRESSED:
            (offset,) = struct.unpack_from(">I", data, tree + index * size + 10)
            yield here, content_at(offset, flags)

    return dict(walk(0, ""))
