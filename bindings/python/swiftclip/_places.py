"""Where the package finds what is not Python: the shared object and the default model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import List, Optional, Tuple

from ._errors import LibraryError, SwiftCLIPError, Status, error_for

LIBRARY_NAME = "libswiftclip.so"
LIBRARY_VARIABLE = "SWIFTCLIP_LIBRARY"

_PACKAGE = Path(__file__).resolve().parent


def checkout() -> Optional[Path]:
    """The root of the checkout that this package lies in, or None once it is installed elsewhere."""
    parents = _PACKAGE.parents
    if len(parents) < 3:
        return None
    root = parents[2]
    return root if (root / "Package.swift").is_file() and (root / "include" / "swiftclip.h").is_file() else None


def library_candidates() -> List[Tuple[Path, str]]:
    """The places where the shared object may be, best first, each with what to call it in a message."""
    places = [(_PACKAGE / LIBRARY_NAME, "beside the package")]
    root = checkout()
    if root is not None:
        for configuration in ("release", "debug"):
            places.append((root / ".build" / configuration / LIBRARY_NAME, f"the {configuration} build folder"))
    named = os.environ.get(LIBRARY_VARIABLE)
    if named:
        places.append((Path(named), f"the variable {LIBRARY_VARIABLE}"))
    return places


def find_library() -> Path:
    """The shared object that is used: the first of `library_candidates` that exists.

    Raises LibraryError, with every place that was looked at, where there is none.
    """
    candidates = library_candidates()
    for path, _ in candidates:
        if path.is_file():
            return path
    looked = "; ".join(f"{path} ({what})" for path, what in candidates)
    raise LibraryError(
        f"{LIBRARY_NAME} was not found. Looked at {looked}. "
        f"Build it with 'swift build -c release', or say where it is in {LIBRARY_VARIABLE}.",
        Status.IO_ERROR,
    )


def default_model() -> Path:
    """The folder of the model that `load()` opens without a path: models/pocket.

    Raises SwiftCLIPError (also an OSError) where it was not installed.
    """
    places = [_PACKAGE / "models" / "pocket"]
    root = checkout()
    if root is not None:
        places.append(root / "models" / "pocket")
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(str(place) for place in places)
    error: SwiftCLIPError = error_for(
        Status.IO_ERROR,
        f"The default model was not found; looked at {looked}. Give load() the path of a model.",
    )
    raise error


def page_style() -> str:
    """The style sheet of the HTML report."""
    return (_PACKAGE / "page.css").read_text(encoding="utf-8")
