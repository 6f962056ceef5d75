"""What pyproject.toml cannot say: the shared object and the default model go into an installed package.

They come from the sources of the library, which lie around this folder in a checkout, and in `native` in a source
distribution. A source distribution builds the library, which needs Swift; a checkout takes it where `make build`
left it. An editable install copies nothing: the package then finds them in the checkout itself.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
NATIVE = HERE / "native"
IS_DISTRIBUTION = (NATIVE / "Package.swift").is_file()
SOURCES = NATIVE if IS_DISTRIBUTION else HERE.parent.parent
BUILT = SOURCES / ".build" / "release" / "libswiftclip.so"
MODEL = SOURCES / "models" / "pocket"

NEEDED = """
swiftclip has no wheel for this system, or was asked to be built from its sources. That needs, on Linux:
  - Swift 6.3 (https://swift.org/install), with `swift` on the PATH
  - the headers of libjpeg, libpng and libwebp; on Debian: apt-get install libjpeg62-turbo-dev libpng-dev libwebp-dev
Or name a libswiftclip.so that is built already in SWIFTCLIP_LIBRARY.
"""


def library():
    """The shared object to install, or None."""
    if os.environ.get("SWIFTCLIP_LIBRARY"):
        named = Path(os.environ["SWIFTCLIP_LIBRARY"])
        if named.is_file():
            return named
    return BUILT if BUILT.is_file() else None


def build_library():
    """Builds the shared object of a source distribution, or ends with what is missing."""
    if shutil.which("swift") is None:
        sys.exit(f"{NEEDED}\n`swift` is not on the PATH.")
    print("Building libswiftclip.so with Swift; this takes some minutes.", file=sys.stderr)
    command = ["swift", "build", "--configuration", "release", "--product", "swiftclip"]
    if subprocess.run(command, cwd=SOURCES).returncode != 0:
        sys.exit(f"{NEEDED}\n`{' '.join(command)}` failed in {SOURCES}; what it said is above.")


class BuildWithLibrary(build_py):
    """Copies what is not Python beside the modules that were built."""

    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return
        package = Path(self.build_lib) / "swiftclip"
        (package / "libswiftclip.so").unlink(missing_ok=True)  # of an earlier build
        if library() is None and IS_DISTRIBUTION:
            build_library()
        found = library()
        if found is None:
            self.warn("libswiftclip.so is not built; the installed package will need SWIFTCLIP_LIBRARY")
        else:
            shutil.copy2(found, package / "libswiftclip.so")
        if MODEL.is_dir():
            shutil.copytree(MODEL, package / "models" / "pocket", dirs_exist_ok=True)


class WithLibrary(Distribution):
    """A package with a shared object is not one of Python alone, though no extension module is compiled."""

    def has_ext_modules(self):
        return IS_DISTRIBUTION or library() is not None


commands = {"build_py": BuildWithLibrary}
try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:
    try:
        from wheel.bdist_wheel import bdist_wheel
    except ImportError:
        bdist_wheel = None

if bdist_wheel is not None:

    class PlatformWheel(bdist_wheel):
        """A wheel with a shared object fits one platform, and every Python 3."""

        def get_tag(self):
            _, _, platform = super().get_tag()
            return "py3", "none", platform

    commands["bdist_wheel"] = PlatformWheel

setup(cmdclass=commands, distclass=WithLibrary)
