#!/usr/bin/env bash
# libxml2 as this Debian has it, patches and all, built from its source package
# into FOLDER/libxml2.a: with coverage, so that libFuzzer is led by what happens
# within it too, and with the sanitizers.  apt works with lists of its own below
# FOLDER; the machine's configuration stays as it is.
#
#     libxml2.sh FOLDER
set -euo pipefail
mkdir -p "$1"
cd "$1"
. /etc/os-release

readonly APT=(apt-get -q -o Dir::Etc::sourcelist="$PWD/sources.list" -o Dir::Etc::sourceparts=-
        -o Dir::State::lists="$PWD/lists" -o Dir::Cache="$PWD/cache" -o APT::Sandbox::User="$(id -un)")
# Everything that reads a message, and nothing beside it.
readonly OFF=(C14N CATALOG DEBUG DOCB FTP HTML HTTP ICONV ICU LZMA MEM_DEBUG MODULES PROGRAMS PYTHON
        REGEXPS RUN_DEBUG SCHEMAS SCHEMATRON TESTS XINCLUDE XPATH XPTR ZLIB)

fetch() {
        mkdir -p lists/partial cache/archives/partial
        cat >sources.list <<LIST
deb-src http://deb.debian.org/debian $VERSION_CODENAME main
deb-src http://deb.debian.org/debian-security $VERSION_CODENAME-security main
LIST
        "${APT[@]}" update
        "${APT[@]}" source --download-only libxml2
        rm -rf source
        dpkg-source --extract ./*.dsc source
}

build() {
        local off=("${OFF[@]/#/-DLIBXML2_WITH_}")
        off=("${off[@]/%/=OFF}")
        cmake -S source -B build -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang \
                -DCMAKE_C_FLAGS_DEBUG="-O1 -g" -DBUILD_SHARED_LIBS=OFF "${off[@]}" \
                -DCMAKE_C_FLAGS="-fsanitize=address,undefined,fuzzer-no-link -fno-omit-frame-pointer -w"
        cmake --build build
        cp build/libxml2.a .
}

[ -d source ] || fetch
build
