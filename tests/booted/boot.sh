#!/bin/bash
# SPDX-License-Identifier: MIT
# Boot systemd from a root tree in namespaces of its own; machine.py runs this, as root.
#
# usage: boot.sh TREE DIRECTORY SITE
#   DIRECTORY  for mount points, with the socket `notify` and a log in it; removed at the end
#   SITE       a directory to show read-only at /usr/lib/fdbrokerd-site, or nothing
#
# Two stages. The outer one owns what outlives the machine (its cgroup, DIRECTORY) and removes it,
# also when the test process is killed: SIGTERM comes as its parent-death signal. The inner one is
# the machine's pid 1: it builds the root, writes the pid that the host knows it by to standard
# output, and becomes systemd.
set -euo pipefail

outer() {
    # Not local: the traps read them at the end of the script.
    directory=$3 child=
    local script=$1 tree=$2 site=$4 cgroups

    # The machine is not to manage the cgroup that the host's processes are in. The host's own mount
    # is used where there is one: a second mount resets options like nsdelegate for everybody.
    cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/self/mounts)
    if [[ -z $cgroups ]]; then
        cgroups=$directory/root
        mount -t cgroup2 cgroup2 "$cgroups"
    fi
    cgroups+=$(sed -n 's/^0:://p' /proc/self/cgroup)
    sweep "$cgroups"
    cgroup=$cgroups/fdbrokerd-machine-$$
    mkdir -- "$cgroup"
    trap clean_up EXIT
    trap end TERM

    (
        echo "$BASHPID" >"$cgroup/cgroup.procs"
        exec setpriv --pdeathsig KILL \
            unshare --mount --pid --ipc --uts --cgroup --net --fork --kill-child \
            --propagation private bash -- "$script" --inner "$tree" "$directory" "$site"
    ) &
    child=$!
    # Twice, as a trapped signal ends the first one early.
    wait "$child" || wait "$child" || :
    # Its number may be another's from here on.
    child=
}

end() {
    # The machine's pid 1, not unshare: that waits for it, and so waiting for unshare waits for all.
    local init=
    if [[ -n $child ]]; then
        init=$(cat "/proc/$child/task/$child/children" 2>/dev/null) || :
        # One number and a blank, or nothing where there is no machine yet.
        kill -KILL "${init%% *}" 2>/dev/null || kill -KILL "$child" 2>/dev/null || :
    fi
}

remove_cgroup() {
    # Deepest first; the processes are gone, so what stays is only what somebody else still uses.
    find "$1" -depth -type d -exec rmdir -- {} + 2>/dev/null || :
}

sweep() {
    local stale
    for stale in "$1"/fdbrokerd-machine-*; do
        if [[ -d $stale && ! -d /proc/${stale##*-} ]]; then remove_cgroup "$stale"; fi
    done
}

clean_up() {
    remove_cgroup "$cgroup"
    umount "$directory/root" 2>/dev/null || :
    rm -f -- "$directory/notify" "$directory/log"
    rmdir -- "$directory/root" "$directory" 2>/dev/null || :
}

inner() {
    local tree=$1 directory=$2 site=$3 host_pid root
    # The proc of the host is still mounted here: this is the number that the host knows us by.
    read -r host_pid _ </proc/self/stat

    mount -t tmpfs -o mode=0755 tmpfs "$directory/root"
    root=$directory/root/merged
    mkdir -- "$directory/root/upper" "$directory/root/work" "$root"
    mount -t overlay -o "lowerdir=$tree" -o "upperdir=$directory/root/upper" \
        -o "workdir=$directory/root/work" overlay "$root"
    cd -- "$root"
    mkdir -p dev proc run sys tmp

    mount -t proc -o nosuid,nodev,noexec proc proc
    # The kernel is the host's: its settings can be read here and not written, but for those of the
    # own network namespace.
    mount --bind proc/sys proc/sys
    mount --bind proc/sys/net proc/sys/net
    mount -o remount,bind,ro proc/sys
    if [[ -e proc/sysrq-trigger ]]; then
        mount --bind proc/sysrq-trigger proc/sysrq-trigger
        mount -o remount,bind,ro proc/sysrq-trigger
    fi
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
    # Where commands that enter the machine go: a cgroup that belongs to no unit.
    mkdir -p sys/fs/cgroup/harness
    mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs run
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
    make_devices dev

    mkdir run/host run/old
    : >run/host/notify
    mount --bind "$directory/notify" run/host/notify
    if [[ -n $site ]]; then
        mkdir -p usr/lib/fdbrokerd-site
        mount --bind "$site" usr/lib/fdbrokerd-site
        mount -o remount,bind,ro usr/lib/fdbrokerd-site
    fi
    configure etc

    pivot_root . run/old
    cd /
    umount --lazy /run/old
    rmdir /run/old

    echo "$host_pid"
    # basic.target has the sockets, the journal and sysusers; what else is wanted a test starts.
    exec env -i container=fdbrokerd-test NOTIFY_SOCKET=/run/host/notify \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        /usr/lib/systemd/systemd --unit=basic.target </dev/null >/dev/null 2>&1
}

make_devices() {
    local name major minor
    mount -t tmpfs -o mode=0755,nosuid tmpfs "$1"
    mkdir "$1/pts" "$1/shm" "$1/net"
    while read -r name major minor; do
        mknod -m 0666 "$1/$name" c "$major" "$minor"
    done <<-END
		null 1 3
		zero 1 5
		full 1 7
		random 1 8
		urandom 1 9
		tty 5 0
		net/tun 10 200
	END
    mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$1/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$1/shm"
    ln -s pts/ptmx "$1/ptmx"
    ln -s /proc/self/fd "$1/fd"
    ln -s fd/0 "$1/stdin"
    ln -s fd/1 "$1/stdout"
    ln -s fd/2 "$1/stderr"
}

configure() {
    local unit
    tr -d - </proc/sys/kernel/random/uuid >"$1/machine-id"
    echo machine >"$1/hostname"
    : >"$1/fstab"
    mkdir -p "$1/systemd/system" "$1/systemd/journald.conf.d"
    printf '%s\n' '[Journal]' Storage=volatile RateLimitIntervalSec=0 \
        >"$1/systemd/journald.conf.d/fdbrokerd-test.conf"
    # What would reach for the shared kernel, for disks or for the time, and what only costs time.
    for unit in dev-hugepages.mount dev-mqueue.mount kmod-static-nodes.service ldconfig.service \
        modprobe@.service proc-sys-fs-binfmt_misc.automount sys-fs-fuse-connections.mount \
        sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
        systemd-binfmt.service systemd-firstboot.service systemd-initctl.socket \
        systemd-journald-audit.socket systemd-modules-load.service systemd-networkd.service \
        systemd-random-seed.service systemd-remount-fs.service systemd-resolved.service \
        systemd-sysctl.service systemd-timesyncd.service systemd-udev-trigger.service \
        systemd-udevd-control.socket systemd-udevd-kernel.socket systemd-udevd.service \
        systemd-update-utmp.service timers.target; do
        ln -sfn /dev/null "$1/systemd/system/$unit"
    done
}

if [[ $1 == --inner ]]; then
    inner "${@:2}"
else
    outer "$0" "$@"
fi
