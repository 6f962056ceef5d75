"""swiftclip.h as Hawkmoth wants it: a file for each section, each comment a doc comment in front of what it is about."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import List, NamedTuple

_SECTION = re.compile(r"^/\* -+ (?P<title>[^-\n].*?) -+ \*/$", re.MULTILINE)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DECLARATION = re.compile(r"^(?:SWIFTCLIP_API |typedef |enum \{|#define )")
_MEMBER = re.compile(r"^\s+[A-Za-z].*[;,]?$")
_NAMES = re.compile(r"\b(?:swiftclip|SWIFTCLIP)_\w*[A-Za-z0-9]\b")


class Section(NamedTuple):
    title: str
    file: str


def clang_arguments() -> List[str]:
    """The wheel of libclang brings no headers of its own: those of the installed compiler say what size_t is."""
    folder = subprocess.run(["cc", "-print-file-name=include"], capture_output=True, text=True, check=True).stdout.strip()
    return ["-isystem", folder]


def introduction(text: str) -> List[str]:
    """The lines of the comment that the header begins with, without its marks."""
    found = _COMMENT.match(text)
    assert found, "swiftclip.h does not begin with a comment"
    return _without_marks(found.group())


def names(text: str) -> List[str]:
    """Everything that the header declares or mentions, to be linked where it is mentioned."""
    return sorted(set(_NAMES.findall(text)))


def functions(text: str) -> List[str]:
    """The functions that the header declares."""
    return re.findall(r"^SWIFTCLIP_API [^;(]*?\b(swiftclip_\w+)\(", text, re.MULTILINE)


def write_sections(source: Path, folder: Path) -> List[Section]:
    """Writes the sections as headers that include each other in turn."""
    text = source.read_text(encoding="utf-8")
    parts = _SECTION.split(text.rsplit("\n#ifdef __cplusplus\n}", 1)[0])
    folder.mkdir(parents=True, exist_ok=True)
    before = "#include <stddef.h>\n#include <stdint.h>\n#define SWIFTCLIP_API\n"
    sections, lines = [], 8
    for number, (title, body) in enumerate(zip(parts[1::2], parts[2::2])):
        file = f"section-{number}.h"
        # Lines count on from file to file: Hawkmoth tells enums without a name apart by their line.
        written = before + "\n" * (lines - before.count("\n")) + _documented(body)
        lines = written.count("\n") + 1
        _write(folder / file, written)
        sections.append(Section(title, file))
        before = f'#pragma once\n#include "{file}"\n'
    return sections


def _write(path: Path, text: str) -> None:
    """Only what changed: Sphinx reads again what is newer than its page."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def _documented(body: str) -> str:
    """Comments behind a line move in front of it, and what has none gets an empty one, for else it would be left out."""
    body = re.sub(r"^(\s+\w+) (\w+), (\w+);( *)(/\*.*\*/)$", r"\1 \2;\4\5\n\1 \3;\4\5", body, flags=re.MULTILINE)
    out: List[str] = []
    inside = False
    for line, comment in _lines(body):
        code = line.strip()
        if comment and not code:
            # Hawkmoth takes no mark away from a last line that holds text.
            out.append("/**" + (comment[2:-2].rstrip() + "\n */" if "\n" in comment else comment[2:]))
            continue
        has_own = bool(comment) or bool(out and out[-1].rstrip().endswith("*/"))
        declares = bool(_DECLARATION.match(line)) or (inside and bool(_MEMBER.match(line)))
        if comment:
            out.append("/** " + " ".join(part.strip() for part in _without_marks(comment)).strip() + " */")
        elif declares and not has_own:
            out.append("/** */")
        out.append(line)
        inside = (inside or code.endswith("{")) and not code.startswith("}")
    return "\n".join(out)


def _lines(body: str) -> "List[tuple[str, str]]":
    """Each line of code, with the comment behind it; a comment by itself has an empty line of code."""
    pairs, place = [], 0
    for found in _COMMENT.finditer(body):
        before = body[place : found.start()].split("\n")
        pairs += [(line, "") for line in before[:-1]]
        pairs.append((before[-1].rstrip(), found.group()))
        place = found.end()
        if body[place : place + 1] == "\n":
            place += 1
    return pairs + [(line, "") for line in body[place:].split("\n")]


def _without_marks(comment: str) -> List[str]:
    lines = comment[2:-2].split("\n")
    return [lines[0][1:]] + [re.sub(r"^ \* ?", "", line).rstrip() for line in lines[1:]]
