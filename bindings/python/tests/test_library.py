"""Finding the shared object, and that this package and the header say the same."""

import ctypes
import re
import shutil
import subprocess

import pytest
from conftest import PACKAGE, ROOT, needs_checkout, run_python

import swiftclip
from swiftclip import _declarations, _errors, _library, _places

HEADER = ROOT / "include" / "swiftclip.h"
COMPILER = shutil.which("cc")

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (apt-get install gcc)")


def test_every_version_is_the_same():
    numbers = re.findall(r"^#define SWIFTCLIP_VERSION_(?:MAJOR|MINOR|PATCH) +(\d+)$", HEADER.read_text(), re.M)
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert swiftclip.version() == swiftclip.__version__ == ".".join(numbers) == newest[1]


def test_every_function_of_the_header_is_declared():
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    declared = re.findall(
        r"\b(swiftclip_\w+)\s*\(", "\n".join(line for line in text.splitlines() if "typedef" not in line)
    )
    assert set(declared) == set(_declarations.FUNCTIONS) and len(declared) == len(set(declared))


def test_every_status_of_the_header_is_known():
    enumeration = HEADER.read_text().split("enum swiftclip_status {")[1].split("}")[0]
    found = dict(re.findall(r"^  SWIFTCLIP_([A-Z_]+) = (\d+)", enumeration, re.M))
    assert {name: int(number) for name, number in found.items()} == {
        status.name: status.value for status in swiftclip.Status
    }
    library = _library.library()
    for status in swiftclip.Status:
        assert library.swiftclip_status_name(status).decode() == status.name
        assert status == swiftclip.Status.OK or _errors.error_for(status, "x").status is status


@needs_compiler
def test_structs_have_the_compilers_layout(tmp_path):
    structs = {
        "swiftclip_text": _declarations.Text,
        "swiftclip_picture": _declarations.Picture,
        "swiftclip_preprocess_options": _declarations.PreprocessOptions,
        "swiftclip_model_options": _declarations.ModelOptions,
    }
    lines = ["#include <stdio.h>", "#include <swiftclip.h>", "int main(void) {"]
    expected = []
    for name, struct in structs.items():
        lines.append(f'printf("%zu\\n", sizeof({name}));')
        expected.append(ctypes.sizeof(struct))
        for field in struct._fields_:
            lines.append(f'printf("%zu %zu\\n", offsetof({name}, {field[0]}), sizeof((({name} *)0)->{field[0]}));')
            expected += [getattr(struct, field[0]).offset, getattr(struct, field[0]).size]
    source, program = tmp_path / "layout.c", tmp_path / "layout"
    source.write_text("\n".join([*lines, "}"]))
    subprocess.run([COMPILER, "-I", str(HEADER.parent), str(source), "-o", str(program)], check=True)
    printed = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    assert [int(number) for number in printed.split()] == expected


def test_named_values_are_those_of_the_header():
    text = HEADER.read_text()
    for prefix, names in (
        ("INTERPOLATION", _declarations.INTERPOLATIONS),
        ("ALPHA", _declarations.ALPHAS),
        ("ORIENTATION", _declarations.ORIENTATIONS),
        ("CONVERT", _declarations.CONVERTS),
        ("INSTRUCTIONS", _declarations.INSTRUCTIONS),
        ("BACKEND", _declarations.BACKENDS),
    ):
        found = {
            name.lower(): int(value) for name, value in re.findall(rf"SWIFTCLIP_{prefix}_([A-Z0-9_]+) = (\d+)", text)
        }
        assert found == names
    for name, value in re.findall(r"SWIFTCLIP_((?:FORMAT|TEXT)_[A-Z_]+) = (\d+)", text):
        if name not in ("TEXT_TOO_LONG", "TEXT_DEFAULT", "FORMAT_ENCODED"):
            assert getattr(_declarations, name) == int(value)
    assert _declarations.FORMAT_ENCODED == 0


def test_options_defaults_are_those_of_the_library():
    native = swiftclip.Preprocess().to_c()
    fresh = _declarations.PreprocessOptions()
    _library.check(_library.library().swiftclip_preprocess_options_init(ctypes.byref(fresh), ctypes.sizeof(fresh)))
    assert bytes(native) == bytes(fresh)


