#!/usr/bin/env bash
# The second tier: full-size models against PyTorch, every dialect, and long fuzzing. Takes two hours, 12 GB of memory
# and 10 GB of disk. PYTHON names a Python that has what Tests/verify/requirements.txt lists; else .venv-torch is used.
set -euo pipefail
python=${PYTHON:-.venv-torch/bin/python}
export PYTHONPATH=bindings/python

echo '== Full-size models with seeded random weights against PyTorch'
"$python" Tests/verify/full_size.py --folder build/verify
echo '== Every dialect of ONNX against PyTorch'
"$python" Tests/verify/dialects.py make
"$python" Tests/verify/dialects.py check
echo '== Archives in the official layout'
"$python" Tests/verify/archives.py
echo '== Quantised weights against the same graphs run by onnxruntime'
"$python" Tests/verify/quantised.py
echo "== Training killed at fifty random moments"
"$python" Tests/verify/kills.py
echo '== Mutated models, pictures, tables and shards'
"$python" Tests/verify/fuzz.py --models 100000 --pictures 50000 --datasets 50000 --more build/dialects
