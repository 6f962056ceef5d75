#!/bin/sh
# The header alone, in C and in C++, with every warning an error; and the program of its opening comment, which
# is the file examples/c/quickstart.c.
#
#   headers.sh ROOT

set -u
root=$1
passed=0 failed=0
warnings="-Wall -Wextra -pedantic -Werror"

check() { # what, command...
  what=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "headers.sh: not so: $what"
  fi
}

for standard in c99 c11; do
  check "swiftclip.h compiles as $standard" \
    ${CC:-cc} -std=$standard $warnings -x c -fsyntax-only "$root/include/swiftclip.h"
done
for standard in c++11 c++17; do
  check "swiftclip.h compiles as $standard" \
    ${CXX:-c++} -std=$standard $warnings -x c++ -fsyntax-only "$root/include/swiftclip.h"
done
for example in quickstart classify classify_dlopen; do
  standard=c99
  test $example = classify_dlopen && standard=gnu11
  check "$example.c compiles" ${CC:-cc} -std=$standard $warnings -I "$root/include" -fsyntax-only "$root/examples/c/$example.c"
done

# Between "A complete program" and "What is API": five characters of comment before each line of the program.
shown=$(sed -n '/A complete program/,/What is API/p' "$root/include/swiftclip.h" |
  sed -e '1,2d' -e '/What is API/d' -e 's/^ \* \{0,3\}//')
check "the header's program is quickstart.c" test "$shown" = "$(cat "$root/examples/c/quickstart.c")"

echo "headers: $passed passed, $failed failed"
test "$failed" -eq 0
