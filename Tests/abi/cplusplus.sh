#!/bin/sh
# swiftclip.hpp with each compiler and standard that it promises, every warning an error; and that its test calls
# every function of the library through it.
#
#   cplusplus.sh ROOT FOLDER      FOLDER holds libswiftclip.so and its soname, and takes what is made

set -u
root=$1 folder=$2
passed=0 failed=0

check() { # what, command...
  what=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "cplusplus.sh: not so: $what"
  fi
}

compile() { # compiler, standard, output
  "$1" -std="$2" -O1 -Wall -Wextra -pedantic -Werror -I "$root/include" -I "$root/Tests/abi" "$root/Tests/abi/hpp.cpp" \
    -L "$folder" -lswiftclip -Wl,-rpath,"$folder" -o "$folder/$3"
}

compilers=${CXX:-c++}
command -v clang++ >/dev/null && compilers="$compilers clang++"
for compiler in $compilers; do
  for standard in c++17 c++20; do
    check "$compiler compiles it as $standard" compile "$compiler" $standard hpp
    check "compiled by $compiler as $standard, it does what it says" \
      "$folder/hpp" "$root/models/pocket" "$root/examples/pictures"
  done
done

# An inline function that nobody calls leaves no symbol behind: what the test needs of the library is what it tried.
${CC:-cc} -E -P "$root/include/swiftclip.h" | tr '\n' ' ' | grep -o 'swiftclip_[a-z0-9_]* *(' | tr -d ' (' |
  sort -u >"$folder/declared"
nm -D --undefined-only "$folder/hpp" | grep -o 'swiftclip_[a-z0-9_]*' | sort -u >"$folder/called"
check "swiftclip.hpp and its test have every function of swiftclip.h" diff "$folder/declared" "$folder/called"

echo "cplusplus: $passed passed, $failed failed"
test "$failed" -eq 0
