#!/usr/bin/env bash
# Tries the wheel in build/wheel/dist as its user gets it: in a fresh environment, from an empty folder, with the
# checkout out of reach. First with numpy alone, then with what the tests need: the whole Python suite, from a copy
# of the tests and of the files that they read.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD dist=$PWD/build/wheel/dist
wheel=$(echo "$dist"/*.whl)
[ -f "$wheel" ] || { echo "There is no wheel in build/wheel/dist; run 'make wheel' first." >&2; exit 1; }
unset PYTHONPATH SWIFTCLIP_LIBRARY LD_LIBRARY_PATH
export PIP_DISABLE_PIP_VERSION_CHECK=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/empty" && cd "$work/empty"
"${PYTHON:-python3}" -m venv "$work/venv"
python=$work/venv/bin/python
# Neither Swift nor anything else that the wheel could lean on.
export PATH=$work/venv/bin:/usr/bin:/bin

echo "== $(basename "$wheel") with numpy alone"
$python -m pip install --quiet "$wheel"
packages=$($python -m pip list --format=freeze | grep -Ev '^(pip|setuptools|wheel)=' | cut -d= -f1 | sort | tr '\n' ' ')
[ "$packages" = 'numpy swiftclip ' ] || { echo "It brought more than numpy: $packages" >&2; exit 1; }
$python - "$work/venv" <<'PYTHON'
import sys
from importlib import metadata
from pathlib import Path
import swiftclip

folder = Path(swiftclip.__file__).parent
assert str(folder).startswith(sys.argv[1]), folder
assert metadata.version("swiftclip") == swiftclip.__version__ == swiftclip.version()
swiftclip.load().encode_text("a pear")
maps = Path("/proc/self/maps").read_text()
loaded = {Path(line.split(maxsplit=5)[5].strip()) for line in maps.splitlines() if ".so" in line}
for name in ("libswiftclip", "libjpeg", "libpng", "libwebp"):
    found = [path for path in loaded if path.name.startswith(name)]
    assert found and all(str(path).startswith(sys.argv[1]) for path in found), (name, found)
licences = {Path(file).name for file in metadata.files("swiftclip") if "licenses" in str(file)}
assert licences >= {"LICENSE", "swift.txt", "libjpeg-turbo.txt", "libpng.txt", "libwebp.txt"}, licences
print("The library and its codecs are the wheel's own, and so are their licences.")
PYTHON
[ "$(command -v swiftclip)" = "$work/venv/bin/swiftclip" ]
swiftclip --version
swiftclip classify "$root/examples/pictures/pear.png" --labels 'a pear,a penguin' --template 'a drawing of {}' --top 1 |
  grep 'a pear'

echo '== The source distribution, where Swift is missing'
if $python -m pip install --no-deps --force-reinstall "$dist"/*.tar.gz >"$work/sdist.log" 2>&1; then
  echo 'It installed, which it cannot without Swift.' >&2
  exit 1
fi
grep 'Swift 6.3' "$work/sdist.log"

$python -m pip install --quiet -r "$root/bindings/python/requirements.txt" setuptools
copy=$work/copy
mkdir -p "$copy/bindings/python" "$copy/Tests/abi" "$copy/build"
cd "$root"
cp -r bindings/python/tests "$copy/bindings/python/"
cp -r Tests/fixtures "$copy/Tests/"
cp Tests/abi/extension.c "$copy/Tests/abi/"
cp -r examples include models CHANGELOG.md "$copy/"
[ ! -d build/merges ] || cp -r build/merges "$copy/build/"
cd "$work/empty"

echo '== Types of the installed package'
mkdir "$work/types"
cp "$copy/bindings/python/tests/typed_surface.py" "$work/types/"
$python -m mypy --strict "$work/types/typed_surface.py"
# pyright needs Node.js, and fetches one where there is none.
if $python -m pip install --quiet pyright && pyright --version >/dev/null 2>&1; then
  pyright --verifytypes swiftclip --ignoreexternal | tee "$work/pyright.log" | grep 'completeness'
  grep -q 'completeness score: 100%' "$work/pyright.log" || { cat "$work/pyright.log"; exit 1; }
  echo '{"typeCheckingMode": "strict"}' >"$work/types/pyrightconfig.json"
  pyright --project "$work/types"
else
  echo 'pyright could not be had here; only mypy has looked.'
fi

echo '== The Python tests against the installed wheel'
$python -m pytest -q -rs -p no:cacheprovider "$copy/bindings/python/tests"
