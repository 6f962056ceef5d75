#!/usr/bin/env bash
# Runs the AVX-512 loops on a processor that has none: in Bochs, which emulates a whole machine with one. Linux boots in
# it, and instruction_sets.c compares every instruction set of that machine with AVX2, on the default model.
#
#   Tests/verify/emulated_avx512.sh [processor]     after `make build`; default: corei7_skylake_x
#
# `bochs --help cpu` lists processors; corei7_icelake_u has VNNI too. Takes some 10 billion emulated instructions. Needs
# Debian's bochs bochsbios vgabios isolinux syslinux-common xorriso busybox-static cpio, and downloads (does not install)
# its kernel for clouds. BOCHS names another bochs, built with --enable-evex and without a debugger and a display, which
# is several times faster; bochs 2.7 has no processor with BF16 or AVX-VNNI.
set -euo pipefail
cd "$(dirname "$0")/../.."

processor=${1:-corei7_skylake_x}
bochs=${BOCHS:-bochs}
library=.build/release/libswiftclip.so
for needed in "$bochs" xorriso busybox cpio cc; do
  command -v "$needed" > /dev/null || {
    echo "emulated_avx512: $needed is missing. Please install the packages named in this script." >&2
    exit 2
  }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/{kernel,iso/isolinux,root/{bin,dev,proc,sys,lib,lib64}}

kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
(cd "$work/kernel" && apt-get -qq download "$kernel" && dpkg-deb -x ./*.deb .)
cp "$work"/kernel/boot/vmlinuz-* "$work/iso/vmlinuz"

cc -std=c99 -O2 -Wall -Wextra -I include Tests/verify/instruction_sets.c "$library" -lm -o "$work/root/instruction_sets"
cp "$library" "$work/root/lib/libswiftclip.so.1"
LD_LIBRARY_PATH="$work/root/lib" ldd "$work/root/instruction_sets" | awk '$3 ~ /^\// { print $3 }' |
  grep -v libswiftclip | xargs -I{} cp -L {} "$work/root/lib/"
cp -L /lib64/ld-linux-x86-64.so.2 "$work/root/lib64/"
cp "$(command -v busybox)" "$work/root/bin/busybox"
ln -s busybox "$work/root/bin/sh"
cp -r models/pocket "$work/root/pocket"
cat > "$work/root/init" << 'END'
#!/bin/sh
for mount in proc:/proc devtmpfs:/dev; do busybox mount -t "${mount%:*}" none "${mount#*:}"; done
exec > /dev/ttyS0 2>&1
echo BEGIN
busybox grep -m 1 'model name' /proc/cpuinfo
LD_LIBRARY_PATH=/lib /instruction_sets /pocket
echo "END $?"
busybox sleep 1
busybox poweroff -f
END
chmod +x "$work/root/init"
(cd "$work/root" && find . | cpio --quiet -o -H newc > ../iso/initrd)

cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/isolinux/"
cat > "$work/iso/isolinux/isolinux.cfg" << 'END'
DEFAULT linux
LABEL linux
 KERNEL /vmlinuz
 INITRD /initrd
 APPEND earlyprintk=serial,ttyS0,115200 console=ttyS0 nokaslr panic=-1 mitigations=off
END
xorriso -as mkisofs -quiet -o "$work/boot.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot \
  -boot-load-size 4 -boot-info-table "$work/iso" 2> /dev/null

# Debian's has a debugger, which waits for the word to go on, and no display that shows nothing.
display='nogui' start=()
if [ -z "${BOCHS:-}" ]; then
  display='rfb, options="timeout=0"' start=(-rc "$work/start")
  echo c > "$work/start"
fi
cat > "$work/bochsrc" << END
display_library: $display
cpu: model=$processor, count=1, ips=200000000, reset_on_triple_fault=0
memory: guest=1024, host=1024
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
clock: sync=none
com1: enabled=1, mode=file, dev=$work/serial
log: $work/log
panic: action=fatal
END
# Bochs ends with a status of its own when the machine is switched off.
timeout 5400 "$bochs" -q -f "$work/bochsrc" "${start[@]}" < /dev/null > "$work/out" 2>&1 || true
touch "$work/serial"
echo "emulated_avx512: $("$bochs" --help 2>&1 | grep -o 'Bochs.* Emulator [^ ]*' | head -1), $processor:"
sed -n '/^BEGIN/,/^END/p' "$work/serial" | tr -d '\r' | tee "$work/result"
grep -q '^END 0' "$work/result" || {
  echo "emulated_avx512: did not get through; the last lines of the machine:" >&2
  tail -20 "$work/serial" "$work/log" >&2
  exit 1
}
grep -q 'AVX-512 pictures: .*from AVX2' "$work/result" || {
  echo "emulated_avx512: $processor has no AVX-512, so nothing of it was run." >&2
  exit 1
}
