#!/usr/bin/env bash
# Makes sure that what the build needs is on this machine: a Swift toolchain and three C libraries.
set -euo pipefail

packages=()
have() { pkg-config --exists "$1" 2>/dev/null; }

if ! command -v swift >/dev/null; then
  echo "setup: no Swift toolchain found. Install Swift 6.2 or later from https://www.swift.org/install and put it on PATH." >&2
  exit 1
fi
command -v pkg-config >/dev/null || packages+=(pkg-config)
have openblas || packages+=(libopenblas-dev)
have lapacke || packages+=(liblapacke-dev)
have zlib || packages+=(zlib1g-dev) # the benchmark runner reads .gz files; the library does not need it
[ ${#packages[@]} -eq 0 ] && exit 0

hint="install them by hand, then run make again:  apt-get install ${packages[*]}"
if ! command -v apt-get >/dev/null; then
  echo "setup: missing system libraries and no apt-get here; the Debian names are: ${packages[*]}" >&2
  exit 1
fi
run=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    run=(sudo -n)
  else
    echo "setup: missing system libraries, and installing needs root; $hint" >&2
    exit 1
  fi
fi
echo "setup: installing ${packages[*]}"
install() {
  # ${run[@]+...}: an empty array is an unbound variable for older shells.
  DEBIAN_FRONTEND=noninteractive ${run[@]+"${run[@]}"} apt-get install -y -q "${packages[@]}" >/dev/null
}
if ! install 2>/dev/null; then
  ${run[@]+"${run[@]}"} apt-get update -q >/dev/null || true
  install || { echo "setup: apt-get could not install the packages; $hint" >&2; exit 1; }
fi
