"""How much disk each way to a CLIP takes: python Benchmarks/install_size.py [NAME...] [--wheels FOLDER]

Adds up the files of each package and of all that it requires, as they lie in this Python's environment (without compiled
.pyc files), or as a wheel in the folder would unpack. Needs no network. What is neither here nor there is left out with a
sentence. `make bench` makes an environment with most of them; `pip download --no-deps -d FOLDER NAME` fetches a wheel.
Model weights are not counted: they are the same for everybody.
"""

from __future__ import annotations

import argparse
import re
import sys
import zipfile
from email import message_from_bytes
from importlib import metadata
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from packaging.requirements import Requirement

WAYS: Dict[str, List[str]] = {
    "swiftclip": ["swiftclip"],
    "onnxruntime": ["onnxruntime", "Pillow"],
    "OpenVINO": ["openvino", "Pillow"],
    "open_clip": ["open_clip_torch"],
    "clip.cpp": ["clip_cpp"],
    "faster-clip": ["faster-clip"],
    "hf-processors-rs": ["hf-processors-rs"],
}
"""What each needs to make an embedding of a picture file (hf-processors-rs: its pixels). Nothing is counted for the tokenizer
that onnxruntime and OpenVINO lack."""

Found = Tuple[int, List[str]]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def of_wheel(path: Path) -> Found:
    """Bytes that a wheel unpacks to, and its requirements."""
    with zipfile.ZipFile(path) as wheel:
        told = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        requirements = message_from_bytes(wheel.read(told)).get_all("Requires-Dist") or []
        return sum(member.file_size for member in wheel.infolist()), [str(text) for text in requirements]


def of_environment(name: str) -> Optional[Found]:
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    places = [Path(str(file.locate())) for file in found.files or [] if file.suffix != ".pyc"]
    return sum(place.lstat().st_size for place in places if place.exists()), list(found.requires or [])


def measure(names: List[str], wheels: Dict[str, Path]) -> Tuple[Dict[str, int], List[str]]:
    """Bytes of each package of the closure, the largest first, and what was not found."""
    sizes: Dict[str, int] = {}
    missing: List[str] = []
    waiting = list(names)
    while waiting:
        name = normalised(waiting.pop())
        if name in sizes or name in missing:
            continue
        found = of_wheel(wheels[name]) if name in wheels else of_environment(name)
        if found is None:
            missing.append(name)
            continue
        sizes[name], requirements = found
        for text in requirements:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return dict(sorted(sizes.items(), key=lambda item: -item[1])), missing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(WAYS)}; default: all")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels, which count before what is installed")
    arguments = parser.parse_args()
    wheels = {normalised(path.name.split("-")[0]): path for path in (arguments.wheels or Path("/nonexistent")).glob("*.whl")}
    print("| | installed, MB | packages | the largest |\n|---|---:|---:|---|")
    for way in arguments.names or WAYS:
        sizes, missing = measure(WAYS[way], wheels)
        if missing:
            print(f"{way} is left out: {', '.join(missing)} is neither installed nor a wheel here.", file=sys.stderr)
            continue
        largest = ", ".join(f"{name} {size / 1e6:,.1f}" for name, size in list(sizes.items())[:4])
        print(f"| {way} | {sum(sizes.values()) / 1e6:,.1f} | {len(sizes)} | {largest} |")


if __name__ == "__main__":
    main()
