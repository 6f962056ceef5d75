"""swiftclip.Dataset: tables and shards made here, against model.preprocess and model.tokenize."""

import collections
import csv
import gc
import io
import json
import os
import tarfile
import threading
import time

import numpy as np
import pytest
from conftest import POCKET

import swiftclip

Image = pytest.importorskip("PIL.Image")
ImageEnhance = pytest.importorskip("PIL.ImageEnhance")

COUNT = 23


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small pictures, each of another colour, with captions."""
    folder = tmp_path_factory.mktemp("pairs")
    source = np.random.default_rng(5)
    for i in range(COUNT):
        pixels = source.integers(0, 256, (source.integers(70, 120), source.integers(70, 120), 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")
    (folder / "table.tsv").write_text("".join(f"{i:03}.png\tnumber {i}, a picture\n" for i in range(COUNT)))
    return folder


def caption(i):
    return f"number {i}, a picture"


def expected(model, folder, numbers):
    return model.preprocess([folder / f"{i:03}.png" for i in numbers]), model.tokenize([caption(i) for i in numbers])


def numbers(model, tokens):
    """Which pairs these are, by their captions."""
    rows = {row.tobytes(): i for i, row in enumerate(model.tokenize([caption(i) for i in range(COUNT)]))}
    return [rows[row.tobytes()] for row in tokens]


def shards(folder, target, count=3, jsons=False, format=tarfile.PAX_FORMAT, prefix=""):
    paths = []
    for shard in range(count):
        paths.append(target / f"shard-{shard}.tar")
        with tarfile.open(paths[-1], "w", format=format) as tar:
            for i in range(shard, COUNT, count):
                tar.add(folder / f"{i:03}.png", f"{prefix}{i:03}.png")
                text = json.dumps({"caption": caption(i), "width": 1.5e3, "more": [None, True, {"x": "\u00e9"}]})
                data = (text if jsons else caption(i)).encode()
                info = tarfile.TarInfo(f"{prefix}{i:03}.{'json' if jsons else 'txt'}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return paths


def all_batches(data, epochs=1):
    return [batch for _ in range(epochs) for batch in data]


def same(a, b):
    return len(a) == len(b) and all(np.array_equal(x, y) for left, right in zip(a, b) for x, y in zip(left, right))


def test_in_order_and_unchanged(model, folder):
    with swiftclip.Dataset(folder / "table.tsv", model, batch=8, shuffle=False, keep_last=True) as data:
        assert data.batches == 3
        batches = all_batches(data)
        assert [len(tokens) for _, tokens in batches] == [8, 8, 7]
        for start, batch in zip((0, 8, 16), batches):
            for got, wanted in zip(batch, expected(model, folder, range(start, min(start + 8, COUNT)))):
                assert np.array_equal(got, wanted)
        assert data.position == 3
        report = data.report()
        assert report["pictures"] == report["pairs"] == COUNT and not any(report["skipped"].values())


def test_without_a_model(model, folder, tmp_path):
    size = 48
    with swiftclip.Dataset(
        folder, preprocess=swiftclip.Preprocess(image_size=size), vocabulary=POCKET / "merges.txt",
        context_length=20, batch=4, shuffle=False,
    ) as data:
        pixels, tokens = data.next()
    assert pixels.shape == (4, 3, size, size) and tokens.shape == (4, 20)
    assert np.array_equal(tokens, model.tokenize([caption(i) for i in range(4)])[:, :20])
    wanted = swiftclip.preprocess([folder / f"{i:03}.png" for i in range(4)], swiftclip.Preprocess(image_size=size))
    assert np.array_equal(pixels, wanted)


@pytest.mark.parametrize("kind", ["table", "shards"])
def test_an_epoch_has_each_pair_once(model, folder, tmp_path, kind):
    paths = folder if kind == "table" else shards(folder, tmp_path)
    with swiftclip.Dataset(paths, model, batch=5, keep_last=True, shuffle_buffer=7, seed=3) as data:
        orders = [[i for _, tokens in data for i in numbers(model, tokens)] for _ in range(3)]
        assert data.batches == 5 and data.position == 15
    assert all(sorted(order) == list(range(COUNT)) for order in orders)
    assert orders[0] != orders[1] != orders[2] and orders[0] != sorted(orders[0])
    with swiftclip.Dataset(paths, model, batch=5, shuffle_buffer=7, seed=3) as data:
        dropped = [i for _, tokens in data for i in numbers(model, tokens)]
    assert dropped == orders[0][:20]
    with swiftclip.Dataset(paths, model, batch=5, shuffle_buffer=7, seed=4, keep_last=True) as data:
        assert [i for _, tokens in data for i in numbers(model, tokens)] != orders[0]


AUGMENTED = dict(crop="random", scale=(0.6, 1.0), flip=0.5, brightness=0.3, contrast=0.3, saturation=0.5)


@pytest.mark.parametrize("kind", ["table", "shards"])
@pytest.mark.parametrize("keep_last", [False, True])
def test_seeking_equals_skipping_and_threads_change_nothing(model, folder, tmp_path, kind, keep_last):
    paths = folder if kind == "table" else shards(folder, tmp_path)
    options = dict(batch=4, keep_last=keep_last, seed=9, shuffle_buffer=6, **AUGMENTED)
    with swiftclip.Dataset(paths, model, threads=1, ahead=0, **options) as data:
        undisturbed = all_batches(data, 3)
    per_epoch = 6 if keep_last else 5
    assert len(undisturbed) == 3 * per_epoch
    with swiftclip.Dataset(paths, model, threads=4, ahead=5, **options) as data:
        assert same(all_batches(data, 3), undisturbed)
    for place in (1, 4, per_epoch, per_epoch + 1, 2 * per_epoch + 3):
        with swiftclip.Dataset(paths, model, threads=2, endless=True, **options) as data:
            data.seek(place)
            assert data.position == place
            assert same([data.next() for _ in range(3 * per_epoch - place)], undisturbed[place:])
            data.seek(2)
            assert same([data.next()], undisturbed[2:3])


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("jsons", [False, True])
def test_tar_formats_and_long_names(model, folder, tmp_path, format, jsons):
    prefix = "a" * 60 + "/" + "b" * 80 + "/" if format == tarfile.USTAR_FORMAT else "folder/" * 30 + "é" * 40
    paths = shards(folder, tmp_path, 1, jsons, format, prefix)
    with swiftclip.Dataset(paths, model, batch=COUNT, shuffle=False) as data:
        batch = data.next()
        assert same([batch], [expected(model, folder, range(COUNT))])
        assert data.next() is None and not any(data.report()["skipped"].values())


def test_csv_and_jsonl(model, folder):
    captions = ['a "quoted", thing', "two\nlines", "plain", "ünïcödé 😀"]
    with open(folder / "t1.csv", "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "Title", "FilePath"])
        writer.writerows([i, text, f"{i:03}.png"] for i, text in enumerate(captions))
    with open(folder / "t2.jsonl", "w") as file:
        for i, text in enumerate(captions):
            file.write(json.dumps({"path": f"{i:03}.png", "captions": [text]}) + "\n\n")
    for name in ("t1.csv", "t2.jsonl"):
        with swiftclip.Dataset(folder / name, model, batch=4, shuffle=False) as data:
            pixels, tokens = data.next()
        assert np.array_equal(tokens, model.tokenize(captions))
        assert np.array_equal(pixels, expected(model, folder, range(4))[0])
    with open(folder / "t3.csv", "w") as file:
        file.write("where,text,other\n000.png,wrong,right\n")
    with swiftclip.Dataset(folder / "t3.csv", model, batch=1, path_column="where", caption_column="other") as data:
        assert np.array_equal(data.next()[1], model.tokenize("right"))
    with pytest.raises(swiftclip.InvalidDataError, match="no columns"):
        swiftclip.Dataset(folder / "t3.csv", model, batch=1, path_column="nowhere")
    for name in ("t1.csv", "t2.jsonl", "t3.csv"):
        (folder / name).unlink()


def test_several_captions_and_sentences(model, folder, tmp_path):
    table = tmp_path / "many.jsonl"
    texts = [f"caption {i}" for i in range(5)]
    picture = str(folder / "000.png")
    table.write_text(
        json.dumps({"path": picture, "caption": texts[:3]}) + "\n" + json.dumps({"path": picture, "caption": texts[3]})
        + "\n" + json.dumps({"path": picture, "caption": ["", texts[4]]}) + "\n"
    )
    with swiftclip.Dataset(table, model, batch=1, endless=True, allow_outside=True) as data:
        assert data.report()["pictures"] == 1 and data.report()["skipped"]["empty_captions"] == 1
        seen = collections.Counter(data.next()[1].tobytes() for _ in range(400))
    assert set(seen) == {row[None].tobytes() for row in model.tokenize(texts)} and min(seen.values()) > 40
    sentences = ["The first.", 'He said "no!"', "Version 1.5 is out?", "A last line"]
    table.write_text(json.dumps({"path": picture, "caption": " ".join(sentences[:3]) + "\n\n" + sentences[3]}))
    with swiftclip.Dataset(table, model, batch=1, endless=True, allow_outside=True, sentences=True) as data:
        seen = {data.next()[1].tobytes() for _ in range(100)}
    assert seen == {row[None].tobytes() for row in model.tokenize(sentences)}


def test_bad_things_are_skipped_counted_and_named(model, folder, tmp_path):
    for i in range(4):
        os.link(folder / f"{i:03}.png", tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes((folder / "000.png").read_bytes()[:200])
    os.symlink(folder / "005.png", tmp_path / "link.png")
    os.symlink(tmp_path / "3.png", tmp_path / "inside.png")
    rows = [
        ("0.png", "good"), ("missing.png", "a"), ("broken.png", "b"), ("link.png", "c"), ("../x.png", "d"),
        (str(folder / "001.png"), "e"), ("1.png", "  "), ("2.png", "\x01\x02"), ("inside.png", "long " * 100),
    ]
    table = tmp_path / "table.tsv"
    table.write_text("".join(f"{a}\t{b}\n" for a, b in rows) + "only one field\n", encoding="utf-8")
    with open(table, "ab") as file:
        file.write(b"3.png\tx\xff\n")
    with swiftclip.Dataset(table, model, batch=4, keep_last=True, shuffle=False) as data:
        batches = list(data)
        report = data.report()
    assert sum(len(tokens) for _, tokens in batches) == report["pairs"] == 2
    assert batches[-1][1][0, -1] == model.tokenize("a").max() and report["truncated"] == 1
    skipped = report["skipped"]
    assert skipped["missing_pictures"] == 1 and skipped["broken_pictures"] == 1 and skipped["refused_paths"] == 3
    assert skipped["bad_rows"] == 1 and skipped["empty_captions"] >= 1 and skipped["bad_captions"] == 1
    assert sum(skipped.values()) == len(report["first"]) == 9
    assert any("line 10" in text for text in report["first"]) and any("missing.png" in t for t in report["first"])
    with swiftclip.Dataset(table, model, batch=4, keep_last=True, long_captions="skip", named=1) as data:
        assert sum(len(tokens) for _, tokens in data) == 1
        assert data.report()["skipped"]["long_captions"] == 1 and len(data.report()["first"]) == 1
    with swiftclip.Dataset(table, model, batch=20, keep_last=True, long_captions="refuse") as data:
        for _ in range(2):
            with pytest.raises(swiftclip.TextTooLongError, match="inside.png"):
                data.next()
            assert data.position == 0
    with swiftclip.Dataset(table, model, batch=20, keep_last=True, allow_outside=True) as data:
        data.next()
        assert data.report()["skipped"]["refused_paths"] == 0 and data.report()["pairs"] == 4


def test_nothing_usable_is_an_error(model, tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text("".join(f"{i}.png\ta\n" for i in range(9)))
    for endless in (False, True):
        with swiftclip.Dataset(table, model, batch=3, endless=endless) as data:
            with pytest.raises(swiftclip.InvalidDataError, match="Not one pair"):
                data.next()
    with pytest.raises(swiftclip.InvalidDataError, match="too few"):
        swiftclip.Dataset(table, model, batch=10)
    table.write_text("")
    with pytest.raises(swiftclip.InvalidDataError, match="0 pairs"):
        swiftclip.Dataset(table, model, batch=1, keep_last=True)
    with pytest.raises(swiftclip.FileError):
        swiftclip.Dataset(tmp_path / "no.tar", model)
    with pytest.raises(swiftclip.UnsupportedError):
        swiftclip.Dataset(tmp_path / "no.zip", model)
    (tmp_path / "a.tar").write_bytes(b"")
    with swiftclip.Dataset(tmp_path / "a.tar", model) as data:
        with pytest.raises(swiftclip.InvalidDataError, match="0 pairs"):
            data.next()
    (tmp_path / "other.csv").write_text("a,b\n")
    with pytest.raises(swiftclip.InvalidDataError, match="2 tables"):
        swiftclip.Dataset(tmp_path, model)


@pytest.mark.parametrize(
    "wrong", [dict(scale=0.5), dict(scale=(0.9, 0.1)), dict(flip=2), dict(batch=0), dict(crop="middle"), dict(seed=-1)]
)
def test_wrong_arguments(model, folder, wrong):
    with pytest.raises(swiftclip.InvalidArgumentError):
        swiftclip.Dataset(folder, model, **wrong)
    with pytest.raises(swiftclip.ArgumentTypeError):
        swiftclip.Dataset(folder, model, flip="often")
    with pytest.raises(swiftclip.ArgumentTypeError):
        swiftclip.Dataset(folder, "model")


def test_damaged_shards(model, folder, tmp_path):
    (path,) = shards(folder, tmp_path, 1, format=tarfile.USTAR_FORMAT)
    data = bytearray(path.read_bytes())
    with tarfile.open(path) as tar:
        places = {member.name: (member.offset, member.offset_data) for member in tar}
    data[places["004.png"][0] + 150] ^= 0xFF  # a checksum
    data[places["007.png"][1] + 40] ^= 0xFF  # inside of a picture
    data = data[: places["020.png"][1] + 700]  # cut in the middle of a picture
    path.write_bytes(data)
    with swiftclip.Dataset(path, model, batch=COUNT, keep_last=True, shuffle=False) as read:
        pixels, tokens = read.next()
        report = read.report()
    assert numbers(model, tokens) == [i for i in range(20) if i not in (4, 7)]
    assert report["skipped"]["bad_members"] == 2 and report["skipped"]["broken_pictures"] == 1
    assert report["skipped"]["incomplete_pairs"] == 1 and any("004 lacks a picture" in t for t in report["first"])


def crop_of(picture, size):
    """All the paper's square crops of a picture, as bytes."""
    width, height = (size if side == min(picture.size) else int(size * side / min(picture.size)) for side in picture.size)
    pixels = np.asarray(picture.resize((width, height), Image.BICUBIC))
    return {
        pixels[top : top + size, left : left + size].tobytes()
        for top in range(height - size + 1)
        for left in range(width - size + 1)
    }


