"""Seeded mutations of models, vocabularies and pictures through the C interface: no crash, no hang, no leak.

    python Tests/verify/fuzz.py [--models N] [--pictures N] [--vocabularies N] [--first SEED] [--more FOLDER]

Each mutation is a function of its seed alone, so a finding is repeated with `--first SEED --models 1`. Mutations run
in child processes of 250; a child that dies by a signal, takes over a minute or grows by more than 64 MB is a failure
that names the seed. How often each status came back is printed, so that it can be seen that the mutants are not all
refused at the first byte. --more mutates the models of another folder too, such as those that dialects.py makes.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import select
import signal
import sys
from pathlib import Path
from typing import Callable, Counter, List, Tuple

import swiftclip

ROOT = Path(__file__).resolve().parents[2]
CHUNK = 250
SECONDS = 60
GROWTH = 64 << 20
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x12, 0x22, 0x2A, 0x4A)


def mutate(data: bytes, seed: int) -> bytes:
    """One to eight changes: bits, bytes, huge varints, and pieces cut, doubled, moved or made up."""
    source = random.Random(seed)
    out = bytearray(data)
    for _ in range(source.choice((1, 1, 1, 2, 2, 4, 8))):
        if not out:
            break
        # Structure is densest at both ends of a file: half of the changes go there.
        edge = min(len(out), 4096)
        place = source.choice((source.randrange(len(out)), source.randrange(edge), len(out) - 1 - source.randrange(edge)))
        length = min(source.choice((1, 2, 4, 16, 256)), len(out) - place)
        kind = source.randrange(9)
        if kind <= 1:
            out[place] ^= 1 << source.randrange(8)
        elif kind == 2:
            out[place] = source.choice(INTERESTING)
        elif kind == 3:
            out[place : place + length] = bytes(source.randrange(256) for _ in range(length))
        elif kind == 4:
            out[place : place + 9] = b"\xff" * source.randrange(1, 10) + b"\x01"
        elif kind == 5:
            del out[place : place + length]
        elif kind == 6:
            out[place:place] = out[place : place + length]
        elif kind == 7:
            other = source.randrange(len(out))
            out[place : place + length] = out[other : other + length]
        else:
            del out[place:]
    return bytes(out)


def open_model(data: bytes, is_text: bool, folder: Path) -> str:
    status = "OK"
    try:
        swiftclip.load_bytes(**{"textual" if is_text else "visual": data}, threads=1).close()
    except swiftclip.SwiftCLIPError as error:
        status = name(error)
    inspected = inspect_model(data, is_text, folder)
    if (status == "OK") != (inspected == "OK"):
        raise AssertionError(f"opening says {status}, and inspecting {inspected}")
    return status


def inspect_model(data: bytes, is_text: bool, folder: Path) -> str:
    path = folder / f"model-{os.getpid()}.onnx"
    path.write_bytes(data)
    try:
        str(swiftclip.inspect(None if is_text else path, path if is_text else None))
        return "OK"
    except swiftclip.SwiftCLIPError as error:
        return name(error)
    finally:
        path.unlink()


def open_picture(data: bytes) -> str:
    try:
        swiftclip.preprocess(data, swiftclip.Preprocess(image_size=32, max_pixels=1 << 22))
        return "OK"
    except swiftclip.SwiftCLIPError as error:
        return name(error)


def open_vocabulary(data: bytes, folder: Path) -> str:
    path = folder / f"merges-{os.getpid()}.txt"
    path.write_bytes(data)
    try:
        swiftclip.Tokenizer(path, context_length=16).encode(["a photo of a cat, 3 dogs &amp; a bird"], truncate=True)
        return "OK"
    except swiftclip.SwiftCLIPError as error:
        return name(error)
    finally:
        path.unlink()


def name(error: swiftclip.SwiftCLIPError) -> str:
    """The status; a message that does not say anything is a failure of its own."""
    if len(str(error)) < 20:
        raise AssertionError(f"not a sentence: {error!s}")
    return getattr(error.status, "name", str(error.status))


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def child(seeds: range, run: Callable[[int], str], pipe: int) -> None:
    """Runs some seeds and tells each on the pipe before it is tried."""
    before = 0
    for index, seed in enumerate(seeds):
        os.write(pipe, f"{seed} ".encode())
        status = run(seed)
        os.write(pipe, f"{status}\n".encode())
        if index == 20:
            before = resident()
    if before and resident() - before > GROWTH:
        os.write(pipe, b"GREW\n")


def run_chunk(seeds: range, run: Callable[[int], str], counts: Counter[str]) -> List[str]:
    """What went wrong in a chunk."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        status = 1
        try:
            child(seeds, run, writer)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    told = b""
    hung = False
    while True:
        if not select.select([reader], [], [], SECONDS)[0]:
            hung = True
            os.kill(process, signal.SIGKILL)
            break
        piece = os.read(reader, 65536)
        if not piece:
            break
        told += piece
    os.close(reader)
    _, ended = os.waitpid(process, 0)
    lines = told.decode().split("\n")
    for line in lines[:-1]:
        counts[line.split()[-1]] += 1
    last = (lines[-1].split() or [str(seeds[-1])])[0]
    failures = [f"memory grew by over {GROWTH >> 20} MB in seeds {seeds}"] if "GREW" in lines else []
    if hung:
        failures.append(f"seed {last} took over {SECONDS} s")
    elif ended:
        failures.append(f"seed {last} ended its process with wait status {ended}")
    return failures