def library_of_version(folder, number, extra=""):
    """A shared object that only has a version."""
    source, made = folder / "other.c", folder / "libother.so"
    source.write_text(f"unsigned swiftclip_version(void) {{ return {number}; }}\n{extra}")
    subprocess.run([COMPILER, "-shared", "-fPIC", str(source), "-o", str(made)], check=True)
    return made


@needs_compiler
def test_another_major_version_is_refused(tmp_path):
    with pytest.raises(swiftclip.LibraryError, match=r"version 2\.3\.4 .* needs version 1") as caught:
        _library.open_library(library_of_version(tmp_path, 20304))
    assert caught.value.status == swiftclip.Status.UNSUPPORTED


@needs_compiler
def test_another_major_version_is_refused_wherever_it_is_met(tmp_path, monkeypatch):
    other = library_of_version(tmp_path, 20000)
    monkeypatch.setattr(_library, "_opened", None)
    monkeypatch.setattr(_library, "find_library", lambda: other)
    for call in (swiftclip.load, swiftclip.version, lambda: swiftclip.preprocess("x.png")):
        with pytest.raises(swiftclip.LibraryError, match="Install the two from the same release"):
            call()


@needs_compiler
def test_a_library_that_lacks_functions_is_refused(tmp_path):
    with pytest.raises(swiftclip.LibraryError, match="swiftclip_status_name"):
        _library.open_library(library_of_version(tmp_path, 10000))


def test_what_is_no_library_is_refused(tmp_path):
    path = tmp_path / "libswiftclip.so"
    path.write_text("nothing of the kind")
    with pytest.raises(swiftclip.LibraryError, match="could not be opened"):
        _library.open_library(path)


@needs_checkout
def test_order_of_the_search(monkeypatch, tmp_path):
    monkeypatch.setenv("SWIFTCLIP_LIBRARY", str(tmp_path / "named.so"))
    places = [str(path) for path, _ in _places.library_candidates()]
    assert places == [
        str(PACKAGE / "swiftclip" / "libswiftclip.so"),
        str(ROOT / ".build" / "release" / "libswiftclip.so"),
        str(ROOT / ".build" / "debug" / "libswiftclip.so"),
        str(tmp_path / "named.so"),
    ]
    monkeypatch.delenv("SWIFTCLIP_LIBRARY")
    assert [str(path) for path, _ in _places.library_candidates()] == places[:3]


def test_a_missing_library_is_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(_places, "_PACKAGE", tmp_path)
    monkeypatch.delenv("SWIFTCLIP_LIBRARY", raising=False)
    with pytest.raises(swiftclip.LibraryError, match="swift build -c release") as caught:
        _places.find_library()
    assert isinstance(caught.value, ImportError) and str(tmp_path) in str(caught.value)
    with pytest.raises(swiftclip.FileError, match="default model"):
        _places.default_model()


@needs_checkout
def test_an_installed_package_needs_no_checkout(tmp_path):
    pytest.importorskip("setuptools", reason="setuptools is not installed")
    built = run_python(
        "setup.py", "-q", "build", "-b", str(tmp_path / "build"), "build_py", "-d", str(tmp_path / "site"), cwd=PACKAGE
    )
    assert built.returncode == 0, built.stderr
    program = (
        "import swiftclip; print(swiftclip.__file__); print(swiftclip.load().classify('bee.png', ['a bee', 'a pear']))"
    )
    picture = ROOT / "examples" / "pictures" / "bee.png"
    shutil.copy(picture, tmp_path)
    ran = run_python(
        "-c",
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); {program}",
        cwd=tmp_path,
        env={"SWIFTCLIP_LIBRARY": ""},
    )
    assert ran.returncode == 0, ran.stderr
    assert str(tmp_path / "site") in ran.stdout


def test_import_needs_neither_pillow_nor_tqdm_nor_torch():
    ran = run_python(
        "-c", "import sys, swiftclip, swiftclip.cli; print(sorted({'PIL', 'tqdm', 'torch'} & set(sys.modules)))"
    )
    assert ran.stdout.strip() == "[]", ran.stderr
