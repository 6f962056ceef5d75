"""Kills training at random moments and goes on from what is there: the end must have the bits of an undisturbed run.

    python Tests/verify/kills.py [--kills 50] [--steps 200] [--seed 0]

The run is `swiftclip train` of a small Vision Transformer on the pictures of the examples, with random crops, flips and a
checkpoint every second step. It is killed by signal 9 a random time after its checkpoint was last seen to change, or,
one time in four, after it was started, while it opens what is there. At the end the checkpoint, the exported model and
the losses of all steps are compared, byte by byte. Prints how far each life came; exits with 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List

ROOT = Path(__file__).resolve().parents[2]
VOCABULARY = ROOT / "models/pocket/merges.txt"
CONFIG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 16, "vocab_size": 0, "width": 64, "layers": 2},
}


def made_data(folder: Path) -> None:
    """The example pictures with their names as captions."""
    import swiftclip

    with open(folder / "captions.tsv", "w", encoding="utf-8") as table:
        for path in sorted((ROOT / "examples/pictures").iterdir()):
            if path.suffix in (".png", ".jpg"):
                shutil.copy(path, folder / path.name)
                table.write(f"{path.name}\ta picture of a {path.stem.replace('-', ' ')}\n")
    size = swiftclip.Tokenizer(VOCABULARY, 16).vocabulary_size
    config = {**CONFIG, "text_cfg": {**CONFIG["text_cfg"], "vocab_size": size, "heads": 1}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")


def started(data: Path, output: Path, steps: int) -> "subprocess.Popen[bytes]":
    """The run, or what comes after its last checkpoint."""
    arguments = [sys.executable, "-m", "swiftclip", "train", "--data", str(data / "captions.tsv"), "-o", str(output)]
    if (output / "checkpoint.bin").exists():
        arguments += ["--resume"]
    else:
        shutil.rmtree(output, ignore_errors=True)
        arguments += ["--config", str(data / "config.json"), "--vocabulary", str(VOCABULARY), "--batch", "8", "--flip", "0.5",
                      "--scale", "0.7", "--steps", str(steps), "--save-every", "2", "--threads", "1", "--seed", "5"]  # fmt: skip
    environment = dict(os.environ, PYTHONPATH=str(ROOT / "bindings/python"))
    return subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE)


def written(output: Path) -> int:
    """When the checkpoint last changed; 0 without one."""
    try:
        return (output / "checkpoint.bin").stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def life(data: Path, output: Path, steps: int, source: random.Random) -> bool:
    """Starts the run and kills it. False where it came to its end before."""
    before = written(output)
    process = started(data, output, steps)
    if source.random() < 0.25:
        time.sleep(source.uniform(0, 1))
    else:
        while written(output) == before and process.poll() is None:
            time.sleep(0.002)
        time.sleep(source.uniform(0, 0.2))
    ended = process.poll() is not None
    if not ended:
        os.kill(process.pid, signal.SIGKILL)
    _, told = process.communicate()
    if ended and process.returncode != 0:
        raise SystemExit(f"a life ended with {process.returncode}: {told.decode()}")
    return not ended


def left(output: Path) -> Dict[str, object]:
    """What a run that came to its end has left: files as bytes, losses as numbers."""
    found: Dict[str, object] = {str(path.relative_to(output)): path.read_bytes() for path in sorted((output / "model").iterdir())}
    found["checkpoint.bin"] = (output / "checkpoint.bin").read_bytes()
    lines = [json.loads(line) for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    found["losses"] = [(line["step"], line["loss"], line["learning_rate"], line["position"]) for line in lines]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    source = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        data, whole, killed = work / "data", work / "whole", work / "killed"
        data.mkdir()
        made_data(data)
        process = started(data, whole, arguments.steps)
        if process.communicate()[1] is None or process.returncode != 0:
            raise SystemExit("the undisturbed run failed")
        undisturbed = left(whole)

        kills, rounds, lives = 0, 1, []  # type: int, int, List[int]
        differences: List[str] = []
        while kills < arguments.kills:
            if life(data, killed, arguments.steps, source):
                kills += 1
                log = killed / "log.jsonl"
                lives.append(len(log.read_bytes().splitlines()) if log.exists() else 0)
                continue
            differences += compared(undisturbed, left(killed))
            shutil.rmtree(killed)
            rounds += 1
        if started(data, killed, arguments.steps).wait() != 0:
            raise SystemExit("the last life failed")
        differences += compared(undisturbed, left(killed))
    print(f"steps in the log at each kill: {' '.join(map(str, lives))}")
    for difference in differences:
        print(f"FAIL {difference} differs")
    print(f"{kills} kills in {rounds} runs of {arguments.steps} steps, {len(differences)} differences from the undisturbed run")
    return 1 if differences else 0


def compared(undisturbed: Dict[str, object], found: Dict[str, object]) -> List[str]:
    return [name for name in {**undisturbed, **found} if undisturbed.get(name) != found.get(name)]


if __name__ == "__main__":
    sys.exit(main())
