#!/bin/sh
# Unmakes one machine, whoever asks: the test that made it, `cargo lab down`, or the watchdog of a test that was killed.
# usage: undo /run/hostagent-lab/machines/NAME
dir=$1
[ -d "$dir" ] || exit 0
exec 9>/run/hostagent-lab/undo.lock
flock 9
[ -d "$dir" ] || exit 0
cgroup=$(cat "$dir/cgroup" 2>/dev/null)

# Everything that runs in it, then everything that runs around it.
if [ -n "$cgroup" ] && [ -d "$cgroup" ]; then
    echo 1 >"$cgroup/cgroup.kill"
    tries=0
    while grep -q '^populated 1' "$cgroup/cgroup.events" && [ $tries -lt 500 ]; do
        tries=$((tries + 1))
        sleep 0.01
    done
fi
# Those that it made, and none that only bears its name.
for space in $(cat "$dir/spaces" 2>/dev/null); do
    [ -e "/run/netns/$space" ] || continue
    ip netns pids "$space" 2>/dev/null | xargs -r kill -9 2>/dev/null
    ip netns delete "$space"
done

for file in "$dir"/disk/disks/*; do
    [ -e "$file" ] || continue
    losetup --associated "$file" | cut -d: -f1 | xargs -r losetup --detach
done
for mount in "$dir/disk/sys/virtual" "$dir/disk/sys/real" "$dir/disk/merged" "$dir/disk"; do
    mountpoint -q "$mount" || continue
    umount "$mount" 2>/dev/null || umount --lazy "$mount"
done
if [ -n "$cgroup" ] && [ -d "$cgroup" ]; then
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null
fi
mountpoint -q "$dir/disk" || rm -rf --one-file-system "$dir"
