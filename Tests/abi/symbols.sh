#!/bin/sh
# What the shared object shows to the outside: exactly the header's functions, which are those of the version
# script; system libraries only; a soname; and a size that people can carry.
#
#   symbols.sh LIBRARY HEADER VERSION_SCRIPT

set -u
library=$1 header=$2 script=$3
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
    echo "symbols.sh: not so: $what"
  fi
}

${CC:-cc} -E -P "$header" | tr '\n' ' ' | grep -o 'swiftclip_[a-z0-9_]* *(' | tr -d ' (' | sort -u > "$work/declared"
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u > "$work/exported"
grep -o 'swiftclip_[a-z0-9_]*' "$script" | sort -u > "$work/listed"
readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p' > "$work/needed"

check "the header declares functions" test -s "$work/declared"
check "the exported symbols are the declared functions" diff "$work/declared" "$work/exported"
check "the version script lists the declared functions" diff "$work/declared" "$work/listed"
grep -Ev '^(lib(c|m|dl|pthread|gcc_s|stdc\+\+|jpeg|png16|webp)\.so(\.[0-9]+)*|ld-linux-[a-z0-9_-]+\.so\.[0-9]+)$' \
  "$work/needed" > "$work/strangers"
check "it needs nothing but system libraries and codecs: $(tr '\n' ' ' < "$work/strangers")" test ! -s "$work/strangers"
check "its soname is libswiftclip.so.1" \
  test "$(readelf -d "$library" | sed -n 's/.*(SONAME).*\[\(.*\)\].*/\1/p')" = libswiftclip.so.1
check "it is below 8 MB" test "$(stat -L -c %s "$library")" -lt 8000000
check "it was built without counters" sh -c "! grep -q SWIFTCLIP_COUNTERS_FILE '$library'"
check "its stack is not executable" sh -c "! readelf -lW '$library' | grep GNU_STACK | grep -q RWE"

echo "symbols: $passed passed, $failed failed"
test "$failed" -eq 0
