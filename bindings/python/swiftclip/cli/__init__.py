"""The command line: `swiftclip` and `python -m swiftclip`.

Results go to stdout, progress and complaints to stderr. The exit status is 0, 1 (something failed) or
2 (the command was not understood).
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import List, Optional

from .._errors import SwiftCLIPError
from . import classify, embed, evaluate, export, inspect, search, tokenizer, train
from .common import complain

_DESCRIPTION = "CLIP on the CPU: which label fits a picture, and embeddings of pictures and texts."


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line."""
    from .. import __version__

    top = argparse.ArgumentParser(prog="swiftclip", description=_DESCRIPTION)
    top.add_argument("--version", action="version", version=f"swiftclip {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in (classify, embed, search, evaluate, train, tokenizer, export, inspect):
        command.add_to(commands)
    return top


def main(arguments: Optional[List[str]] = None) -> int:
    """Runs one command and returns its exit status. Since 1.0."""
    parsed = parser().parse_args(arguments)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="surrogateescape")  # file names that are not UTF-8 go out as they came
    try:
        status: int = parsed.run(parsed)
        sys.stdout.flush()
        return status
    except SwiftCLIPError as error:
        complain(str(error))
    except KeyboardInterrupt:
        complain("interrupted")
    except BrokenPipeError:
        # The reader of our output went away, as `head` does: nobody is left to complain to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        complain(str(error))
    return 1
