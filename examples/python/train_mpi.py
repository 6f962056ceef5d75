"""Trains a CLIP on several processes or machines by MPI, each with its share of every batch.

    pip install mpi4py          # and an MPI, such as Debian's openmpi-bin
    mpirun -n 4 python -m mpi4py examples/python/train_mpi.py --data captions.tsv --config model.json \\
        --vocabulary merges.txt --batch 256 --steps 1000 --threads 1 -o run [--resume]

The loss contrasts every picture with every text of the whole batch, and its curve is that of one process, to rounding.
A batch is read in --pieces, of which each process takes as many as the others; the batches are the same on any number
of processes that divides --pieces. `python -m mpi4py` ends all processes when one fails. All of them read the data and
the output folder; process 0 writes. BatchNorm of a ResNet takes its statistics from the pairs of its process, so that its curve
depends on their number; that of a Vision Transformer does not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import List, Tuple

import numpy as np
from mpi4py import MPI

import swiftclip


class Share:
    """This process's pairs of each batch, read while the batch before is learned from."""

    def __init__(self, arguments: argparse.Namespace, trainer: swiftclip.Trainer, comm: MPI.Comm) -> None:
        if arguments.pieces % comm.size or arguments.batch % arguments.pieces:
            raise SystemExit(f"--pieces must divide --batch, and be a multiple of the number of processes, {comm.size}.")
        self._pieces, self._own = arguments.pieces, arguments.pieces // comm.size
        self._first = comm.rank * self._own
        self._data = swiftclip.Dataset(
            arguments.data,
            preprocess=swiftclip.Preprocess(image_size=trainer.image_size),
            vocabulary=arguments.vocabulary,
            context_length=trainer.context_length,
            batch=arguments.batch // arguments.pieces,
            seed=arguments.seed,
            endless=True,
            crop="random",
            ahead=0,  # the thread below reads ahead
            threads=arguments.threads,
        )
        self._reader = ThreadPoolExecutor(1)
        self._next = self._reader.submit(self._read, trainer.steps_done)

    def _read(self, step: int) -> Tuple[np.ndarray, np.ndarray]:
        self._data.seek(step * self._pieces + self._first)
        pieces = [self._data.next() for _ in range(self._own)]
        return np.concatenate([pixels for pixels, _ in pieces]), np.concatenate([tokens for _, tokens in pieces])

    def batch(self, step: int) -> Tuple[np.ndarray, np.ndarray]:
        """The pairs of a step; steps are asked for one after the other."""
        pairs = self._next.result()
        self._next = self._reader.submit(self._read, step + 1)
        return pairs


def gathered(rows: np.ndarray, counts: List[int], comm: MPI.Comm) -> np.ndarray:
    """The embeddings of all processes, below each other. A process that skipped a broken picture has fewer."""
    everything = np.empty((sum(counts), rows.shape[1]), np.float32)
    comm.Allgatherv(rows, (everything, [count * rows.shape[1] for count in counts]))
    return everything


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def log_sum_exp(rows: np.ndarray) -> np.ndarray:
    greatest = rows.max(axis=1, keepdims=True)
    return greatest[:, 0] + np.log(np.exp(rows - greatest).sum(axis=1, dtype=np.float64)).astype(np.float32)


def backward_by_rows(
    trainer: swiftclip.Trainer, images: np.ndarray, texts: np.ndarray, counts: List[int], comm: MPI.Comm
) -> float:
    """What `trainer.backward` does, for batches so large that no process can hold all of their cosines: each computes
    its own rows of the symmetric loss of the paper's Figure 3, those of its pictures and those of its texts."""
    first, total = sum(counts[: comm.rank]), sum(counts)
    own, labels = np.arange(len(images)), first + np.arange(len(images))
    sides = [unit(images), unit(texts)]
    everything = [gathered(side, counts, comm) for side in sides]
    logits = [trainer.logit_scale * sides[i] @ everything[1 - i].T for i in (0, 1)]  # (own, total) each
    sums = [log_sum_exp(rows) for rows in logits]
    all_sums = [gathered(column[:, None], counts, comm)[:, 0] for column in sums]
    loss = sum(float(np.sum(sums[i] - logits[i][own, labels], dtype=np.float64)) for i in (0, 1)) / (2 * total)

    gradients = []
    for i in (0, 1):
        # A logit is in the softmax of its picture and in that of its text.
        slope = np.exp(logits[i] - sums[i][:, None]) + np.exp(logits[i] - all_sums[1 - i])
        slope[own, labels] -= 2
        slope /= 2 * total
        if i == 0:
            slope_of_temperature = float(np.sum(slope * logits[0], dtype=np.float64))
        d = trainer.logit_scale * slope @ everything[1 - i]
        lengths = np.linalg.norm((images, texts)[i], axis=1, keepdims=True)
        gradients.append((d - sides[i] * np.sum(sides[i] * d, axis=1, keepdims=True)) / lengths)
    trainer.backpropagate(*gradients)
    trainer.parameter_gradients()["logit_scale"][...] = slope_of_temperature
    return comm.allreduce(loss)