def undone(pixels):
    """Normalised floats back to bytes (H, W, 3)."""
    mean = np.array(swiftclip.Preprocess().mean, np.float32)[:, None, None]
    std = np.array(swiftclip.Preprocess().std, np.float32)[:, None, None]
    return np.rint((pixels * std + mean) * 255).astype(np.uint8).transpose(1, 2, 0)


def test_random_crops_and_flips(model, folder):
    with swiftclip.Dataset(folder, model, batch=COUNT, shuffle=False, crop="random", flip=0.5, endless=True) as data:
        batches = [data.next()[0] for _ in range(4)]
    mirrored = 0
    found = collections.defaultdict(set)
    for pixels in batches:
        for i in range(COUNT):
            crops = crop_of(Image.open(folder / f"{i:03}.png"), model.image_size)
            got = undone(pixels[i])
            assert got.tobytes() in crops or got[:, ::-1].tobytes() in crops
            mirrored += got.tobytes() not in crops
            found[i].add(got.tobytes())
    assert 25 < mirrored < 67 and sum(len(kinds) > 1 for kinds in found.values()) > 18


MASK = 2**64 - 1


def mixed(z):
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


class Draws:
    """The generator, as docs/training-data.md tells it."""

    def __init__(self, seed, epoch, index, purpose):
        self.state = mixed(seed)
        for part in (epoch, index, purpose):
            self.state = mixed((self.state + part) & MASK)

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        return mixed(self.state)

    def unit(self):
        return (self.next() >> 11) * 2.0**-53

    def below(self, count):
        return self.next() * count >> 64


