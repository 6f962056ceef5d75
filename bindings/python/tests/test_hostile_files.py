"""Files that are well-formed and made to hurt: right checksums with impossible values, and pictures that take time."""

import io
import struct

import pytest
from test_trainer import CONFIGS

import swiftclip

MASK = (1 << 64) - 1


def checksum(parts) -> int:
    """A checkpoint's checksum, added up over its parts: words of 64 bits, and the bytes that are left in each part."""
    value = 0x243F6A8885A308D3
    for part in parts:
        whole = len(part) // 8 * 8
        words = struct.unpack(f"<{whole // 8}Q", part[:whole]) + tuple(part[whole:])
        for word in words:
            mixed = (value ^ word) * 0x9E3779B97F4A7C15 & MASK
            value = (mixed << 29 & MASK | mixed >> 35) ^ mixed >> 32
    return value


def parts_of(data: bytes, trainer: swiftclip.Trainer) -> list:
    """A checkpoint in the parts that its checksum goes over: start, header, values, both moments, running statistics."""
    (length,) = struct.unpack_from("<q", data, 8)
    count = 4 * trainer.gradients.size
    ends = [16, 16 + length, *(16 + length + count * part for part in (1, 2, 3)), len(data) - 8]
    return [data[begin:end] for begin, end in zip([0, *ends], ends)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "checkpoint.bin"
    trainer = swiftclip.Trainer(CONFIGS["vit"])
    trainer.save(path)
    data = path.read_bytes()
    return path, data, parts_of(data, trainer)


def test_the_checksum_here_is_that_of_the_library(checkpoint):
    _, data, parts = checkpoint
    assert struct.pack("<Q", checksum(parts)) == data[-8:]


SIZES = ["embed_dim", "image_size", "layers", "-", "-", "-", "width", "patch", "heads", "context", "vocabulary"]
LAST = 2**63 - 1
FORGED = [(f"architecture, {SIZES[place]}", place, value) for place in (0, 1, 2, 6, 7, 8, 9, 10) for value in (-1, 0, LAST)]
FORGED += [
    ("learning rate", 15, struct.unpack("<q", struct.pack("<d", float("nan")))[0]),
    ("first beta", 17, struct.unpack("<q", struct.pack("<d", 2.0))[0]),
    ("warmup", 21, -1), ("steps", 22, -1), ("accumulate", 23, 0), ("accumulate", 23, -LAST),
    ("frozen names", 26, LAST), ("frozen names", 26, -1), ("steps done", 27, -1), ("length of the vocabulary", 28, LAST),
    ("steps done", 27, LAST),
]  # fmt: skip


@pytest.mark.parametrize("what, place, value", FORGED, ids=lambda value: str(value)[:24])
def test_forged_checkpoints_are_refused(checkpoint, tmp_path, what, place, value):
    _, _, parts = checkpoint
    header = bytearray(parts[1])
    struct.pack_into("<q", header, 8 * place, value)
    forged = [parts[0], bytes(header), *parts[2:]]
    path = tmp_path / "forged.bin"
    path.write_bytes(b"".join(forged) + struct.pack("<Q", checksum(forged)))
    with pytest.raises(swiftclip.SwiftCLIPError) as error:
        swiftclip.Trainer.resume(path)
    assert not isinstance(error.value, (swiftclip.InternalError, swiftclip.OutOfMemoryError)), what


def test_a_jpeg_of_endless_scans(model):
    """A progressive JPEG whose last scan comes again and again: each is decoded over the whole picture."""
    image = pytest.importorskip("PIL.Image").new("RGB", (64, 64), (200, 30, 60))
    held = io.BytesIO()
    image.save(held, "JPEG", progressive=True)
    data = held.getvalue()
    scan = data[data.rindex(b"\xff\xda") : -2]
    model.preprocess(data[:-2] + scan * 20 + data[-2:])
    with pytest.raises(swiftclip.UnsupportedError, match="128 scans"):
        model.preprocess(data[:-2] + scan * 200 + data[-2:])
