#!/usr/bin/env bash
# Runs a program on Gzero in QEMU and exits with the program's exit status:
#
#   ./qemu-run.sh [OPTIONS] PROGRAM [ARGS…]
#   ./qemu-run.sh [OPTIONS] -crate DIR [ARGS…]
#   ./qemu-run.sh [OPTIONS] FILE.go…|FOLDER|IMPORTPATH [ARGS…]
#   ./qemu-run.sh [OPTIONS] [go] build|run|test|vet […]
#   ./qemu-run.sh [OPTIONS] go SUBCOMMAND […]
#
# PROGRAM is the name of a file in programs/, without its `.rs`, or the path of a file anywhere: with a slash or with its
# `.rs`. DIR is the directory of a cargo package whose library has the program.
#
# What `go run` takes is a Go program: FILE.go, more of them, a FOLDER (with a slash in its name, or `.`), an IMPORTPATH. `go`
# is the user's own go command for Gzero; what `go run` and `go test` build is run here. A path of what `go build` built
# runs that.
#
#   -list            name the programs
#   -smp N           cores, 1 to 64 (default: as many as this machine has)
#   -m SIZE          memory in QEMU's form, 32M or more (default: 512M)
#   -boot PROTOCOL   how the kernel starts: pvh (default), bios or uefi
#   -cpu MODEL       processor in QEMU's form, with properties if need be (default: max; qemu64, max,-avx)
#   -machine TYPE    machine: q35 (default), pc or microvm, with properties if need be (q35,acpi=off)
#   -o FILE          write an image with the program, its arguments and what -e sets, and start nothing. With -boot pvh
#                    it is an ELF that QEMU (-kernel), Firecracker and Cloud Hypervisor start, with bios or uefi a disk.
#                    A FILE that ends in .img is a disk for bios unless told. Further settings and arguments may come on
#                    the machine's command line.
#   -e NAME=VALUE    set in the program's environment; may be repeated, the last of a name counts
#   -gdb             wait for gdb at the first instruction and say how to attach
#   -icount          virtual time that counts instructions
#   -timeout SECONDS end the machine after that long, with a report (default: never)
#   -v               print the boot log too, and what was used and how long the start took
#   -h               print this
#   --               what follows is the program, whatever it begins with
#
# The program's environment is what -e sets, over this shell's variables whose names begin with GO
# (GODEBUG=schedtrace=1000 ./qemu-run.sh parfib). Arguments may have any bytes, 1 MiB of them.
#
# Other exit statuses: 64 wrong usage, 69 something is missing on this machine, 70 the machine ended
# without a status or could not be built, 124 timeout.

# Wrong words are found here, before anything is installed, built or started; `boot` does everything else.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)

wrong() {
    echo "qemu-run.sh: $*" >&2
    exit 64
}

# The one program that is the kernel's own, since it uses what no program can.
kernels=$root/kernel/src/memory/tlb_bench.rs

list() {
    local file first
    for file in "$root"/programs/*.rs "$kernels" "$root"/programs/go/*.go; do
        [[ -f $file ]] || continue
        IFS= read -r first <"$file" || true
        [[ $first == //* ]] || first='//'
        first=${first#//}
        case $file in
        *.go) file=${file#"$root"/} ;;
        *) file=$(basename "$file" .rs) ;;
        esac
        printf '%-16s %s\n' "$file" "${first#!}"
    done | sed 's/  */ /2; s/ *$//'
}

# QEMU's size, in bytes: digits, perhaps a fraction, and a unit; MiB where there is none. Empty if it is none.
bytes() {
    [[ $1 =~ ^([0-9]{1,15})(\.([0-9]{1,6}))?([bBkKmMgGtT]?)$ ]] || return 0
    local -i n=10#${BASH_REMATCH[1]} part=10#${BASH_REMATCH[3]:-0} whole=10**${#BASH_REMATCH[3]} shift
    case ${BASH_REMATCH[4]} in
    [bB]) shift=0 ;;
    [kK]) shift=10 ;;
    [gG]) shift=30 ;;
    [tT]) shift=40 ;;
    *) shift=20 ;;
    esac
    if ((n << shift >> shift == n)); then
        echo $(((n << shift) + (part << shift) / whole))
    fi
}

