# Thin on purpose: each target names the script or tool that does the work.
#   make demo     classify real pictures with the default model, from C and from Python
#   make test     every test that needs no PyTorch
#   make help     the rest

PYTHON ?= python3
LIBRARY := .build/release/libswiftclip.so
SWIFT_SOURCES := $(shell find Sources include -type f) Package.swift

.PHONY: help demo test verify bench build clean

help:
	@echo 'make demo     build, then classify examples/pictures from C and from Python'
	@echo 'make test     run every test: Swift, C, C++ and Python (no PyTorch needed)'
	@echo 'make verify   full-size models against PyTorch, and long fuzzing (installs PyTorch: 6 GB)'
	@echo 'make bench    side by side with onnxruntime, OpenVINO and PyTorch'
	@echo 'make build    only libswiftclip.so'
	@echo 'make clean    remove everything that was made'

build: $(LIBRARY)

$(LIBRARY): $(SWIFT_SOURCES) | build/packages.stamp
	@echo '== Building libswiftclip.so (swift build -c release)'
	swift build -c release --product swiftclip
	@touch $@

build/packages.stamp: scripts/packages.sh
	@scripts/packages.sh
	@mkdir -p build && touch $@

.venv/ready.stamp: scripts/python.sh bindings/python/pyproject.toml bindings/python/requirements.txt | build/packages.stamp
	@PYTHON=$(PYTHON) scripts/python.sh .venv bindings/python/requirements.txt
	@touch $@

demo: $(LIBRARY) .venv/ready.stamp
	@scripts/demo.sh

test: $(LIBRARY) .venv/ready.stamp
	@scripts/test.sh

.venv-torch/ready.stamp: scripts/python.sh bindings/python/pyproject.toml Tests/verify/requirements.txt | build/packages.stamp
	@PYTHON=$(PYTHON) scripts/python.sh .venv-torch Tests/verify/requirements.txt
	@touch $@

# VERIFY_PYTHON: a Python that has PyTorch and the rest already.
verify: $(LIBRARY) $(if $(VERIFY_PYTHON),,.venv-torch/ready.stamp)
	@PYTHON=$(VERIFY_PYTHON) scripts/verify.sh

bench: $(LIBRARY) .venv-torch/ready.stamp
	@.venv-torch/bin/python Benchmarks/compare.py $(ARGS)

clean:
	rm -rf .build build .venv .venv-torch
	find bindings -name '__pycache__' -o -name '*.egg-info' | xargs rm -rf
