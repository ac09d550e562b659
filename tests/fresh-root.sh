#!/usr/bin/env bash
# Do the README's two commands work on a machine that has nothing?  Makes a
# minimal Debian root, puts the checkout in it and runs them there.
#
#   tests/fresh-root.sh [run|test|unit|deb|bench|ci]...     run and test when none is named
#
# Needs root, mmdebstrap and a Debian mirror (DEBIAN_MIRROR, else the usual
# one).  DEBIAN_ARCH=i386 makes it one of 32 bits.  The bare root is kept as a tarball in ${XDG_CACHE_HOME:-/var/cache}/fspd,
# and what the commands said, as run.out and test.out.
# The copy holds what git tracks or would track, as it stands in the work tree.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly SUITE=${DEBIAN_SUITE:-bookworm}
readonly CACHE=${XDG_CACHE_HOME:-/var/cache}/fspd
readonly ARCH=${DEBIAN_ARCH:-$(dpkg --print-architecture)}
readonly TARBALL=$CACHE/$SUITE${DEBIAN_ARCH:+-$DEBIAN_ARCH}.tar
readonly RUN_TIMEOUT_S=600 TEST_TIMEOUT_S=5400
readonly WANTED='Successfully copied 1 out of 1 file(s)'

say() {
        printf 'fresh-root: %s\n' "$*"
}

die() {
        printf 'fresh-root: %s\n' "$*" >&2
        exit 1
}

# How this machine reaches its mirror (proxy, clock checks) holds inside too.
make_tarball() {
        local part
        [ ! -e "$TARBALL" ] || return 0
        say "making $TARBALL"
        mkdir -p "$CACHE"
        part=$TARBALL.part
        apt-config dump | grep -E '^Acquire::(http|https|Check|Retries|ForceIP)' >"$CACHE/apt.conf" || true
        mmdebstrap --mode=root --variant=important --format=tar --architectures="$ARCH" --aptopt="$CACHE/apt.conf" \
                "$SUITE" "$part" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"}
        mv "$part" "$TARBALL"
}

make_root() {
        tar -C "$ROOT" --numeric-owner -xf "$TARBALL"
        cp -L /etc/resolv.conf /etc/hosts "$ROOT/etc/"
        # Whom this machine trusts (a proxy of the house, say), npm trusts inside.
        cat /etc/ssl/certs/ca-certificates.crt >"$ROOT/etc/npm-ca.crt" 2>/dev/null || true
        mkdir -p "$ROOT/src/fspd"
        git ls-files -z --cached --others --exclude-standard |
                while IFS= read -r -d '' file; do
                        [ ! -e "$file" ] || printf '%s\0' "$file"
                done | tar -c --null -T - | tar -C "$ROOT/src/fspd" --no-same-owner -x
}

# Becomes the command inside; its mounts are seen by it alone and go with it.
inside() {
        # shellcheck disable=SC2016 # expanded by the shells further in
        exec unshare --mount bash -euc '
                root=$1
                shift
                mount --make-rprivate /
                mount --bind "$root" "$root" # a place of its own, so that tests may mount within
                cd "$root"
                mount -t proc proc "$root/proc"
                mount --rbind /dev "$root/dev"
                mount --rbind /sys "$root/sys"
                mount -t tmpfs tmpfs "$root/run"
                mkdir old-root
                pivot_root . old-root # as on a machine: also who enters by its mounts is in it
                umount --lazy old-root
                rmdir old-root
                exec chroot . env -i HOME=/root LANG=C.UTF-8 CI=true NODE_EXTRA_CA_CERTS=/etc/npm-ca.crt \
                        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                        sh -c "cd /src/fspd && exec \"\$@\"" sh "$@"
        ' bash "$ROOT" "$@" </dev/null
}

# Waits until the file has a line with the text; not when the process ends
# first or the time is over.
wait_for_text() {
        local text=$1 file=$2 pid=$3 deadline=$((SECONDS + $4))
        until grep -qF "$text" "$file"; do
                kill -0 "$pid" 2>/dev/null && [ $SECONDS -lt $deadline ] || return 1
                sleep 1
        done
}

try_run() {
        local output=$CACHE/run.out pid started=$SECONDS
        say "./dev run, with nothing installed but the base system"
        inside ./dev run >"$output" 2>&1 &
        pid=$!
        if ! wait_for_text 'Ctrl-C stops it' "$output" "$pid" "$RUN_TIMEOUT_S"; then
                kill -TERM "$pid" 2>/dev/null || true # it may have ended
                tail -n 40 "$output" >&2
                die "./dev run did not come up"
        fi
        sed -n '/fspmgr.log says/,$p' "$output"
        grep -qF "$WANTED" "$output" || die "./dev run came up without: $WANTED"
        say "up after $((SECONDS - started)) s; now it is told to end"
        kill -TERM "$pid"
        wait "$pid" || die "./dev run did not end well: $(tail -n 1 "$output")"
        tail -n 1 "$output"
}

# try_command NAME COMMAND...
try_command() {
        local output=$CACHE/$1.out started=$SECONDS
        shift
        say "$* on $ARCH"
        if ! (inside timeout "$TEST_TIMEOUT_S" "$@") >"$output" 2>&1; then
                tail -n 80 "$output" >&2
                die "$* did not pass: see $output"
        fi
        tail -n 1 "$output"
        say "done after $((SECONDS - started)) s"
}

[ "$(id -u)" -eq 0 ] || die "this needs root"
command -v mmdebstrap >/dev/null || die "this needs mmdebstrap"
[ $# -gt 0 ] || set -- run test
make_tarball
ROOT=$(mktemp -d /var/tmp/fspd-root.XXXXXX)
readonly ROOT
trap 'rm -rf --one-file-system "$ROOT"' EXIT
make_root
for part in "$@"; do
        case $part in
        run) try_run ;;
        test | deb) try_command "$part" ./dev "$part" ;;
        bench) try_command bench ./dev bench --quick ;;
        unit) try_command unit ./dev test -R '^unit/' ;;
        ci) try_command ci bash .ci/run ;;
        *) die "what is $part?" ;;
        esac
done
say "all well"