# Whether a word with a slash may be an import path: its first element is a domain, or there is a Go module here.
is_import_path() {
    [[ $1 != [/.]* ]] || return 1
    [[ ${1%%/*} != *.* ]] || return 0
    local dir=$PWD
    while [[ ! -f $dir/go.mod && ! -f $dir/go.work ]]; do
        [[ -n $dir ]] || return 1
        dir=${dir%/*}
    done
}

# QEMU's form of a model or type: a name and perhaps properties.
properties='(,[+-]?[A-Za-z0-9._-]+(=[^,]*)?)*'
protocol=pvh
machine=q35
package=
output=
# The first option about a machine.
of_machine=
options=()
while (($#)) && [[ $1 == -* ]]; do
    case $1 in
    --)
        options+=("$1")
        shift
        break
        ;;
    -h | -help | --help)
        sed -n '2,/^$/{s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
        exit
        ;;
    -list)
        list
        exit
        ;;
    -gdb | -icount | -v)
        of_machine=${of_machine:-$1}
        options+=("$1")
        shift
        continue
        ;;
    -o | -smp | -m | -boot | -cpu | -machine | -e | -timeout | -crate) (($# > 1)) || wrong "$1 needs a value" ;;
    *) wrong "unknown option '$1' (-h lists them)" ;;
    esac
    case $1 in
    -smp | -m | -cpu | -machine | -timeout) of_machine=${of_machine:-$1} ;;
    esac
    case $1 in
    -o)
        [[ -n $2 && ! -d $2 && -d $(dirname -- "$2") ]] || wrong "-o takes a file in a folder that is there, not '$2'"
        output=$2
        ;;
    -smp) [[ $2 =~ ^0*([1-9]|[1-5][0-9]|6[0-4])$ ]] || wrong "-smp takes 1 to 64 cores, not '$2'" ;;
    -m)
        size=$(bytes "$2")
        ((${size:-0} >= 32 << 20)) || wrong "-m takes a size of 32M or more (512M, 2G), not '$2'"
        ;;
    -boot)
        [[ $2 =~ ^(pvh|bios|uefi)$ ]] || wrong "-boot takes pvh, bios or uefi, not '$2'"
        protocol=$2
        ;;
    -cpu)
        [[ $2 =~ ^[A-Za-z0-9._-]+$properties$ && $2 != help ]] ||
            wrong "-cpu takes a processor model of QEMU's (qemu64; max,-avx), not '$2'"
        ;;
    -machine)
        [[ $2 =~ ^(q35|pc|microvm)$properties$ ]] ||
            wrong "-machine takes q35, pc or microvm, with properties if need be (q35,acpi=off), not '$2'"
        machine=$2
        ;;
    -e)
        [[ $2 =~ ^[A-Za-z_][A-Za-z0-9_]*= && $2 != console=* ]] ||
            wrong "-e takes NAME=VALUE, NAME of letters, digits and '_' and not 'console', not '$2'"
        ;;
    -crate) package=$2 ;;
    -timeout)
        [[ $2 =~ ^[0-9]{1,9}(\.[0-9]+)?$ && $2 =~ [1-9] ]] ||
            wrong "-timeout takes seconds, more than 0, not '$2'"
        ;;
    esac
    options+=("$1" "$2")
    shift 2
    [[ -z $package ]] || break
done
[[ -z $output || -z $of_machine ]] || wrong "-o writes an image and starts no machine, which $of_machine is for"
[[ $protocol == pvh || $machine != microvm* ]] || wrong "-machine microvm starts with -boot pvh only, not '$protocol'"
if [[ -n $package ]]; then
    [[ -f $package/Cargo.toml ]] || wrong "-crate takes the directory of a cargo package, and '$package' has no Cargo.toml"
elif (($# == 0)); then
    wrong "no program named (-list names them)"
elif [[ $1 == *.go || $1 == *.rs ]]; then
    [[ -f $1 ]] || wrong "no file '$1'"
elif [[ $1 == */* || $1 == . || $1 == .. ]]; then
    if [[ -d $1 ]]; then
        compgen -G "$1/*.go" >/dev/null || wrong "no Go files in '$1'"
    else
        [[ -f $1 ]] || is_import_path "$1" || wrong "no file '$1'"
    fi
elif [[ $1 =~ ^(go|build|run|test|vet)$ ]]; then
    [[ -z $output ]] || wrong "-o stands before a program; for the go command it is behind the subcommand: go build -o FILE"
else
    [[ -f $root/programs/$1.rs || $1 == tlb_bench ]] || wrong "no program '$1' (-list names them)"
fi

# Where packages are unpacked that cannot be installed (boot/debian.sh).
unpacked=${CARGO_TARGET_DIR:-$root/target}/debian
[[ $unpacked == /* ]] || unpacked=$PWD/$unpacked

# A cargo that knows this workspace's edition and `rust-version`.
find_cargo() {
    local cargo version
    while read -r cargo; do
        version=$("$cargo" -V 2>/dev/null) || continue
        if [[ $version =~ ^cargo\ 1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 95)); then
            echo "$cargo"
            return
        fi
    done < <(type -aP cargo; echo "${HOME:-/root}/.cargo/bin/cargo"; echo "$unpacked/rust/bin/cargo")
}

# Gets Debian packages, or says that they are missing: get FOLDER WHAT PACKAGES…
get() {
    local folder=$1 what=$2
    shift 2
    bash "$root/boot/debian.sh" "$unpacked/$folder" "$what" "$@" || {
        echo "qemu-run.sh: no $what here; install it (Debian 12: apt install $*; cargo also from https://rustup.rs)" >&2
        exit 69
    }
}

cargo=$(find_cargo)
if [[ -z $cargo ]]; then
    # All that the kernel needs too, as in boot/src/toolchain.rs: so it is fetched once.
    get rust "cargo 1.95 or newer" \
        rustc-web cargo-web rust-web-src rust-web-llvm lld-22 llvm-22 gcc libc6-dev ca-certificates
    cargo=$(find_cargo)
    [[ -n $cargo ]] || {
        echo "qemu-run.sh: Debian's cargo-web here is older than 1.95; get cargo from https://rustup.rs" >&2
        exit 69
    }
fi
PATH=$(dirname "$cargo"):$PATH:$unpacked/rust/bin:$unpacked/cc/bin
command -v cc >/dev/null || get cc "C compiler and linker (cc)" gcc libc6-dev
exec "$cargo" run -q --manifest-path "$root/Cargo.toml" -p boot -- ${options[@]+"${options[@]}"} "$@"
