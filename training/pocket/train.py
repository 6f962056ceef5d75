"""Trains the default model with swiftclip's own trainer, from scratch. Stopped at any moment, it goes on from its last
checkpoint.

    python train.py --work FOLDER [--threads N] [--save-every N]

FOLDER is what prepare.py filled. The run writes there: merges.txt (learned from the captions), checkpoint.bin with
muon-STEP.npz, log.jsonl, and at the end the model in model/.
"""

import argparse
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import swiftclip
from batches import Batches
from muon import Muon

# A Modified ResNet learns faster than a Vision Transformer from so little. 5.6 million parameters: 11 MB as float16.
CONFIG: Dict[str, Any] = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 64, "layers": [2, 2, 2, 1], "width": 28, "head_width": 64},
    "text_cfg": {"context_length": 32, "vocab_size": 4096, "width": 128, "heads": 2, "layers": 4},
}
OPTIMISER: Dict[str, Any] = {"weight_decay": 0.1, "betas": (0.9, 0.98), "clip_norm": 1.0, "warmup": 200}
BATCH = 256


@dataclass
class Phase:
    """Steps with one schedule."""

    until: int
    peak: float
    """Of the learning rate, as if the schedule had been so from the first step."""
    steps: int
    """After which the rate is 0."""
    muon: bool = True
    batches: Dict[str, Any] = field(default_factory=dict)


# What is known well by then gets less room.
LATER = {"shares": {"photos": 0.25, "drawings": 0.45, "icons": 0.27, "glyphs": 0.03}, "by_number": True}
# As it was: AdamW alone was too slow, so Muon took over; the end was put off three times.
PHASES = (
    Phase(2700, 1.2e-3, 3600, muon=False),
    Phase(2800, 1.6e-3, 6000),
    Phase(3600, 1.6e-3, 5000),
    Phase(4400, 1.6e-3, 5600),
    Phase(9000, 1.6e-3, 9000, batches=LATER),
)


class Run:
    """The trainer of a phase, from the checkpoint where there is one, with its Muon."""

    def __init__(self, work: Path, threads: int) -> None:
        self.work, self.threads, self.phase = work, threads, PHASES[0]
        self.merges, self.checkpoint = work / "merges.txt", work / "checkpoint.bin"
        if not self.merges.exists():
            lines = (work / "captions.txt").read_text(encoding="utf-8").splitlines()
            swiftclip.learn_merges(lines, CONFIG["text_cfg"]["vocab_size"], self.merges)
        if not self.checkpoint.exists():
            options = self.options(PHASES[0])
            self.trainer = swiftclip.Trainer(CONFIG, **options, vocabulary=self.merges)
            self.muon: Optional[Muon] = None
            self.save()
        self.open()

    def options(self, phase: Phase) -> Dict[str, Any]:
        return {**OPTIMISER, "learning_rate": phase.peak, "steps": phase.steps, "threads": self.threads}

    def open(self) -> None:
        """What the checkpoint holds, in the phase that it is in."""
        self.trainer = swiftclip.Trainer.resume(self.checkpoint, vocabulary=self.merges)
        done = self.trainer.steps_done
        self.phase = next((phase for phase in PHASES if done < phase.until), PHASES[-1])
        options = self.options(self.phase)
        self.trainer = swiftclip.Trainer.resume(self.checkpoint, vocabulary=self.merges, options=options)
        self.muon = Muon(self.trainer) if self.phase.muon else None
        if self.muon:
            self.muon.load(self.work)
        self.batches = iter(Batches(self.work, BATCH, start=done, **self.phase.batches))

    def step(self, images: Any, texts: Any) -> float:
        if not self.muon:
            return self.trainer.step(images, texts)
        loss = self.trainer.backward(*self.trainer.encode(images, texts))
        self.muon.update()
        self.trainer.update()
        return loss

    def save(self) -> None:
        """Muon's state first: a checkpoint never stands there without it."""
        if self.muon:
            self.muon.save(self.work)
        self.trainer.save(self.checkpoint)
        if self.muon:
            self.muon.clean(self.work)

    def told(self, loss: float, rate: float, pace: Tuple[int, float]) -> Dict[str, Any]:
        steps, seconds = pace
        return {
            "step": self.trainer.steps_done, "loss": round(loss, 4), "rate": rate,
            "scale": round(self.trainer.logit_scale, 2), "pairs_per_second": round(steps * BATCH / seconds, 1),
            "seconds": round(seconds),
        }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    run = Run(arguments.work, arguments.threads)
    started, first, mean = time.time(), run.trainer.steps_done, 0.0
    with open(arguments.work / "log.jsonl", "a", encoding="utf-8") as log:
        while run.trainer.steps_done < PHASES[-1].until:
            rate = run.trainer.learning_rate
            loss = run.step(*next(run.batches))
            done = run.trainer.steps_done
            mean = loss if done == first + 1 else 0.95 * mean + 0.05 * loss
            if done % 20 == 0:
                line = json.dumps(run.told(mean, rate, (done - first, time.time() - started)))
                print(line, flush=True)
                log.write(line + "\n")
                log.flush()
            if done % arguments.save_every == 0 or done == run.phase.until:
                run.save()
            if done == run.phase.until < PHASES[-1].until:
                run.batches.close()
                run.open()
    run.batches.close()
    run.trainer.export(arguments.work / "model")


if __name__ == "__main__":
    main()
