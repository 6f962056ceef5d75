#!/bin/sh
# Proves that wide vector instructions stay where the processor was asked first: no ymm or zmm register outside
# the modules KernelsAVX2, KernelsAVX512 and their companions for VNNI, no zmm in those of AVX2, no VNNI instruction
# outside the companions, and no function in all of these that the linker could take for another module's (a weak symbol
# whose name is not the module's own).
#
# Usage: Tests/abi/check_isa.sh [build folder]        default: .build/release, after `swift build -c release`
set -eu
build=${1:-.build/release}
objects=0
failed=0

complain() {
  echo "check_isa: $1" >&2
  failed=1
}

for object in $(find -L "$build" -path '*.build/*.o' -not -path '*Tests.build/*' -not -path '*/ModuleCache/*' | sort); do
  objects=$((objects + 1))
  case $object in
    */KernelsAVX512VNNI.build/*) forbidden='' module=KernelsAVX512VNNI ;;
    */KernelsAVX512.build/*) forbidden='vpdp' module=KernelsAVX512 ;;
    */KernelsAVX2VNNI.build/*) forbidden='%zmm' module=KernelsAVX2VNNI ;;
    */KernelsAVX2.build/*) forbidden='%zmm\|vpdp' module=KernelsAVX2 ;;
    *) forbidden='%[yz]mm' module='' ;;
  esac
  if [ -n "$forbidden" ]; then
    found=$(objdump -d --no-show-raw-insn "$object" | grep -c "$forbidden" || true)
    [ "$found" -eq 0 ] || complain "$object has $found instructions with $forbidden"
  fi
  if [ -n "$module" ]; then
    # Mangled names start with the module's, after its length.
    foreign=$(nm "$object" | awk -v own="\\\$s${#module}${module}" '$2 == "W" && $3 !~ "^" own {print $3}')
    [ -z "$foreign" ] || complain "$object has functions that other modules could share: $foreign"
  fi
done

# A check that saw nothing proves nothing.
[ "$objects" -gt 0 ] || complain "no object files below $build; run swift build -c release first"
objdump -d --no-show-raw-insn $(find -L "$build" -path '*KernelsAVX2.build/*.o') | grep -q '%ymm' ||
  complain "KernelsAVX2 has no ymm instruction: its flags are lost"
objdump -d --no-show-raw-insn $(find -L "$build" -path '*KernelsAVX512.build/*.o') | grep -q '%zmm' ||
  complain "KernelsAVX512 has no zmm instruction: its flags are lost"
for module in KernelsAVX2VNNI KernelsAVX512VNNI; do
  objdump -d --no-show-raw-insn $(find -L "$build" -path "*$module.build/*.o") | grep -q vpdpwssd ||
    complain "$module has no vpdpwssd: its flags are lost"
done
[ "$failed" -eq 0 ] && echo "check_isa: $objects object files, wide vectors only where they belong"
exit "$failed"
