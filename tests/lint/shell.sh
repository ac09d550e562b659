#!/bin/sh
# The shell scripts, all files that say so in their first line, pass shellcheck. Exit 77 without it.
set -eu
cd "$(dirname "$0")/../.."
if ! command -v shellcheck >/dev/null 2>&1; then
        echo "no shellcheck here" >&2
        exit 77
fi
find . \( -name .git -o -name .build -o -name node_modules \) -prune -o -type f -size -200k \
        -exec sh -c 'for file; do head -n 1 "$file" | grep -aEq "^#! ?/(usr/)?bin/(env )?(ba|da)?sh" && printf "%s\\0" "$file"; done; :' \
        sh {} + | xargs -0 shellcheck --external-sources
