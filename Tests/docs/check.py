"""Checks the documentation: python Tests/docs/check.py BUILD_DIR, the folder of libswiftclip.so.

Every block of code of every page is run, compiled or at least parsed (markdown.py tells how a page says which), links to
files and headings lead somewhere, files that are named exist, and the reference pages leave nothing public out. Takes no
network. Prints what fails, and what was counted.
"""

from __future__ import annotations

import collections
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Counter, Dict, List

sys.path.insert(0, str(Path(__file__).resolve().parent))

import folder  # noqa: E402
import markdown  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
MADE = ("docs/experiments/", "models/ViT-B-32", "models/RN50")
"""Named in pages, but made by the reader."""


def pages() -> List[markdown.Page]:
    """All pages that git knows of or would take."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "*.md"], capture_output=True, text=True
    )
    names = listed.stdout.split() if listed.returncode == 0 else [str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")]
    return [markdown.read(ROOT / name) for name in sorted(set(names)) if (ROOT / name).exists()]


def dead_links(page: markdown.Page, anchors: Dict[Path, "set[str]"], counts: Counter[str]) -> List[str]:
    complaints = []
    for line, target in page.links:
        if re.match(r"[a-z]+:", target):
            counts["links to the web (not visited)"] += 1
            continue
        counts["links"] += 1
        name, _, anchor = target.partition("#")
        aim = (page.path.parent / name).resolve() if name else page.path
        if not aim.exists():
            complaints.append(f"{page.path}:{line}: there is no {target}")
        elif anchor and anchor not in anchors.get(aim, set()):
            complaints.append(f"{page.path}:{line}: no heading of {aim} has the anchor #{anchor}")
    for line, name in page.paths:
        counts["names of files"] += 1
        if not name.startswith(MADE) and not (list(ROOT.glob(name)) if "*" in name else (ROOT / name).exists()):
            complaints.append(f"{page.path}:{line}: there is no {name}")
    return complaints


def left_out() -> List[str]:
    """What is public and not on its reference page. The C page takes all that the header declares by itself."""
    import swiftclip

    page = (ROOT / "docs" / "reference" / "python.rst").read_text()
    shown = set(re.findall(r"^\.\. auto\w+:: swiftclip\.(\w+)", page, re.MULTILINE))
    return [f"docs/reference/python.rst leaves {name} out" for name in swiftclip.__all__ if name not in shown]


def run_blocks(page: markdown.Page, environment: Dict[str, str]) -> List[str]:
    if not page.blocks:
        return []
    with tempfile.TemporaryDirectory() as place:
        folder.fill(Path(place))
        program = str(Path(__file__).resolve().parent / "blocks.py")
        done = subprocess.run(
            [sys.executable, program, str(page.path)], cwd=place, env=environment, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    return [done.stdout.rstrip()] if done.returncode else []


def installed(build: Path, prefix: Path) -> None:
    """The library as `make install` leaves it, in a folder of its own."""
    subprocess.run(
        [str(ROOT / "scripts" / "install.sh"), "install"], check=True, cwd=ROOT, stdout=subprocess.DEVNULL,
        env={**folder.os.environ, "PREFIX": str(prefix), "LIBDIR": str(prefix / "lib"), "DESTDIR": "", "LIBRARY": str(build / "libswiftclip.so")},
    )  # fmt: skip


def main() -> int:
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "libswiftclip.so").exists():
        print(__doc__, file=sys.stderr)
        return 2
    counts: Counter[str] = collections.Counter()
    found = pages()
    anchors = {page.path.resolve(): page.anchors for page in found}
    complaints = [complaint for page in found for complaint in dead_links(page, anchors, counts)]
    for page in found:
        for block in page.blocks:
            if block.reason:
                print(f"not run, only parsed: {page.path.relative_to(ROOT)}:{block.line} ({block.reason})")
            run = block.language in markdown.RUN and not block.file
            counts["blocks only parsed" if block.reason else "blocks run" if run else "blocks that are no code"] += 1
    with tempfile.TemporaryDirectory() as prefix, ThreadPoolExecutor(2) as pool:
        installed(Path(sys.argv[1]).resolve(), Path(prefix))
        environment = folder.environment(Path(prefix))
        sys.path.insert(0, environment["PYTHONPATH"])
        complaints += left_out()
        for failures in pool.map(lambda page: run_blocks(page, environment), found):
            complaints += failures
    for complaint in complaints:
        print(complaint)
    print(f"{len(found)} pages: " + ", ".join(f"{number} {what}" for what, number in counts.items()))
    print("All hold." if not complaints else f"{len(complaints)} complaints.")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
