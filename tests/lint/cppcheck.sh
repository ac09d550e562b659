#!/bin/sh
# cppcheck over src.  Exit 77 without cppcheck.
set -eu
cd "$(dirname "$0")/../.."
if ! command -v cppcheck >/dev/null 2>&1; then
        echo "no cppcheck here" >&2
        exit 77
fi
# Left out: foreign headers are not looked into; what AUTO_FREE and AUTO_CLOSE give back is taken for a
# leak (the sanitizers look for those); unmatched suppressions of other versions are no fault.
exec cppcheck --quiet --std=c11 --language=c -j 2 --error-exitcode=1 --inline-suppr \
        --enable=warning,performance,portability \
        --suppress=missingInclude --suppress=missingIncludeSystem --suppress=unmatchedSuppression \
        --suppress=memleak --suppress=resourceLeak \
        -D_GNU_SOURCE -DFSP_VERSION='"0"' -DFSP_FILE_NAME='"x"' -I include -I src src