def test_everything_drawn_equals_the_reference(model, tmp_path):
    """Order, crop, mirror, Pillow's colours and background, from the seed alone."""
    size, seed, count = model.image_size, 77, 6
    source = np.random.default_rng(1)
    for i in range(count):
        Image.fromarray(source.integers(0, 256, (90 + i, 130 - 9 * i, 4), np.uint8), "RGBA").save(tmp_path / f"{i}.png")
    (tmp_path / "t.tsv").write_text("".join(f"{i}.png\tpicture {i}\n" for i in range(count)))
    options = dict(crop="random", scale=(0.5, 0.9), flip=0.5, brightness=0.4, contrast=0.6, saturation=0.8)
    with swiftclip.Dataset(tmp_path, model, batch=count, seed=seed, background="random", **options) as data:
        for epoch in range(3):
            (pixels, tokens) = data.next()
            assert data.next() is None
            order, draws = list(range(count)), Draws(seed, epoch, 0, 0)
            for last in range(count - 1, 0, -1):
                other = draws.below(last + 1)
                order[last], order[other] = order[other], order[last]
            assert np.array_equal(tokens, model.tokenize([f"picture {i}" for i in order]))
            for place, i in enumerate(order):
                draws = Draws(seed, epoch, i, 2)
                low, high = (float(np.float32(x)) for x in options["scale"])
                scale, left, top = low + draws.unit() * (high - low), draws.unit(), draws.unit()
                is_mirrored = draws.unit() < 0.5
                factors = [
                    float(np.float32(1 + float(np.float32(options[name])) * (2 * draws.unit() - 1)))
                    for name in ("brightness", "contrast", "saturation")
                ]
                colour = tuple(draws.below(256) for _ in range(3))
                picture = Image.open(tmp_path / f"{i}.png")
                ground = Image.new("RGB", picture.size, colour)
                ground.paste(picture, mask=picture.getchannel("A"))
                shorter, short = round(size / scale), min(picture.size)
                width, height = (shorter if side == short else int(shorter * side / short) for side in picture.size)
                resized = ground.resize((width, height), Image.BICUBIC)
                x, y = int((width - size + 1) * left), int((height - size + 1) * top)
                result = resized.crop((x, y, x + size, y + size))
                for enhancer, factor in zip((ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color), factors):
                    result = enhancer(result).enhance(factor)
                wanted = np.asarray(result)[:, ::-1] if is_mirrored else np.asarray(result)
                assert np.array_equal(undone(pixels[place]), wanted), (epoch, i)


