#!/bin/sh
# The same program on processors without AVX (Nehalem) and without AVX-512 (Haswell), emulated: an instruction
# that they lack ends it at once, and the labels must be those of the processor at hand.
#
#   processors.sh CLASSIFY MODEL EXAMPLES

set -u
classify=$1 model=$2 examples=$3
passed=0 failed=0

if [ "$(uname -m)" != x86_64 ]; then
  echo "skipped: processors.sh emulates x86-64 processors, and this is $(uname -m)."
  echo "processors: 0 passed, 0 failed"
  exit 0
fi
if ! command -v qemu-x86_64 > /dev/null; then
  echo "skipped: qemu-x86_64 is not installed (apt-get install qemu-user), so other processors were not tried."
  echo "processors: 0 passed, 0 failed"
  exit 0
fi

labels() { # command...
  "$@" -m "$model" -l "$examples/labels.txt" -t "$examples/templates.txt" -k 1 \
    "$examples/pictures/penguin.png" "$examples/pictures/cat-photo.jpg" | sed 's/.*%  //'
}

expected=$(labels "$classify")
for processor in Nehalem Haswell; do
  # qemu warns of features of these processors that it does not have; they do not matter here.
  got=$(labels qemu-x86_64 -cpu "$processor" "$classify" 2>&1 | grep -v '^qemu-x86_64: warning')
  if [ -n "$expected" ] && [ "$got" = "$expected" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf '%s\n' "processors.sh: on $processor:" "$got" "instead of:" "$expected"
  fi
done

echo "processors: $passed passed, $failed failed"
test "$failed" -eq 0
