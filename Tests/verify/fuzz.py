"""Seeded mutations of models, vocabularies, pictures, tables and shards through the C interface: no crash, no hang, no leak.

    python Tests/verify/fuzz.py [--models N] [--pictures N] [--vocabularies N] [--datasets N] [--first SEED]
                                [--more FOLDER]

Each mutation is a function of its seed alone, so a finding is repeated with `--first SEED --models 1`. Mutations run
in child processes of 250; a child that dies by a signal, takes over a minute or grows by more than 64 MB is a failure
that names the seed. How often each status came back is printed, so that it can be seen that the mutants are not all
refused at the first byte. --more mutates the models of another folder too, such as those that dialects.py makes.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import random
import select
import shutil
import signal
import sys
import tarfile
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


def open_dataset(data: bytes, path: Path) -> str:
    """Reads a table or a shard through, seeks back, and reads on. Mutants lie where their original does."""
    mutant = path.with_name(f"mutant-{os.getpid()}{path.suffix}")
    mutant.write_bytes(data)
    try:
        with swiftclip.Dataset(
            mutant, vocabulary=ROOT / "models/pocket/merges.txt", context_length=16, batch=3, threads=2, keep_last=True, crop="random",
            preprocess=swiftclip.Preprocess(image_size=16, max_pixels=1 << 20, max_bytes=1 << 20), shuffle_buffer=4,
        ) as read:
            first = [tokens.tobytes() for _, tokens in read]
            read.seek(0)
            if [tokens.tobytes() for _, tokens in read] != first:
                raise AssertionError("the first epoch differs from itself")
            report = read.report()
            if report["pairs"] > 2 * report["pictures"]:
                raise AssertionError(f"more pairs than pictures: {report}")
            return "OK" if not sum(report["skipped"].values()) else "PARTLY"
    except swiftclip.SwiftCLIPError as error:
        return name(error)
    finally:
        mutant.unlink()


def dataset_bases(folder: Path) -> List[Path]:
    """Tables in each format, and shards in each format of tar, over a few small pictures."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sources = [path for path in sorted((ROOT / "Tests/fixtures/pictures").iterdir()) if path.suffix in (".jpg", ".png", ".webp")]
    pictures = sorted(sources, key=lambda path: path.stat().st_size)[:12]
    captions = [f'picture {i}, a "small" one. It is not large!' for i in range(len(pictures))]
    for path in pictures:
        shutil.copy(path, folder / path.name)
    names = [path.name for path in pictures]
    pairs = list(zip(names, captions))
    (folder / "a.tsv").write_text("path\tcaption\n" + "".join(f"{a}\t{b}\n" for a, b in pairs))
    quoted = ['"' + text.replace('"', '""') + '"' for text in captions]
    (folder / "b.csv").write_text("".join(f"{a},{b}\r\n" for a, b in zip(names, quoted)))
    lines = [json.dumps({"path": a, "captions": [b, "another \u00e9 \U0001f600"], "n": [1.5, None, {}]}) for a, b in pairs]
    (folder / "c.jsonl").write_text("\n".join(lines))
    formats = {"gnu": tarfile.GNU_FORMAT, "ustar": tarfile.USTAR_FORMAT, "pax": tarfile.PAX_FORMAT}
    for kind, form in formats.items():
        with tarfile.open(folder / f"{kind}.tar", "w", format=form) as tar:
            for i, (file, text) in enumerate(pairs):
                prefix = "" if kind == "ustar" else "folder/" * 18
                tar.add(folder / file, f"{prefix}{i}{Path(file).suffix}")
                data = (json.dumps({"caption": text}) if i % 2 else text).encode()
                member = tarfile.TarInfo(f"{prefix}{i}.{'json' if i % 2 else 'txt'}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return [path for path in sorted(folder.iterdir()) if path.suffix in (".tsv", ".csv", ".jsonl", ".tar")]


def checksummed(data: bytes, seed: int) -> bytes:
    """Half of the mutated shards get their checksums right again, so that what headers say is believed."""
    if seed % 2:
        return data
    out = bytearray(data)
    for start in range(0, len(out) - 511, 512):
        if out[start + 257 : start + 262] == b"ustar":
            out[start + 148 : start + 156] = b" " * 8
            out[start + 148 : start + 155] = b"%06o\0" % sum(out[start : start + 512])
    return bytes(out)


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
        mutant = mutate(data, seed)
        return open_mutant(checksummed(mutant, seed // len(contents)) if path.suffix == ".tar" else mutant, path)

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
    parser.add_argument("--datasets", type=int, default=2000)
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
    failed += fuzz(
        "data sets", dataset_bases(folder / "fuzzed-pairs"), arguments.datasets, arguments.first, open_dataset
    )
    print(f"{4 - min(failed, 4)} passed, {min(failed, 4)} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
