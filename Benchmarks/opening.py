"""From the start of a process to its first image embedding, and its peak memory.

Every measurement is a process of its own, contestants in turn, files in the page cache. Works: start, which opens
the image encoder and embeds one picture; memory, which opens both encoders and embeds a picture and a caption. Peak
memory is VmHWM of the whole process, interpreter, packages and mapped files among it, and once more without what
it was after importing the packages. Those processes tell too how long opening both encoders takes, by the clock and
in processor time of all threads, in which other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import functools
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List

import models
import peers
from rows import OWN, Row, row
from timing import Others

MODULES = {
    OWN: ["swiftclip"], "onnxruntime": ["onnxruntime"], "OpenVINO": ["openvino"], "PyTorch": ["torch", "open_clip"],
}


AFTERWARDS: "List[tuple[str, str, Callable[[Dict[str, Any]], float]]]" = [
    ("peak memory", "MiB", lambda answer: answer["peak"] / 2**20),
    ("peak memory without imports", "MiB", lambda answer: (answer["peak"] - answer["imported"]) / 2**20),
    ("opening", "s", lambda answer: answer["opened"]),
    ("processor time of opening", "s", lambda answer: answer["busy"]),
]
"""What the processes that open both encoders tell."""


def peak() -> int:
    """Bytes at most resident so far."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def used() -> float:
    """Seconds of processor time so far, all threads, in this process and in the system for it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def child(contestant: str, folder: Path, threads: int, towers: List[str]) -> Dict[str, Any]:
    """What one process finds out about itself."""
    import inputs

    make = peers.swiftclip_peer if contestant == OWN else peers.PEERS[contestant][1]
    if contestant == "PyTorch":
        make = functools.partial(make, mapped=True)
    for module in MODULES[contestant]:
        __import__(module)
    sizes = models.config(folder)
    picture = inputs.pixels(1, sizes["vision_cfg"]["image_size"])
    imported, busy, started = peak(), used(), time.monotonic()
    encoders = make(folder, threads, towers)
    opened, busy = time.monotonic() - started, used() - busy
    encoders["image"](picture)
    ended = time.monotonic()
    if "text" in towers:
        text = sizes["text_cfg"]
        encoders["text"](inputs.full_tokens(1, text["context_length"], text["vocab_size"]))
    return {"ended": ended, "peak": peak(), "imported": imported, "opened": opened, "busy": busy}


TOUCH = """
import mmap, sys
room = mmap.mmap(-1, int(sys.argv[1]), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
room.madvise(mmap.MADV_HUGEPAGE)
room[::4096] = bytes(len(room[::4096]))
"""


def touch_memory(folder: Path) -> None:
    """A virtual machine gets a page from its host when it is touched for the first time, at about a second per
    gigabyte, and gives it back soon after. So that this is not taken for the contestant's time, another process touches
    as much as the greediest needs just before."""
    needed = 4 * sum(file.stat().st_size for file in folder.glob("*.onnx"))
    subprocess.run([sys.executable, "-c", TOUCH, str(max(needed, 1 << 20))], check=True)


def run(contestant: str, folder: Path, threads: int, towers: str) -> Dict[str, Any]:
    """Starts a process and adds the seconds from here to its first embedding."""
    command = [sys.executable, __file__, contestant, str(folder), str(threads), towers]
    touch_memory(folder)
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "it ended without a word")
    answer = json.loads(done.stdout.splitlines()[-1])
    return {**answer, "seconds": answer["ended"] - started}


def rounds(names: List[str], folder: Path, threads: int, towers: str, count: int) -> Dict[str, List[Dict[str, Any]]]:
    """The first run of each fills the page cache and is thrown away."""
    answers: Dict[str, List[Dict[str, Any]]] = {name: [] for name in names}
    for turn in range(count + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            if name not in answers:
                continue
            try:
                answer = run(name, folder, threads, towers)
            except RuntimeError as error:
                peers.say(f"{name} is not measured from its start with {folder.name}: {error}")
                del answers[name]
                continue
            if turn > 0:
                answers[name].append(answer)
    return answers


def measure(name: str, threads: int, arguments: argparse.Namespace) -> Iterator[List[Row]]:
    folder = models.exported(name)
    names = [OWN, *(peer for peer in arguments.peers if peers.has(peer))]
    if "PyTorch" in names:
        try:
            models.saved(folder)
        except models.NotThere as error:
            peers.say(f"PyTorch is not measured from its start: {error}.")
            names.remove("PyTorch")
    count = min(arguments.rounds, 7)
    if "start" in arguments.work:
        others = Others()
        answers = rounds(names, folder, threads, "image", count)
        busy = others.share()
        yield [
            row("start to first embedding", contestant, "s", [answer["seconds"] for answer in given], model=name,
                threads=threads, others_busy=busy, note="image encoder only")
            for contestant, given in answers.items()
        ]
    if "memory" in arguments.work:
        answers = rounds(names, folder, threads, "image,text", min(count, 3))
        for work, unit, value in AFTERWARDS:
            yield [
                row(work, contestant, unit, [value(answer) for answer in given], model=name, threads=threads,
                    note="both encoders")
                for contestant, given in answers.items()
                # It maps a file of its own, and opens nothing until it computes.
                if contestant != "PyTorch" or unit == "MiB"
            ]


if __name__ == "__main__":
    print(json.dumps(child(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(","))))
