"""How much disk each way to a CLIP takes: python Benchmarks/install_size.py [NAME...] [--wheel FILE]

Makes a fresh virtual environment for each, installs by pip, and prints as Markdown: bytes that pip fetched, bytes that lie
in the environment afterwards (files as they are, without pip and setuptools), and packages. Needs the network; PyTorch alone
takes 6 GB while it is measured. Model weights are not counted: they are the same for everybody.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Dict, List, Tuple

ROOT = Path(__file__).resolve().parent.parent
WAYS: Dict[str, List[str]] = {
    "swiftclip": [],  # the wheel of `make wheel`
    "onnxruntime": ["onnxruntime", "Pillow"],
    "onnx_clip": ["onnx-clip"],
    "OpenVINO": ["openvino", "Pillow"],
    "open_clip": ["open_clip_torch"],
    "clip.cpp": ["clip_cpp"],
    "faster-clip": ["faster-clip"],
    "hf-processors-rs": ["hf-processors-rs"],
}
"""What each needs to turn a picture into what it makes of it: an embedding, or pixels with hf-processors-rs. Tokenizers are
not counted for onnxruntime and OpenVINO, which have none."""


def size(folder: Path) -> int:
    """Bytes of the files, as they are, not of the blocks that they take."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def measure(packages: List[str]) -> Tuple[int, int, List[str]]:
    """Bytes fetched and installed, and what was installed."""
    with tempfile.TemporaryDirectory() as place:
        fetched, made = Path(place) / "fetched", Path(place) / "venv"
        venv.create(made, with_pip=True)
        python = str(made / "bin" / "python")
        before, had = size(made), frozen(python)
        quiet = ["--quiet", "--disable-pip-version-check", "--no-cache-dir"]
        subprocess.run([python, "-m", "pip", "download", *quiet, "--dest", str(fetched), *packages], check=True)
        install = [python, "-m", "pip", "install", *quiet, "--no-compile", "--no-index", "--find-links", str(fetched)]
        subprocess.run([*install, *packages], check=True)
        return size(fetched), size(made) - before, sorted(set(frozen(python)) - set(had))


def frozen(python: str) -> List[str]:
    listed = subprocess.run([python, "-m", "pip", "freeze", "--all"], capture_output=True, text=True, check=True)
    return listed.stdout.split("\n")[:-1]


def megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}" if count < 1e8 else f"{count / 1e6:,.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(WAYS)}; default: all")
    parser.add_argument("--wheel", help="swiftclip's; default: the newest in build/wheel")
    arguments = parser.parse_args()
    wheels = sorted((ROOT / "build" / "wheel").glob("swiftclip-*.whl"), key=os.path.getmtime)
    wheel = arguments.wheel or (str(wheels[-1]) if wheels else None)
    print("| | fetched, MB | installed, MB | packages |\n|---|---:|---:|---|", flush=True)
    for name in arguments.names or WAYS:
        packages = WAYS[name] or ([wheel] if wheel else [])
        if not packages:
            print("swiftclip is left out: there is no wheel in build/wheel. Run `make wheel`.", file=sys.stderr)
            continue
        fetched, installed, found = measure(packages)
        told = ", ".join(part.split(" @ ")[0].replace("==", " ") for part in found)
        print(f"| {name} | {megabytes(fetched)} | {megabytes(installed)} | {told} |", flush=True)


if __name__ == "__main__":
    main()
