#!/bin/sh
# SPDX-License-Identifier: MIT
# A Debian tree with files laid over it, which the tree itself never sees. Ends with its parent.
#
# usage: unshare --mount --propagation private sh tree.sh TREE STAGE SHOWN PLACE
#
# STAGE is copied over the tree's root; the directory SHOWN is in there under its own name. PLACE is
# empty and stays so outside of the namespace; the root is PLACE/root. It says "ready" and waits.
set -eu
tree=$1 stage=$2 shown=$3 place=$4
modules=/usr/lib/python3/dist-packages
mount -t tmpfs -o mode=0755 tmpfs "$place"
mkdir "$place/upper" "$place/work" "$place/root"
root=$place/root
mount -t overlay -o "lowerdir=$tree,upperdir=$place/upper,workdir=$place/work" overlay "$root"
cp -R "$stage/." "$root/"
mkdir -p "$root$shown"
mount --bind "$shown" "$root$shown"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
chroot "$root" /usr/bin/python3 -Im compileall -q "$modules/fdbrokerd" "$modules/bench" \
    "$modules/asyncvarlink"
echo ready
exec sleep infinity
