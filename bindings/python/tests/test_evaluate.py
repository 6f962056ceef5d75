"""The experiments: known answers on features that are made for them, and the commands on few pictures."""

import json

import numpy as np
import pytest
from conftest import PICTURES, run_python

import swiftclip
from swiftclip import evaluate
from swiftclip.evaluate.corruptions import as_rgb
from swiftclip.evaluate.linear_probe import GRID
from swiftclip.evaluate.metrics import interval, per_class

NEEDS = {"sklearn": "scikit-learn", "matplotlib": "matplotlib", "PIL": "Pillow"}


def needs(*modules):
    for module in modules:
        pytest.importorskip(module, reason=f"{NEEDS[module]} is not installed")


class Made(evaluate.Encoder):
    """An encoder whose pictures are their features already, so that answers are known."""

    def __init__(self, model, classes):
        super().__init__(model)
        self.made = classes

    def pictures(self, data):
        return evaluate.Encoded(np.stack(list(data.pictures)).astype(np.float32), data.labels)

    def classifier(self, classes, templates):
        return self.made

    def texts(self, texts, truncate=False):
        return self.made


def blobs(count, classes, seed, spread=0.1, dimensions=8):
    """`count` features of each class around unit vectors."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), count)
    features = np.eye(classes, dimensions)[labels] + random.normal(0, spread, (len(labels), dimensions))
    names = tuple(f"class {index}" for index in range(classes))
    return evaluate.DataSet("blobs", features.astype(np.float32), labels, names)


def test_accuracy_by_hand():
    scores = np.array([[3, 2, 1], [1, 2, 3], [1, 1, 1], [0, 5, 5]])
    found = evaluate.accuracy(scores, np.array([0, 0, 1, 2]))
    assert found.top1 == 0.25 and found.top5 == 1 and found.pictures == 4  # of equal scores the earlier class wins
    assert found.mean_per_class == pytest.approx((0.5 + 0 + 0) / 3)
    wide = np.tile(np.arange(10), (10, 1))
    assert evaluate.accuracy(wide, np.arange(10)).top5 == 0.5
    assert np.isnan(per_class(np.array([True]), np.array([0]), 2)[1])
    assert interval(0.5, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)


def test_the_seed_example_prints_as_the_official_one(model, penguin):
    names = ("penguin", "sweet_pepper", "bee", "pear", "duck", "moon")
    found = evaluate.seed_example(model, penguin, names)
    expected = model.classify(penguin, names, ["a photo of a {}"])[0]
    order = np.argsort(-expected)[:5]
    lines = [f"{names[index]:>16s}: {100 * expected[index]:.2f}%" for index in order]
    assert str(found) == "\nTop predictions:\n\n" + "\n".join(lines)
    with pytest.raises(swiftclip.InvalidArgumentError):
        evaluate.seed_example(model, penguin, names, top=0)


def test_zero_shot_equals_classify(model, paths, golden):
    labels = [str(label) for label in golden["labels"]]
    right = np.arange(len(paths)) % len(labels)
    data = evaluate.DataSet("examples", paths, right, tuple(labels))
    found = evaluate.zero_shot(model, data, golden["templates"])
    best = model.classify(paths, labels, golden["templates"]).argmax(axis=1)
    assert found.accuracy.top1 == np.mean(best == right) and len(found.of_class) == len(labels)
    assert f"{100 * found.accuracy.top1:.1f} %" in str(found)
    json.loads(found.json())  # NaN of classes without pictures must not get in


def test_pictures_that_cannot_be_read_are_left_out(model, paths, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    data = evaluate.DataSet("some", [paths[0], str(tmp_path / "broken.png"), paths[1]], np.array([0, 1, 1]), ("a", "b"))
    encoder = evaluate.Encoder(model)
    assert evaluate.zero_shot(encoder, data).accuracy.pictures == 2
    assert list(encoder.failures) == [str(tmp_path / "broken.png")]
    with pytest.raises(swiftclip.InvalidDataError, match="None of the 1"):
        evaluate.zero_shot(model, data.take([1]))


def test_features_are_computed_once(model, paths, tmp_path, monkeypatch):
    data = evaluate.DataSet("some", paths[:5], np.zeros(5, np.int64), ("a",))
    first = evaluate.Encoder(model, cache=tmp_path).pictures(data).features
    assert (first == model.encode_image(paths[:5])).all()
    monkeypatch.setattr(swiftclip.Model, "embed_images", lambda *_, **__: pytest.fail("encoded again"))
    assert (evaluate.Encoder(model, cache=tmp_path).pictures(data).features == first).all()
    monkeypatch.undo()
    with swiftclip.load(precision="int8") as other:
        assert (evaluate.Encoder(other, cache=tmp_path).pictures(data).features != first).any()
    (kept,) = [file for file in tmp_path.iterdir() if file.stat().st_size and np.load(file)["features"].tobytes() == first.tobytes()]
    kept.write_bytes(kept.read_bytes()[:100])
    assert (evaluate.Encoder(model, cache=tmp_path).pictures(data).features == first).all()


@pytest.mark.parametrize("peak", [0, 1, 7, 8, 15, 16, 33, 48, 49, 77, 95, 96])
@pytest.mark.parametrize("width", [2.0, 20.0])
def test_parametric_search_equals_the_full_sweep_on_a_smooth_curve(peak, width):
    curve = {place: -((abs(place - peak) / width) ** 1.5) for place in range(97)}
    asked = []
    best, scores = evaluate.parametric_search(lambda place: asked.append(place) or curve[place])
    assert best == peak == max(curve, key=curve.get)
    assert len(asked) == len(set(asked)) == len(scores) <= 15
    assert sorted(asked)[:1] == [0] and {0, 16, 32, 48, 64, 80, 96} <= set(asked)


def test_the_grid_is_the_papers():
    grid = GRID
    assert len(grid) == 97 and grid[0] == pytest.approx(1e-6) and grid[-1] == pytest.approx(1e6)
    assert [grid[place] for place in range(0, 97, 16)] == pytest.approx([1e-6, 1e-4, 1e-2, 1, 1e2, 1e4, 1e6])
    assert np.ptp(np.diff(np.log10(grid))) < 1e-12


def test_probe_on_separable_features(model):
    needs("sklearn")
    train, test = blobs(20, 4, 1), blobs(25, 4, 2)
    found = evaluate.linear_probe(Made(model, None), train, test)
    assert found.accuracy.top1 == 1 and found.training == 80 and found.validation == 16 and len(found.sweep) <= 15
    assert max(step.accuracy for step in found.sweep) == dict(found.sweep)[found.c]
    given = evaluate.linear_probe(Made(model, None), train, test, blobs(3, 4, 3), c=0.3)
    assert given.sweep == () and given.c == 0.3 and given.training == 92
    two = evaluate.linear_probe(Made(model, None), blobs(9, 2, 1), blobs(9, 2, 2), c=1)
    assert two.accuracy.top1 == 1
    shuffled = evaluate.DataSet("noise", train.pictures, np.random.default_rng(0).permutation(train.labels), train.classes)
    assert evaluate.linear_probe(Made(model, None), shuffled, test, c=1).accuracy.top1 < 0.7
    for wrong in (lambda: evaluate.linear_probe(Made(model, None), blobs(5, 3, 1), test),
                  lambda: evaluate.linear_probe(Made(model, None), train, test, c=0),
                  lambda: evaluate.linear_probe(Made(model, None), train.take(np.arange(20)), test, c=1)):  # fmt: skip
        with pytest.raises(swiftclip.InvalidArgumentError):
            wrong()


def test_a_class_without_training_pictures_is_never_answered(model):
    needs("sklearn")
    train, test = blobs(10, 4, 1).take(np.arange(30)), blobs(10, 4, 2)
    assert evaluate.linear_probe(Made(model, None), train, test, c=1).accuracy.top1 == 0.75


def test_shots_to_equal_by_hand():
    points = [(1, 0.4), (2, 0.5), (4, 0.6), (8, 0.58)]
    assert evaluate.shots_to_equal(points, 0.55) == pytest.approx(2**1.5)
    assert evaluate.shots_to_equal(points, 0.6) == pytest.approx(4)
    assert evaluate.shots_to_equal(points, 0.4) is None and evaluate.shots_to_equal(points, 0.9) is None


def test_few_shot(model):
    needs("sklearn")
    train, test = blobs(40, 4, 1, spread=0.5), blobs(50, 4, 2, spread=0.5)
    encoder = Made(model, np.eye(4, 8, dtype=np.float32))
    found = evaluate.few_shot(encoder, train, test, shots=(4, 1), seeds=2)
    assert [one.shots for one in found.few] == [1, 4] and all(len(one.each) == 2 for one in found.few)
    assert found.few[0].mean < found.few[1].mean < found.full.mean and found.full.shots == 40
    assert found.zero_shot > found.few[0].mean and "shots" in found.told()
    assert evaluate.few_shot(encoder, train, test, shots=(4, 1), seeds=2).json() == found.json()
    with pytest.raises(swiftclip.InvalidArgumentError):
        evaluate.few_shot(encoder, train, test, shots=(0,))


def test_zero_shot_against_probe(model):
    needs("sklearn")
    tasks = [evaluate.Task(blobs(10, 3, 1, s), blobs(20, 3, 2, s)) for s in (0.1, 0.4, 0.8)]
    found = evaluate.zero_shot_vs_probe(Made(model, np.eye(3, 8, dtype=np.float32)), tasks)
    assert found.data_sets[0].zero_shot == found.data_sets[0].linear_probe == 1 and found.correlation > 0.5
    assert evaluate.zero_shot_vs_probe(Made(model, np.eye(3, 8, dtype=np.float32)), tasks[:1]).correlation is None


def test_recall_on_constructed_embeddings():
    eye = np.eye(12, dtype=np.float32)
    diagonal = [(index, index) for index in range(12)]
    assert evaluate.recall(eye, eye, diagonal).at == ((1, 1.0), (5, 1.0), (10, 1.0))
    constant = evaluate.recall(eye, np.ones((12, 12), np.float32), diagonal)
    assert constant.at == ((1, 0.0), (5, 0.0), (10, 0.0)) and constant.median_rank == 12
    shifted = np.roll(eye, 1, axis=0) + 0.5 * eye  # the right one is second everywhere
    second = evaluate.recall(eye, shifted, diagonal, at=(1, 2))
    assert second.at == ((1, 0.0), (2, 1.0)) and second.median_rank == 2
    several = evaluate.recall(eye[:2], eye[:4], [(0, 3), (0, 0), (1, 2)], at=(1,))
    assert several.at == ((1, 0.5),)  # one of two right captions is enough; equal wrong ones come first
    with pytest.raises(swiftclip.InvalidArgumentError):
        evaluate.recall(eye, eye, diagonal[:-1])


def test_retrieval_of_pictures_with_one_caption(model, paths):
    data = evaluate.Captioned("some", tuple(paths[:4]), ("a penguin", "a bee", "a pear"), ((0, 0), (1, 1), (2, 2), (3, 1)))
    found = evaluate.retrieval(model, data, template="a drawing of {}")
    assert found.image_to_text.queries == 4 and found.text_to_image.queries == 3
    cosines = swiftclip.similarity(
        model.encode_image(paths[:4]), model.encode_text([f"a drawing of {c}" for c in data.captions])
    )
    assert found.image_to_text.at[0][1] == np.mean(cosines.argmax(axis=1) == [0, 1, 2, 1])
    missing = evaluate.Captioned("some", (*paths[:2], "no.png"), ("a", "b", "c"), ((0, 0), (1, 1), (2, 2)))
    encoder = evaluate.Encoder(model)
    assert evaluate.retrieval(encoder, missing).text_to_image.queries == 2 and list(encoder.failures) == ["no.png"]


@pytest.mark.parametrize("kind", evaluate.CORRUPTIONS)
def test_corruptions(kind, paths):
    needs("PIL")
    pixels = as_rgb(paths[0], True)
    worse = [evaluate.corrupted(pixels, kind, strength) for strength in (1, 2, 3, 4, 5)]
    again = [evaluate.corrupted(pixels.copy(), kind, strength) for strength in (1, 2, 3, 4, 5)]
    assert all((one == other).all() and one.shape == pixels.shape and one.dtype == np.uint8 for one, other in zip(worse, again))
    distance = [np.mean((one / 255 - pixels / 255) ** 2) for one in worse]
    assert 0 < distance[0] and distance == sorted(distance)
    for shape in ((1, 1, 3), (1, 40, 3), (9, 2, 3)):
        assert evaluate.corrupted(np.full(shape, 77, np.uint8), kind, 5).shape == shape
    for arguments in ((kind, 0), (kind, 6), ("rain", 1)):
        with pytest.raises(swiftclip.InvalidArgumentError):
            evaluate.corrupted(pixels, *arguments)


def test_contrast_by_hand():
    pixels = np.array([[[0, 0, 0], [200, 100, 50]]], np.uint8)
    assert evaluate.corrupted(pixels, "contrast", 1).tolist() == [[[40, 20, 10], [160, 80, 40]]]
    assert evaluate.corrupted(pixels, "brightness", 2).tolist() == [[[51, 51, 51], [251, 151, 101]]]


def test_robustness(model, paths):
    needs("PIL", "sklearn")
    names = ("a penguin", "a bee", "a butterfly", "a turtle")
    test = evaluate.DataSet("drawings", paths[:4] * 3, np.arange(12) % 4, names)
    shift = evaluate.DataSet("others", paths[:4], np.array([2, 0, 1, 3]), ("a bee", "x", "a penguin", "y"))
    found = evaluate.robustness(
        model, test, ["a drawing of {}"], train=test, shifts={"others": shift}, corruptions=["blur"], strengths=(1, 5)
    )
    assert {(one.shift, one.strength) for one in found.shifts} == {("blur", 1), ("blur", 5), ("others", 0)}
    probe = [one for one in found.shifts if one.classifier == "linear probe"]
    assert len(probe) == 3 and all(one.usual == 1 for one in probe)
    other = [one for one in found.shifts if one.shift == "others"]
    assert all(one.classes == 2 for one in other) and other[1].shifted == 1  # both are pictures it has learned
    assert "blur" in str(found) and "others" in str(found)
    with pytest.raises(swiftclip.InvalidArgumentError, match="at least 2"):
        evaluate.robustness(model, test, shifts={"z": shift.named(list("abcd"))}, corruptions=[])


def results(model, paths):
    """One small result of each kind."""
    train, test = blobs(12, 3, 1, 0.4), blobs(12, 3, 2, 0.4)
    made = Made(model, np.eye(3, 8, dtype=np.float32))
    real = evaluate.DataSet("some", paths[:4], np.array([0, 1, 0, 1]), ("a penguin", "a bee"))
    return [
        evaluate.seed_example(model, paths[0], ["a", "b"]),
        evaluate.zero_shot(made, test),
        evaluate.prompting(model, [real]),
        evaluate.linear_probe(made, train, test),
        evaluate.few_shot(made, train, test, shots=(1, 2), seeds=1),
        evaluate.zero_shot_vs_probe(made, [evaluate.Task(train, test)] * 2),
        evaluate.robustness(model, real, corruptions=["contrast"], strengths=(1, 2)),
        evaluate.retrieval(model, evaluate.Captioned("some", tuple(paths[:2]), ("a", "b"), ((0, 0), (1, 1)))),
    ]


def test_results_are_written_the_same_each_time(model, paths, tmp_path):
    needs("sklearn", "matplotlib", "PIL")
    for result in results(model, paths):
        first = [open(path, "rb").read() for path in result.save(tmp_path / "one")]
        second = [open(path, "rb").read() for path in result.save(tmp_path / "two")]
        assert first == second and len(first) == 4
        text, data, png, svg = first
        assert text.decode().rstrip("\n") == str(result).rstrip("\n")
        assert json.loads(data)["experiment"] == result.experiment and json.loads(data)["model"] == result.model
        assert png.startswith(b"\x89PNG") and b"<svg" in svg and len(svg) < 40_000


# -- The command


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A data set of four classes, twelve pictures each, in train/ and test/."""
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    root = tmp_path_factory.mktemp("tree")
    for name in ("penguin", "bee", "pear", "mushroom"):
        whole = Image.open(PICTURES / f"{name}.png").convert("RGB")
        for split in ("train", "test"):
            folder = root / split / name
            folder.mkdir(parents=True)
            for turn in range(12):
                whole.rotate(3 * turn + (split == "test"), fillcolor="white").resize((64, 64)).save(folder / f"{turn}.png")
    return root


