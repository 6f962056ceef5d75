#!/bin/sh
# Installs the library as a user would, and builds and runs three programs against it from an empty folder, with a
# PATH that has no Swift: C by pkg-config, C++ by CMake, and one that knows nothing but dlopen.
#
#   installed.sh ROOT LIBRARY

set -u
root=$(cd "$1" && pwd) library=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
PATH=/usr/bin:/bin
export PATH
unset PKG_CONFIG_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH DESTDIR CPATH LIBRARY_PATH
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
    echo "installed.sh: not so: $what"
  fi
}

installer() { # task, variable=value...
  task=$1
  shift
  env LIBRARY="$library" "$@" "$root/scripts/install.sh" "$task" >"$work/said" || cat "$work/said"
}

for tool in swift pkg-config cmake; do
  case $tool in
    swift) check "Swift is not on the PATH" sh -c "! command -v swift >/dev/null" ;;
    *) check "$tool is there (scripts/packages.sh installs it)" sh -c "command -v $tool >/dev/null" ;;
  esac
done

prefix=$work/prefix
installer install PREFIX="$prefix"
number() { sed -n "s/^#define SWIFTCLIP_VERSION_$1 \([0-9]*\)$/\1/p" "$root/include/swiftclip.h"; }
version=$(number MAJOR).$(number MINOR).$(number PATCH)
check "libswiftclip.so.$version is a file" test -f "$prefix/lib/libswiftclip.so.$version"
check "the soname leads to it" test "$(readlink "$prefix/lib/libswiftclip.so.1")" = "libswiftclip.so.$version"
check "the linker's name leads to the soname" test "$(readlink "$prefix/lib/libswiftclip.so")" = libswiftclip.so.1
check "licences, model and both headers are there" test -s "$prefix/share/doc/swiftclip/licenses/swift.txt" \
  -a -s "$prefix/share/doc/swiftclip/LICENSE" -a -s "$prefix/share/swiftclip/models/pocket/visual.onnx" \
  -a -s "$prefix/include/swiftclip.h" -a -s "$prefix/include/swiftclip.hpp"
check "no text file names the checkout" sh -c "! grep -rIlF '$root' '$prefix'"

user=$work/user
mkdir "$user" && cd "$user" || exit 1
PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib
export PKG_CONFIG_PATH LD_LIBRARY_PATH

# C, by pkg-config.
cp "$root/examples/c/classify.c" "$root/examples/c/classify_dlopen.c" "$root/examples/pictures/pear.png" .
printf 'a penguin\na pear\na house\n' >labels.txt
printf 'a drawing of {}\n' >templates.txt
check "pkg-config knows version $version" test "$(pkg-config --modversion swiftclip)" = "$version"
check "a C program builds by pkg-config" \
  sh -c "${CC:-cc} -std=c99 -Wall -Wextra -Werror classify.c \$(pkg-config --cflags --libs swiftclip) -o by-pkg-config"
check "it loads the installed library" sh -c "ldd by-pkg-config | grep -q '$prefix/lib/libswiftclip.so.1'"
check "it answers" sh -c "./by-pkg-config -m \"\$(pkg-config --variable=model swiftclip)\" -l labels.txt -t templates.txt \
  -k 1 pear.png | grep -q '%  a pear\$'"

# C++, by CMake.
cp -r "$root/examples/cpp" cpp
check "CMake finds it" sh -c "cmake -S cpp -B build -DCMAKE_PREFIX_PATH='$prefix' >cmake.log 2>&1 || { cat cmake.log; false; }"
check "a C++ program builds by CMake" sh -c "cmake --build build >build.log 2>&1 || { cat build.log; false; }"
check "it loads the installed library" sh -c "env -u LD_LIBRARY_PATH ldd build/classify | grep -q '$prefix/lib/libswiftclip.so.'"
check "it answers" sh -c "env -u LD_LIBRARY_PATH build/classify pear.png 'a penguin' 'a pear' | sort -rn | head -n 1 |
  grep -q '%  a pear\$'"
for wanted in 1.0 "$version" 1.99 2.0; do
  mkdir "wants-$wanted"
  printf 'cmake_minimum_required(VERSION 3.16)\nproject(x CXX)\nfind_package(swiftclip %s REQUIRED)\n' "$wanted" \
    >"wants-$wanted/CMakeLists.txt"
  case $wanted in
    1.99 | 2.0) check "CMake refuses it as version $wanted" \
      sh -c "! cmake -S wants-$wanted -B wants-$wanted/b -DCMAKE_PREFIX_PATH='$prefix' >/dev/null 2>&1" ;;
    *) check "CMake takes it as version $wanted" \
      sh -c "cmake -S wants-$wanted -B wants-$wanted/b -DCMAKE_PREFIX_PATH='$prefix' >/dev/null 2>&1" ;;
  esac
done

# dlopen: the header to compile with, nothing to link with, the soname to ask for.
check "a program that dlopens builds with the header alone" \
  sh -c "${CC:-cc} -std=gnu11 -Wall -Wextra -Werror -I '$prefix/include' classify_dlopen.c -ldl -o by-dlopen"
check "it answers" sh -c "./by-dlopen libswiftclip.so.1 '$prefix/share/swiftclip/models/pocket' pear.png 'a penguin' \
  'a pear' | sort -rn | head -n 1 | grep -q '%  a pear\$'"

# A package maker's way: staged below DESTDIR, with Debian's folder for libraries.
stage=$work/stage libdir=/usr/lib/x86_64-linux-gnu
installer install DESTDIR="$stage" PREFIX=/usr LIBDIR=$libdir
check "pkg-config tells of /usr, not of DESTDIR" \
  test "$(PKG_CONFIG_PATH=$stage$libdir/pkgconfig pkg-config --variable=libdir swiftclip)" = $libdir
check "nothing is outside of DESTDIR/usr" test "$(ls "$stage")" = usr
check "CMake finds the staged one" sh -c "cmake -S cpp -B staged -DCMAKE_PREFIX_PATH='$stage/usr' >/dev/null 2>&1 &&
  cmake --build staged >/dev/null 2>&1 && env -u LD_LIBRARY_PATH staged/classify pear.png 'a pear' 'a house' | grep -q 'a pear'"
check "it is the staged one that is linked" sh -c "env -u LD_LIBRARY_PATH ldd staged/classify | grep -q '$stage$libdir/libswiftclip.so.'"

for place in "DESTDIR=$stage PREFIX=/usr LIBDIR=$libdir" "PREFIX=$prefix"; do
  # shellcheck disable=SC2086
  installer uninstall $place
done
check "uninstalling leaves no file behind" test -z "$(find "$prefix" "$stage" ! -type d)"
check "nor a folder of its own" test -z "$(find "$prefix" "$stage" -name '*swiftclip*')"
check "a relative PREFIX is refused" sh -c "! PREFIX=here '$root/scripts/install.sh' install 2>/dev/null"

echo "installed: $passed passed, $failed failed"
test "$failed" -eq 0
