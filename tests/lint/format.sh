#!/bin/sh
# Every C file looks as .clang-format says.  Exit 77 without clang-format.
set -eu
cd "$(dirname "$0")/../.."
if ! command -v clang-format >/dev/null 2>&1; then
        echo "no clang-format here" >&2
        exit 77
fi
find src include tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror --style=file
