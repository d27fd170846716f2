#!/bin/sh
# /init: from the kernel's first process to a shell on every console, or to the init of a real root.
#
# A step that fails says so on the console, and the boot goes on: a shell with a message is worth more than a panic.
# Everything here is busybox. /etc/modules holds modules in load order; with /etc/mdev.conf, those whose devices are there are
# loaded, too. /etc/keymap.bmap is the keymap, and /etc/init.d/STEP/* are scripts that run before a step.
#
# On the kernel's command line:
#   keymap=NAME          another keymap of the image (/etc/keymaps/NAME.bmap)
#   wait-for=DEVICE      wait until the device is there, for 30 s at most; wait-for=DEVICE:SECONDS
#   mount=DEVICE         wait for the device and mount it on /mnt
#   root=DEVICE          wait for the device, mount it, and start its init; with rootfstype=, rootflags=, ro, rw and init= as the
#                        kernel has them
#   break=STEP           a shell before this step: modules, hotplug, keymap, wait, mount, root, init
#   debug                show every command
# A DEVICE may also be UUID=… or LABEL=… of a file system, PARTUUID=… or PARTLABEL=… of a partition.

export PATH=/usr/local/sbin:/usr/local/bin:/bin:/sbin:/usr/bin:/usr/sbin HOME=/root

# step DESCRIPTION COMMAND…: runs the command; if it fails, its output goes to the console behind the description.
# The output is kept in a file and not in $(…), which would wait for a daemon that keeps it open.
step() {
    description=$1
    shift
    "$@" >/run/init.log 2>&1 && return
    echo "init: $description failed: $(cat /run/init.log)"
    return 1
}

# at STEP: the place for a shell that was asked for with break=STEP, and for scripts of one's own (/etc/init.d/STEP/*), which may
# ask something.
at() {
    if [ "$break" = "$1" ]; then
        echo "init: a shell before the step $1, as break=$1 says; exit goes on"
        shell
    fi
    for script in /etc/init.d/"$1"/*; do
        [ ! -x "$script" ] || "$script" || echo "init: $script failed"
    done
}

# A shell with job control, on the console that the kernel named last.
shell() {
    setsid -c sh -l </dev/console >/dev/console 2>&1
}

# Since the kernel's start.
seconds() {
    read -r seconds rest </proc/uptime
    echo "$seconds"
}

read_command_line() {
    keymap='' wait='' mount='' root='' rootfstype='' rootflags='' access=ro init=/sbin/init break=''
    # What the shell itself reads costs no process. No word is a pattern for names of files. Blanks between quotes are a word's.
    read -r words </proc/cmdline
    set -f
    word=''
    for part in $words; do
        word=${word:+$word }$part
        case $word in
            *\"*\"*)
                rest=${word#*\"}
                word=${word%%\"*}${rest%%\"*}${rest#*\"}
                ;;
            *\"*) continue ;;
        esac
        value=${word#*=}
        case $word in
            keymap=*) keymap=$value ;;
            wait-for=*) wait=$value ;;
            mount=*) mount=$value ;;
            root=*) root=$value ;;
            rootfstype=*) rootfstype=$value ;;
            rootflags=*) rootflags=$value ;;
            ro | rw) access=$word ;;
            init=*) init=$value ;;
            break=*) break=$value ;;
            debug) set -x ;;
        esac
        word=''
    done
    set +f
    case $break in
        '' | modules | hotplug | keymap | wait | mount | root | init) ;;
        *) echo "init: there is no step $break for break=; there are modules, hotplug, keymap, wait, mount, root and init" ;;
    esac
}

# A module may refuse a machine that lacks its hardware or instruction: the kernel says ENODEV, which is no failure.
load_modules() {
    set --
    while read -r name; do set -- "$@" "$name"; done </etc/modules
    modprobe -a "$@" 2>/run/modprobe.log && return
    ! grep -v 'No such device' /run/modprobe.log
}

# Some kernels start a helper for every event; for the others mdev listens itself, and scans first.
start_hotplug() {
    if [ -e /proc/sys/kernel/hotplug ]; then
        echo /sbin/mdev >/proc/sys/kernel/hotplug && mdev -s
    else
        mdev -d
    fi
}

# The drivers of the devices that are there; mdev loads those of devices that come later (/etc/mdev.conf). Not every device
# has a driver in the image, so that modprobe's result says nothing.
load_for_devices() {
    find /sys/devices -name modalias -exec cat {} + | sort -u | xargs modprobe -a -b -q
    return 0
}

load_keymap() {
    if [ -z "$keymap" ]; then
        loadkmap </etc/keymap.bmap
    elif [ -e "/etc/keymaps/$keymap.bmap" ]; then
        loadkmap <"/etc/keymaps/$keymap.bmap"
    else
        echo "there is no keymap $keymap in the image, which has" "$(cd /etc/keymaps && echo *.bmap | sed 's/\.bmap//g')"
        loadkmap </etc/keymap.bmap
        return 1
    fi
}

# find_device NAME: node is the path of a device. A path costs no process, which would take from what is waited for.
find_device() {
    case $1 in
        PARTUUID=* | PARTLABEL=*) find_partition "$1" ;;
        *=*) node=$(findfs "$1" 2>/dev/null) ;;
        *) node=$1 ;;
    esac
    [ -e "$node" ]
}

# find_partition NAME: node is the partition that PARTUUID=… or PARTLABEL=… names.
find_partition() {
    node='' value=${1#*=}
    case $1 in PARTUUID=*) value=$(echo "$value" | tr A-F a-f) ;; esac
    for place in /sys/class/block/*/partition; do
        [ -e "$place" ] || continue
        place=${place%/partition}
        read_event "$place/uevent"
        case $1 in
            PARTLABEL=*) found=$label ;;
            *) found=${id:-$(partition_id "$place")} ;;
        esac
        [ "$found" != "$value" ] || { node=$device; return; }
    done
}

