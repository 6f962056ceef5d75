"""The header from a compiled extension of CPython gives the bits that this package gives."""

import importlib.util
import shutil
import subprocess
import sysconfig

import numpy as np
import pytest
from conftest import POCKET, ROOT

from swiftclip import _places

COMPILER = shutil.which("cc")
INCLUDE = sysconfig.get_path("include")


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (apt-get install gcc)")
def test_the_same_bits(model, paths, tmp_path):
    if not (_places.Path(INCLUDE) / "Python.h").is_file():
        pytest.skip("Python.h is not installed (apt-get install python3-dev)")
    library = _places.find_library()
    (tmp_path / "libswiftclip.so").symlink_to(library)
    (tmp_path / "libswiftclip.so.1").symlink_to(library)
    module = tmp_path / f"swiftclip_extension{sysconfig.get_config_var('EXT_SUFFIX')}"
    subprocess.run(
        [
            COMPILER,
            "-shared",
            "-fPIC",
            f"-I{INCLUDE}",
            f"-I{ROOT / 'include'}",
            str(ROOT / "Tests" / "abi" / "extension.c"),
            f"-L{tmp_path}",
            "-lswiftclip",
            f"-Wl,-rpath,{tmp_path}",
            "-o",
            str(module),
        ],
        check=True,
    )
    specification = importlib.util.spec_from_file_location("swiftclip_extension", module)
    extension = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(extension)
    opened = extension.open(str(POCKET))
    expected = model.encode_image(paths[:5])
    for path, row in zip(paths, expected):
        with open(path, "rb") as file:
            assert extension.encode(opened, file.read()) == row.tobytes()
    with pytest.raises(RuntimeError, match="IO_ERROR"):
        extension.open("no/such/model")
    assert np.isfinite(expected).all()
