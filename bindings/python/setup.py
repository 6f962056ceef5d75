"""What pyproject.toml cannot say: the shared object and the default model go into an installed package.

Both are copied from the checkout if they are there. An editable install copies nothing: the package then
finds them in the checkout itself.
"""

import os
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CHECKOUT = Path(__file__).resolve().parent.parent.parent
LIBRARIES = [CHECKOUT / ".build" / "release" / "libswiftclip.so"]
if os.environ.get("SWIFTCLIP_LIBRARY"):
    LIBRARIES.append(Path(os.environ["SWIFTCLIP_LIBRARY"]))
MODEL = CHECKOUT / "models" / "pocket"


def library():
    """The shared object to install, or None."""
    return next((path for path in LIBRARIES if path.is_file()), None)


class BuildWithLibrary(build_py):
    """Copies what is not Python beside the modules that were built."""

    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return
        package = Path(self.build_lib) / "swiftclip"
        (package / "libswiftclip.so").unlink(missing_ok=True)  # of an earlier build
        found = library()
        if found is None:
            self.warn("libswiftclip.so is not built; the installed package will need SWIFTCLIP_LIBRARY")
        else:
            shutil.copy2(found, package / "libswiftclip.so")
        if MODEL.is_dir():
            shutil.copytree(MODEL, package / "models" / "pocket", dirs_exist_ok=True)


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

        def finalize_options(self):
            super().finalize_options()
            self.root_is_pure = library() is None

        def get_tag(self):
            _, _, platform = super().get_tag()
            return "py3", "none", platform

    commands["bdist_wheel"] = PlatformWheel

setup(cmdclass=commands)