def test_no_thread_is_left_and_closing_in_the_middle(model, folder):
    before = len(os.listdir("/proc/self/task"))
    for _ in range(20):
        data = swiftclip.Dataset(folder, model, batch=5, threads=4, ahead=8)
        data.next()
        data.close()
        with pytest.raises(swiftclip.InvalidArgumentError, match="closed"):
            data.next()
    gc.collect()
    for _ in range(200):
        if len(os.listdir("/proc/self/task")) <= before:
            break
        time.sleep(0.01)
    assert len(os.listdir("/proc/self/task")) <= before


def test_threads_of_the_host_take_turns(model, folder):
    with swiftclip.Dataset(folder, model, batch=2, endless=True, seed=1) as data:
        wanted = collections.Counter(data.next()[1].tobytes() for _ in range(40))
        data.seek(0)
        got, lock = collections.Counter(), threading.Lock()

        def work():
            for _ in range(10):
                tokens = data.next()[1].tobytes()
                with lock:
                    got[tokens] += 1

        workers = [threading.Thread(target=work) for _ in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert got == wanted


@pytest.mark.parametrize("kind", ["table", "shards"])
def test_a_forked_child_goes_on(model, folder, tmp_path, kind):
    paths = folder if kind == "table" else shards(folder, tmp_path)
    options = dict(batch=3, seed=2, endless=True, threads=3, **AUGMENTED)
    with swiftclip.Dataset(paths, model, **options) as data:
        wanted = [data.next() for _ in range(12)]
    for at in (1, 4, 9):
        with swiftclip.Dataset(paths, model, **options) as data:
            for _ in range(at):
                data.next()
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = 0 if same([data.next() for _ in range(12 - at)], wanted[at:]) else 2
                    data.close()
                finally:
                    os._exit(status)
            assert same([data.next() for _ in range(12 - at)], wanted[at:])
            assert os.waitpid(child, 0)[1] == 0


def test_memory_does_not_grow(model, folder, tmp_path):
    paths = shards(folder, tmp_path)

    def resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def rounds():
        for source in (paths, folder):
            for _ in range(15):
                with swiftclip.Dataset(source, model, batch=7, threads=2) as data:
                    data.next()
                    data.seek(4)
                    data.next()
        gc.collect()

    rounds()
    before = resident()
    for _ in range(5):
        rounds()
    assert resident() - before < 8_000_000
