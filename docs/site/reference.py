"""What the site's reference pages are made with: the header's sections, docstrings, and the help of commands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, List

import header
import prose
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

HEADER = Path(__file__).resolve().parents[2] / "include" / "swiftclip.h"
LOGGER = logging.getLogger(__name__)
TEXT = HEADER.read_text(encoding="utf-8")
FUNCTIONS = set(header.functions(TEXT))
TYPES = set(re.findall(r"^(?:typedef .*?\b|\} )(swiftclip_\w+)(?:\)\(.*)?;", TEXT, re.MULTILINE | re.DOTALL))


def linked(text: str) -> str:
    """Names of the header as links to what it says of them."""
    pieces = re.split(r"(\bswiftclip_\w*[a-z0-9]\b)(?:\(\))?", text)
    return "".join(_link(piece) if index % 2 else prose.escaped(piece) for index, piece in enumerate(pieces))


def _link(name: str) -> str:
    if name in FUNCTIONS:
        return f":c:func:`{name}`"
    return f":c:type:`{name}`" if name in TYPES else name


class HeaderIntroduction(SphinxDirective):
    """The comment that the header begins with; its program is the file that it names."""

    def run(self) -> List[nodes.Node]:
        lines = header.introduction(TEXT)
        start = next(index for index, line in enumerate(lines) if line.startswith("A complete program"))
        end = next(index for index in range(start + 2, len(lines)) if lines[index] and not lines[index].startswith(" "))
        program = [lines[start], "", ".. code-block:: c", "", *("   " + line[2:] for line in lines[start + 1 : end]), ""]
        rest = [
            *prose.to_rest(lines[:start], linked, tables_at_the_left=False),
            *program,
            *prose.to_rest(lines[end:], linked, tables_at_the_left=False),
        ]
        return parsed(self, rest)


class HeaderSections(SphinxDirective):
    """All that the header declares, in its order, under its headings."""

    def run(self) -> List[nodes.Node]:
        made: List[nodes.Node] = []
        for title, file in self.config.swiftclip_sections:
            section = nodes.section(ids=[nodes.make_id(title)], names=[nodes.fully_normalize_name(title)])
            section += nodes.title(title, title)
            section += parsed(self, [f".. c:autodoc:: {file}"])
            made.append(section)
        return made


class CommandHelp(SphinxDirective):
    """What `swiftclip COMMAND --help` prints, for all commands."""

    def run(self) -> List[nodes.Node]:
        import argparse
        import os

        from swiftclip.cli import parser

        os.environ["COLUMNS"] = "100"
        os.environ["NO_COLOR"] = "1"
        top = parser()
        commands = next(action for action in top._actions if isinstance(action, argparse._SubParsersAction))
        made: List[nodes.Node] = [nodes.literal_block("", top.format_help())]
        for name, command in commands.choices.items():
            section = nodes.section(ids=[nodes.make_id(name)], names=[name])
            section += nodes.title(name, name)
            section += nodes.literal_block("", command.format_help())
            made.append(section)
        return made


def parsed(directive: SphinxDirective, lines: List[str]) -> List[nodes.Node]:
    node = nodes.section()
    nested_parse_with_titles(directive.state, StringList(lines, source=str(HEADER)), node, directive.content_offset)
    return list(node.children)


def header_comment(app: Any, lines: List[str], transform: Any, options: Any) -> None:
    lines[:] = prose.to_rest(lines, linked, tables_at_the_left=False)


def docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: List[str]) -> None:
    lines[:] = prose.to_rest(lines, prose.python_inline, tables_at_the_left=True)


def left_out(app: Any, env: Any) -> None:
    """A function of the header that is not on the page is a warning, and so an error."""
    shown = {name for name, *_ in env.get_domain("c").get_objects()}
    for name in sorted(FUNCTIONS - shown):
        LOGGER.warning("the C reference leaves %s out", name, type="swiftclip", subtype="left_out")


def setup(app: Any) -> Any:
    assert FUNCTIONS, "swiftclip.h declares nothing that is understood here"
    app.add_config_value("swiftclip_sections", [], "env", list)
    app.add_directive("swiftclip-introduction", HeaderIntroduction)
    app.add_directive("swiftclip-sections", HeaderSections)
    app.add_directive("swiftclip-help", CommandHelp)
    app.connect("hawkmoth-process-docstring", header_comment)
    app.connect("autodoc-process-docstring", docstring)
    app.connect("env-check-consistency", left_out)
    return {"parallel_read_safe": False}
