"""What is known of a picture, and small tools that every source needs."""

import hashlib
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Dict, List


@dataclass
class Record:
    """A picture and all that may be said of it. `file` is relative to the work folder."""

    source: str
    file: str
    title: str
    split: str = "train"
    keywords: List[str] = field(default_factory=list)
    categories: List[str] = field(default_factory=list)
    description: str = ""
    # Which part of a batch it belongs to: "photos" (CIFAR-10), "drawings", "icons", "glyphs" (one colour).
    group: str = "drawings"
    # The title is often not English; the keywords are better.
    doubtful: bool = False
    # Held-out test that it belongs to and the right answer there; empty for all others.
    test: str = ""
    answer: str = ""
    # How to draw it: "" as a file, else the character that the font `file` draws.
    character: str = ""
    # Member of the archive `file`, for sources that keep pictures in archives.
    member: str = ""

    def row(self) -> Dict[str, Any]:
        return asdict(self)


def share(name: str) -> float:
    """A number in [0, 1) that depends on the name alone: decides which split a file belongs to."""
    return int(hashlib.sha1(name.encode()).hexdigest()[:8], 16) / 2**32


def words_of(file_name: str) -> str:
    """A file name as words: no suffix, no separators, lower case."""
    name = re.sub(r"\.(png|svg|svgz)$", "", file_name)
    return re.sub(r"[\s_.-]+", " ", name).strip().lower()
