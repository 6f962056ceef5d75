"""From what was typed to the pictures that are meant."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import List, Sequence

from ..pictures import PICTURE_SUFFIXES


def expanded(names: Sequence[str]) -> List[str]:
    """Files as they are named; folders as the pictures in them and below, patterns as what matches, sorted.

    A name that does not exist stays, so that it is reported like any picture that cannot be read.
    """
    found: List[str] = []
    for name in names:
        if os.path.isdir(name):
            found += _pictures_below(name)
        elif os.path.exists(name) or not glob.has_magic(name):
            found.append(name)
        else:
            for match in sorted(glob.glob(name, recursive=True)) or [name]:
                found += _pictures_below(match) if os.path.isdir(match) else [match]
    return found


def _pictures_below(folder: str) -> List[str]:
    pictures = []
    for parent, folders, files in os.walk(folder):
        folders.sort()
        pictures += [os.path.join(parent, file) for file in files if Path(file).suffix.lower() in PICTURE_SUFFIXES]
    return sorted(pictures)
