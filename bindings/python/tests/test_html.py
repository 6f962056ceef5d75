"""The report: one page that is valid, complete in itself, and safe whatever it is made of."""

import base64
import re
from html.parser import HTMLParser

import pytest
from conftest import PICTURES, run_python

from swiftclip import html as report_module
from swiftclip.html import Entry, report

VOID = {"meta", "img", "link", "br", "hr", "input", "base"}
INSIDE = {"li": "ol", "figcaption": "figure", "dt": "dl", "dd": "dl", "title": "head", "style": "head"}


class Checker(HTMLParser):
    """Reads a page and notes tags that do not match, elements in wrong places, and what it refers to."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.faults, self.references, self.text, self.images, self.bars = [], [], [], [], [], []
        self.doctype = None

    def handle_decl(self, declaration):
        self.doctype = declaration

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        if len(names) != len(set(names)):
            self.faults.append(f"<{tag}> has an attribute twice")
        if tag in INSIDE and (not self.open or self.open[-1] != INSIDE[tag]):
            self.faults.append(f"<{tag}> in {self.open}")
        if any(name.startswith("on") for name in names) or tag in ("script", "iframe", "link", "object"):
            self.faults.append(f"<{tag} {names}>")
        for name, value in attributes:
            if name in ("src", "href"):
                self.references.append(value)
        if tag == "img":
            self.images.append(dict(attributes))
            if "alt" not in names:
                self.faults.append("an image without alt")
        if dict(attributes).get("class") == "bar":
            self.bars.append(float(re.fullmatch(r"width:([0-9.]+)%", dict(attributes)["style"]).group(1)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes something else")

    def handle_data(self, data):
        self.text.append(data)


def checked(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.doctype == "DOCTYPE html"
    assert checker.faults == [] and checker.open == []
    assert all(reference.startswith("data:image/") for reference in checker.references)
    assert "http://" not in page and "https://" not in page and "@import" not in page and "url(" not in page
    assert '<meta charset="utf-8">' in page and "prefers-color-scheme: dark" in page and "@media print" in page
    page.encode("utf-8")
    return checker


def made(entries, **changes):
    options = dict(
        labels=["a", "b"], templates=["{}"], model="a model", description={"embed_dim": 256}, logit_scale=100.0
    )
    return report(entries, **{**options, **changes})


def test_the_page_of_the_command(tmp_path):
    pictures = [str(PICTURES / name) for name in ("penguin.png", "cat-photo.jpg", "pineapple.png", "book.png")]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    page = tmp_path / "page.html"
    ran = run_python(
        "-m",
        "swiftclip",
        "classify",
        *pictures,
        str(broken),
        "--labels",
        "a penguin,a cat,a book",
        "--template",
        "a drawing of {}",
        "--html",
        str(page),
        "--top",
        "2",
    )
    assert ran.returncode == 1 and str(page) in ran.stderr and str(page) not in ran.stdout
    checker = checked(page.read_text(encoding="utf-8"))
    text = " ".join(checker.text)
    assert len(checker.images) == 4 and len(checker.bars) == 8
    assert "a penguin" in text and "broken.png" in text and "a drawing of {}" in text and "%" in text
    assert page.stat().st_size < 600_000


def test_hostile_texts_stay_texts():
    hostile = '<script>alert("1")</script> & \' \x00 \x1b \ud800 </style>'
    page = made(
        [Entry(f"{hostile}/{hostile}.png", [(hostile, 0.7), ("b", 0.3)]), Entry("x", [], error=hostile)],
        labels=[hostile],
        templates=[hostile + "{}"],
        model=hostile,
        title=hostile,
    )
    checker = checked(page)
    assert '<script>alert("1")</script>' in " ".join(checker.text)


def test_bars_are_the_scores():
    checker = checked(made([Entry("x", [("a", 0.75), ("b", 0.25)])]))
    assert checker.bars == [75.0, 25.0]
    text = " ".join(checker.text)
    assert "75.0 %" in text and "25.0 %" in text
    checker = checked(made([Entry("x", [("a", 0.3), ("b", -0.1)]), Entry("y", [("a", 0.15)])], cosines=True))
    assert checker.bars == [100.0, 0.0, 50.0]
    assert "-0.100" in " ".join(checker.text)
    assert checked(made([])).bars == []


def test_pictures_are_inside():
    small, large = PICTURES / "stopsign.png", PICTURES / "book.png"
    checker = checked(made([Entry(str(small), [("a", 1.0)])]))
    kind, data = re.fullmatch(r"data:(.*);base64,(.*)", checker.images[0]["src"]).groups()
    assert kind == "image/png" and base64.b64decode(data) == small.read_bytes()
    checker = checked(made([Entry(str(large), [("a", 1.0)])]))
    assert len(checker.images[0]["src"]) < large.stat().st_size


def test_without_pillow_the_files_themselves_are_inside(monkeypatch):
    monkeypatch.setattr(report_module, "_thumbnail", lambda data: None)
    checker = checked(made([Entry(str(PICTURES / "book.png"), [("a", 1.0)]), Entry("/etc/hostname", [], "no picture")]))
    data = checker.images[0]["src"].split(",")[1]
    assert base64.b64decode(data) == (PICTURES / "book.png").read_bytes() and len(checker.images) == 1


def test_thumbnails_of_every_kind(tmp_path):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for mode, kind, suffix in (("RGBA", "image/png", "png"), ("P", "image/jpeg", "gif"), ("CMYK", "image/jpeg", "jpg")):
        path = tmp_path / f"{mode}.{suffix}"
        Image.effect_noise((900, 700), 90).convert("RGB").convert(mode).save(path)
        assert report_module._data_uri(str(path)).startswith(f"data:{kind};")
