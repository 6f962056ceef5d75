"""Batches of the default model's training: balanced over the sources, the same after every restart.

    from batches import Batches

    for images, texts in Batches("FOLDER", batch_size=256, seed=0, start=step):
        loss = trainer.step(images, texts)     # float32 (256, 3, 64, 64), list of 256 str

Batch k depends on the seed and on k alone: a run that stopped after n steps goes on with `start=n`.
"""

import queue
import threading
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple, Union

import numpy as np

from augment import Augmentation
from captions import Captions, Row, read_records

# Parts of a batch. Icons and glyphs are many, but what they show are few kinds of things.
SHARES = {"photos": 0.32, "drawings": 0.44, "icons": 0.19, "glyphs": 0.05}
# Pictures whose mirror image means something else, by words in their path, title or categories.
NOT_MIRRORED = (
    "alphabet letter symbol sign arrow flag math music number digit text left right clock logo keyboard map".split()
)
MIRRORED_GROUPS = ("photos", "drawings")


def may_be_mirrored(row: Row) -> bool:
    said = " ".join([row["file"].split("/", 2)[-1], row["member"], row["title"], *row["categories"]]).lower()
    return row["group"] in MIRRORED_GROUPS and not any(word in said for word in NOT_MIRRORED)


class Group:
    """Rows by title. Every epoch runs through all titles in another order: each once or, `by_number`, as often as the
    square root of its number of pictures, since what many themes draw is met more."""

    def __init__(self, rows: Dict[str, List[int]], number: int, seed: int, by_number: bool) -> None:
        self.rows = rows
        self.titles = [t for t in sorted(rows) for _ in range(round(len(rows[t]) ** 0.5) if by_number else 1)]
        self.seed = [seed, number]
        self.epoch, self.order = -1, np.empty(0, np.int64)

    def titles_of(self, step: int, count: int) -> List[str]:
        """The titles of one step; the rest of an epoch too short for a batch is left."""
        epoch, place = divmod(step, max(1, len(self.titles) // count))
        if epoch != self.epoch:
            self.epoch, self.order = epoch, np.random.default_rng([*self.seed, epoch]).permutation(len(self.titles))
        return [self.titles[i] for i in self.order[place * count : (place + 1) * count]]


class Batches:
    """Yields (images, texts): float32 (batch_size, 3, side, side) and a list of as many str, for ever."""

    def __init__(
        self,
        work: Union[str, Path],
        batch_size: int = 256,
        side: int = 64,
        seed: int = 0,
        start: int = 0,
        shares: Optional[Dict[str, float]] = None,
        augmentation: Optional[Augmentation] = None,
        kinds: float = 0.1,
        prefetch: int = 2,
        by_number: bool = False,
    ) -> None:
        self.records = read_records(work)
        self.pictures = np.load(Path(work) / "pictures.npy", mmap_mode="r")
        self.captions = Captions(work, kinds)
        self.augmentation = augmentation or Augmentation()
        self.side, self.seed, self.start, self.prefetch = side, seed, start, prefetch
        self.mirrorable = [may_be_mirrored(row) for row in self.records]
        shares = shares or SHARES
        self.counts = {name: int(batch_size * part / sum(shares.values())) for name, part in shares.items()}
        self.counts["drawings"] += batch_size - sum(self.counts.values())
        self.groups = self.grouped(by_number)

    def grouped(self, by_number: bool) -> Dict[str, Group]:
        found: Dict[str, Dict[str, List[int]]] = {name: {} for name in self.counts}
        for i, row in enumerate(self.records):
            if row["split"] == "train" and row["group"] in found:
                # Photographs have ten titles only: each counts for itself.
                title = f"{i:06d}" if row["group"] == "photos" else row["title"]
                found[row["group"]].setdefault(title, []).append(i)
        return {name: Group(rows, number, self.seed, by_number) for number, (name, rows) in enumerate(found.items())}

    def rows(self, step: int, random: np.random.Generator) -> List[int]:
        """Which pictures the batch of this step holds: no title twice but the photographs' ten."""
        rows: List[int] = []
        used: Set[str] = set()
        for name, group in self.groups.items():
            for title in group.titles_of(step, self.counts[name]):
                while title in used:
                    title = group.titles[int(random.integers(len(group.titles)))]
                used.add(title)
                choice = group.rows[title]
                rows.append(choice[int(random.integers(len(choice)))])
        return rows

    def batch(self, step: int) -> Tuple[np.ndarray, List[str]]:
        """The batch of a step, whichever came before."""
        random = np.random.default_rng([self.seed, 1000, step])
        rows = self.rows(step, random)
        texts = [self.captions.sample(self.records[row], random) for row in rows]
        photos = [self.records[row]["group"] == "photos" for row in rows]
        mirrorable = [self.mirrorable[row] for row in rows]
        images = self.augmentation.batch(self.pictures, rows, photos, mirrorable, random, self.side)
        return images, texts

    def __iter__(self) -> Iterator[Tuple[np.ndarray, List[str]]]:
        """From `start` on. A thread prepares the next batches while the caller works."""
        if self.prefetch == 0:
            step = self.start
            while True:
                yield self.batch(step)
                step += 1
        ready: "queue.Queue[object]" = queue.Queue(self.prefetch)
        stopped = threading.Event()

        def put(item: object) -> None:
            while not stopped.is_set():
                try:
                    return ready.put(item, timeout=0.5)
                except queue.Full:
                    continue

        def work() -> None:
            step = self.start
            try:
                while not stopped.is_set():
                    put(self.batch(step))
                    step += 1
            except Exception as error:  # Handed to the caller, who would wait for ever else.
                put(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            while True:
                item = ready.get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            stopped.set()
            thread.join()
