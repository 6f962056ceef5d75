"""Turns the collected packages into one data set: pictures.npy and records.jsonl.

    python prepare.py --work FOLDER [--processes 2]

`pictures.npy` is uint8 (N, 80, 80, 4), RGBA, to be memory-mapped; line i of `records.jsonl` tells of picture i
(fields: see records.py). What the first model was tested on is kept apart here to the letter; whatever is new and
looks like a test picture is left out. `summary.json` counts it all.
"""

import argparse
import json
import time
from collections import Counter
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import List, Tuple

import numpy as np

from duplicates import LookAlikes, fingerprints
from first import first_sources
from more import more_sources
from rasterise import SIDE, draw
from records import Record


def drawn(work: Path, records: List[Record], processes: int, target: Path) -> Tuple[List[Record], np.ndarray]:
    """Draws all that can be drawn into an .npy file; returns the records that were, and the mapped file."""
    kept: List[Record] = []
    file = np.lib.format.open_memmap(target, "w+", np.uint8, (len(records), SIDE, SIDE, 4))
    started = time.time()
    with Pool(processes) as pool:
        for done, picture in enumerate(pool.imap(partial(draw, work), records, chunksize=64), 1):
            if picture is not None:
                file[len(kept)] = picture
                kept.append(records[done - 1])
            if done % 5000 == 0 or done == len(records):
                print(f"{done} of {len(records)} pictures, {time.time() - started:.0f} s", flush=True)
    return kept, file


def mark_icon_test(records: List[Record]) -> None:
    """Oxygen's icons count in the test where the first model's training pictures bear the same title."""
    titles = {record.title for record in records if record.split == "train"}
    for record in records:
        if record.source == "icons/oxygen" and record.title in titles:
            record.test, record.answer = "icons", record.title


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="the folder that collect.py filled")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    work, processes = arguments.work, arguments.processes
    times = {}

    started = time.time()
    first = first_sources(work)
    more = more_sources(work, {record.title for record in first if record.group == "icons"})
    times["list"] = time.time() - started

    started = time.time()
    records, pictures = drawn(work, first + more, processes, work / "drawn.npy")
    new = {id(record) for record in more}
    old_count = sum(id(record) not in new for record in records)
    times["draw"] = time.time() - started

    started = time.time()
    mark_icon_test(records[:old_count])
    prints = fingerprints(pictures, len(records))
    held = [i for i, record in enumerate(records) if record.split == "test"]
    tests = LookAlikes(prints[held])
    seen = tests.contains(prints)
    train = [record.split == "train" for record in records]
    copies = [i for i, record in enumerate(records) if train[i] and seen[i]]
    dropped = {i for i in copies if i >= old_count}
    times["compare"] = time.time() - started

    started = time.time()
    keep = [i for i in range(len(records)) if i not in dropped]
    result = np.lib.format.open_memmap(work / "pictures.unfinished", "w+", np.uint8, (len(keep), SIDE, SIDE, 4))
    for start in range(0, len(keep), 4096):
        result[start : start + 4096] = pictures[keep[start : start + 4096]]
    result.flush()
    with open(work / "records.unfinished", "w", encoding="utf-8") as file:
        for i in keep:
            file.write(json.dumps(records[i].row(), ensure_ascii=False) + "\n")
    (work / "pictures.unfinished").rename(work / "pictures.npy")
    (work / "records.unfinished").rename(work / "records.jsonl")
    (work / "drawn.npy").unlink()
    times["write"] = time.time() - started

    counts = Counter(f"{records[i].source} {records[i].split}" for i in keep)
    summary = {
        "pictures": len(keep),
        "counts": dict(sorted(counts.items())),
        "tests": dict(Counter(records[i].test for i in keep if records[i].test)),
        "not drawn": dict(Counter(r.source for r in first + more) - Counter(r.source for r in records)),
        "new look-alikes of test pictures, left out": dict(Counter(records[i].source for i in dropped)),
        "first model's training pictures like test pictures, kept": dict(
            Counter(records[i].source for i in copies if i < old_count)
        ),
        "seconds": {name: round(value, 1) for name, value in times.items()},
    }
    (work / "summary.json").write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(summary, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
