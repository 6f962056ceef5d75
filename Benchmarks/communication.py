"""What data parallel training costs in communication: on this machine by MPI, and anywhere by arithmetic.

    python Benchmarks/communication.py [--processes 1 2 4] [--rounds 7] [--json FILE]
    python Benchmarks/communication.py --paper [--pairs 32768] [--nodes 256]

Measures, over shared memory and over TCP by the loopback device: the sum of gradients (Allreduce) by their number, the
gathering of embeddings (Allgather) by the size of the batch, and a training step in its parts. Needs mpirun and mpi4py.
--paper computes what a step of the official models needs between the nodes of a cluster; it measures nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
# Parameters in millions, and embed_dim, of the official models.
OFFICIAL = {
    "RN50": (102.0, 1024), "ViT-B/32": (151.3, 512), "ViT-B/16": (149.6, 512), "RN50x64": (623.3, 1024), "ViT-L/14": (427.6, 768),
}  # fmt: skip
LENGTHS = {"default model's size": 2_000_000, "a tenth of ViT-B/32": 15_100_000, "RN50": 102_000_000, "ViT-B/32": 151_300_000}
BATCHES = (256, 1024, 4096, 32768)
DIM = 512
TRANSPORTS = {"memory": [], "tcp": ["--mca", "btl", "self,tcp", "--mca", "btl_tcp_if_include", "lo"]}
STEP_BATCH = 64
CONFIG = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 64, "layers": 4, "width": 256, "patch_size": 8},
    "text_cfg": {"context_length": 32, "vocab_size": 4096, "width": 256, "heads": 4, "layers": 4},
}


def timed(comm: Any, rounds: int, work: Callable[[], None]) -> float:
    """The median over rounds of the time of the slowest process, in seconds; the first round is not counted."""
    from mpi4py import MPI

    times = []
    for _ in range(rounds + 1):
        comm.Barrier()
        begun = time.perf_counter()
        work()
        times.append(comm.allreduce(time.perf_counter() - begun, MPI.MAX))
    return statistics.median(times[1:])


def worker(rounds: int) -> None:
    """One process of a measurement; process 0 prints what was found as JSON."""
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    found: Dict[str, Dict[str, float]] = {"reduce": {}, "gather": {}, "step": {}}
    buffer = np.zeros(max(LENGTHS.values()), np.float32)
    for length in LENGTHS.values():
        part = buffer[:length]
        found["reduce"][str(length)] = timed(comm, rounds, lambda: comm.Allreduce(MPI.IN_PLACE, part))
    del buffer, part
    for batch in BATCHES:
        own, everything = np.zeros((batch // comm.size, DIM), np.float32), np.empty((batch, DIM), np.float32)
        found["gather"][str(batch)] = timed(comm, rounds, lambda: [comm.Allgather(own, everything) for _ in range(2)] and None)
    found["step"] = step_in_parts(comm, rounds)
    if comm.rank == 0:
        print(json.dumps(found))


def step_in_parts(comm: Any, rounds: int) -> Dict[str, float]:
    """Medians of the parts of a training step whose batch all processes share."""
    from mpi4py import MPI

    import swiftclip

    trainer = swiftclip.Trainer(CONFIG, threads=1)
    random = np.random.RandomState(comm.rank)
    count = STEP_BATCH // comm.size
    pixels = random.randn(count, 3, 64, 64).astype(np.float32)
    tokens = np.zeros((count, 32), np.int32)
    tokens[:, :12] = random.randint(1, 4000, (count, 12))
    tokens[:, 12] = 4095
    state: Dict[str, Any] = {}

    def encode() -> None:
        state["own"] = trainer.encode(pixels, tokens)

    def gather() -> None:
        state["all"] = [np.empty((STEP_BATCH, trainer.embed_dim), np.float32) for _ in range(2)]
        for own, everything in zip(state["own"], state["all"]):
            comm.Allgather(own, everything)

    def backward() -> None:
        trainer.backward(*state["all"], first=comm.rank * count)

    def reduce() -> None:
        comm.Allreduce(MPI.IN_PLACE, trainer.gradients)

    parts: Dict[str, List[float]] = {}
    for _ in range(rounds + 1):
        for work in (encode, gather, backward, reduce, trainer.update):
            comm.Barrier()
            begun = time.perf_counter()
            work()
            parts.setdefault(work.__name__, []).append(comm.allreduce(time.perf_counter() - begun, MPI.MAX))
    return {"parameters": float(len(trainer.gradients)), **{name: statistics.median(times[1:]) for name, times in parts.items()}}


def measured(processes: int, transport: str, rounds: int) -> Dict[str, Dict[str, float]]:
    """What `worker` finds on so many processes."""
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    environment["PYTHONPATH"] = str(ROOT / "bindings" / "python")
    for name in [name for name in environment if name.startswith("OPENBLAS_")]:
        del environment[name]
    command = ["mpirun", "--oversubscribe", "--mca", "plm", "isolated", *TRANSPORTS[transport], "-n", str(processes),
               sys.executable, "-m", "mpi4py", __file__, "--worker", "--rounds", str(rounds)]  # fmt: skip
    found: Dict[str, Dict[str, float]] = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
    return found


def table(heads: List[str], rows: List[List[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g}"


def report(found: Dict[Tuple[str, int], Dict[str, Dict[str, float]]]) -> None:
    """Tables of what was measured."""
    runs = [run for run in found if run[1] > 1]
    heads = [f"{count} processes, {transport}" for transport, count in runs]
    print("Sum of gradients (Allreduce), milliseconds, and GB/s of each process's traffic, 2 (p - 1) / p of the buffer:\n")
    rows = []
    for name, length in LENGTHS.items():
        cells = []
        for run in runs:
            seconds = found[run]["reduce"][str(length)]
            cells.append(f"{milliseconds(seconds)} ({2 * (run[1] - 1) / run[1] * 4 * length / seconds / 1e9:.2f})")
        rows.append([f"{length / 1e6:.1f} M, {name}", f"{4 * length / 1e6:.0f} MB", *cells])
    print(table(["numbers", "buffer", *heads], rows))
    print(f"Gathering of both embeddings (Allgather), {DIM} numbers each, milliseconds:\n")
    rows = [
        [f"{batch:,}", f"{2 * 4 * DIM * batch / 1e6:.1f} MB", *(milliseconds(found[run]["gather"][str(batch)]) for run in runs)]
        for batch in BATCHES
    ]
    print(table(["pairs", "gathered", *heads], rows))
    parameters = next(iter(found.values()))["step"]["parameters"]
    print(f"A step of {STEP_BATCH} pairs, {parameters / 1e6:.2f} M parameters, one thread a process, milliseconds:\n")
    parts = ("encode", "gather", "backward", "reduce", "update")
    rows = [
        [f"{count}", transport if count > 1 else "-", *(milliseconds(run["step"][part]) for part in parts),
         milliseconds(sum(run["step"][part] for part in parts)),
         f"{100 * (run['step']['gather'] + run['step']['reduce']) / sum(run['step'][part] for part in parts):.1f} %"]
        for (transport, count), run in found.items()
    ]  # fmt: skip
    print(table(["processes", "by", *parts, "all", "communication"], rows))


def paper(pairs: int, nodes: int) -> None:
    """What a step needs between nodes, at most one process a node: bytes that leave each node, and the time they take."""
    speeds = (10, 25, 100)
    rows = []
    for name, (millions, dim) in OFFICIAL.items():
        gathered = 2 * 4 * dim * pairs
        sent = gathered * (nodes - 1) / nodes
        reduced = 2 * (nodes - 1) / nodes * 4e6 * millions
        seconds = [f"{(sent + reduced) * 8 / speed / 1e9:.2f}" for speed in speeds]
        rows.append([name, f"{millions:.0f} M", f"{gathered / 1e6:.0f} MB", f"{reduced / 1e6:,.0f} MB", *seconds])
    print(f"{pairs:,} pairs on {nodes} nodes, {pairs // nodes} pairs on each; seconds of a step in which the network is busy:\n")
    heads = ["model", "parameters", "embeddings gathered", "sent for the sum", *(f"at {speed} Gb/s" for speed in speeds)]
    print(table(heads, rows))
    own = pairs // nodes
    print(f"All cosines, {pairs:,} x {pairs:,} float32: {4 * pairs**2 / 2**30:.2f} GiB on every node (`backward`).")
    print(f"A node's own rows of both softmaxes, 2 x {own} x {pairs:,}: {2 * 4 * own * pairs / 2**20:.0f} MiB (--rows).")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, help="also write what was measured")
    parser.add_argument("--paper", action="store_true", help="compute, do not measure")
    parser.add_argument("--pairs", type=int, default=32768)
    parser.add_argument("--nodes", type=int, default=256)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        return worker(arguments.rounds)
    if arguments.paper:
        return paper(arguments.pairs, arguments.nodes)
    runs = [(transport, count) for count in arguments.processes for transport in (TRANSPORTS if count > 1 else ["memory"])]
    found = {run: measured(run[1], run[0], arguments.rounds) for run in runs}
    report(found)
    if arguments.json:
        plain = [{"transport": transport, "processes": count, **run} for (transport, count), run in found.items()]
        arguments.json.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
