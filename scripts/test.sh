#!/usr/bin/env bash
# Every test that needs no PyTorch. Stops at the first suite that fails.
set -euo pipefail

echo '== Style (swift format)'
swift format lint --strict --recursive Sources Tests Package.swift
echo '== Swift tests'
swift test
echo '== Wide vector instructions only where the processor was asked'
Tests/abi/check_isa.sh .build/release
echo '== C and C++ programs against the header'
Tests/abi/run.sh .build/release
echo '== Types of the Python package (mypy --strict)'
(cd bindings/python && MYPYPATH=. "$OLDPWD/.venv/bin/python" -m mypy -p swiftclip &&
  MYPYPATH=. "$OLDPWD/.venv/bin/python" -m mypy tests/typed_surface.py)
echo '== Python tests'
.venv/bin/python -m pytest -q bindings/python/tests
echo '== Documentation: every block of code, every link'
.venv/bin/python Tests/docs/check.py .build/release
