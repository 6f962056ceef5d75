"""Archives in the layout of the official release, exported and compared with openai/CLIP's own classes.

    python Tests/verify/archives.py [--folder build/archives]

Makes a small ViT and a small Modified ResNet from openai/CLIP's classes with seeded random weights, and writes each as
the release has them (a TorchScript zip, weights in float16 but for layer norms and embeddings, the entries
input_resolution, context_length and vocab_size) and as state dicts (zip, legacy pickle, float32, inside a training
checkpoint). Each is exported by the command line; the files' embeddings are compared with the class that the archive
came from. Then come archives that must be refused, one of them a pickle that would run code.

Needs what Tests/verify/requirements.txt lists (openai/CLIP's classes are in clip-anytorch).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "verify"))
sys.path.insert(0, str(ROOT / "bindings" / "python"))

import torch  # noqa: E402

import swiftclip  # noqa: E402
from swiftclip.archive import archive  # noqa: E402
from swiftclip.export import relative_errors  # noqa: E402

LIMIT = 1e-5
CONTEXT, VOCABULARY, EMBED = 77, 49408, 48


def classes():
    """clip/model.py by itself: the package around it needs what setuptools no longer has."""
    paths = (os.path.join(folder, "clip", "model.py") for folder in sys.path)
    path = next(path for path in paths if os.path.exists(path))
    spec = importlib.util.spec_from_file_location("openai_clip_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(module, kind):
    """A model with float16 numbers where the release has them."""
    torch.manual_seed(7)
    if kind == "vit":
        model = module.CLIP(EMBED, 32, 3, 128, 8, CONTEXT, VOCABULARY, 64, 1, 2)
    else:
        model = module.CLIP(EMBED, 64, (2, 1, 1, 1), 8, None, CONTEXT, VOCABULARY, 64, 1, 2)
        from full_size import randomise_resnet

        randomise_resnet(model.visual)
    model.eval()
    module.convert_weights(model)
    return model


def as_released(model, size):
    """The TorchScript form, with the numbers that the release keeps beside the weights."""
    for name, value in (("input_resolution", size), ("context_length", CONTEXT), ("vocab_size", VOCABULARY)):
        if hasattr(model, name):
            delattr(model, name)
        model.register_buffer(name, torch.tensor(value))
    pixels = torch.randn(2, 3, size, size)
    tokens = torch.zeros(2, CONTEXT, dtype=torch.int64)
    tokens[:, 0], tokens[:, 1] = VOCABULARY - 2, VOCABULARY - 1
    torch.backends.mha.set_fastpath_enabled(False)
    with torch.no_grad():
        return torch.jit.trace_module(
            model, {"encode_image": pixels, "encode_text": tokens, "forward": (pixels, tokens)}, check_trace=False
        )


def written(model, size, folder, kind):
    """(name, file) of each form of one model."""
    state = {name: value.clone() for name, value in model.state_dict().items()}
    forms = {
        "state": (state, {}),
        "legacy": (state, {"_use_new_zipfile_serialization": False}),
        "float32": ({name: value.float() for name, value in state.items()}, {}),
        "checkpoint": ({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, {}),
    }
    for name, (held, options) in forms.items():
        path = folder / f"{kind}-{name}.pt"
        torch.save(held, path, **options)
        yield path
    path = folder / f"{kind}-released.pt"
    as_released(model, size).save(str(path))
    yield path


def exported(path, folder):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT / "bindings" / "python"), *sys.path]))
    return subprocess.run(
        [sys.executable, "-m", "swiftclip", "export", str(path), "-o", str(folder)],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip


def check(path, folder, reference, size):
    """Largest relative error of an embedding against openai's class in float32, or the reason why there is none."""
    ran = exported(path, folder)
    if ran.returncode != 0:
        return None, ran.stderr.strip()
    pixels = np.random.default_rng(1).standard_normal((3, 3, size, size)).astype(np.float32)
    with swiftclip.load(folder) as model, torch.no_grad():
        tokens = model.tokenize(["a cat", "two dogs in the snow", "a much longer caption about a lighthouse"])
        image = reference.encode_image(torch.from_numpy(pixels)).numpy()
        text = reference.encode_text(torch.from_numpy(tokens.astype(np.int64))).numpy()
        errors = [relative_errors(model.encode_image(pixels), image), relative_errors(model.encode_text(tokens), text)]
        return float(np.max(errors)), ran.stdout
    return None, ""


class Intruder:
    """Unpickled by a loader that trusts its input, it leaves a file behind."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (self.mark, "w"))


def refused(folder, state):
    """(name, file, word that the refusal must hold) of archives that are none."""
    mark = str(folder / "intruder-was-here")
    with open(folder / "intruder.pt", "wb") as file:
        pickle.dump({"visual.proj": Intruder(mark)}, file)
    yield folder / "intruder.pt", "could run any code"
    torch.save({"visual.proj": Intruder(mark)}, folder / "intruder-zip.pt")
    yield folder / "intruder-zip.pt", "could run any code"
    (folder / "noise.pt").write_bytes(os.urandom(5000))
    yield folder / "noise.pt", "noise.pt"
    (folder / "cut.pt").write_bytes((folder / "vit-released.pt").read_bytes()[:-3000])
    yield folder / "cut.pt", "cut.pt"
    yield folder / "absent.pt", "absent.pt"
    for name, change, word in (
        ("missing", lambda s: s.pop("visual.class_embedding"), "class_embedding"),
        ("no-text", lambda s: s.pop("text_projection"), "text_projection"),
        ("wider", lambda s: s.update({"visual.ln_post.weight": torch.ones(64)}), "ln_post"),
        ("oblong", lambda s: s.update({"visual.positional_embedding": torch.ones(15, 128)}), "square"),
        ("scalar", lambda s: s.update({"visual.proj": torch.ones(())}), "shape"),
        ("resolution", lambda s: s.update({"input_resolution": torch.tensor(224)}), "input_resolution"),
        ("strange", lambda s: s.update({"more": "than tensors"}), "more"),
    ):
        changed = dict(state)
        change(changed)
        torch.save(changed, folder / f"{name}.pt")
        yield folder / f"{name}.pt", word
    assert not os.path.exists(mark)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "archives")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    module = classes()
    passed = failed = 0

    def tell(good, line):
        nonlocal passed, failed
        passed, failed = passed + good, failed + (not good)
        print(f"{'ok  ' if good else 'FAIL'} {line}", flush=True)

    for kind, size in (("vit", 32), ("resnet", 64)):
        model = made(module, kind)
        state = dict(model.state_dict())
        for path in written(model, size, folder, kind):
            # The reference is made anew: the written one has half precision weights.
            reference = made(module, kind).float().eval()
            error, told = check(path, folder / path.stem, reference, size)
            tell(error is not None and error < LIMIT, f"{path.name:20} {told if error is None else f'{error:.2e}'}")
            tell(error is None or "agrees with onnxruntime" in told, f"{path.name:20} compared with onnxruntime")
            shutil.rmtree(folder / path.stem, ignore_errors=True)
        if kind == "vit":
            vit_state = state
    for path, word in refused(folder, vit_state):
        try:
            archive(path).model()
            tell(False, f"{path.name:20} was not refused")
        except swiftclip.SwiftCLIPError as error:
            tell(word in str(error), f"{path.name:20} {error}")
    tell(not (folder / "intruder-was-here").exists(), "nothing in a pickle was run")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
