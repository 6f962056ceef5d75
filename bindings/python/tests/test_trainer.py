"""Training: what steps do, that they repeat to the bit, and what is refused. Against PyTorch: Tests/verify/training.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
import pytest

import swiftclip
from conftest import POCKET
from swiftclip.kept_embeddings import KeptEmbeddings

IMAGE, CONTEXT, VOCABULARY = 32, 12, 600
TEXT = dict(context_length=CONTEXT, vocab_size=VOCABULARY, width=64, heads=2, layers=2)
CONFIGS: Dict[str, Dict[str, Any]] = {
    "vit": dict(embed_dim=32, vision_cfg=dict(image_size=IMAGE, layers=2, width=64, patch_size=16), text_cfg=TEXT),
    "resnet": dict(embed_dim=32, vision_cfg=dict(image_size=IMAGE, layers=[1, 1, 1, 1], width=8), text_cfg=TEXT),
}
BOTH = pytest.mark.parametrize("name", CONFIGS)


def batch(count: int, seed: int = 0) -> Tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(seed)
    images = random.randn(count, 3, IMAGE, IMAGE).astype(np.float32)
    tokens = np.zeros((count, CONTEXT), np.int32)
    for row in tokens:
        length = random.randint(2, CONTEXT)
        row[0], row[length] = VOCABULARY - 2, VOCABULARY - 1
        row[1:length] = random.randint(1, VOCABULARY - 2, length - 1)
    return images, tokens


def state(trainer: swiftclip.Trainer) -> Dict[str, np.ndarray]:
    return {name: values.copy() for name, values in trainer.parameters().items()}


def same(a: Dict[str, np.ndarray], b: Dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


@BOTH
def test_the_loss_falls(name):
    trainer = swiftclip.Trainer(CONFIGS[name], learning_rate=1e-3, warmup=5)
    losses = [trainer.step(*batch(16)) for _ in range(40)]
    assert abs(losses[0] - np.log(16)) < 2 and losses[-1] < 0.2 * losses[0]
    assert trainer.steps_done == 40 and 1 <= trainer.logit_scale <= 100


@BOTH
def test_the_same_bits_on_any_number_of_threads(name):
    results = []
    for threads in (1, 2, 3):
        trainer = swiftclip.Trainer(CONFIGS[name], threads=threads, seed=3)
        for step in range(3):
            trainer.step(*batch(20, step))
        results.append(state(trainer))
    assert same(results[0], results[1]) and same(results[0], results[2])


@BOTH
def test_resuming_goes_on_with_the_same_bits(name, tmp_path):
    whole = swiftclip.Trainer(CONFIGS[name], warmup=2, steps=6, clip_norm=0.5)
    stopped = swiftclip.Trainer(CONFIGS[name], warmup=2, steps=6, clip_norm=0.5)
    for step in range(6):
        loss = whole.step(*batch(12, step))
        if step == 3:
            stopped.save(tmp_path / "checkpoint.bin")
            stopped = swiftclip.Trainer.resume(tmp_path / "checkpoint.bin")
        assert stopped.step(*batch(12, step)) == loss
    assert same(state(whole), state(stopped))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.bin"]


def test_finite_differences():
    """The gradient of a few parameters against the change of the loss."""
    trainer = swiftclip.Trainer(CONFIGS["vit"])
    images, tokens = batch(8)
    trainer.backward(*trainer.encode(images, tokens))
    gradients = {name: gradient.copy() for name, gradient in trainer.parameter_gradients().items()}
    values = trainer.parameters()
    for name in ("visual.conv1.weight", "visual.proj", "ln_final.weight", "logit_scale", "text_projection"):
        direction = np.asarray(np.random.RandomState(0).randn(*values[name].shape), np.float32)
        step = np.float32(1e-2 / np.linalg.norm(direction))
        start = values[name].copy()
        losses = []
        for sign in (1, -1):
            values[name][...] = start + sign * step * direction
            losses.append(trainer.backward(*trainer.encode(images, tokens)))
        values[name][...] = start
        slope = float(np.sum(gradients[name] * direction, dtype=np.float64))
        assert (losses[0] - losses[1]) / (2 * float(step)) == pytest.approx(slope, rel=0.02, abs=2e-3), name


def test_pieces_of_a_batch_contrast_all_of_it():
    results = []
    for pieces in (1, 2, 8):
        trainer = swiftclip.Trainer(CONFIGS["vit"], accumulate=pieces)
        loss = trainer.backward(*trainer.encode(*batch(24)))
        results.append((loss, trainer.gradients.copy()))
    for loss, gradient in results[1:]:
        assert loss == pytest.approx(results[0][0], rel=1e-6)
        assert np.linalg.norm(gradient - results[0][1]) < 1e-5 * np.linalg.norm(gradient)


def test_processes_add_up_to_one():
    """A batch over two trainers, as two processes have it, gives the gradient of one."""
    images, tokens = batch(16)
    alone = swiftclip.Trainer(CONFIGS["vit"])
    loss = alone.backward(*alone.encode(images, tokens))
    parts = [swiftclip.Trainer(CONFIGS["vit"]) for _ in range(2)]
    halves = [slice(0, 8), slice(8, 16)]
    encoded = [part.encode(images[half], tokens[half]) for part, half in zip(parts, halves)]
    gathered = [np.concatenate([pair[tower] for pair in encoded]) for tower in (0, 1)]
    for part, half in zip(parts, halves):
        assert part.backward(*gathered, first=half.start) == pytest.approx(loss, rel=1e-6)
    total = parts[0].gradients + parts[1].gradients
    assert np.linalg.norm(total - alone.gradients) < 1e-5 * np.linalg.norm(total)


@BOTH
@pytest.mark.parametrize("accumulate", (1, 3))
def test_a_loss_of_ones_own(name, accumulate):
    """The contrastive loss, made outside: the same gradients, but for the temperature's."""
    images, tokens = batch(6)
    ours, theirs = (swiftclip.Trainer(CONFIGS[name], accumulate=accumulate) for _ in range(2))
    ours.backward(*ours.encode(images, tokens))
    expected = ours.parameter_gradients()
    embedded = [rows.astype(np.float64) for rows in theirs.encode(images, tokens)]
    lengths = [np.linalg.norm(rows, axis=1, keepdims=True) for rows in embedded]
    units = [rows / length for rows, length in zip(embedded, lengths)]
    logits = theirs.logit_scale * units[0] @ units[1].T
    by_row, by_column = (np.exp(logits - logits.max(axis, keepdims=True)) for axis in (1, 0))
    d = by_row / by_row.sum(1, keepdims=True) + by_column / by_column.sum(0, keepdims=True) - 2 * np.eye(6)
    d *= theirs.logit_scale / 12
    ds = [d @ units[1], d.T @ units[0]]
    pulled = [(g - u * (g * u).sum(1, keepdims=True)) / length for g, u, length in zip(ds, units, lengths)]
    theirs.backpropagate(*pulled)
    found = theirs.parameter_gradients()
    assert not found["logit_scale"].any() and expected["logit_scale"].any()
    largest = max(np.abs(gradient).max() for gradient in expected.values())
    for parameter in set(found) - {"logit_scale"}:
        np.testing.assert_allclose(found[parameter], expected[parameter], rtol=2e-3, atol=2e-5 * largest)


