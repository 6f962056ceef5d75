#!/usr/bin/env bash
# Makes a virtual environment of the project's own: python.sh FOLDER REQUIREMENTS
set -euo pipefail
folder=$1 requirements=$2

if [ ! -x "$folder/bin/python" ]; then
  echo "== Making the Python environment $folder"
  "${PYTHON:-python3}" -m venv "$folder"
fi
echo "== Installing Python packages of $requirements into $folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable bindings/python

# The official merges come inside the open_clip_torch wheel; the package itself would pull in PyTorch.
merges=build/merges/bpe_simple_vocab_16e6.txt.gz
if [ ! -s "$merges" ]; then
  echo '== Taking the official merges from the open_clip_torch wheel'
  mkdir -p build/merges
  "$folder/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --dest build/merges open_clip_torch
  "$folder/bin/python" - "$merges" <<'PYTHON'
import glob, sys, zipfile
wheel = zipfile.ZipFile(glob.glob("build/merges/open_clip_torch-*.whl")[0])
for name in ("bpe_simple_vocab_16e6.txt.gz", "tokenizer.py"):
    with open(f"build/merges/{name}", "wb") as file:
        file.write(wheel.read(f"open_clip/{name}"))
PYTHON
fi
