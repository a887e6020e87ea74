#!/usr/bin/env bash
# Builds the runner of this tree and, where there is one, of a base commit, and compares them.
# PERF_BASE: the base commit; "none" for no base. Without it: where this branch left main, or else the parent commit.
# Further arguments go to `nde-bench perf-check`. Exit codes: 0 equal, 2 regression, 4 only improvements, 1 no check.
set -euo pipefail
cd "$(dirname "$0")/.."
SWIFT=${SWIFT:-swift}
work=.build/perf
scratch=${PERF_SCRATCH:-$work/head} # not that of `make test`, whose flags differ: each would rebuild the other's

find_base() {
  local base
  for branch in origin/main main; do
    if base=$(git merge-base HEAD "$branch" 2>/dev/null) && [ "$base" != "$(git rev-parse HEAD)" ]; then
      echo "$base"
      return
    fi
  done
  git rev-parse --verify -q HEAD~1 || echo none
}

base_build=
base=${PERF_BASE:-$(find_base)}
arguments=()
if [ "$base" != none ]; then
  base=$(git rev-parse --verify "$base^{commit}")
  what=(Package.swift Sources Benchmarks/Sources/PerformanceCheck Benchmarks/Sources/CMeasure)
  if ! git cat-file -e "$base:Benchmarks/Sources/PerformanceCheck" 2>/dev/null; then
    echo "perf-check: commit ${base:0:10} has no performance check yet; comparing with the baseline only"
  elif git diff --quiet "$base" -- "${what[@]}"; then
    echo "perf-check: nothing that runs differs from commit ${base:0:10}; comparing with the baseline only"
  else
    echo "perf-check: building the base, commit ${base:0:10}"
    # The same folder for every base: SwiftPM then builds what changed only.
    mkdir -p "$work/base"
    find "$work/base" -mindepth 1 -maxdepth 1 ! -name '*.log' -exec rm -rf {} +
    git archive "$base" | tar -x -C "$work/base"
    # Beside the head: an optimised build of a Swift module is one core's work.
    "$SWIFT" build -c release --package-path "$work/base/Benchmarks" --scratch-path "$work/base-build" \
      --product nde-bench >"$work/base.log" 2>&1 &
    base_build=$!
  fi
fi
"$SWIFT" build -c release --package-path Benchmarks --scratch-path "$scratch" --product nde-bench
if [ -n "$base_build" ]; then
  if wait "$base_build"; then
    arguments+=(--base-runner "$PWD/$work/base-build/release/nde-bench" --base-name "commit ${base:0:10}")
  else
    tail -20 "$work/base.log"
    echo "perf-check: the base does not build (see $work/base.log); comparing with the baseline only"
  fi
fi
exec "$scratch/release/nde-bench" perf-check --out Benchmarks/runs/perf-check ${arguments[@]+"${arguments[@]}"} "$@"