@BOTH
def test_one_tower_alone(name):
    images, tokens = batch(4)
    trainer = swiftclip.Trainer(CONFIGS[name])
    both = trainer.encode(images, tokens)
    trainer.backward(*both)
    expected = {name: gradient.copy() for name, gradient in trainer.parameter_gradients().items()}
    assert np.array_equal(trainer.encode_texts(tokens), both[1])
    trainer.backward(*both)  # the pictures' embeddings were kept
    for parameter, gradient in trainer.parameter_gradients().items():
        assert np.array_equal(gradient, expected[parameter] if not parameter.startswith("visual.") else 0 * gradient)
    if name == "vit":  # a ResNet's batch statistics have moved on, which changes no embedding in training
        assert np.array_equal(trainer.encode_images(images), both[0])
    else:
        trainer.encode_images(images)
    trainer.backpropagate(images=both[0])
    with pytest.raises(swiftclip.InvalidArgumentError, match="Encode one"):
        trainer.backpropagate(images=both[0])
    trainer.encode_texts(tokens)
    for wrong in (dict(images=both[0]), dict(texts=both[1][:2]), dict(texts=both[1][:, :5]), {}):
        with pytest.raises(swiftclip.InvalidArgumentError):
            trainer.backpropagate(**wrong)
    trainer.backpropagate(texts=both[1])


