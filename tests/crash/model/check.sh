#!/bin/sh
# The model fspd.pml, searched exhaustively: the true one must show nothing, in
# no crash and no order of events, and each mutant must fail.
#   check.sh [--full]    Exit: 0 so it is, 1 not, 77 no spin or C compiler here
set -eu
model=$(dirname "$(readlink -f "$0")")/fspd.pml
command -v spin >/dev/null && command -v gcc >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# search NAME OUTCOME WHAT DEFINITIONS...   OUTCOME: holds or fails;
# WHAT: states (assertions) or cycles (runs without an end)
search() {
        name=$1 outcome=$2 what=$3
        shift 3
        folder=$work/$name
        mkdir "$folder"
        cd "$folder"
        case $what in
        states) kind=-DSAFETY search= ;;
        cycles) kind=-DNP search=-l ;;
        esac
        began=$(date +%s)
        # Each definition is a word of its own.
        spin "$@" -a "$model" >spin.out
        gcc -O2 -w "$kind" -DCOLLAPSE -DMEMLIM=6000 -o pan pan.c
        # shellcheck disable=SC2086 # nothing, or one option
        ./pan -E -n -m2000000 $search >pan.out 2>&1 || true
        errors=$(sed -n 's/.*errors: //p' pan.out)
        if grep -q 'Search not completed' pan.out && [ "$errors" = 0 ]; then
                errors=incomplete
        fi
        found=holds
        [ "$errors" = 0 ] || found=fails
        [ "$errors" != incomplete ] && [ -n "$errors" ] || found='cannot be told'
        verdict=ok
        [ "$found" = "$outcome" ] || verdict=WRONG
        printf '%-6s %-26s %s after %s states, %s s\n' "$verdict" "$name" "$found" \
                "$(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' pan.out)" "$(($(date +%s) - began))"
        [ "$verdict" = ok ] || {
                cat pan.out
                return 1
        }
}

run_list() {
        status=0
        while read -r line; do
                # shellcheck disable=SC2086 # a line is a list of arguments
                (search $line) || status=1
        done
        return $status
}

small='-DM=2 -DMOVES=0 -DMEDDLINGS=0'
{
        echo "two-crashes holds states $small -DCRASHES=2"
        echo "no-end holds cycles $small -DCRASHES=1"
        [ "${1-}" != --full ] || echo "three-messages holds states -DM=3 -DCRASHES=1 -DMOVES=0 -DMEDDLINGS=0"
        [ "${1-}" != --full ] || echo "three-crashes holds states $small -DCRASHES=3"
        [ "${1-}" != --full ] || echo "no-end-elsewhere holds cycles -DM=2 -DCRASHES=1 -DMOVES=2 -DMEDDLINGS=0"
        for mutant in ACK_BEFORE_COMMIT STAGED_BEFORE_SYNC TWO_BATCHES_IN_HAND COPIED_BEFORE_FLUSH PUBLISHED_BEFORE_COPIED; do
                echo "$mutant fails states $small -DCRASHES=1 -DMUTANT_$mutant"
        done
} >"$work/first"
{
        echo "another-folder holds states -DM=2 -DCRASHES=1 -DMOVES=2 -DMEDDLINGS=0"
        echo "a-staged-file-removed holds states -DM=2 -DCRASHES=1 -DMOVES=0 -DMEDDLINGS=1"
        [ "${1-}" != --full ] || echo "everything holds states -DM=2 -DCRASHES=1 -DMOVES=2 -DMEDDLINGS=1"
        for mutant in FORWARDED_BEFORE_SETTLE TMP_RULE_INVERTED; do
                echo "$mutant fails states $small -DCRASHES=1 -DMUTANT_$mutant"
        done
        echo "ARRIVED_UNSETTLED fails states $small -DCRASHES=2 -DMUTANT_ARRIVED_UNSETTLED"
        echo "IDENTITY_IGNORED fails states -DM=2 -DCRASHES=1 -DMOVES=1 -DMEDDLINGS=0 -DMUTANT_IDENTITY_IGNORED"
        renamed="-DM=2 -DRENAMED"
        echo "renamed holds states $renamed -DMOVES=0 -DMEDDLINGS=0 -DCRASHES=2"
        echo "renamed-no-end holds cycles $renamed -DMOVES=0 -DMEDDLINGS=0 -DCRASHES=1"
        echo "renamed-another-folder holds states $renamed -DCRASHES=1 -DMOVES=2 -DMEDDLINGS=0"
        echo "renamed-staged-file-removed holds states $renamed -DCRASHES=1 -DMOVES=0 -DMEDDLINGS=1"
        [ "${1-}" != --full ] || echo "renamed-everything holds states $renamed -DCRASHES=1 -DMOVES=2 -DMEDDLINGS=1"
        for mutant in STAGED_BEFORE_SYNC PUBLISHED_BEFORE_COPIED FORWARDED_BEFORE_SETTLE TMP_RULE_INVERTED; do
                echo "renamed-$mutant fails states $renamed -DMOVES=0 -DMEDDLINGS=0 -DCRASHES=1 -DMUTANT_$mutant"
        done
        echo "renamed-ARRIVED_UNSETTLED fails states $renamed -DMOVES=0 -DMEDDLINGS=0 -DCRASHES=2" \
                "-DMUTANT_ARRIVED_UNSETTLED"
} >"$work/second"
run_list <"$work/first" &
other=$!
status=0
run_list <"$work/second" || status=1
wait "$other" || status=1
exit $status
