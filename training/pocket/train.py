"""Trains the default model with swiftclip's own trainer, from scratch. Stopped at any moment, it goes on from its last
checkpoint with the same bits.

    python train.py --work FOLDER [--steps 4500] [--batch 256]

FOLDER is what prepare.py filled. The run writes there: merges.txt (learned from the captions), checkpoint.bin,
log.jsonl, and at the end the model in model/.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any, Dict

import swiftclip
from batches import Batches

# A Modified ResNet learns faster than a Vision Transformer from so little. 5.6 million parameters: 11 MB as float16.
CONFIG: Dict[str, Any] = {
    "embed_dim": 256,
    "vision_cfg": {"image_size": 64, "layers": [2, 2, 2, 1], "width": 28, "head_width": 64},
    "text_cfg": {"context_length": 32, "vocab_size": 4096, "width": 128, "heads": 2, "layers": 4},
}
OPTIMISER: Dict[str, Any] = {"learning_rate": 1.2e-3, "weight_decay": 0.1, "betas": (0.9, 0.98), "clip_norm": 1.0}


def trainer_of(work: Path, steps: int, threads: int) -> swiftclip.Trainer:
    """The run's trainer: from its checkpoint where there is one."""
    merges, checkpoint = work / "merges.txt", work / "checkpoint.bin"
    if not merges.exists():
        lines = (work / "captions.txt").read_text(encoding="utf-8").splitlines()
        swiftclip.learn_merges(lines, CONFIG["text_cfg"]["vocab_size"], merges)
    if checkpoint.exists():
        return swiftclip.Trainer.resume(checkpoint, vocabulary=merges)
    return swiftclip.Trainer(CONFIG, **OPTIMISER, warmup=200, steps=steps, threads=threads, vocabulary=merges)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=4500)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--save-every", type=int, default=100)
    parser.add_argument("--threads", type=int, default=0)
    arguments = parser.parse_args()
    work = arguments.work
    trainer = trainer_of(work, arguments.steps, arguments.threads)
    started, first, mean = time.time(), trainer.steps_done, 0.0
    batches = iter(Batches(work, arguments.batch, start=first))
    with open(work / "log.jsonl", "a", encoding="utf-8") as log:
        while trainer.steps_done < arguments.steps:
            rate = trainer.learning_rate
            loss = trainer.step(*next(batches))
            done = trainer.steps_done
            mean = loss if done == first + 1 else 0.95 * mean + 0.05 * loss
            if done % 20 == 0:
                pace = (done - first) * arguments.batch / (time.time() - started)
                line = {"step": done, "loss": round(mean, 4), "rate": rate, "scale": round(trainer.logit_scale, 2),
                        "pairs_per_second": round(pace, 1), "seconds": round(time.time() - started)}
                print(json.dumps(line), flush=True)
                log.write(json.dumps(line) + "\n")
                log.flush()
            if done % arguments.save_every == 0 or done == arguments.steps:
                trainer.save(work / "checkpoint.bin")
    batches.close()
    trainer.export(work / "model")


if __name__ == "__main__":
    main()
