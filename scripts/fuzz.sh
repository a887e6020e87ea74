#!/usr/bin/env bash
# make fuzz: random files for every reader, random programs, random calls, each for SECONDS (first argument).
#   SANITIZE=address   under that sanitizer
#   FUZZ_SEED=n        the first seed; by default another one on every run
#   FUZZ_ONLY=loaders|programs|calls
# A crash is reported with its seed, and the run goes on behind it. Ends non-zero when anything was found.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-20}
seed=${FUZZ_SEED:-$(date +%s)000000}
sanitize=${SANITIZE:+--sanitize=$SANITIZE}
suffix=${SANITIZE:+-$SANITIZE}
swift=${SWIFT:-swift}
root=${FUZZ_BUILD:-.build}/fuzz$suffix
failed=0
# Interposed allocators need all of the address space.
[ -z "$sanitize" ] || export FUZZ_UNLIMITED=1
# No memory is what a call has to tell by itself, not the sanitizer.
export ASAN_OPTIONS="allocator_may_return_null=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

# run NAME COMMAND...: until the time is over, starting again behind the seed of each crash.
run() {
  local name=$1 first=$seed mark left end status
  shift
  mark=$(mktemp)
  end=$(($(date +%s) + seconds))
  while left=$((end - $(date +%s))) && [ "$left" -gt 0 ]; do
    # What does not end within five minutes more hangs.
    timeout -s KILL $((left + 300)) "$@" --seconds "$left" --first "$first" --seed-file "$mark"
    status=$?
    [ $status -eq 0 ] && break
    failed=1
    # 1: findings, all of the time was used; 64: it did not understand this script.
    [ $status -eq 1 ] || [ $status -eq 64 ] && break
    first=$((10#$(cat "$mark" 2>/dev/null || echo "$first")))
    echo "FINDING $name, seed $first: ended with status $status; again with: $* --first $first --count 1"
    first=$((first + 1))
  done
  rm -f "$mark"
}

wanted() { [ -z "${FUZZ_ONLY:-}" ] || [ "$FUZZ_ONLY" = "$1" ]; }

if wanted loaders; then
  $swift build --package-path Benchmarks -c release $sanitize --scratch-path "$root-loaders" --product fuzz-loaders || exit 1
  run loaders "$root-loaders/release/fuzz-loaders"
fi
if wanted programs || wanted calls; then
  $swift build -c release $sanitize --scratch-path "$root" --product fuzz-programs || exit 1
fi
wanted programs && run programs "$root/release/fuzz-programs" programs
# A call that stops leaves its memory behind.
wanted calls && ASAN_OPTIONS=$ASAN_OPTIONS:detect_leaks=0 run calls "$root/release/fuzz-programs" calls
exit $failed
