#!/bin/sh
# Runs every test of the C interface against a built library and prints "N passed, N failed".
#
#   Tests/abi/run.sh BUILD_DIR        such as .build/release; environment: CC, CXX, PYTHON

set -u
if [ $# -ne 1 ] || [ ! -f "$1/libswiftclip.so" ]; then
  echo "usage: Tests/abi/run.sh BUILD_DIR, the folder of libswiftclip.so (swift build -c release makes it)" >&2
  exit 2
fi
build=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
model=$root/models/pocket pictures=$root/examples/pictures
cc=${CC:-cc} cxx=${CXX:-c++} python=${PYTHON:-python3}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Programs look for the soname, which the build folder does not have.
ln -s "$build/libswiftclip.so" "$work/libswiftclip.so"
ln -s libswiftclip.so "$work/libswiftclip.so.1"
link="-I$root/include -I$here -L$work -lswiftclip -Wl,-rpath,$work -lm -pthread"
warnings="-Wall -Wextra -pedantic -Werror"
broken=0

compile() { # output, command...
  output=$1
  shift
  "$@" -o "$work/$output" || {
    echo "run.sh: $output does not compile"
    broken=$((broken + 1))
    return 1
  }
}

{
  sh "$here/headers.sh" "$root"
  sh "$here/symbols.sh" "$build/libswiftclip.so" "$root/include/swiftclip.h" "$root/include/swiftclip.map"
  "$python" "$here/promise.py" "$root" "$build/libswiftclip.so"
  for test in conventions threads fork limits; do
    if compile $test $cc -std=gnu11 -O1 -g $warnings "$here/$test.c" $link; then
      "$work/$test" "$model" "$pictures"
      status=$?
      # A test that does not come to its end has not passed.
      test $status -le 1 || echo "$test: 0 passed, 1 failed (it ended with status $status)"
    fi
  done
  compile plusplus $cxx -std=c++17 -O1 -g $warnings "$here/plusplus.cpp" $link &&
    "$work/plusplus" "$model" "$pictures"
  sh "$here/cplusplus.sh" "$root" "$work"
  sh "$here/installed.sh" "$root" "$build/libswiftclip.so"
  PYTHON=$python sh "$here/examples.sh" "$root" "$build/libswiftclip.so"
  compile swiftclip_extension.so $cc -std=c11 -O1 -shared -fPIC -Wall -Wextra -Werror "$here/extension.c" \
    "-I$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')" $link &&
    "$python" "$here/extension.py" "$work" "$model" "$pictures"
  compile quickstart $cc -std=c99 $warnings "$root/examples/c/quickstart.c" $link &&
    if (cd "$root" && "$work/quickstart") | grep -q '^ *[0-9.]* %  a penguin$'; then
      echo "quickstart: 1 passed, 0 failed"
    else
      echo "quickstart: 0 passed, 1 failed"
    fi
  compile classify_dlopen $cc -std=gnu11 $warnings "$root/examples/c/classify_dlopen.c" "-I$root/include" -ldl &&
    if "$work/classify_dlopen" "$work/libswiftclip.so" "$model" "$pictures/pear.png" "a pear" "a house" |
      grep -q 'a pear$'; then
      echo "classify_dlopen: 1 passed, 0 failed"
    else
      echo "classify_dlopen: 0 passed, 1 failed"
    fi
  compile classify $cc -std=c99 $warnings "$root/examples/c/classify.c" $link &&
    sh "$here/processors.sh" "$work/classify" "$model" "$root/examples"
  echo "compiling: 0 passed, $broken failed"
} 2>&1 | tee "$work/log"

awk '/^[a-z_]+: [0-9]+ passed, [0-9]+ failed/ { passed += $2; failed += $4; seen[$1] }
  END {
    split("headers: symbols: conventions: threads: fork: limits: plusplus: promise: first_program: hpp: cplusplus: installed: examples: extension: quickstart: classify_dlopen: processors:", all, " ")
    for (i in all) if (!(all[i] in seen)) { print "run.sh: no result of " all[i]; failed++ }
    printf "%d passed, %d failed\n", passed, failed
    exit failed > 0
  }' "$work/log"
