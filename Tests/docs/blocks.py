"""Runs the blocks of one page in its order, in the folder that it is started in: blocks.py PAGE

Python blocks share their names, as they do for a reader. Blocks that the page keeps from running are still read by the
language's own parser, and commands of swiftclip by its command line. Prints a line for each block that fails.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

sys.path.insert(0, str(Path(__file__).resolve().parent))

import markdown  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 120
C_MAIN = "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <swiftclip.h>\n\nint main(void) {{\n{}\nreturn 0;\n}}\n"
CXX_MAIN = "#include <cstdio>\n#include <iostream>\n#include <vector>\n#include <swiftclip.hpp>\n\nint main() {{\n{}\n}}\n"


class Failure(Exception):
    """A block that does not do what its page says."""


def run(block: markdown.Block, names: Dict[str, Any]) -> None:
    """Runs a block. Raises Failure with what it printed."""
    if block.file:
        Path(block.file).write_text(block.code)
    elif block.language == "python":
        run_python(block.setup + block.code, f"block of line {block.line}", names)
    elif block.language == "sh":
        run_sh(block.setup + block.code)
    elif block.language in ("c", "c++"):
        command(compiler(block, f"block-{block.line}"))
        command([f"./block-{block.line}"])
    elif block.language == "cmake":
        folder = Path(f"block-{block.line}")
        folder.mkdir()
        (folder / "CMakeLists.txt").write_text(block.setup + block.code)
        run_sh(f"cp examples/cpp/*.cpp examples/c/*.c {folder}; cmake -S {folder} -B {folder}/build; cmake --build {folder}/build")


def parse(block: markdown.Block, beside: Path) -> None:
    """As far as a block can be checked without running it. `beside` is the page's folder."""
    if block.language == "python":
        compile(block.setup + block.code, f"block of line {block.line}", "exec")
    elif block.language == "sh":
        command(["bash", "-n"], block.code)
        for words in commands(block.code):
            check_command(words, beside)
    elif block.language in ("c", "c++"):
        command([*compiler(block, f"block-{block.line}"), "-fsyntax-only"])


def run_python(code: str, name: str, names: Dict[str, Any]) -> None:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            exec(compile(code, name, "exec"), names)
    except BaseException:
        raise Failure(printed.getvalue() + traceback.format_exc(limit=-3)) from None


def run_sh(code: str) -> None:
    command(["bash", "-euo", "pipefail"], code)


def command(words: List[str], code: Optional[str] = None) -> None:
    try:
        done = subprocess.run(
            words, input=code, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=SECONDS,
            stdin=subprocess.DEVNULL if code is None else None,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Failure(f"{words[0]} took more than {SECONDS} seconds") from None
    if done.returncode:
        raise Failure(f"{words[0]} ended with status {done.returncode}\n{done.stdout}")


def compiler(block: markdown.Block, name: str) -> List[str]:
    """Writes a C or C++ block, in a main function where it has none, and says how to compile it."""
    code = block.setup + block.code
    is_c = block.language == "c"
    if not re.search(r"^int main\(", code, re.MULTILINE):
        code = (C_MAIN if is_c else CXX_MAIN).format(code)
    source = Path(name + (".c" if is_c else ".cpp"))
    source.write_text(code)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "swiftclip"], capture_output=True, text=True, check=True)
    standard = ["cc", "-std=c11"] if is_c else ["c++", "-std=c++17"]
    return [*standard, "-Wall", "-Wextra", "-Werror", "-pthread", str(source), "-o", name, *flags.stdout.split()]


def commands(code: str) -> Iterator[List[str]]:
    """The simple commands of a script, as far as lines, pipes and redirections tell them apart."""
    for line in code.replace("\\\n", " ").split("\n"):
        words: List[str] = []
        for word in shlex.split(line, comments=True) + [";"]:
            if word in ("|", "&&", ";", ">", ">>", "<"):
                if words:
                    yield words
                words = []
            else:
                words.append(word)


def check_command(words: List[str], beside: Path) -> None:
    """That our own programs would understand a command that is not run."""
    if words[:3] == ["python", "-m", "swiftclip"]:
        check_arguments(words[3:])
    elif words[0] == "swiftclip":
        check_arguments(words[1:])
    elif words[0] == "make":
        targets = [word for word in words[1:] if "=" not in word]
        makefile = (ROOT / "Makefile").read_text()
        for target in targets:
            if not re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE):
                raise Failure(f"the Makefile has no target {target}")
    elif words[0] in ("python", "python3") and words[1].endswith(".py") and not any(
        (place / words[1]).exists() for place in (ROOT, beside)
    ):
        raise Failure(f"there is no {words[1]}")


def check_arguments(words: List[str]) -> None:
    from swiftclip.cli import parser

    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
            parser().parse_args(words)
    except SystemExit as end:
        if end.code:
            raise Failure(printed.getvalue()) from None


def main() -> int:
    page = markdown.read(Path(sys.argv[1]))
    names: Dict[str, Any] = {"__name__": "__main__"}
    failed = 0
    for block in page.blocks:
        try:
            parse(block, page.path.parent) if block.reason else run(block, names)
        except (Failure, SyntaxError, ValueError) as error:
            failed += 1
            print(f"{page.path}:{block.line}: the {block.language} block fails\n{str(error).rstrip()}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
