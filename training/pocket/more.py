"""Pictures that the first model did not see: other styles of emoji, furniture, children's programs, a game."""

import os
import re
import zipfile
from pathlib import Path
from typing import Iterator, List, Set, Tuple

from first import emoji_files, font_characters
from icons import MORE_CONTEXTS, best_of_theme, icon, more_icons
from qt_resource import files_inside
from records import Record, words_of

GCOMPRIS = "debian/gcompris-qt-data/usr/share/gcompris-qt/rcc"
# Activities whose files are named by what they show.
ACTIVITIES = (
    "babymatch categorization erase explore_farm_animals explore_world_animals explore_monuments instruments lang "
    "memory memory-sound advanced_colors"
).split()
PICTURE_SUFFIXES = (".svg", ".png", ".jpg", ".jpeg", ".webp")
SCRATCH = "debian/scratch/usr/share/scratch/Media"
FURNITURE = "debian/sweethome3d-furniture/usr/share/sweethome3d/furniture"
EXTRA_ICONS = "debian/gnome-extra-icons/usr/share/pixmaps"
BOOTSTRAP = "debian/bootstrap-icons/usr/share/bootstrap-icons/svg"
PHOSPHOR = "pypi/justmyresource-phosphor/justmyresource_phosphor/icons.zip"
CRYSTAL = "pypi/crystal-small/crystal_small/static/crystal"
WESNOTH = "debian/wesnoth-1.16-data/usr/share/games/wesnoth/1.16/data/core/images"
# What else a file name may say of a drawing: parts of an animation.
FRAME = re.compile(r"\b(attack|defend|idle|die|dying|death|ranged|melee|magic|leading|moving|run|bob|fly|heal|healing)\b")
DIRECTION = re.compile(r"\b(n|s|e|w|ne|nw|se|sw|bg|fg|halo|frame|blank|border|mask|shadow|small|large|big)\b")


def more_sources(work: Path, known: Set[str]) -> List[Record]:
    """Everything that is new; `known` are the titles of the first model's icons."""
    return (
        emoji_files(work, "emojione", "debian/ruby-gemojione/usr/share/rubygems-integration/all/gems/*/assets/svg/*.svg")
        + font_characters(work, "symbola", "debian/fonts-symbola", "Symbola*.*tf", "glyphs", 0x2000)
        + more_icons(work, known)
        + crystal(work, known)
        + gcompris(work)
        + furniture(work)
        + scratch(work)
        + extra_icons(work)
        + glyphs(work)
        + wesnoth(work)
    )


def plain_name(stem: str) -> str:
    """A name of a file in lower-case words: CamelCase is split, numbers and one-letter suffixes go."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem)
    spaced = re.sub(r"\d+", " ", words_of(spaced))
    return re.sub(r"\s+", " ", re.sub(r"(\s[a-z])+\s*$", "", spaced)).strip()


def crystal(work: Path, known: Set[str]) -> List[Record]:
    """Crystal, KDE's icons before Oxygen."""
    contexts = {"actions", "apps", "devices", "filesystems", "mimetypes"}
    records = []
    for name, (path, context) in best_of_theme(str(work / CRYSTAL), contexts).items():
        title = words_of(name)
        context = MORE_CONTEXTS.get(context, context)
        if (context == "apps" and title not in known) or "---" in name:
            continue
        record = icon(name, "crystal", os.path.relpath(path, work), context)
        records.append(record)
    return records


def gcompris(work: Path) -> List[Record]:
    """Drawings and photographs from GCompris' activities."""
    records = []
    for activity in ACTIVITIES:
        archive = f"{GCOMPRIS}/{activity}.rcc"
        for member in sorted(files_inside(work / archive)):
            stem, suffix = os.path.splitext(os.path.basename(member))
            title = plain_name(stem)
            folder = os.path.basename(os.path.dirname(member)).lower()
            useless = re.search(r"background|button|\bbg\b|backcard|lower|upper|error|check|question", title)
            if suffix not in PICTURE_SUFFIXES or "/resource/" not in member or len(title) < 3 or useless:
                continue
            if folder in ("alphabets", "numbers", "resource") and activity in ("categorization", "lang"):
                continue
            if "monuments" in activity and title.startswith("explore"):
                continue
            if activity == "categorization" and re.fullmatch(r"[a-z]+", folder) and len(title.split()) == 1:
                categories = [plain_name(folder)]
            else:
                categories = []
            records.append(
                Record(source="gcompris", file=archive, member=member, title=title, categories=categories)
            )
    return records


