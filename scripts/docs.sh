#!/usr/bin/env bash
# Builds the DocC documentation with the toolchain's own converter from the module's symbol graph: no plugin that
# every client of the package would have to resolve.
set -euo pipefail
cd "$(dirname "$0")/.."
out=.build/docs
graphs=.build/symbol-graphs
rm -rf "$out" "$graphs" && mkdir -p "$graphs"
swift build --target NODECore --scratch-path .build/docs-build \
  -Xswiftc -emit-symbol-graph -Xswiftc -emit-symbol-graph-dir -Xswiftc "$PWD/$graphs"
docc=$(dirname "$(command -v swift)")/docc
[ -x "$docc" ] || { echo "docs: this toolchain has no docc; the symbol graphs are in $graphs" >&2; exit 1; }
"$docc" convert Sources/NODECore/NODECore.docc --fallback-display-name NODECore --fallback-bundle-identifier NODECore \
  --additional-symbol-graph-dir "$graphs" --output-path "$out"
echo "docs: open $out/index.html through a web server (python3 -m http.server -d $out)"