def step(trainer: swiftclip.Trainer, pixels: np.ndarray, tokens: np.ndarray, by_rows: bool, comm: MPI.Comm) -> float:
    """One update by the pairs of all processes; returns the loss over all of them."""
    images, texts = trainer.encode(pixels, tokens)
    counts = comm.allgather(len(images))
    if by_rows:
        loss = backward_by_rows(trainer, images, texts, counts, comm)
    else:
        loss = trainer.backward(
            gathered(images, counts, comm), gathered(texts, counts, comm), first=sum(counts[: comm.rank])
        )
    comm.Allreduce(MPI.IN_PLACE, trainer.gradients)
    trainer.update()
    return loss


def save(trainer: swiftclip.Trainer, path: Path, comm: MPI.Comm) -> None:
    """Writes a checkpoint, once it is sure that all processes have the same parameters."""
    learned, digest = trainer.parameter_gradients(), hashlib.sha256()
    for name, values in trainer.parameters().items():
        if name in learned:
            digest.update(values)
        else:  # running statistics of BatchNorm: each process has seen other pictures
            comm.Allreduce(MPI.IN_PLACE, values)
            values /= comm.size
    if len(set(comm.allgather(digest.digest()))) > 1:
        raise SystemExit("The processes differ in their parameters. Are all processors of one kind, and the libraries equal?")
    if comm.rank == 0:
        trainer.save(path)
    comm.Barrier()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, metavar="FILE")
    parser.add_argument("--config", required=True, metavar="FILE", help="JSON in open_clip's terms")
    parser.add_argument("--vocabulary", required=True, metavar="FILE")
    parser.add_argument("--batch", type=int, default=256, metavar="N", help="pairs of all processes together")
    parser.add_argument("--pieces", type=int, default=8, metavar="N", help="in which a batch is read")
    parser.add_argument("--steps", type=int, required=True, metavar="N")
    parser.add_argument("--warmup", type=int, default=0, metavar="N")
    parser.add_argument("--learning-rate", type=float, default=5e-4, metavar="X")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="of each process; 0: the cores it may use")
    parser.add_argument("--save-every", type=int, default=100, metavar="N")
    parser.add_argument("--constant-rate", action="store_true", help="in place of half a cosine down to 0")
    parser.add_argument("--rows", action="store_true", help="each process has its own rows of the loss: for large batches")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FOLDER")
    arguments = parser.parse_args()

    comm = MPI.COMM_WORLD
    checkpoint = arguments.output / "checkpoint.bin"
    if arguments.resume:
        trainer = swiftclip.Trainer.resume(checkpoint)
    else:
        config = json.loads(Path(arguments.config).read_text(encoding="utf-8"))
        trainer = swiftclip.Trainer(  # the same seed: the same initial values everywhere
            config, arguments.learning_rate, warmup=arguments.warmup, seed=arguments.seed,
            steps=None if arguments.constant_rate else arguments.steps, threads=arguments.threads, vocabulary=arguments.vocabulary,
        )  # fmt: skip
    arguments.output.mkdir(parents=True, exist_ok=True)

    share, started = Share(arguments, trainer, comm), time.monotonic()
    while trainer.steps_done < arguments.steps:
        loss = step(trainer, *share.batch(trainer.steps_done), arguments.rows, comm)
        done = trainer.steps_done
        if comm.rank == 0:
            print(json.dumps({"step": done, "loss": loss, "seconds": round(time.monotonic() - started, 3)}), flush=True)
        if done % arguments.save_every == 0 or done == arguments.steps:
            save(trainer, checkpoint, comm)
    if comm.rank == 0:
        trainer.export(arguments.output / "model")


if __name__ == "__main__":
    main()
