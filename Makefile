# Thin on purpose: each target names the script or tool that does the work.
#   make demo     classify real pictures with the default model, from C and from Python
#   make test     every test that needs no PyTorch
#   make help     the rest

PYTHON ?= python3
LIBRARY := .build/release/libswiftclip.so
SWIFT_SOURCES := $(shell find Sources include -type f -not -name '*.hpp') Package.swift

.PHONY: help demo test verify bench counters docs build install uninstall wheel test-wheel clean

help:
	@echo 'make demo     build, then classify examples/pictures from C and from Python'
	@echo 'make test     run every test: Swift, C, C++ and Python (no PyTorch needed)'
	@echo 'make verify   full-size models against PyTorch, and long fuzzing (installs PyTorch: 6 GB)'
	@echo 'make bench    side by side with onnxruntime, OpenVINO and PyTorch; docs/benchmarks.md, ARGS=--help'
	@echo 'make counters a library that counts where its time goes, for ARGS="--work stages"'
	@echo 'make docs     the documentation as a site, in build/docs'
	@echo 'make build    only libswiftclip.so'
	@echo 'make install  the library for C and C++ into PREFIX (/usr/local), LIBDIR, DESTDIR; make uninstall takes it away'
	@echo 'make wheel    a Python wheel with the library and the codecs, and an sdist, in build/wheel'
	@echo 'make test-wheel  the Python tests against that wheel in a fresh environment'
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

# BENCH_PYTHON: a Python that has the peers already; nothing is installed, and what it lacks is left out.
bench: $(LIBRARY) $(if $(BENCH_PYTHON),,.venv-torch/ready.stamp)
	@$(or $(BENCH_PYTHON),.venv-torch/bin/python) Benchmarks/run.py $(ARGS)

# The same library with counters of time by stage, for `make bench ARGS="--work stages"`.
counters: build/packages.stamp
	SWIFTCLIP_COUNTERS=1 swift build -c release --product swiftclip --scratch-path .build-counters

# Sphinx's warnings are errors: a broken link, a name that is nowhere, a comment that cannot be read.
docs: .venv-docs/ready.stamp
	.venv-docs/bin/sphinx-build -W --keep-going -q -c docs/site docs build/docs
	@echo 'build/docs/index.html'

.venv-docs/ready.stamp: docs/site/requirements.txt
	@$(PYTHON) -m venv .venv-docs
	@echo '== Installing Sphinx and what it needs into .venv-docs'
	@.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

install: $(LIBRARY)
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' scripts/install.sh install

uninstall:
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' scripts/install.sh uninstall

wheel: $(LIBRARY)
	@PYTHON=$(PYTHON) scripts/wheel.sh $(LIBRARY)

# A fresh environment, the checkout out of reach, and the whole Python suite against what `make wheel` made.
test-wheel: wheel
	@PYTHON=$(PYTHON) scripts/test_wheel.sh

clean:
	rm -rf .build .build-counters build .venv .venv-torch .venv-docs
	find bindings -name '__pycache__' -o -name '*.egg-info' | xargs rm -rf
