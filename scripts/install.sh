#!/usr/bin/env bash
# Puts the built library where C and C++ programs find it, or takes it away again: install.sh install|uninstall
#
#   PREFIX      /usr/local
#   LIBDIR      $PREFIX/lib; Debian's own is $PREFIX/lib/x86_64-linux-gnu
#   DESTDIR     a folder that stands for / while files are copied, for those who make packages
#   LIBRARY     the built library, .build/release/libswiftclip.so
set -euo pipefail
cd "$(dirname "$0")/.."
task=${1:-} prefix=${PREFIX:-/usr/local} destdir=${DESTDIR:-} library=${LIBRARY:-.build/release/libswiftclip.so}
libdir=${LIBDIR:-$prefix/lib}

case $task in install | uninstall) ;; *) echo 'usage: scripts/install.sh install|uninstall' >&2 && exit 2 ;; esac
case $prefix$libdir in
  /*) ;;
  *) echo "PREFIX and LIBDIR must be absolute paths, and PREFIX is '$prefix', LIBDIR is '$libdir'." >&2 && exit 2 ;;
esac
if [ "$task" = install ] && [ ! -f "$library" ]; then
  echo "$library is not built; run 'make build' first." >&2
  exit 1
fi

number() { sed -n "s/^#define SWIFTCLIP_VERSION_$1 \([0-9]*\)$/\1/p" include/swiftclip.h; }
major=$(number MAJOR) version=$(number MAJOR).$(number MINOR).$(number PATCH)
file=libswiftclip.so.$version soname=libswiftclip.so.$major
include=$prefix/include documents=$prefix/share/doc/swiftclip data=$prefix/share/swiftclip
model=$data/models/pocket cmake=$libdir/cmake/swiftclip

# Each file is named once, here for both tasks: what was installed is what is taken away.
put() { # mode, source, place
  if [ "$task" = install ]; then install -D -m "$1" "$2" "$destdir$3"; else rm -f "$destdir$3"; fi
}
link() { # target, place
  if [ "$task" = install ]; then ln -sf "$1" "$destdir$2"; else rm -f "$destdir$2"; fi
}
fill() { # template, place
  local filled
  filled=$(mktemp)
  sed -e "s|@PREFIX@|$prefix|" -e "s|@LIBDIR@|$libdir|" -e "s|@INCLUDEDIR@|$include|" -e "s|@VERSION@|$version|" \
    -e "s|@MAJOR@|$major|" -e "s|@FILE@|$file|" -e "s|@SONAME@|$soname|" -e "s|@MODEL@|$3|" \
    -e "s|@UP@|$(realpath -m --relative-to="$cmake" "$prefix")|" "$1" >"$filled"
  put 644 "$filled" "$2"
  rm "$filled"
}

put 755 "$library" "$libdir/$file"
link "$file" "$libdir/$soname"
link "$soname" "$libdir/libswiftclip.so"
for header in swiftclip.h swiftclip.hpp; do put 644 include/$header "$include/$header"; done
fill bindings/c/swiftclip.pc.in "$libdir/pkgconfig/swiftclip.pc" "$model"
fill bindings/c/swiftclip-config.cmake.in "$cmake/swiftclip-config.cmake" "${model#"$prefix/"}"
fill bindings/c/swiftclip-config-version.cmake.in "$cmake/swiftclip-config-version.cmake" ""
for part in models/pocket/*; do put 644 "$part" "$model/${part##*/}"; done
for document in LICENSE README.md CHANGELOG.md; do put 644 $document "$documents/$document"; done
for licence in licenses/*; do put 644 "$licence" "$documents/licenses/${licence##*/}"; done

if [ "$task" = uninstall ]; then
  # Folders that are swiftclip's alone, once they are empty.
  for folder in "$documents/licenses" "$documents" "$model" "$data/models" "$data" "$cmake"; do
    rmdir "$destdir$folder" 2>/dev/null || true
  done
  echo "swiftclip $version is gone from $destdir$prefix"
else
  echo "swiftclip $version is in $destdir$prefix"
  if [ -z "$destdir" ]; then
    echo "Programs find it once the loader knows $libdir (as root: ldconfig; or LD_LIBRARY_PATH=$libdir)."
  fi
fi
