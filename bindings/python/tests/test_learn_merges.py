"""swiftclip.learn_merges against a plain reference: every merge is found by counting all words anew, taken apart by
the official algorithm with the merges before it."""

import collections
import pathlib
import random
import sys

import pytest
from conftest import ROOT, run_python

import swiftclip

sys.path.insert(0, str(ROOT / "Tests" / "fixtures"))


def bytes_to_unicode():
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return dict(zip(visible + hidden, map(chr, visible + [256 + i for i in range(len(hidden))])))


ALPHABET = bytes_to_unicode()


def take_apart(word, ranks):
    """The official bpe()."""
    symbols = (*word[:-1], word[-1] + "</w>")
    while len(symbols) > 1:
        pair = min(zip(symbols, symbols[1:]), key=lambda pair: ranks.get(pair, float("inf")))
        if pair not in ranks:
            break
        joined, i = [], 0
        while i < len(symbols):
            if symbols[i : i + 2] == pair:
                joined.append(symbols[i] + symbols[i + 1])
                i += 2
            else:
                joined.append(symbols[i])
                i += 1
        symbols = tuple(joined)
    return symbols


def reference(words, merges_wanted):
    """Merges from {word: count}."""
    counts = {"".join(ALPHABET[byte] for byte in word.encode()): count for word, count in words.items()}
    ids = {symbol: number for number, symbol in enumerate([*ALPHABET.values(), *(v + "</w>" for v in ALPHABET.values())])}
    ranks = {}
    for _ in range(merges_wanted):
        pairs = collections.Counter()
        for word, count in counts.items():
            symbols = take_apart(word, ranks)
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += count
        if not pairs:
            break
        best, count = min(pairs.items(), key=lambda item: (-item[1], ids[item[0][0]], ids[item[0][1]]))
        if count < 2:
            break
        ranks[best] = len(ranks)
        ids.setdefault("".join(best), len(ids))
    return list(ranks)


def learned(captions, size, folder):
    path = folder / "merges.txt"
    count = swiftclip.learn_merges(captions, size, path)
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    assert first == "#version: 0.2" and count == len(lines) + 514
    return [tuple(line.split(" ")) for line in lines]


@pytest.mark.parametrize("seed", range(30))
def test_equals_the_reference(seed, tmp_path):
    source = random.Random(seed)
    letters = ["ab", "abc", "aeinrst", "aé日ß"][seed % 4]
    words = ["".join(source.choices(letters, k=source.randint(1, 12))) for _ in range(source.choice((3, 30, 120)))]
    captions = [" ".join(source.choices(words, k=8)) for _ in range(60)]
    # One word is one piece: the letters are all of one kind.
    counts = collections.Counter(word for caption in captions for word in caption.split())
    wanted = source.choice((1, 10, 60))
    assert learned(captions, 514 + wanted, tmp_path) == reference(counts, wanted)


def real_captions():
    path = ROOT / "README.md"
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def test_real_words_as_the_official_code_takes_them_apart(tmp_path):
    official = pytest.importorskip("official")
    pytest.importorskip("ftfy")
    pytest.importorskip("regex")
    if official.folder() is None:
        pytest.skip("needs the files of open_clip_torch")
    captions = real_captions()
    merges = learned(captions, 514 + 300, tmp_path)
    assert len(merges) == 300
    with_these = official.load(tmp_path / "merges.txt")
    assert len(with_these.encoder) == 514 + 300
    ours = swiftclip.Tokenizer(tmp_path / "merges.txt", context_length=512)
    assert ours.vocabulary_size == 514 + 300
    texts = captions + ["A photo of a cat, it's 3 dogs &amp; naïve 日本語!"]
    for text, row in zip(texts, ours.encode(texts)):
        ids = [512 + 300, *with_these.encode(text), 513 + 300]
        assert row.tolist() == ids + [0] * (512 - len(ids)), text


def test_the_same_captions_give_the_same_file(tmp_path):
    captions = real_captions()
    first = learned(captions, 2000, tmp_path)
    assert learned(list(reversed(captions)), 2000, tmp_path) == first
    assert learned([text.encode() for text in captions], 2000, tmp_path) == first


def test_what_is_refused(tmp_path):
    path = tmp_path / "merges.txt"
    path.write_text("as it was")
    for size in (0, 514, 49409):
        with pytest.raises(swiftclip.InvalidArgumentError, match="vocabulary size"):
            swiftclip.learn_merges(["a cat"], size, path)
    with pytest.raises(swiftclip.InvalidDataError, match="nothing to learn"):
        swiftclip.learn_merges(["a b c"], 600, path)
    with pytest.raises(swiftclip.InvalidDataError, match="Text 1"):
        swiftclip.learn_merges(["abab", b"x\xff"], 600, path)
    with pytest.raises(swiftclip.FileError, match="cannot be written"):
        swiftclip.learn_merges(["abab abab"], 600, tmp_path / "no" / "merges.txt")

    def stop(done, total):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        swiftclip.learn_merges(["abab"] * 5000, 600, path, progress=stop)
    assert path.read_text() == "as it was" and [p.name for p in tmp_path.iterdir()] == ["merges.txt"]
    assert swiftclip.learn_merges(["ababab", b"x\xff"], 600, path, errors="replace") > 514


def test_command_line(tmp_path):
    captions = tmp_path / "captions.txt"
    captions.write_text("a photo of a cat\na photo of a dog\n" * 20, encoding="utf-8")
    output = tmp_path / "merges.txt"
    done = run_python("-m", "swiftclip", "tokenizer", str(captions), "--size", "520", "-o", str(output))
    assert done.returncode == 0, done.stderr
    assert "520 token ids" in done.stderr and len(output.read_text().splitlines()) == 7
    assert swiftclip.Tokenizer(output).encode("a photo").shape == (1, 77)
    assert run_python("-m", "swiftclip", "tokenizer", str(captions), "--size", "5", "-o", str(output)).returncode == 1
    assert pathlib.Path(output).read_text().startswith("#version")
