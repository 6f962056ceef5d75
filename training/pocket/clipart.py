"""Open Clip Art Library: titles and keywords from the metadata of the SVG files, cleaned."""

import html
import os
import re
from collections import Counter
from pathlib import Path
from typing import List

from records import Record, share, words_of

PICTURES = "debian/openclipart-png/usr/share/openclipart/png"
METADATA = "debian/openclipart-svg/usr/share/openclipart/svg"
HELD_OUT = 0.06

# Folders at the top whose drawings make the test by category, with what the category is called there.
CATEGORIES = {
    "animals": "animal",
    "buildings": "building",
    "food": "food",
    "people": "person",
    "plants": "plant or flower",
    "transportation": "vehicle",
    "tools": "tool",
    "office": "office supplies",
    "computer": "computer icon",
    "recreation": "game or sport",
    "signs_and_symbols": "sign or symbol",
    "electronics": "electronics",
    "geography": "map",
    "education": "school",
    "clothing": "clothing",
}
# These folders hold hundreds of nearly equal drawings: only this part of them is kept.
KEPT_PARTS = {"shapes/stars": 0.08, "shapes/jigsaw": 0.3}

NO_KEYWORDS = {"unsorted", "clip art", "clipart", "media", "image", "png", "svg"}
NO_KEYWORDS_EITHER = {"openclipart", "signs_and_symbols", "menu", "activities"}
NO_CATEGORIES = {"unsorted", "special", "examples"}
PLURALS = set(
    "animals mammals birds plants flowers tools buildings homes computers icons vehicles trees books beverages "
    "desserts flags games cards sports toys weapons bugs".split()
)
# Names of authors that stand in file names beside what is drawn.
AUTHORS = re.compile(
    r"\b(architett\w*|archite|archit|arch|arc|fra\w{0,9}|nicu\w*|bucu\w*|ganson|jarno|vasam\w*|lumen|desig\w*|gates|"
    r"matthew|mo|mauro|olivo|benji|park|linda|kim|ralf|ste|gerald|dennis|bo|danny|allen|enrique|mateya|tanguy|jacq|"
    r"jon|phillips|jurgen|hans|deragon|nic|krug|juliane|massimo|aiello|jean|victor|bal\w*|james|birkett|natha\w*|"
    r"erwan|aiga|openc\w*|r)\b"
)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def clip_art(work: Path) -> List[Record]:
    """Every drawing, in the order of their paths."""
    root = work / PICTURES
    found = []
    for path in sorted(str(p) for p in root.rglob("*.png")):
        inside = os.path.relpath(path, root)
        folder = os.path.dirname(inside)
        kept = next((part for start, part in KEPT_PARTS.items() if folder.startswith(start)), 1)
        if share(inside) > kept:
            continue
        found.append(described(work, inside, folder))
    return cleaned(found)


def described(work: Path, inside: str, folder: str) -> Record:
    """One drawing with what its SVG file says of it."""
    svg = work / METADATA / (inside[:-3] + "svg")
    text = svg.read_text(errors="ignore") if svg.exists() else ""

    def element(name: str) -> str:
        match = re.search(rf"<dc:{name}[^>]*>([^<]*)</dc:{name}>", text)
        return html.unescape(match[1]).strip().lower() if match else ""

    title, description = element("title"), element("description")
    listed = (html.unescape(k).strip().lower() for k in re.findall(r"<rdf:li[^>]*>([^<]*)</rdf:li>", text))
    keywords = [k for k in dict.fromkeys(listed) if k and k not in NO_KEYWORDS and len(k) < 30]
    categories = [part.replace("_", " ") for part in folder.split("/")]
    name = os.path.basename(inside)
    if not title or title == "unsorted":
        without_numbers = re.sub(r"\b\d+\b", "", words_of(name))
        title = squeezed(re.sub(r"\b\w*(?:01|02|03)\b", "", without_numbers))
    title = re.sub(r"\s*\b\d+\b$", "", re.sub(r"_+", " ", title)).strip()
    if not re.search("[a-z]", title):
        title = categories[-1]
    test = share(name) < HELD_OUT
    top = inside.split("/")[0]
    answer = CATEGORIES.get(top, "") if test else ""
    return Record(
        source="openclipart",
        file=f"{PICTURES}/{inside}",
        title=title,
        split="test" if test else "train",
        keywords=keywords,
        categories=categories,
        description=description if 3 < len(description) < 120 else "",
        test="clipart" if answer else "",
        answer=answer,
    )


def cleaned(records: List[Record]) -> List[Record]:
    """Takes authors, numbers and the library's own name out of titles; replaces titles that say nothing."""
    for record in records:
        record.title = title_without_noise(record.title)
        record.keywords = [
            k
            for k in record.keywords
            if "hash" not in k and k not in NO_KEYWORDS_EITHER and not k.startswith("http")
        ]
        record.categories = [c for c in record.categories if c not in NO_CATEGORIES]
    times = Counter(record.title for record in records)
    for record in records:
        name = os.path.basename(record.file)
        if times[record.title] > 3 or len(record.title) < 3:
            plain = squeezed(AUTHORS.sub("", words_of_name(name)))
            record.title = plain if len(plain) > 2 else (record.keywords or record.categories or ["drawing"])[0]
        record.doubtful = "archit" in record.file or "arch" in name.split("_")[-2:][0]
        record.categories = [c[:-1] if c in PLURALS else c for c in record.categories] or ["drawing"]
    return records


def title_without_noise(title: str) -> str:
    title = re.sub(r"^clip ?art by [a-z ]+? - ", "", title).strip()
    title = re.sub(r"\s*(clip ?art|openclipart|svg)\s*", " ", title).strip()
    title = re.sub(r"\b(v0|md|r|bw|b w)\b", "", title)
    title = re.sub(r"(?<=[a-z])\d+\b", "", title)
    return re.sub(r"\s+", " ", title).strip(" -,")


def words_of_name(name: str) -> str:
    """The words of a file name that hold no digit."""
    words = re.sub(r"[_.-]+", " ", os.path.splitext(name)[0].lower()).split()
    return " ".join(w for w in words if not re.search(r"\d", w))
