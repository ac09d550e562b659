#!/usr/bin/env bash
# The inside of a machine of its own, for commands that change the system: this
# runs in new mount, network and process namespaces (machine.py), where all that
# is written to the system's folders and the checkout lies in memory and goes with
# the last process.  /tmp alone is shared.
#   machine.sh MEMORY CHECKOUT BUILD   MEMORY: an empty folder
set -euo pipefail
memory=$1 checkout=$2 build=$3

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$memory"

# Taken as they are, before overlays lie over the folders above them.
mkdir "$memory/checkout" "$memory/build"
mount --bind "$checkout" "$memory/checkout"
mount --bind "$build" "$memory/build"

# overlay FOLDER [LOWER]: what stands there is seen; what is written goes to memory.
overlay() {
        local own
        own=$memory/$(printf '%s' "${1#/}" | tr / -)
        mkdir -p "$own/upper" "$own/work" "$1"
        mount -t overlay -o "lowerdir=${2:-$1},upperdir=$own/upper,workdir=$own/work" overlay "$1"
}
for folder in /etc /usr /var /srv /root /home; do
        overlay "$folder"
done
mount -t tmpfs -o mode=755 tmpfs /run
overlay "$checkout" "$memory/checkout"
# The programs to be installed are those of the build under test.
overlay "$checkout/.build/release" "$memory/build"

# A server called fsp01, and nobody else in the network.
ip link set lo up
ip address add 192.0.2.10/32 dev lo
echo '192.0.2.10 fsp01.example.com fsp01' >>/etc/hosts
echo fsp01 >/etc/hostname

echo ready
# bash is this machine's first process: it waits for all whose parents have gone.
sleep infinity &
wait
