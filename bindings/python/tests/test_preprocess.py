"""Pixels against Pillow, which is asked here and now, and torchvision's rules, which are ten lines."""

import io

import numpy as np
import pytest

import swiftclip
import swiftclip.pillow
from swiftclip import Preprocess

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed, and it is what is compared with")
ImageOps = pytest.importorskip("PIL.ImageOps")

PILLOW = int(pytest.importorskip("PIL").__version__.split(".")[0])

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)[:, None, None]
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)[:, None, None]
FILTERS = {"bicubic": 3, "bilinear": 2, "nearest": 0}


def official(image, size, interpolation="bicubic"):
    """Resize, CenterCrop, convert, ToTensor and Normalize of torchvision, on Pillow."""
    width, height = image.size
    short, long = min(width, height), max(width, height)
    longer = int(size * long / short)
    new = (size, longer) if width <= height else (longer, size)
    if image.size != new:
        image = image.resize(new, FILTERS[interpolation])
    left, top = int(round((new[0] - size) / 2.0)), int(round((new[1] - size) / 2.0))
    image = image.crop((left, top, left + size, top + size)).convert("RGB")
    planes = np.asarray(image).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    return (planes - MEAN) / STD


def noise(width, height, channels, seed):
    """Random pixels with some structure: noise alone hides errors of position."""
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (height, width, channels), np.uint8)
    ramp = (np.arange(width) * 255 // max(width - 1, 1)).astype(np.uint8)
    pixels[..., 0] = np.where(random.random((height, width)) < 0.5, pixels[..., 0], ramp)
    return pixels


def sizes():
    """620 sizes: ordinary ones, sides of one pixel, extreme aspect ratios, and around the size wanted."""
    random = np.random.default_rng(4)
    found = [tuple(random.integers(1, 400, 2)) for _ in range(360)]
    found += [(1, int(n)) for n in random.integers(1, 900, 40)] + [(int(n), 1) for n in random.integers(1, 900, 40)]
    found += [(int(a), int(a * b)) for a, b in zip(random.integers(1, 9, 40), random.integers(20, 200, 40))]
    found += [(int(a * b), int(a)) for a, b in zip(random.integers(1, 9, 40), random.integers(20, 200, 40))]
    found += [(64 + x, 64 + y) for x in range(-4, 5) for y in range(-4, 5)]
    found += [(width, 48) for width in range(48, 67)]
    return [(int(width), int(height)) for width, height in found]


def order_of_passes_differs(width, height, size):
    """Whether Pillow before version 13 resizes along x first where the library, as Pillow 13, does along y."""
    resized_width, resized_height = swiftclip.pillow.resized_size(width, height, size)
    shrinkage = height - resized_height
    return PILLOW < 13 and shrinkage > 0 and shrinkage > 2 * (width - resized_width)


SIZES = sizes()
WANTED = (64, 64, 33, 224)


def test_there_are_enough_sizes():
    assert sum(not order_of_passes_differs(width, height, 33) for width, height in SIZES) >= 500


@pytest.mark.parametrize("part", range(20))
def test_arrays_equal_pillow_to_the_bit(part):
    for index, (width, height) in list(enumerate(SIZES))[part::20]:
        size = WANTED[index % len(WANTED)]
        if size * max(width, height) // min(width, height) > 60_000:
            size = 33  # the longer side of what Pillow makes would be all that this test does
        if order_of_passes_differs(width, height, size):
            continue
        pixels = noise(width, height, 3, index)
        ours = swiftclip.preprocess(pixels, Preprocess(image_size=size))
        assert ours.dtype == np.float32 and ours.shape == (3, size, size)
        assert (ours == official(Image.fromarray(pixels), size)).all(), (width, height, size)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_other_interpolations(interpolation):
    for index, (width, height) in enumerate(SIZES[:300:5]):
        if order_of_passes_differs(width, height, 48):
            continue
        pixels = noise(width, height, 3, index)
        ours = swiftclip.preprocess(pixels, Preprocess(image_size=48, interpolation=interpolation))
        assert (ours == official(Image.fromarray(pixels), 48, interpolation)).all(), (width, height)


def in_mode(mode, width, height, seed):
    """A random picture in one of Pillow's modes."""
    rgba = Image.fromarray(noise(width, height, 4, seed), "RGBA")
    if mode == "RGBA":
        return rgba
    if mode == "LA":
        return Image.fromarray(noise(width, height, 2, seed), "LA")
    if mode == "I;16":
        return Image.fromarray(np.random.default_rng(seed).integers(0, 65536, (height, width)).astype(np.uint16))
    if mode == "F":
        return rgba.convert("L").convert("F")
    return rgba.convert("RGB").convert(mode)


MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F", "I;16"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", MODES)
def test_pillow_images_of_every_mode(mode):
    for index, (width, height) in enumerate([(70, 50), (50, 90), (64, 64), (1, 5), (31, 200), (64, 80), (300, 64)]):
        image = in_mode(mode, width, height, index)
        assert image.mode == mode
        try:
            expected = official(image, 64)
        except ValueError as error:
            pytest.skip(f"this version of Pillow cannot resize {mode}: {error}")
        assert (swiftclip.preprocess(image, Preprocess(image_size=64)) == expected).all(), (width, height)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays_of_every_channel_count(channels):
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    pixels = noise(75, 40, channels, channels)
    expected = official(Image.fromarray(pixels[..., 0] if channels == 1 else pixels, mode), 64)
    options = Preprocess(image_size=64)
    assert (swiftclip.preprocess(pixels, options) == expected).all()
    if channels == 1:
        assert (swiftclip.preprocess(pixels[..., 0], options) == expected).all()


