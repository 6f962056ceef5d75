#!/usr/bin/env bash
# The second tier: full-size models against PyTorch, and long fuzzing. Takes an hour and 10 GB of disk.
set -euo pipefail
python=.venv-torch/bin/python

echo '== Full-size models with seeded random weights against PyTorch'
"$python" Tests/verify/full_size.py --folder build/verify
echo '== Every dialect of ONNX against PyTorch'
"$python" Tests/verify/dialects.py make
"$python" Tests/verify/dialects.py check
echo '== Archives in the official layout'
"$python" Tests/verify/archives.py
echo '== Mutated models and pictures'
"$python" Tests/verify/fuzz.py --models 50000 --pictures 50000
