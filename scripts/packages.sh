#!/usr/bin/env bash
# Installs the Debian packages that building and testing need, if they are not there yet.
set -euo pipefail

packages=(
  build-essential                                   # C and C++ compilers for shims, examples and ABI tests
  libjpeg62-turbo-dev libpng-dev libwebp-dev        # the codecs
  libopenblas-dev                                   # second backend, reference of the kernel tests
  libonnx-dev libprotobuf-dev                       # reference of the ONNX reader's tests
  pkg-config cmake                                  # tests of an installed library
  abigail-tools                                     # tells what a change does to compiled programs
  python3-dev python3-venv                          # bindings, extension test
  openmpi-bin libopenmpi-dev                        # training on several processes
  qemu-user                                         # proves that no wrong instruction is executed
)

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo '== Debian packages: all there'
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "Please install these packages as root, then run this again: apt-get install ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "== Installing Debian packages: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