def command(cache, *arguments):
    return run_python("-m", "swiftclip", "evaluate", *map(str, arguments), env={"XDG_CACHE_HOME": str(cache)})


def test_every_experiment_on_the_command_line(tree, tmp_path):
    needs("sklearn", "matplotlib")
    captions = tree / "captions.tsv"
    captions.write_text("".join(f"test/{n}/0.png\ta {n}\n" for n in ("penguin", "bee", "pear", "mushroom")))
    data = ("--data", f"mine={tree}")
    for arguments in (
        ("seed", PICTURES / "penguin.png", *data),
        ("seed", *data, "--number", 3),
        ("zero-shot", *data, "--template", "a drawing of a {}", "--limit", 20),
        ("prompts", *data, *data),
        ("linear-probe", *data),
        ("few-shot", *data, "--shots", 1, 2, "--seeds", 2),
        ("learned-prompts", *data, "--shots", 1, "--seeds", 1, "--epochs", 2),
        ("zero-shot-vs-probe", *data, *data),
        ("robustness", *data, "--shift", f"same={tree}", "--corruptions", "jpeg"),
        ("retrieval", captions),
    ):
        ran = command(tmp_path, *arguments)
        assert ran.returncode == 0 and ran.stdout and "swiftclip:" not in ran.stderr, ran.stderr  # only progress, if slow
        as_json = command(tmp_path, *arguments, "--json", "-o", tmp_path / "out")
        assert as_json.returncode == 0 and json.loads(as_json.stdout)["experiment"] == arguments[0]
        assert as_json.stderr.count("wrote") == 4 and (tmp_path / "out" / f"{arguments[0]}.svg").exists()
        assert (tmp_path / "out" / f"{arguments[0]}.txt").read_text().strip("\n") == ran.stdout.strip("\n")
    assert list((tmp_path / "swiftclip" / "features").glob("*.npz"))