def fuzz(title: str, bases: List[Path], count: int, first: int, open_mutant: Callable[[bytes, Path], str]) -> int:
    """The number of failures."""
    # Models with their weights in another file are left out: from memory they are refused before they are read.
    contents = [(path, data) for path in bases if b".weights" not in (data := path.read_bytes())]

    def run(seed: int) -> str:
        path, data = contents[seed % len(contents)]
        return open_mutant(mutate(data, seed), path)

    counts: Counter[str] = collections.Counter()
    failures: List[str] = []
    for start in range(first, first + count, CHUNK):
        failures += run_chunk(range(start, min(start + CHUNK, first + count)), run, counts)
    told = ", ".join(f"{status} {number}" for status, number in counts.most_common())
    print(f"{title}: {count} mutants of {len(contents)} files: {told}", flush=True)
    for failure in failures:
        print(f"FAIL {title}: {failure}", flush=True)
    return len(failures)


def bases() -> Tuple[List[Path], List[Path]]:
    """The models and pictures that mutants are made of: small ones, so that structure is hit."""
    models = sorted((ROOT / "Tests" / "fixtures").rglob("*.onnx")) + sorted((ROOT / "models" / "pocket").glob("*.onnx"))
    pictures = [
        path
        for path in sorted((ROOT / "Tests" / "fixtures").rglob("*")) + sorted((ROOT / "examples/pictures").iterdir())
        if path.suffix in (".jpg", ".png", ".webp")
    ]
    return models, pictures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=2000)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--vocabularies", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--more", type=Path, help="a folder with more models")
    arguments = parser.parse_args()
    models, pictures = bases()
    if arguments.more:
        models += sorted(arguments.more.rglob("*.onnx"))
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    failed = fuzz("pictures", pictures, arguments.pictures, arguments.first, lambda data, _: open_picture(data))
    failed += fuzz(
        "vocabularies", [ROOT / "models/pocket/merges.txt"], arguments.vocabularies, arguments.first,
        lambda data, _: open_vocabulary(data, folder),
    )
    failed += fuzz(
        "models", models, arguments.models, arguments.first,
        lambda data, path: open_model(data, "text" in path.name, folder),
    )
    print(f"{3 - min(failed, 3)} passed, {min(failed, 3)} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
