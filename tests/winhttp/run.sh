#!/bin/sh
# run.sh FOLDER ARGUMENTS...: runs FOLDER/winhttp_post.exe under wine, in a Windows of its own in
# FOLDER/prefix.  Exit 77 where there is no wine.
set -eu
folder=${1:?usage: run.sh FOLDER ARGUMENTS...}
shift
wine=
for name in wine64 wine64-stable wine wine-stable /usr/lib/wine/wine64; do
        if command -v "$name" >/dev/null 2>&1; then
                wine=$name
                break
        fi
done
if [ -z "$wine" ]; then
        echo "run.sh: no wine here (package wine64)" >&2
        exit 77
fi
# No desktop integration, no Mono and Gecko installers: only the network is wanted.
HOME=$folder WINEPREFIX=$folder/prefix WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml,winemenubuilder.exe=" \
        exec "$wine" "$folder/winhttp_post.exe" "$@"