def test_a_broken_picture_gives_one(tree, tmp_path):
    import shutil

    shutil.copytree(tree / "test", tmp_path / "copy")
    (tmp_path / "copy" / "bee" / "0.png").write_bytes(b"broken")
    ran = command(tmp_path, "zero-shot", "--data", tmp_path / "copy", "--no-cache")
    assert ran.returncode == 1 and "bee/0.png" in ran.stderr and "|       47 |" in ran.stdout
    assert not (tmp_path / "swiftclip").exists()


def test_learned_context_begins_as_the_words_it_replaces(model):
    names, features = ["cat", "dog", "ship"], np.eye(3, model.embed_dim, dtype=np.float32)
    hand = model.classifier(names, ["a photo of a {}"]).weights
    with evaluate.LearnedContext(model, names, "a photo of a {}") as learner:
        np.testing.assert_allclose(learner.scores(features), features @ hand.T, atol=1e-5)
    with evaluate.LearnedContext(model, names, "{} drawn", length=2) as learner:
        assert learner.context.shape[0] == 2
    for template, length in (("{}", None), ("a {}", 1000)):
        with pytest.raises(swiftclip.InvalidArgumentError):
            evaluate.LearnedContext(model, names, template, length=length)


@pytest.mark.parametrize("conditional", (False, True))
def test_gradients_of_learned_context_by_finite_differences(model, conditional):
    random = np.random.default_rng(3)
    features = random.normal(size=(5, model.embed_dim)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labels = np.array([0, 1, 2, 3, 0])
    with evaluate.LearnedContext(
        model, ["cat", "dog", "ship", "frog"], "a photo of a {}", conditional=conditional, batch=5
    ) as learner:
        _, gradients = learner.gradients(features, labels)
        for value, gradient in zip(learner.parameters, gradients):
            direction = (gradient / np.linalg.norm(gradient)).astype(np.float32)
            start, step, losses = value.copy(), 5e-3, []
            for sign in (1, -1):
                value[...] = start + sign * step * direction
                losses.append(learner.gradients(features, labels)[0])
            value[...] = start
            measured = (losses[0] - losses[1]) / (2 * step)
            assert measured == pytest.approx(np.linalg.norm(gradient), rel=0.02)


def test_learned_prompts_learn(model):
    random = np.random.default_rng(1)
    names = ("cat", "dog", "ship", "frog")
    words = model.encode_text(["a photo of a frog", "a photo of a ship", "a photo of a dog", "a photo of a cat"])
    labels = np.repeat(np.arange(4), 12)
    pictures = words[labels] / np.linalg.norm(words[labels], axis=1, keepdims=True)  # the names, one for the other
    pictures += random.normal(0, 0.02, pictures.shape).astype(np.float32)
    data = evaluate.DataSet("swapped", pictures, labels, names)
    encoder = Made(model, np.asarray(model.classifier(names, ["a photo of a {}"]).weights))
    for method, epochs in (("CoOp", 300), ("CoCoOp", 60)):
        found = evaluate.learned_prompts(
            encoder, data, data, shots=[4], seeds=1, context=4, methods=[method], epochs=epochs
        )
        assert found.hand_written < 0.3 and found.found[0].method == method
        assert found.found[0].mean > 0.6, found
        assert method in str(found) and json.loads(found.json())["found"]


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("unknown",),
        ("zero-shot",),
        ("seed",),
        ("seed", "x.png"),
        ("retrieval",),
        ("zero-shot", "--data", "a", "--data", "b"),
        ("zero-shot", "--data", "a", "--limit", "0"),
        ("zero-shot", "--data", "a", "--template", "no place"),
        ("prompts", "--data", "a", "--data", "b", "--classes", "c"),
        ("robustness", "--data", "a", "--corruptions", "rain"),
        ("few-shot", "--data", "a", "--shots", "many"),
    ],
    ids=str,
)
def test_usage_errors(tmp_path, arguments):
    ran = command(tmp_path, *arguments)
    assert ran.returncode == 2 and ran.stdout == "" and "usage" in ran.stderr