@BOTH
def test_a_frozen_tower_stays(name):
    trainer = swiftclip.Trainer(CONFIGS[name], freeze="visual")
    before = state(trainer)
    trainer.step(*batch(8))
    after = state(trainer)
    changed = {key for key in before if not np.array_equal(before[key], after[key])}
    assert changed and not any(key.startswith("visual.") for key in changed)


@BOTH
@pytest.mark.parametrize("pieces", [1, 3])
def test_embeddings_of_a_frozen_tower_may_be_kept(name, pieces):
    """Steps with them have the bits of steps with pictures, or texts, in any batches."""
    pictures, tokens = batch(24)
    for side, freeze in ((0, "visual"), (1, ("transformer", "token_embedding", "positional_embedding", "ln_final", "text_projection"))):
        plain, keeping = (swiftclip.Trainer(CONFIGS[name], freeze=freeze, accumulate=pieces) for _ in range(2))
        assert plain.frozen == (side == 0, side == 1)
        known = KeptEmbeddings((keeping.encode_images, keeping.encode_texts)[side])
        known((pictures, tokens)[side][5:9])
        for step in range(4):
            order = np.random.RandomState(step).permutation(24)[:16]
            pair = [pictures[order], tokens[order]]
            loss = plain.step(*pair)
            pair[side] = known(pair[side])
            assert keeping.step(*pair) == loss
        assert same(state(plain), state(keeping)) and plain.steps_done == keeping.steps_done == 4
        assert len(known) <= 24


def test_only_a_frozen_tower_may_be_left_out():
    images, tokens = batch(8)
    trainer = swiftclip.Trainer(CONFIGS["vit"], freeze=("visual.transformer", "visual.proj"))
    assert trainer.frozen == (False, False)
    before = state(trainer)
    known = trainer.encode_images(images)
    assert np.array_equal(known, trainer.encode(images, tokens)[0])
    with pytest.raises(swiftclip.InvalidArgumentError, match="images are embeddings, but their tower learns"):
        trainer.step(known, tokens)
    with pytest.raises(swiftclip.InvalidArgumentError, match="texts are embeddings, but their tower learns"):
        trainer.step(images, trainer.encode_texts(tokens))
    assert same(before, state(trainer)) and trainer.steps_done == 0
    locked = swiftclip.Trainer(CONFIGS["vit"], freeze="visual")
    for wrong in (known[:3], known[:, :5]):
        with pytest.raises(swiftclip.InvalidArgumentError, match="must both be"):
            locked.step(wrong, tokens)
    everything = ("visual", "transformer", "token_embedding", "positional_embedding", "ln_final", "text_projection")
    with pytest.raises(swiftclip.InvalidArgumentError, match="nothing to encode"):
        swiftclip.Trainer(CONFIGS["vit"], freeze=everything).step(known, known)


def test_a_frozen_tower_whose_embeddings_are_kept_costs_nothing():
    """Against the cost of both towers: the image tower's is by far the larger one here."""
    config = dict(CONFIGS["vit"], vision_cfg=dict(image_size=64, layers=4, width=128, patch_size=8))
    trainer = swiftclip.Trainer(config, freeze="visual", threads=1)
    images = np.random.RandomState(0).randn(32, 3, 64, 64).astype(np.float32)
    tokens = batch(32)[1]
    known = trainer.encode_images(images)
    times: Dict[bool, list] = {False: [], True: []}
    for _ in range(3):
        for kept in times:
            begun = time.process_time()
            trainer.step(known if kept else images, tokens)
            times[kept].append(time.process_time() - begun)
    assert min(times[True]) < 0.5 * min(times[False])


