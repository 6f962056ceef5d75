"""Names of classes and templates: from files, or from packages that hold the official ones."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple, Union

from .._errors import Status, bad_argument, error_for

PLAIN = ("{}",)
"""The bare name of a class."""

ONE = ("a photo of a {}.",)
"""The paper's default prompt (section 3.1.4)."""

ENSEMBLE = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a small photo of a {}.",
    "a close photo of a {}.",
    "a blurry photo of a {}.",
    "a picture of a {}.",
    "a drawing of a {}.",
    "an icon of a {}.",
)
"""What stands for an ensemble where none is given. The official 80 of ImageNet are "open_clip:imagenet"."""

_PACKAGES = ("open_clip", "clip_benchmark")

Names = Union[List[str], Dict[str, str]]
"""One for each class in order, or by the name that the data set has for it."""


def read_classes(source: str) -> Names:
    """Names of classes. Since 1.1.

    source  a text file with one on a line; a JSON file with a list, or with an object from the data set's own name
            to the one that goes into the prompt; "open_clip:imagenet" or "clip_benchmark:NAME" (such as pets), which
            read the installed package's lists without importing it

    Raises SwiftCLIPError: FileError, InvalidDataError, UnsupportedError (no such package or list).
    """
    package, _, name = source.partition(":")
    if package in _PACKAGES and not os.path.exists(source):
        if package == "open_clip":
            return list(_of_open_clip(name, {"imagenet": "IMAGENET_CLASSNAMES"}))
        return _texts(_of_clip_benchmark("en_classnames.json", name), source)
    held = _file(source)
    if isinstance(held, dict) and isinstance(held.get("classes"), (list, dict)):
        held = held["classes"]
    if isinstance(held, dict):
        if not all(isinstance(value, str) for value in held.values()):
            raise error_for(Status.INVALID_DATA, f"{source} gives some classes names that are no text.")
        return held
    return _texts(held, source)


def read_templates(source: str) -> Tuple[str, ...]:
    """Templates, each with "{}" where the name goes. Since 1.1.

    source  a text file with one on a line, a JSON file with a list (or {"templates": [...]}), "open_clip:imagenet"
            (the official 80), "open_clip:simple" (the 7 that do nearly as well) or "clip_benchmark:NAME"

    Raises as `read_classes` does.
    """
    package, _, name = source.partition(":")
    if package == "open_clip" and not os.path.exists(source):
        lists = {"imagenet": "OPENAI_IMAGENET_TEMPLATES", "simple": "SIMPLE_IMAGENET_TEMPLATES"}
        found = [template("{}") for template in _of_open_clip(name, lists)]
    elif package == "clip_benchmark" and not os.path.exists(source):
        held = _of_clip_benchmark("en_zeroshot_classification_templates.json", name)
        found = [template.replace("{c}", "{}") for template in _texts(held, source)]
    else:
        held = _file(source)
        found = _texts(held.get("templates") if isinstance(held, dict) else held, source)
    return checked_templates(found)


def checked_templates(templates: Sequence[str]) -> Tuple[str, ...]:
    """The templates. Raises InvalidArgumentError for one without its "{}" or with two."""
    for template in templates:
        if template.count("{}") != 1:
            raise bad_argument(f"The template {template!r} must hold {{}} exactly once, where the class goes.")
    if not templates:
        raise bad_argument("There is no template.")
    return tuple(templates)


def named_by(names: Names, classes: Sequence[str], where: str) -> List[str]:
    """The names for `classes` in their order. Raises InvalidArgumentError where one has none."""
    if isinstance(names, list):
        return names
    spaced = {key.replace("_", " "): value for key, value in names.items()}
    missing = [text for text in classes if text not in spaced]
    if missing:
        raise bad_argument(f"No name was given for {len(missing)} classes of {where}: {', '.join(missing[:3])}.")
    return [spaced[text] for text in classes]


def _texts(held: Any, source: str) -> List[str]:
    if not isinstance(held, list) or not held or not all(isinstance(text, str) and text.strip() for text in held):
        raise error_for(Status.INVALID_DATA, f"{source} holds no list of texts.")
    return held


def _file(path: str) -> Any:
    """What a JSON file holds, or the lines of a text file that are not empty."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise error_for(Status.INVALID_DATA, f"{path} is not UTF-8 (byte {error.start}).") from None
    except OSError as error:
        raise error_for(Status.IO_ERROR, f"{path} cannot be read: {error.strerror}.") from error
    if Path(path).suffix.lower() != ".json":
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise error_for(Status.INVALID_DATA, f"{path} is no JSON: {error}.") from None


def _inside(package: str, file: str) -> Path:
    """A file inside of an installed package, which is not imported: open_clip alone would load PyTorch."""
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or []) if found is not None else []:
        if (Path(folder) / file).is_file():
            return Path(folder) / file
    wheel = {"open_clip": "open_clip_torch", "clip_benchmark": "clip-benchmark"}[package]
    raise error_for(
        Status.UNSUPPORTED,
        f"The package {package} is not installed, or has no {file}. For its lists alone: "
        f"pip install --no-deps {wheel}.",
    )


def _of_open_clip(name: str, lists: Dict[str, str]) -> Any:
    if name not in lists:
        raise error_for(Status.UNSUPPORTED, f"open_clip has no list {name!r}; it has {', '.join(lists)}.")
    path = _inside("open_clip", "zero_shot_metadata.py")
    spec = importlib.util.spec_from_file_location("_swiftclip_open_clip_lists", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, lists[name])


def _of_clip_benchmark(file: str, name: str) -> Any:
    lists = _file(str(_inside("clip_benchmark", os.path.join("datasets", file))))
    if name not in lists:
        raise error_for(Status.UNSUPPORTED, f"clip_benchmark has no list {name!r}; it has {', '.join(sorted(lists))}.")
    return lists[name]