# read_event FILE: what the kernel says of a disk or partition.
read_event() {
    device='' label='' id=''
    while IFS= read -r line; do
        case $line in
            DEVNAME=*) device=/dev/${line#*=} ;;
            PARTNAME=*) label=${line#*=} ;;
            PARTUUID=*) id=${line#*=} ;;
        esac
    done <"$1"
}

# partition_id PLACE: what the kernel takes for the PARTUUID of a partition in sysfs (block/partitions/msdos.c and efi.c). Up to
# Linux 6.12 it does not say it there; the disk's table does.
partition_id() {
    read -r number <"$1/partition"
    read -r block <"$1/../queue/logical_block_size"
    read_event "$1/../uevent"
    # An MBR's signature, two bytes, and four entries of 16 bytes, the fifth of which is the type. The words of numbers are to be
    # split.
    # shellcheck disable=SC2046
    set -- $(bytes "$device" 440 70)
    mbr=$(printf '%s%s%s%s-%02x' "$4" "$3" "$2" "$1" "$number")
    case " ${11} ${27} ${43} ${59} " in
        *' ee '*) ;;
        *) echo "$mbr"; return ;;
    esac
    # shellcheck disable=SC2046
    set -- $(bytes "$device" "$block" 92)
    [ "$#-$1$2$3$4$5$6$7$8" = 92-4546492050415254 ] || { echo "$mbr"; return; }
    table=$((0x${80}${79}${78}${77}${76}${75}${74}${73} * block))
    size=$((0x${88}${87}${86}${85}))
    # shellcheck disable=SC2046
    set -- $(bytes "$device" $((table + (number - 1) * size + 16)) 16)
    echo "$4$3$2$1-$6$5-$8$7-$9${10}-${11}${12}${13}${14}${15}${16}"
}

# bytes FILE START LENGTH: in hexadecimal.
bytes() {
    hexdump -v -s "$2" -n "$3" -e '1/1 "%02x "' "$1"
}

