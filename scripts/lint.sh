#!/usr/bin/env bash
# House rules that a script can check. Ends non-zero when one is broken.
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
fail() { echo "lint: $1"; failed=1; }

# 1. Format.
swift_dirs=()
for d in Sources Tests Benchmarks/Sources Benchmarks/Tests Examples; do [ -d "$d" ] && swift_dirs+=("$d"); done
swift format lint --strict -p -r "${swift_dirs[@]}" Package.swift Benchmarks/Package.swift || fail "swift format"
if command -v clang-format >/dev/null; then
  # Only a formatter of the same generation agrees with .clang-format on every line, so this is advice.
  clang-format --dry-run $(git ls-files 'Sources/CKernels/*.[ch]') 2>&1 | head -5 || true
fi

# 2. Layers: Kernels alone imports CKernels; a folder names types of its own and earlier folders only (layers.py).
if grep -rln '^import CKernels\|^@_.*import CKernels' Sources/NODECore --include='*.swift' | grep -v '^Sources/NODECore/Kernels/'; then
  fail "only Sources/NODECore/Kernels may import CKernels"
fi
if grep -rn 'include <cblas\.h>\|include <lapacke\.h>' Sources/CKernels/include; then
  fail "system headers must not leak through the public headers of CKernels"
fi
scripts/layers.py || fail "layers"
scripts/readme.py || fail "README example"

# 3. Length: a file has one reason to exist. Tables and tests of tables are exempt by name.
while read -r f; do
  n=$(wc -l <"$f")
  [ "$n" -le 420 ] || fail "$f has $n lines (about 400 allowed)"
done < <(git ls-files '*.swift' '*.c' '*.h' '*.inc' | grep -viE 'table|tableau')

# 4. Forbidden build settings and features.
if grep -nE 'unsafeFlags|-march=|-ffast-math|_Differentiation|enableExperimentalFeature' \
  Package.swift Benchmarks/Package.swift -r Sources; then
  fail "forbidden build setting or feature"
fi

# 5. C symbols: everything that the kernels export starts with nk_.
objects=$(find .build -path '*CKernels.build*' -name '*.o' 2>/dev/null | head -40)
if [ -n "$objects" ]; then
  bad=$(nm -g --defined-only $objects 2>/dev/null | awk 'NF==3 && $3 !~ /^(nk_|__asan|__odr|__tsan|__llvm|__profc|__profd|__covrec|asan\.|___asan|\.L|_fini|_init)/ {print $3}' | sort -u)
  [ -z "$bad" ] || fail "exported C symbols without the nk_ prefix: $bad"
fi
[ $failed -eq 0 ] && echo "lint: clean"
exit $failed
