#!/bin/sh
# The examples that need an installed library or another toolchain, each built as its own comment says and run. One
# whose toolchain is missing is left out, and says so.
#
#   examples.sh ROOT LIBRARY      environment: PYTHON

set -u
root=$(cd "$1" && pwd) library=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
python=${PYTHON:-python3}
case $python in */*) python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python") ;; esac
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() { # what, command...
  what=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "examples.sh: not so: $what"
  fi
}

have() { # tool...
  for tool in "$@"; do
    command -v "$tool" >/dev/null || {
      echo "examples.sh: left out what needs $tool, which is not installed"
      return 1
    }
  done
}

best() { sort -rn | head -n 1 | grep -q "%  $1\$"; }

LIBRARY=$library PREFIX=$work/prefix DESTDIR='' LIBDIR='' "$root/scripts/install.sh" install >/dev/null || exit 1
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$work/prefix/lib"
model=$work/prefix/share/swiftclip/models/pocket pear=$root/examples/pictures/pear.png
cd "$work" || exit 1

check "video.c compiles" sh -c "${CC:-cc} -std=c99 -Wall -Wextra -pedantic -Werror '$root/examples/c/video.c' \
  \$(pkg-config --cflags --libs swiftclip) -o video"
head -c 1000 /dev/zero >part
check "a video of another size is told" sh -c "./video '$model' 20 20 <part 2>&1 >/dev/null | grep -q 'not complete'"
if have ffmpeg; then
  frames() { # encodes and decodes, so that a real video is read
    ffmpeg -v error -f lavfi -i testsrc=duration=4:size=160x120:rate=10 -y film.mkv &&
      ffmpeg -v error -i film.mkv -vf fps=5,scale=80:60 -f rawvideo -pix_fmt rgb24 - | ./video "$model" 80 60 >rows 2>said
  }
  check "frames of ffmpeg become embeddings" frames
  check "all 20 of them, in rows of 256 floats" test "$(stat -c %s rows)" -eq $((20 * 256 * 4)) -a "$(cat said)" = \
    "20 frames, 256 numbers each"
fi

if have go; then
  cp -r "$root/examples/go" go
  check "the Go program builds" sh -c "cd go && go vet . && go build -o classify ."
  check "the Go program answers" sh -c "./go/classify '$model' '$pear' 'a penguin' 'a pear' >go.txt"
  check "the Go program is right" best "a pear" <go.txt
  check "the Go program tells errors" sh -c "./go/classify no/model x a b 2>&1 | grep -q 'no/model'"
fi

if have rustc; then
  check "the Rust program builds" sh -c "rustc -O -D warnings '$root/examples/rust/classify.rs' \
    \$(pkg-config --libs-only-L swiftclip) -o rust"
  check "the Rust program answers" sh -c "./rust '$model' '$pear' 'a penguin' 'a pear' >rust.txt"
  check "the Rust program is right" best "a pear" <rust.txt
  check "the Rust program tells errors" sh -c "./rust no/model x a b 2>&1 | grep -q 'no/model'"
fi

if "$python" -c 'import numpy' 2>/dev/null; then
  PYTHONPATH=$root/bindings/python
  export PYTHONPATH
  check "the official README's snippet runs" \
    sh -c "'$python' '$root/examples/python/readme.py' '$pear' | grep -q '^Label probs: \[\[[0-9.e -]*\]\]$'"
  mkdir watched
  cp "$pear" watched/
  until_there() { # file; gives up after a minute
    for _ in $(seq 600); do
      test -s "$1" && return
      sleep 0.1
    done
  }
  searches() { # the second one after pictures were added
    echo 'a penguin'
    until_there found
    cp "$root/examples/pictures/penguin.png" watched/
    echo broken >watched/broken.png
    echo 'a penguin'
  }
  watching() { searches | "$python" "$root/examples/python/watch.py" watched -k 1 >found 2>noted; }
  check "a folder is watched" watching
  check "the first search knows one picture, the second a better one" \
    test "$(sed 's/.* //' found | tr '\n' ' ')" = "watched/pear.png watched/penguin.png "
  check "what cannot be read is told" grep -q 'broken.png' noted
else
  echo "examples.sh: left out the Python examples: $python has no numpy"
fi

echo "examples: $passed passed, $failed failed"
test "$failed" -eq 0
