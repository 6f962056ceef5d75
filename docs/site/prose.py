"""Plain comments and docstrings, as this project writes them, to reStructuredText.

They are paragraphs, lists with dashes or numbers, and tables of names:

    options   NULL: the defaults
    capacity  floats at pixels, at least
              count * 3

In docstrings such a table stands at the left and indented lines are code; in the header's comments a table is indented.
"""

from __future__ import annotations

import re
from typing import Callable, List, Optional, Tuple

_ITEM = re.compile(r"^(?P<name>\S(?:\S| (?! ))*)(?P<gap> {2,})(?P<text>\S.*)$")
_BULLET = re.compile(r"^(?P<mark>-|\d+\.) +")

Inline = Callable[[str], str]


def to_rest(lines: List[str], inline: Inline, *, tables_at_the_left: bool) -> List[str]:
    """The lines as reStructuredText. `inline` does what is within a line: links, and marks that mean nothing here."""
    out: List[str] = []
    place = 0
    while place < len(lines):
        line = lines[place]
        if not line.strip():
            out.append("")
            place += 1
        elif line.startswith(" "):
            block, place = _while(lines, place, lambda next: next.startswith(" "))
            out += _indented(block, inline, tables_at_the_left)
        elif _BULLET.match(line):
            block, place = _while(lines, place, lambda next: next.startswith(" ") or bool(_BULLET.match(next)))
            out += ["", *_bullets(block, inline), ""]
        elif tables_at_the_left and _ITEM.match(line):
            block, place = _while(lines, place, lambda next: bool(next.strip()))
            out += ["", *_table(block, inline), ""]
        else:
            out.append(inline(line))
            place += 1
    return out


def _while(lines: List[str], place: int, belongs: Callable[[str], bool]) -> Tuple[List[str], int]:
    """The lines from `place` on that belong together, empty ones in between included."""
    end = place + 1
    for index in range(place + 1, len(lines)):
        if lines[index].strip() and not belongs(lines[index]):
            break
        if not lines[index].strip() and not belongs(""):
            following = [line for line in lines[index:] if line.strip()]
            if not following or not belongs(following[0]) or following[0][0] != " ":
                break
        end = index + 1
    block = lines[place:end]
    while block and not block[-1].strip():
        block.pop()
        end -= 1
    return block, end


def _dedented(lines: List[str]) -> List[str]:
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return [line[margin:] for line in lines]


def _indented(block: List[str], inline: Inline, tables_at_the_left: bool) -> List[str]:
    block = _dedented(block)
    if not tables_at_the_left and _BULLET.match(block[0]):
        return ["", *_bullets(block, inline), ""]
    if not tables_at_the_left and _ITEM.match(block[0]):
        return ["", *_table(block, inline), ""]
    return ["", "::", "", *("   " + line for line in block), ""]


def _bullets(block: List[str], inline: Inline) -> List[str]:
    out: List[str] = []
    for line in block:
        found = _BULLET.match(line)
        if found:
            out.append(f"{found['mark']} {inline(line[found.end() :])}")
        else:
            width = len(out[-1]) - len(out[-1].lstrip()) if out[-1].startswith(" ") else len(out[-1].split(" ")[0]) + 1
            out.append(" " * width + inline(line.strip()))
    return out


def _table(block: List[str], inline: Inline) -> List[str]:
    """A definition list. Lines deeper than a name go on with its text, or are a table under it if they begin before it."""
    out: List[str] = []
    column = 0
    below: List[str] = []

    def finish() -> None:
        if below:
            out.extend("   " + line if line else "" for line in ["", *_table(_dedented(below), inline)])
            below.clear()
        out.append("")

    texts: Optional[List[str]] = None
    for line in block:
        if line.startswith(" "):
            indent = len(line) - len(line.lstrip())
            if column and indent < column and _ITEM.match(line.strip()) or below:
                below.append(line)
            else:
                out.append("   " + inline(line.strip()))
            continue
        if texts is not None:
            finish()
        texts = []
        name, text, column = _split(line, column)
        out.append(f"``{name}``")
        if text:
            out.append("   " + inline(text))
        elif not _goes_on(block, line):
            out[-1] = f"``{name}``\n"
    finish()
    return [line for part in out for line in part.split("\n")]


def _split(line: str, column: int) -> Tuple[str, str, int]:
    found = _ITEM.match(line)
    if found:
        return found["name"], found["text"], found.start("text")
    if column and len(line) > column and line[column - 1] == " ":
        return line[: column - 1].rstrip(), line[column:], column
    return line, "", column


def _goes_on(block: List[str], line: str) -> bool:
    index = block.index(line)
    return index + 1 < len(block) and block[index + 1].startswith(" ")


def escaped(text: str) -> str:
    """Marks that mean nothing in plain comments."""
    return re.sub(r"[\\*|`]|_(?!\w)", lambda found: "\\" + found.group(), text)


def python_inline(text: str) -> str:
    """Docstrings put code between single backticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escaped(text)
    return "".join(f"``{part}``" if index % 2 and part else escaped(part) for index, part in enumerate(parts))