def test_resuming_with_other_options(tmp_path):
    options: Dict[str, Any] = dict(learning_rate=1e-3, warmup=2, steps=8, clip_norm=0.5, betas=(0.8, 0.9), freeze="visual.conv1")
    whole = swiftclip.Trainer(CONFIGS["vit"], threads=1, **options)
    for step in range(2):
        whole.step(*batch(12, step))
    whole.save(tmp_path / "checkpoint.bin")

    def resumed(**more: Any) -> swiftclip.Trainer:
        return swiftclip.Trainer.resume(tmp_path / "checkpoint.bin", options=dict(options, **more))

    others = [resumed(threads=2), resumed(threads=3)]
    shorter = resumed(steps=4)
    assert shorter.learning_rate == pytest.approx(1e-3) and shorter.steps_done == 2
    for step in range(2, 4):
        losses = {trainer.step(*batch(12, step)) for trainer in [whole, *others]}
        assert len(losses) == 1
        shorter.step(*batch(12, step))
    assert all(same(state(whole), state(other)) for other in others)
    assert shorter.learning_rate == 0 < whole.learning_rate
    # What is not named is the default, not the checkpoint's.
    assert swiftclip.Trainer.resume(tmp_path / "checkpoint.bin", options={}).learning_rate == 5e-4
    with pytest.raises(TypeError, match="batch"):
        resumed(batch=3)


def test_what_is_exported_is_what_was_trained(tmp_path):
    for name, config in CONFIGS.items():
        trainer = swiftclip.Trainer(config)
        trainer.step(*batch(8))
        images, tokens = batch(8, 1)
        trainer.export(tmp_path / name, weights="float32")
        model = swiftclip.load(tmp_path / name)
        assert model.logit_scale == pytest.approx(trainer.logit_scale, rel=1e-6)
        if name == "vit":  # a ResNet's BatchNorm sees the batch in training
            for own, other in zip(trainer.encode(images, tokens), (model.encode_image(images), model.encode_text(tokens))):
                assert np.linalg.norm(own - other) < 1e-5 * np.linalg.norm(own)


def test_an_opened_model_is_trained_further(tmp_path):
    with swiftclip.load() as model:
        trainer = swiftclip.Trainer(model, learning_rate=1e-4)
        assert trainer.embed_dim == model.embed_dim and trainer.logit_scale == pytest.approx(model.logit_scale, rel=1e-5)
    again = swiftclip.Trainer(POCKET, learning_rate=1e-4)
    assert same(state(trainer), state(again))
    trainer.export(tmp_path / "same")
    picture = POCKET.parent.parent / "examples" / "pictures" / "penguin.png"
    with swiftclip.load(POCKET) as model, swiftclip.load(tmp_path / "same") as other:
        for own, exported in (
            (model.encode_image(picture), other.encode_image(picture)),
            (model.encode_text("a penguin"), other.encode_text("a penguin")),
        ):
            assert np.linalg.norm(own - exported) < 1e-5 * np.linalg.norm(own)


def test_what_is_not_finite_changes_nothing():
    trainer = swiftclip.Trainer(CONFIGS["vit"])
    images, tokens = batch(4)
    before = state(trainer)
    images[2, 1, 5, 5] = np.nan
    with pytest.raises(swiftclip.InvalidDataError, match="loss of step 1"):
        trainer.step(images, tokens)
    assert same(before, state(trainer)) and trainer.steps_done == 0
    assert np.isfinite(trainer.step(*batch(4)))


def test_a_single_pair():
    trainer = swiftclip.Trainer(CONFIGS["vit"])
    assert trainer.step(*batch(1)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    "change, words",
    [
        (dict(embed_dim=0), "embed_dim"),
        (dict(vision_cfg=dict(image_size=32, layers=2, width=64, patch_size=7)), "patch_size"),
        (dict(vision_cfg=dict(image_size=48, layers=[1, 1, 1, 1], width=8)), "32"),
        (dict(vision_cfg=dict(image_size=32, layers=[1, 1], width=8)), "stages"),
        (dict(text_cfg=dict(TEXT, heads=5)), "text_heads"),
        (dict(text_cfg=dict(TEXT, vocab_size=2**30)), "vocabulary_size"),
        (dict(text_cfg=dict(TEXT, layers=2**20)), "text_layers"),
        (dict(pooling="mean"), "pooling"),
    ],
)
def test_impossible_models(change, words):
    with pytest.raises(swiftclip.InvalidArgumentError, match=words):
        swiftclip.Trainer({**CONFIGS["vit"], **change})


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(learning_rate=-1.0), "learning_rate"),
        (dict(learning_rate=float("nan")), "learning_rate"),
        (dict(betas=(0.9, 1.0)), "beta"),
        (dict(accumulate=0), "accumulate"),
        (dict(clip_norm=0.0), "clip_norm"),
        (dict(freeze="vision"), "vision"),
        (dict(precision="float64"), "precision"),
    ],
)
def test_impossible_options(options, words):
    with pytest.raises(swiftclip.InvalidArgumentError, match=words):
        swiftclip.Trainer(CONFIGS["vit"], **options)


