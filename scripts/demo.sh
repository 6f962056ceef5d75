#!/usr/bin/env bash
# The main job on real pictures, from C and from Python, which must print the same.
set -euo pipefail
library=.build/release

echo '== Building the C example'
mkdir -p build
cc -std=c99 -O2 -Wall -Wextra -I include examples/c/classify.c -L "$library" -lswiftclip \
  -Wl,-rpath,"$PWD/$library" -o build/classify
# The program asks for the soname, as it would of an installed library.
ln -sf libswiftclip.so "$library/libswiftclip.so.1"

arguments=(-m models/pocket -l examples/labels.txt -t examples/templates.txt)
pictures=(examples/pictures/*.png examples/pictures/*.jpg)
echo "== Classifying ${#pictures[@]} pictures from C"
build/classify "${arguments[@]}" "${pictures[@]}" | tee build/demo-c.txt
echo '== The same from Python'
.venv/bin/python examples/python/classify.py "${arguments[@]}" "${pictures[@]}" >build/demo-python.txt
diff build/demo-c.txt build/demo-python.txt
echo 'Python printed the same lines.'

templates=()
while read -r template; do templates+=(--template "$template"); done <examples/templates.txt
.venv/bin/python -m swiftclip classify "${pictures[@]}" --labels-file examples/labels.txt "${templates[@]}" \
  --html build/demo.html >/dev/null
echo "== A page of the pictures with their labels: $PWD/build/demo.html"
