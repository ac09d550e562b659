#!/bin/sh
# build.sh FOLDER: makes FOLDER/winhttp_post.exe.  Exit 77 where there is no compiler for Windows.
set -eu
folder=${1:?usage: build.sh FOLDER}
here=$(cd "$(dirname "$0")" && pwd)
for compiler in x86_64-w64-mingw32-gcc x86_64-w64-mingw32-gcc-win32; do
        if command -v "$compiler" >/dev/null 2>&1; then
                exec "$compiler" -std=gnu17 -O1 -Wall -Wextra -Werror -municode \
                        -o "$folder/winhttp_post.exe" "$here/winhttp_post.c" -lwinhttp
        fi
done
echo "build.sh: no x86_64-w64-mingw32-gcc here (package gcc-mingw-w64-x86-64-win32)" >&2
exit 77