def test_wrong_batches():
    trainer = swiftclip.Trainer(CONFIGS["vit"])
    images, tokens = batch(4)
    for wrong in (
        (images[:, :2], tokens),
        (images[:3], tokens),
        (images[:0], tokens[:0]),
        (images, np.full_like(tokens, VOCABULARY)),
        (images, np.full_like(tokens, -1)),
        (images, ["a", "b", "c", "d"]),
    ):
        with pytest.raises(swiftclip.InvalidArgumentError):
            trainer.step(*wrong)
    with pytest.raises(swiftclip.InvalidArgumentError, match="way back"):
        trainer.backward(np.ones((4, 32), np.float32), np.ones((4, 32), np.float32))
    trainer.close()
    with pytest.raises(swiftclip.InvalidArgumentError, match="closed"):
        trainer.step(images, tokens)


def test_one_thread_at_a_time():
    trainer = swiftclip.Trainer(CONFIGS["vit"])
    errors = []

    def work() -> None:
        try:
            for _ in range(20):
                trainer.step(*batch(32))
        except swiftclip.InvalidArgumentError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trainer.steps_done > 0 and all("another thread" in error for error in errors)


def test_damaged_checkpoints(tmp_path):
    path, damaged = tmp_path / "checkpoint.bin", tmp_path / "damaged.bin"
    swiftclip.Trainer(CONFIGS["vit"]).save(path)
    good = path.read_bytes()
    random = np.random.RandomState(0)
    for cut in [0, 1, 8, 15, 16, 100, len(good) // 2, len(good) - 1]:
        damaged.write_bytes(good[:cut])
        with pytest.raises(swiftclip.InvalidDataError):
            swiftclip.Trainer.resume(damaged)
    for _ in range(200):
        bytes_ = bytearray(good)
        # Most in the header, where sizes are.
        place = random.randint(0, 400) if random.rand() < 0.8 else random.randint(0, len(good))
        bytes_[place] ^= 1 << random.randint(8)
        damaged.write_bytes(bytes_)
        with pytest.raises(swiftclip.SwiftCLIPError):
            swiftclip.Trainer.resume(damaged)
    damaged.write_bytes(good + b"\0")
    with pytest.raises(swiftclip.InvalidDataError):
        swiftclip.Trainer.resume(damaged)
    with pytest.raises(swiftclip.FileError):
        swiftclip.Trainer.resume(tmp_path / "none.bin")
    with pytest.raises(swiftclip.FileError):
        swiftclip.Trainer.resume(tmp_path)


KILLED = """
import sys, numpy as np, swiftclip
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_trainer import CONFIGS, batch
path = Path(sys.argv[1])
trainer = swiftclip.Trainer.resume(path) if path.exists() else swiftclip.Trainer(CONFIGS["vit"], steps=30)
print("ready", flush=True)
while trainer.steps_done < 30:
    trainer.step(*batch(8, trainer.steps_done))
    trainer.save(path)
"""


def test_killed_at_any_moment(tmp_path):
    path = tmp_path / "checkpoint.bin"
    random = np.random.RandomState(0)
    arguments = [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent)]
    kills = 0
    while True:
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        try:
            process.wait(random.uniform(0, 0.25) if kills < 6 else 120)
            break
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
    undisturbed = swiftclip.Trainer(CONFIGS["vit"], steps=30)
    for step in range(30):
        undisturbed.step(*batch(8, step))
    assert same(state(swiftclip.Trainer.resume(path)), state(undisturbed))


def test_a_full_disk_loses_nothing(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    trainer = swiftclip.Trainer(CONFIGS["vit"])
    with pytest.raises(swiftclip.FileError):
        trainer.save("/dev/full/checkpoint.bin")
    with pytest.raises(swiftclip.FileError):
        trainer.save(tmp_path / "no" / "folder" / "checkpoint.bin")
    assert not list(tmp_path.iterdir())
