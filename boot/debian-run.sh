#!/bin/sh
# Runs the program of this name from a folder that `boot/debian.sh` unpacked, with the libraries
# beside it.
top=$(cd "${0%/*}/.." && pwd) name=${0##*/}
for dir in "$top"/usr/lib/*-linux-gnu "$top"/lib/*-linux-gnu; do
    [ ! -d "$dir" ] || LD_LIBRARY_PATH=$dir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH
case $name in
cc | gcc)
    # The headers, and the linker and assembler, which gcc looks for in PATH.
    PATH=$top/usr/bin:$PATH exec "$top/usr/bin/gcc" --sysroot="$top" "$@"
    ;;
cargo)
    # For a host without a C compiler.
    PATH=$PATH:$top/bin
    if [ ! -e /etc/ssl/certs/ca-certificates.crt ] && [ -z "${CARGO_HTTP_CAINFO-}" ]; then
        export CARGO_HTTP_CAINFO="$top/etc/ssl/certs/ca-certificates.crt"
    fi
    ;;
pip*)
    # A Python script: run by the interpreter that was unpacked beside it, without the user's
    # settings, which are for another Python.
    unset PYTHONHOME PYTHONPATH
    if [ ! -e /etc/ssl/certs/ca-certificates.crt ] && [ -z "${PIP_CERT-}" ]; then
        export PIP_CERT="$top/etc/ssl/certs/ca-certificates.crt"
    fi
    exec "$top/usr/bin/python3" "$top/usr/bin/$name" "$@"
    ;;
esac
exec "$top/usr/bin/$name" "$@"
