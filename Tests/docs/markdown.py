"""What a Markdown page holds that can be checked: blocks of code, headings, links, and file names in code marks.

A block of code is run (blocks.py) if its language is one of `RUN`, unless the words behind the language say why not:

    ```sh no-run: needs the network

An HTML comment in front of a block belongs to it: `<!-- setup ... -->` is code that runs before it and is not shown, and
`<!-- file: NAME -->` writes the block under that name, for the blocks after it, in place of running it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional, Set, Tuple

RUN = ("python", "sh", "c", "c++", "cmake")
NO_CODE = ("", "text", "json", "bibtex")

_FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,})(?P<info>.*)$")
_COMMENT = re.compile(r"<!-- *(?P<kind>setup|file:)[ \n](?P<text>(?:(?!-->).)*)-->\s*\Z", re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.*?)[ #]*$")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)(?: \"[^\"]*\")?\)")
_PATH = re.compile(
    r"`((?:\.ci|Benchmarks|Sources|Tests|bindings|docs|examples|include|licenses|models|scripts|training)/[\w.*/+-]*)`"
)


@dataclass(frozen=True)
class Block:
    """One block of code."""

    line: int
    language: str
    code: str
    reason: Optional[str] = None
    """Why it is not run, where the page says so."""
    setup: str = ""
    file: Optional[str] = None


@dataclass
class Page:
    """A page in its parts. Lines count from 1."""

    path: Path
    blocks: List[Block]
    links: List[Tuple[int, str]]
    paths: List[Tuple[int, str]]
    anchors: Set[str]


def read(path: Path) -> Page:
    """Reads a page. Raises ValueError for a fence that does not end or words behind a language that mean nothing."""
    blocks: List[Block] = []
    prose: List[Tuple[int, str]] = []
    lines = path.read_text(encoding="utf-8").split("\n")
    place = 0
    while place < len(lines):
        fence = _FENCE.match(lines[place])
        if not fence:
            prose.append((place + 1, lines[place]))
            place += 1
            continue
        end = place + 1
        while end < len(lines) and lines[end].strip() != fence["marks"]:
            end += 1
        if end == len(lines):
            raise ValueError(f"{path}:{place + 1}: the block does not end")
        code = "\n".join(line[len(fence["indent"]) :] for line in lines[place + 1 : end]) + "\n"
        if not fence["info"].startswith("{"):  # a directive of Sphinx
            blocks.append(_block(path, place + 1, fence["info"].strip(), code, "\n".join(lines[:place])))
        place = end + 1
    return Page(path, blocks, list(_links(prose)), list(_paths(prose)), _anchors(prose))


def _block(path: Path, line: int, info: str, code: str, before: str) -> Block:
    language, _, words = info.partition(" ")
    reason = None
    if words:
        found = re.fullmatch(r"no-run: (\S.*)", words)
        if not found:
            raise ValueError(f"{path}:{line}: {words!r} behind {language} must be \"no-run: \" and the reason")
        reason = found[1]
    if language not in RUN + NO_CODE:
        raise ValueError(f"{path}:{line}: the language {language!r} is none of {', '.join(RUN + NO_CODE[1:])}")
    comment = _COMMENT.search(before)
    setup = comment["text"] if comment and comment["kind"] == "setup" else ""
    file = comment["text"].strip() if comment and comment["kind"] == "file:" else None
    return Block(line, language, code, reason, setup, file)


def _links(prose: List[Tuple[int, str]]) -> Iterator[Tuple[int, str]]:
    for number, line in prose:
        for found in _LINK.finditer(re.sub(r"`[^`]*`", "", line)):
            yield number, found["target"]


def _paths(prose: List[Tuple[int, str]]) -> Iterator[Tuple[int, str]]:
    for number, line in prose:
        for found in _PATH.finditer(line):
            yield number, found[1]


def _anchors(prose: List[Tuple[int, str]]) -> Set[str]:
    """The anchors of headings as GitHub makes them."""
    anchors: Set[str] = set()
    for _, line in prose:
        found = _HEADING.match(line)
        if found:
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", found[1]).replace("`", "").lower()
            slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
            number, unique = 0, slug
            while unique in anchors:
                number += 1
                unique = f"{slug}-{number}"
            anchors.add(unique)
    return anchors