@pytest.mark.parametrize(
    "arguments, word",
    [
        (("zero-shot", "--data", "no/such"), "no/such"),
        (("zero-shot", "--data", PICTURES), "no JPEG, PNG or WebP"),
        (("linear-probe", "--data", PICTURES), "no train pictures"),
        (("retrieval", "no.tsv"), "no.tsv"),
        (("seed", "no.png", "--classes", "no.txt"), "no.txt"),
        (("zero-shot", "--data", "x", "--model", "no/model"), "no/model"),
        (("zero-shot", "--data", "x", "--split", "validation"), "x"),
    ],
    ids=str,
)
def test_failures_are_sentences(tmp_path, arguments, word):
    ran = command(tmp_path, *arguments)
    assert ran.returncode == 1 and ran.stdout == "" and word in ran.stderr and "Traceback" not in ran.stderr
    assert ran.stderr.startswith("swiftclip: ")


def test_missing_packages_are_told(tree, tmp_path):
    """As if neither package were installed: modules of these names that cannot be imported stand before them."""
    for name in ("sklearn", "matplotlib"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not here')")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from swiftclip.cli import main; sys.exit(main(sys.argv[1:]))"
    for arguments, package in ((["linear-probe"], "scikit-learn"), (["zero-shot", "-o", str(tmp_path)], "matplotlib")):
        ran = run_python("-c", code, "evaluate", *arguments, "--data", str(tree), "--no-cache")
        assert ran.returncode == 1 and f"pip install {package}" in ran.stderr and "Traceback" not in ran.stderr
