#!/usr/bin/env bash
# Compiles the kernels for aarch64 as far as a machine without its C library can: to assembly, with this machine's C
# headers and the few that differ replaced. Says so, and succeeds, where clang or the headers are missing.
set -euo pipefail
cd "$(dirname "$0")/../Sources/CKernels"
clang=$(command -v clang || true)
multiarch=/usr/include/x86_64-linux-gnu
if [ "$(uname -m)" = aarch64 ] || [ -z "$clang" ] || [ ! -d $multiarch ]; then
  echo "aarch64: nothing to check here"
  exit 0
fi
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkdir -p "$out/gnu" "$out/bits"
: >"$out/gnu/stubs.h"
printf '#define __WORDSIZE 64\n#define __WORDSIZE_TIME64_COMPAT32 0\n' >"$out/bits/wordsize.h"
sed 's/__attribute__ *((\(__\)\{0,1\}regparm\(__\)\{0,1\} (1)))//' $multiarch/bits/pthreadtypes-arch.h \
  >"$out/bits/pthreadtypes-arch.h"
for f in *.c; do
  "$clang" --target=aarch64-linux-gnu -std=c17 -O2 -Wall -Wextra -Werror -Iinclude -isystem "$out" \
    -isystem $multiarch -S -o "$out/$f.s" "$f"
done
count=$(grep -cE '\bfmla\b' "$out/table_baseline.c.s" || true)
[ "$count" -gt 100 ] || { echo "aarch64: only $count fused vector multiply-adds in the baseline tables"; exit 1; }
echo "aarch64: $(ls *.c | wc -l) files compile; the baseline tables have $count NEON fmla"
