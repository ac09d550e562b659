#!/bin/sh
# The manual pages are sound mdoc, and refer to pages that are there. Exit 77 without mandoc.
set -eu
cd "$(dirname "$0")/../../docs/man"
if ! command -v mandoc >/dev/null 2>&1; then
        echo "no mandoc here" >&2
        exit 77
fi
# Which pages are installed on this machine says nothing of ours.
found=$(mandoc -Tlint -Wstyle ./*.[1-9] 2>&1 | grep -vE 'referenced manual not found|mandoc.db' || true)
missing=$(sed -n 's/^\.Xr \(fsp[a-z.-]*\) \([1-9]\).*/\1.\2/p' ./*.[1-9] | sort -u |
        while read -r page; do [ -e "$page" ] || echo "there is no page $page"; done)
if [ -n "$found$missing" ]; then
        printf '%s\n' "$found" "$missing"
        exit 1
fi
echo "$(find . -name '*.[1-9]' | wc -l) manual pages, nothing to say"
