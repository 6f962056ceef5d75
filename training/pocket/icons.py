"""Icon themes in the freedesktop layout: THEME/.../CONTEXT/.../NAME.{png,svg}."""

import os
import re
from pathlib import Path
from typing import Dict, Iterable, List, Set, Tuple

from records import Record, share, words_of
from sources import ICON_THEMES, MORE_ICON_THEMES

CONTEXTS = set(
    "actions animations apps categories devices emblems emotes emoticons intl mimetypes mimes places status panel "
    "web preferences legacy notifications stock".split()
)
# Older themes' and others' names of the same.
MORE_CONTEXTS = {"filesystems": "places", "device": "devices", "emotion": "emotes"}
CATEGORY = {
    "mimes": "file type",
    "mimetypes": "file type",
    "apps": "application",
    "actions": "action",
    "places": "folder or place",
    "devices": "device",
    "emotes": "face",
}
HELD_OUT_THEME = "oxygen"
# What older themes put before a name.
PREFIX = re.compile(r"^(gtk|gnome mime|gnome fs|gnome dev|gnome|stock) (?=\w)")

# name of an icon -> theme -> (path inside the work folder, context)
Found = Dict[str, Dict[str, Tuple[str, str]]]


def first_icons(work: Path) -> List[Record]:
    """The themes that the first model saw, with its choice of icons; Oxygen is the test."""
    found = everything(work, ICON_THEMES, CONTEXTS)
    records = []
    for name, themes in found.items():
        applications = all(context in ("apps", "legacy") for _, context in themes.values())
        # An application's name says little unless many themes draw it.
        if applications and len(themes) < 4:
            continue
        if not applications and len(themes) < 2 and share(name) > 0.5:
            continue
        for theme, (path, context) in themes.items():
            if context != "panel":
                records.append(icon(name, theme, path, context))
    return records


def more_icons(work: Path, known: Set[str]) -> List[Record]:
    """Further themes; of applications only those that the first themes draw too (titles in `known`)."""
    found = everything(work, MORE_ICON_THEMES, CONTEXTS | set(MORE_CONTEXTS))
    records = []
    for name, themes in found.items():
        for theme, (path, context) in themes.items():
            context = MORE_CONTEXTS.get(context, context)
            if context == "panel" or (context in ("apps", "legacy") and words_of(name) not in known):
                continue
            record = icon(name, theme, path, context)
            record.title = PREFIX.sub("", record.title)
            records.append(record)
    return records


def icon(name: str, theme: str, path: str, context: str) -> Record:
    return Record(
        source="icons/" + theme,
        file=path,
        title=words_of(name),
        split="test" if theme == HELD_OUT_THEME else "train",
        categories=[CATEGORY.get(context, context)],
        group="icons",
    )


def everything(work: Path, packages: Iterable[Tuple[str, Tuple[str, ...], str]], contexts: Set[str]) -> Found:
    found: Found = {}
    for package, themes, _ in packages:
        for theme in themes:
            root = work / "debian" / package / "usr/share/icons" / theme
            for name, choice in best_of_theme(str(root), contexts).items():
                found.setdefault(name, {})[theme] = (os.path.relpath(choice[0], work), choice[1])
    return found


def best_of_theme(root: str, contexts: Set[str]) -> Dict[str, Tuple[str, str]]:
    """For each name the file drawn nearest to 72 pixels, PNG before SVG, with its context."""
    best: Dict[str, Tuple[int, str, str]] = {}
    for folder, _, files in os.walk(root):
        parts = os.path.relpath(folder, root).split("/")
        context = next((part for part in parts if part in contexts), None)
        if context is None:
            continue
        size = size_of(parts)
        for file in files:
            path = os.path.join(folder, file)
            name, suffix = os.path.splitext(file)
            if os.path.islink(path) or suffix not in (".png", ".svg") or "@" in file:
                continue
            if name.endswith(("-symbolic", "-rtl", "-symbolic-rtl")):
                continue
            vector = suffix == ".svg"
            if size < (16 if vector else 32):
                continue
            score = abs((size or 64) - 72) + (300 if vector else 0)
            if name not in best or score < best[name][0]:
                best[name] = (score, path, context)
    return {name: (path, context) for name, (_, path, context) in best.items()}


def size_of(parts: List[str]) -> int:
    """The size that a folder's path names, e.g. 48x48 or 48; "scalable" counts as 256."""
    for part in parts:
        if re.fullmatch(r"\d+(x\d+)?", part) or re.match(r"\d+(x\d+)?$", part):
            return int(re.match(r"\d+", part)[0])
    return 256 if "scalable" in parts else 0