def test_views_of_arrays():
    options = Preprocess(image_size=32)
    pixels = noise(90, 80, 4, 1)
    for view in (
        pixels[5:60, 7:50],
        pixels[::-1],
        pixels[:, ::-1],
        pixels[::2, ::3],
        pixels[..., :3],
        pixels[..., ::-1],
    ):
        assert (swiftclip.preprocess(view, options) == swiftclip.preprocess(view.copy(), options)).all()
    turned = pixels.transpose(1, 0, 2)
    assert (swiftclip.preprocess(turned, options) == swiftclip.preprocess(turned.copy(), options)).all()
    constant = pixels.copy()
    constant.flags.writeable = False
    assert (swiftclip.preprocess(constant, options) == swiftclip.preprocess(pixels, options)).all()


FILES = [
    ("RGB", "PNG", {}),
    ("RGBA", "PNG", {}),
    ("L", "PNG", {}),
    ("LA", "PNG", {}),
    ("P", "PNG", {}),
    ("1", "PNG", {}),
    ("RGB", "JPEG", {"quality": 80}),
    ("RGB", "JPEG", {"quality": 95, "subsampling": 0}),
    ("RGB", "JPEG", {"quality": 60, "progressive": True}),
    ("L", "JPEG", {}),
    ("CMYK", "JPEG", {}),
    ("RGB", "WEBP", {"quality": 75}),
    ("RGB", "WEBP", {"lossless": True}),
    ("RGBA", "WEBP", {"lossless": True}),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode, kind, options", FILES, ids=lambda value: str(value))
def test_files_equal_pillow_to_the_bit(mode, kind, options, tmp_path):
    for index, (width, height) in enumerate([(123, 77), (64, 64), (40, 160), (300, 200)]):
        file = io.BytesIO()
        in_mode(mode, width, height, index).save(file, kind, **options)
        data = file.getvalue()
        expected = official(Image.open(io.BytesIO(data)), 64)
        wanted = Preprocess(image_size=64)
        path = tmp_path / f"{index}.bin"  # known by its bytes, not by its name
        path.write_bytes(data)
        for given in (data, bytearray(data), memoryview(data), str(path), path, Image.open(io.BytesIO(data))):
            assert (swiftclip.preprocess(given, wanted) == expected).all(), (width, height, type(given))


def test_alpha_is_dropped_or_composited():
    image = in_mode("RGBA", 80, 60, 3)
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    composited = Image.alpha_composite(white, image).convert("RGB")
    options = Preprocess(image_size=64, alpha="composite")
    assert np.abs(swiftclip.preprocess(image, options) - official(composited, 64)).max() < 0.02
    red = Preprocess(image_size=64, alpha="composite", background=(255, 0, 0))
    clear = np.zeros((10, 10, 4), np.uint8)
    assert (swiftclip.preprocess(clear, red) == official(Image.new("RGB", (10, 10), (255, 0, 0)), 64)).all()
    palette = Image.new("P", (10, 10))
    palette.putpalette([9, 9, 9] * 256)
    palette.info["transparency"] = 0
    assert (swiftclip.preprocess(palette, red) == official(Image.new("RGB", (10, 10), (255, 0, 0)), 64)).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_ignored_or_applied(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(noise(80, 50, 3, 9)).save(file, "JPEG", exif=exif)
    opened = Image.open(io.BytesIO(file.getvalue()))
    ignored, applied = official(opened, 64), official(ImageOps.exif_transpose(opened), 64)
    for given in (file.getvalue(), opened):
        assert (swiftclip.preprocess(given, Preprocess(image_size=64)) == ignored).all()
        options = Preprocess(image_size=64, orientation="apply")
        assert (swiftclip.preprocess(given, options) == applied).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_converting_first(mode):
    image = in_mode(mode, 75, 95, 2)
    options = Preprocess(image_size=64, convert="first")
    assert (swiftclip.preprocess(image, options) == official(image.convert("RGB"), 64)).all()


def test_mean_and_std():
    pixels = noise(64, 64, 3, 5)
    ours = swiftclip.preprocess(pixels, Preprocess(image_size=64, mean=(0, 0, 0), std=(1, 1, 1)))
    assert (ours == pixels.transpose(2, 0, 1).astype(np.float32) / np.float32(255)).all()


def test_lists_and_sizes():
    pictures = [noise(50, 60, 3, index) for index in range(3)]
    assert swiftclip.preprocess(pictures[0]).shape == (3, 224, 224)
    together = swiftclip.preprocess(pictures, Preprocess(image_size=20))
    assert together.shape == (3, 3, 20, 20)
    for index, picture in enumerate(pictures):
        assert (together[index] == swiftclip.preprocess(picture, Preprocess(image_size=20))).all()
    assert swiftclip.preprocess([], Preprocess(image_size=20)).shape == (0, 3, 20, 20)


def test_the_model_preprocesses_alike(model, penguin):
    expected = official(Image.open(penguin), 64)
    assert (model.preprocess(penguin) == expected).all()
    assert (model.preprocess([penguin])[0] == expected).all()
    images = [in_mode(mode, 66, 77, 1) for mode in ("RGB", "P", "1", "CMYK")] * 40
    together = model.preprocess(images)
    assert together.shape == (160, 3, 64, 64)
    for index in (0, 1, 2, 3, 63, 64, 65, 159):
        assert (together[index] == official(images[index], 64)).all()


def test_the_models_options():
    with swiftclip.load(preprocess=Preprocess(interpolation="nearest", mean=(0, 0, 0), std=(1, 1, 1))) as model:
        pixels = noise(100, 90, 3, 6)
        expected = official(Image.fromarray(pixels), 64, "nearest") * STD + MEAN
        np.testing.assert_allclose(model.preprocess(pixels), expected, atol=1e-6)


def encoded_jpeg(width, height, seed, mode="RGB", **how):
    """A JPEG with structure at every scale, so that decoding at another size or place shows."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cells in (3, 17, 80):
        coarse = Image.fromarray(random.integers(0, 256, (cells, cells, 3), np.uint8))
        total += np.asarray(coarse.resize((width, height), 3), np.float32) / 3
    out = io.BytesIO()
    Image.fromarray(total.astype(np.uint8)).convert(mode).save(out, "JPEG", **{"quality": 90, **how})
    return out.getvalue()


SCALED = Preprocess(image_size=32, jpeg_decoding="scaled")


@pytest.mark.parametrize("how", [{}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_scaled_jpeg_decoding_equals_pillows_draft(mode, how):
    cases = [(130, 128, 2), (301, 255, 2), (255, 301, 2), (300, 256, 4), (511, 800, 4), (900, 512, 8), (515, 2100, 8)]
    for seed, (width, height, denominator) in enumerate(cases):
        if order_of_passes_differs(-(-width // denominator), -(-height // denominator), 32):
            continue
        data = encoded_jpeg(width, height, seed, mode, **how)
        image = Image.open(io.BytesIO(data))
        image.draft(image.mode, (-(-width // denominator) - 1, -(-height // denominator) - 1))
        assert image.size == (-(-width // denominator), -(-height // denominator))
        ours = swiftclip.preprocess(data, SCALED)
        assert (ours == official(image, 32)).all(), (width, height, denominator)
        full = swiftclip.preprocess(data, Preprocess(image_size=32))
        assert (ours != full).any() and np.abs((ours - full) * STD * 255).max() < 40


def test_scaled_jpeg_decoding_leaves_others_alone(penguin):
    small = encoded_jpeg(127, 200, 1)
    assert (swiftclip.preprocess(small, SCALED) == swiftclip.preprocess(small, Preprocess(image_size=32))).all()
    assert (swiftclip.preprocess(penguin, SCALED) == swiftclip.preprocess(penguin, Preprocess(image_size=32))).all()
    with pytest.raises(swiftclip.InvalidArgumentError):
        swiftclip.preprocess(penguin, Preprocess(jpeg_decoding="half"))


def test_scaled_jpeg_decoding_of_damaged_bytes():
    data = bytearray(encoded_jpeg(700, 600, 2))
    random = np.random.default_rng(3)
    answers = 0
    for _ in range(300):
        changed = data.copy()
        for place in random.integers(2, len(data), 3):
            changed[place] = random.integers(0, 256)
        for given in (bytes(changed), bytes(data[: random.integers(0, len(data))])):
            try:
                answers += bool(np.isfinite(swiftclip.preprocess(given, SCALED)).all())
            except swiftclip.SwiftCLIPError as error:
                answers += bool(str(error))
    assert answers == 600
