"""swiftclip.Tokenizer against the official tokenizer with the official merges, string by string.

Needs ftfy, regex and two files of open_clip_torch, the official code and merges, which `make test` takes from its
wheel; not PyTorch. Without them the tests are skipped."""

import pathlib
import sys

import pytest

FIXTURES = pathlib.Path(__file__).resolve().parents[3] / "Tests" / "fixtures"
sys.path.insert(0, str(FIXTURES))

pytest.importorskip("ftfy")
pytest.importorskip("regex")

import official  # noqa: E402
import strings  # noqa: E402
import swiftclip  # noqa: E402

if official.folder() is None:
    pytest.skip("needs the files of open_clip_torch: run make test, or pip install --no-deps open_clip_torch", allow_module_level=True)

# Texts are compared in full, so the context must hold the longest of them.
CONTEXT = 4096


@pytest.fixture(scope="module")
def theirs():
    return official.load()


@pytest.fixture(scope="module")
def ours():
    return swiftclip.Tokenizer(str(official.merges_file()), context_length=CONTEXT)


def row(tokenizer, text, length):
    """A row as the official code fills it."""
    ids = [tokenizer.encoder["<|startoftext|>"], *tokenizer.encode(text), tokenizer.encoder["<|endoftext|>"]]
    if len(ids) > length:
        ids = ids[:length]
        ids[-1] = tokenizer.encoder["<|endoftext|>"]
    return ids + [0] * (length - len(ids))


@pytest.mark.parametrize("seed", range(10))
def test_strings(ours, theirs, seed):
    texts = strings.strings(2500, seed)
    rows = ours.encode(texts, truncate=False)
    different = [t for t, ids in zip(texts, rows.tolist()) if ids != row(theirs, t, CONTEXT)]
    assert not different, f"{len(different)} of {len(texts)} differ, the first: {different[0]!r}"


def test_truncation(theirs):
    ours = swiftclip.Tokenizer(str(official.merges_file()), context_length=77)
    texts = [" ".join(strings.strings(20, seed)) for seed in range(50)]
    rows = ours.encode(texts, truncate=True)
    for text, ids in zip(texts, rows.tolist()):
        assert ids == row(theirs, text, 77), repr(text)


def test_every_character_of_the_basic_plane(ours, theirs):
    texts = [f"A{chr(c)}\u03a3 '{chr(c)}x" for c in range(0x10000) if not 0xD800 <= c <= 0xDFFF]
    for start in range(0, len(texts), 4096):
        part = texts[start : start + 4096]
        rows = ours.encode(part, truncate=False)
        for text, ids in zip(part, rows.tolist()):
            assert ids == row(theirs, text, CONTEXT), repr(text)
