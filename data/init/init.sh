#!/bin/sh
# /init: from the kernel's first process to a shell on every console.
#
# A step that fails says so on the console, and the boot goes on: a shell with a message is worth more than a panic.
# Everything here is busybox. /etc/modules holds the modules in load order, /etc/keymap.bmap the keymap.

export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root

# step DESCRIPTION COMMAND…: runs the command; if it fails, its output goes to the console behind the description.
# The output is kept in a file and not in $(…), which would wait for a daemon that keeps it open.
step() {
    description=$1
    shift
    "$@" >/run/init.log 2>&1 || echo "init: $description failed: $(cat /run/init.log)"
}

# A module may refuse a machine that lacks its hardware or instruction: the kernel says ENODEV, which is no failure.
load_modules() {
    # shellcheck disable=SC2046 # each name is an argument of its own
    modprobe -a $(cat /etc/modules) 2>/run/modprobe.log
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

load_keymap() {
    loadkmap </etc/keymap.bmap
}

# The screen's first terminal, and every console that the kernel was told of but the screen (tty0).
consoles() {
    echo tty1
    # shellcheck disable=SC2013 # the file's one line holds words
    for console in $(cat /sys/class/tty/console/active); do
        [ "$console" = tty0 ] || [ "$console" = tty1 ] || echo "$console"
    done
}

write_inittab() {
    cp /etc/inittab.head /etc/inittab
    for console in $(consoles); do
        [ ! -c "/dev/$console" ] || echo "$console::respawn:-/bin/sh" >>/etc/inittab
    done
}

step 'mounting /proc' mount -t proc proc /proc
step 'mounting /sys' mount -t sysfs sysfs /sys
step 'mounting /dev' mount -t devtmpfs devtmpfs /dev
step 'making /dev/pts' mkdir -p /dev/pts
step 'mounting /dev/pts' mount -t devpts devpts /dev/pts
[ ! -s /etc/modules ] || step 'loading modules' load_modules
step 'starting hotplug' start_hotplug
[ ! -e /etc/keymap.bmap ] || step 'loading the keymap' load_keymap
step 'writing /etc/inittab' write_inittab

echo "init: ready after $(cut -d ' ' -f 1 /proc/uptime) s"
exec /sbin/init