# wait_for DEVICE[:SECONDS]: node is its path then.
wait_for() {
    name=${1%:*}
    [ "$name" = "$1" ] && seconds=30 || seconds=${1##*:}
    # The shell would end with what is no number, and take 08 for an octal one.
    case $seconds in
        '' | 0?* | *[!0-9]* | ?????*) echo "$1: $seconds is no number of seconds from 0 to 9999"; return 1 ;;
    esac
    case $name in
        PARTUUID=*/*) echo "$name: an offset (/PARTNROFF=) is not understood"; return 1 ;;
        PARTUUID=*) command -v hexdump >/dev/null || { echo "$name: busybox has no hexdump to read it with"; return 1; } ;;
    esac
    start='' told=''
    until find_device "$name"; do
        # A look takes its time, too.
        read -r now rest </proc/uptime
        now=${now%.*}
        start=${start:-$now}
        [ $((now - start)) -lt "$seconds" ] || { echo "$name has not come within $seconds s"; return 1; }
        if [ -z "$told" ] && [ $((now - start)) -ge 2 ]; then
            told=yes
            echo "init: waiting for $name, $seconds s at most" >/dev/console
        fi
        usleep 25000
    done
}

mount_stick() {
    wait_for "$mount" && mount "$node" /mnt
}

# The screen's first terminal, and every console that the kernel was told of but the screen (tty0).
consoles() {
    echo tty1
    read -r active </sys/class/tty/console/active
    for console in $active; do
        [ "$console" = tty0 ] || [ "$console" = tty1 ] || echo "$console"
    done
}

write_inittab() {
    cp /etc/inittab.head /etc/inittab
    for console in $(consoles); do
        [ ! -c "/dev/$console" ] || echo "$console::respawn:-/bin/sh" >>/etc/inittab
    done
}

mount_root() {
    wait_for "$root" || return 1
    mkdir -p /newroot
    mount ${rootfstype:+-t "$rootfstype"} -o "$access${rootflags:+,$rootflags}" "$node" /newroot || return 1
    has_init || { echo "there is no $init on $root"; umount /newroot; return 1; }
}

# Whether the real root has the init that is asked for. Its links may be absolute, and there may be no shell to look from within.
has_init() {
    program=$init links=0
    while [ "$links" -lt 40 ] && link=$(readlink "/newroot$program"); do
        links=$((links + 1))
        case $link in
            /*) program=$link ;;
            *) program=${program%/*}/$link ;;
        esac
    done
    [ -x "/newroot$program" ] || chroot /newroot /bin/sh -c "[ -x '$init' ]" 2>/dev/null
}

enter_root() {
    killall mdev 2>/dev/null
    for place in dev proc sys; do
        mount -o move "/$place" "/newroot/$place" || umount "/$place"
    done
    exec switch_root /newroot "$init"
}

step 'mounting /proc' mount -t proc proc /proc
step 'mounting /sys' mount -t sysfs sysfs /sys
# With devtmpfs the kernel itself makes the nodes of all devices. Without rules mdev, which looks at each of them first, then adds
# nothing that a boot should wait for.
hotplug=late
step 'mounting /dev' mount -t devtmpfs devtmpfs /dev || hotplug=early
read_command_line
at modules
[ ! -s /etc/modules ] || step 'loading modules' load_modules
# From here on USB hosts look for their devices, which takes a third of a second.
step 'making /dev/pts' mkdir -p /dev/pts
step 'mounting /dev/pts' mount -t devpts devpts /dev/pts
at hotplug
[ ! -e /etc/mdev.conf ] || hotplug=early
[ "$hotplug" = late ] || step 'starting hotplug' start_hotplug
[ ! -e /etc/mdev.conf ] || step 'loading the drivers of the devices' load_for_devices
at keymap
[ ! -e /etc/keymap.bmap ] || step 'loading the keymap' load_keymap
at wait
[ -z "$wait" ] || step "waiting for $wait" wait_for "$wait"
at mount
if [ -n "$mount" ] && step "mounting $mount on /mnt" mount_stick; then
    echo "init: ${mount%:*} is on /mnt after $(seconds) s"
fi
at root
if [ -n "$root" ] && step "mounting the root $root" mount_root; then
    echo "init: entering $root after $(seconds) s"
    enter_root
fi
[ "$hotplug" = early ] || step 'starting hotplug' start_hotplug
step 'writing /etc/inittab' write_inittab
at init

echo "init: ready after $(seconds) s"
exec /sbin/init