def furniture(work: Path) -> List[Record]:
    """Pictures of pieces of furniture from Sweet Home 3D's catalogues."""
    records = []
    for archive in sorted((work / FURNITURE).glob("*.sh3f")):
        with zipfile.ZipFile(archive) as inside:
            members = set(inside.namelist())
            text = inside.read("PluginFurnitureCatalog.properties").decode("latin1")
        entries = dict(re.findall(r"^([^#=\s][^=\s]*)=(.*)$", text, re.MULTILINE))
        for key, name in entries.items():
            if not key.startswith("name#"):
                continue
            number = key[len("name#") :]
            member = entries.get("icon#" + number, "").lstrip("/")
            title = re.sub(r"\s*\d+$", "", name).strip().lower()
            if member in members and len(title) > 2:
                category = entries.get("category#" + number, "").lower()
                categories = ["furniture"] + ([category] if category not in ("", "miscellaneous") else [])
                tags = [tag.strip().lower() for tag in entries.get("tags#" + number, "").split(",") if tag.strip()]
                records.append(
                    Record(
                        source="furniture",
                        file=os.path.relpath(archive, work),
                        member=member,
                        title=title,
                        keywords=tags,
                        categories=categories,
                    )
                )
    return records


def scratch(work: Path) -> List[Record]:
    """Scratch's costumes and backgrounds."""
    names = {"animals": "animal", "people": "person", "transportation": "vehicle", "things": "thing"}
    records = []
    for path in sorted((work / SCRATCH).rglob("*.*")):
        folder = path.parent.name.lower()
        title = plain_name(path.stem)
        if path.suffix.lower() not in (".png", ".gif", ".jpg") or "Letters" in path.parts or len(title) < 3:
            continue
        records.append(
            Record(
                source="scratch",
                file=os.path.relpath(path, work),
                title=title,
                categories=[names.get(folder, folder)],
            )
        )
    return records


def extra_icons(work: Path) -> List[Record]:
    """GNOME's extra icons, of all subjects."""
    records = []
    for path in sorted((work / EXTRA_ICONS).rglob("*.png")):
        title = plain_name(path.stem)
        if len(title) > 2 and not path.is_symlink():
            records.append(
                Record(source="icons/extra", file=os.path.relpath(path, work), title=title, group="icons")
            )
    return records


def glyphs(work: Path) -> List[Record]:
    """Icons in one colour: Bootstrap's and two weights of Phosphor's."""
    records = []
    for path in sorted((work / BOOTSTRAP).glob("*.svg")):
        if not path.stem.endswith("-fill"):
            title = words_of(path.name)
            records.append(
                Record(source="bootstrap", file=os.path.relpath(path, work), title=title, group="glyphs")
            )
    with zipfile.ZipFile(work / PHOSPHOR) as archive:
        for member in sorted(archive.namelist()):
            weight, name = os.path.split(member)
            if weight in ("fill", "duotone", "bold") and name.endswith(".svg"):
                title = words_of(name.replace(f"-{weight}.svg", ""))
                records.append(
                    Record(source="phosphor", file=PHOSPHOR, member=member, title=title, group="glyphs")
                )
    return records


def wesnoth(work: Path) -> List[Record]:
    """People, monsters and things of Battle for Wesnoth; of animations only the picture at rest."""
    records = []
    for path, category in wesnoth_files(work / WESNOTH):
        words = words_of(path.name)
        title = plain_name(path.stem.replace("+", "-"))
        if re.search(r"\d$", words) and category in ("person", "monster") or len(title) < 3:
            continue
        if FRAME.search(words) or DIRECTION.search(words):
            continue
        records.append(
            Record(
                source="wesnoth",
                file=os.path.relpath(path, work),
                title=title,
                categories=[category] if category else [],
                keywords=[plain_name(path.parent.name)] if path.parent.name not in ("items", "attacks") else [],
            )
        )
    return records


def wesnoth_files(root: Path) -> Iterator[Tuple[Path, str]]:
    for folder, category in (("items", ""), ("attacks", "weapon"), ("scenery", "scenery")):
        for path in sorted((root / folder).glob("*.png")):
            yield path, category
    for folder in ("units", "portraits"):
        for path in sorted((root / folder).rglob("*.png")):
            monster = path.parent.name in ("monsters", "undead", "undead-skeletal", "drakes", "trolls", "orcs")
            yield path, "monster" if monster else "person"
