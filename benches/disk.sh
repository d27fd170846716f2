#!/bin/bash
# Disk images: `packager image` beside the scripted way, in one run.
#
#   benches/disk.sh KERNEL INITRAMFS [RUNS]
#
# Both make the same hybrid image from a kernel and an initramfs that are there: MBR, FAT32, syslinux, and either
# systemd-boot or a unified kernel image. Wall-clock times of whole processes, in ms: median, minimum, maximum.
set -eu
export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
kernel=$(realpath "$1") initramfs=$(realpath "$2") runs=${3:-21}
packager=${PACKAGER:-$(realpath "$(dirname "$0")/../target/release/packager")}
systemd=/usr/lib/systemd/boot/efi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir entries
printf 'default linux.conf\ntimeout 0\n' >loader.conf
printf 'title Linux\nlinux /vmlinuz\ninitrd /initrd.img\noptions quiet\n' >linux.conf
printf 'DEFAULT linux\nLABEL linux\n  LINUX /vmlinuz\n  INITRD /initrd.img\n  APPEND quiet\n' >syslinux.cfg
printf quiet >cmdline

table_and_fat() {
    rm -f script.img
    truncate -s "$1"M script.img
    echo 'start=2048, type=c, bootable' | sfdisk -q script.img
    dd if=/usr/lib/SYSLINUX/mbr.bin of=script.img conv=notrunc status=none
    mkfs.fat -F 32 -s 1 --offset 2048 script.img $((($1 - 1) * 1024)) >/dev/null
    mmd -i script.img@@1M ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
    mcopy -i script.img@@1M "$kernel" ::/vmlinuz
    mcopy -i script.img@@1M "$initramfs" ::/initrd.img
    mcopy -i script.img@@1M syslinux.cfg ::
    syslinux -t 1048576 --install script.img
}

scripted() {
    table_and_fat 34
    mcopy -i script.img@@1M $systemd/systemd-bootx64.efi ::/EFI/BOOT/BOOTX64.EFI
    mcopy -i script.img@@1M loader.conf ::/loader
    mcopy -i script.img@@1M linux.conf ::/loader/entries
    sync script.img
}

scripted_uki() {
    table_and_fat 64
    objcopy --add-section .cmdline=cmdline --change-section-vma .cmdline=0x30000 \
        --add-section .initrd="$initramfs" --change-section-vma .initrd=0x3000000 \
        --add-section .linux="$kernel" --change-section-vma .linux=0x2000000 \
        $systemd/linuxx64.efi.stub linux.efi
    mcopy -i script.img@@1M linux.efi ::/EFI/BOOT/BOOTX64.EFI
    sync script.img
}

ours() {
    "$packager" image -q --kernel "$kernel" --initramfs "$initramfs" "$@" -o ours.img
}

ours_uki() {
    ours --uki
}

bytes() {
    dd if=ours.img of=copy.img bs=1M conv=fsync,sparse status=none
}

# Runs a function and prints its median, minimum and maximum.
measure() {
    "$1"
    for _ in $(seq "$runs"); do
        local start=${EPOCHREALTIME/./}
        "$1"
        echo $((${EPOCHREALTIME/./} - start))
    done | sort -n | awk -v name="$2" \
        '{ t[NR] = $1 / 1000 } END { printf "| %s | %.1f | %.1f | %.1f |\n", name, t[int((NR + 1) / 2)], t[1], t[NR] }'
}

echo '| what | median ms | min | max |'
echo '| --- | --- | --- | --- |'
measure ours '`packager image`, systemd-boot'
measure bytes 'its bytes with `dd conv=fsync,sparse`'
measure scripted 'sfdisk, mkfs.fat, syslinux, mtools'
measure ours_uki '`packager image --uki`'
measure bytes 'its bytes with `dd conv=fsync,sparse`'
measure scripted_uki 'the same with objcopy'
if command -v grub-mkrescue >/dev/null; then
    echo "(grub-mkrescue is here, too, and not measured)"
fi
