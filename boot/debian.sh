#!/usr/bin/env bash
# Gets packages of Debian for `qemu-run.sh` and `boot/src/packages.rs`:
#
#   boot/debian.sh [-unpack] FOLDER WHAT PACKAGE…
#
# With -unpack they are not installed, whoever the user is. Else root installs them with apt-get. Where that would remove a package, or fails, or the user is not
# root, they and all that they depend on are unpacked into FOLDER, and nothing on the system
# changes:
#
# 1. apt resolves them against an empty list of installed packages. So nothing that is installed can
#    stand in the way, and the folder stays whole when the system is upgraded. (Dropping only the
#    packages that conflict from the list would save some downloads, but ties the folder to the
#    state of the system.)
# 2. All but the C library are unpacked: a program's interpreter is the system's, and takes no other
#    C library than its own. Where the package of the C library has one, the folder has a link to
#    the system's, for the linker.
# 3. `FOLDER/bin` has the programs of the packages named, each a link to `FOLDER/run`, which sets up
#    the libraries. All links and paths are relative to the folder: it can be moved.
# 4. The folder gets its name when it is complete, so an interrupted run leaves none. A lock
#    serialises concurrent runs.
#
# Exit status 69 if there are no such packages to be had; apt's messages are on stderr then.
set -euo pipefail

install=1
if [[ $1 == -unpack ]]; then
    install=
    shift
fi
folder=$1 what=$2
shift 2
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || exit 69

parent=$(dirname "$folder") new=$folder.new state=$(dirname "$folder")/apt
mkdir -p "$state"
exec {lock}>"$state/lock"
flock "$lock"
# Another run may have fetched them while this one waited.
if [[ -f $folder/packages && $(<"$folder/packages") == "$*" ]]; then
    exit 0
fi

export DEBIAN_FRONTEND=noninteractive
log=$state/log
if [[ $install && $(id -u) == 0 ]]; then
    echo "gzero: no $what here: installing $* with apt-get" >&2
    options=(-qq -o DPkg::Lock::Timeout=300)
    if {
        apt-get "${options[@]}" update &&
            apt-get "${options[@]}" install -y --no-remove --no-install-recommends "$@"
    } </dev/null >"$log" 2>&1; then
        exit 0
    fi
    echo "gzero: apt-get cannot install $*: unpacking them into $folder" >&2
else
    echo "gzero: no $what here: fetching $* into $folder" >&2
    : >"$log"
fi

# Everything of apt's but its configuration is the project's own.
fetch() {
    mkdir -p "$state/lists/partial" "$new/archives/partial"
    : >"$state/status"
    local apt=(
        apt-get -qq -o Dir::State="$state" -o Dir::State::status="$state/status"
        -o Dir::Cache="$state" -o Dir::Cache::archives="$new/archives"
        -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Acquire::Retries=3
    )
    # That one of several sources does not answer need not be one that is wanted.
    "${apt[@]}" update || true
    "${apt[@]}" install -y --download-only --no-install-recommends "$@"
}

# The directories of programs, libraries and data; no documentation.
unpack() {
    local deb path
    for deb in "$new"/archives/*.deb; do
        if [[ ${deb##*/} != libc6_* ]]; then
            dpkg-deb --fsys-tarfile "$deb" |
                tar -x -C "$new" --no-same-owner --exclude=./usr/share/{doc,man,info,locale,lintian}
            continue
        fi
        dpkg-deb --fsys-tarfile "$deb" | tar -t | while IFS= read -r path; do
            if [[ $path == *.so.* && -e ${path#.} ]]; then
                mkdir -p "$new/${path%/*}"
                ln -s "${path#.}" "$new/$path"
            fi
        done
    done
}

# Links between the packages that name the system's root lead to the folder's.
relink() {
    local link target
    find "$new" -type l -lname '/*' -print0 | while IFS= read -r -d '' link; do
        target=$(readlink "$link")
        [[ ! -e $new$target ]] || ln -sfnr "$new$target" "$link"
    done
}

# Beside what a package has, what its installation would make of it.
configure() {
    local package path
    if [[ -d $new/usr/share/ca-certificates ]]; then
        mkdir -p "$new/etc/ssl/certs"
        find "$new/usr/share/ca-certificates" /usr/local/share/ca-certificates -name '*.crt' -exec cat {} + \
            >"$new/etc/ssl/certs/ca-certificates.crt" || [[ ! -d /usr/local/share/ca-certificates ]]
    fi
    mkdir -p "$new/bin"
    cp "$(dirname "${BASH_SOURCE[0]}")/debian-run.sh" "$new/run"
    [[ ! -e $new/usr/bin/gcc ]] || ln -sfn ../run "$new/bin/cc"
    for package; do
        dpkg-deb --fsys-tarfile "$new/archives/${package}"_*.deb | tar -t | while IFS= read -r path; do
            [[ $path != ./usr/bin/?* ]] || ln -sfn ../run "$new/bin/${path##*/}"
        done
    done
    echo "$*" >"$new/packages"
}

# Not in an `if`: there bash would go on after a failure.
exec {errors}>&2 </dev/null >>"$log" 2>&1
trap '(($? == 0)) || { cat "$log" >&"$errors"; rm -rf "$new"; exit 69; }' EXIT
rm -rf "$new" "$folder"
fetch "$@"
unpack
relink
configure "$@"
rm -rf "$new/archives"
mv "$new" "$folder"
