#!/bin/sh
# What /sbin/init runs before it powers off or reboots: everything that is on a disk goes back to it.

sync
# The last one mounted may lie within another one. Names keep their spaces as \040.
grep '^/dev/' /proc/mounts | cut -d ' ' -f 2 | sort -r | while read -r place; do
    place=$(printf '%b' "$place")
    umount "$place" || mount -o remount,ro "$place"
done
