#!/usr/bin/env python3
"""Checks the layers of ARCHITECTURE.md: a folder of NODECore names only what its own and earlier folders declare.

Swift has no imports inside of a module, so this reads names: types (and top-level functions) declared in exactly one
folder and mentioned in an earlier one are violations.
"""
import pathlib
import re
import sys

LAYERS = [
    "Kernels", "Tensor", "Autodiff", "Compiler", "Solve", "Sensitivity", "Files", "Layers", "Models", "Training", "Data",
]
ROOT = pathlib.Path(__file__).resolve().parent.parent / "Sources" / "NODECore"
DECLARATION = re.compile(
    r"^(?:(?:public|package|internal|final|indirect|open|@frozen)\s+)*(?:struct|class|enum|protocol|actor|typealias)\s+(\w+)",
    re.M)
# Vocabulary that the kernels' Swift face shares with the graph: element types and shapes are plain data.
SHARED = {"DType", "Shape", "TensorScalar", "FloatingScalar", "Storage"}
# Data sets and initialisers draw from the same streams; the two leaf folders may use each other.
ALLOWED = {("Training", "Data")}


def strip(text):
    text = re.sub(r"//.*", "", text)
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', text)


def main():
    sources = {f: strip(f.read_text()) for f in sorted(ROOT.rglob("*.swift"))}
    owner = {}
    for file, text in sources.items():
        layer = file.relative_to(ROOT).parts[0]
        if layer not in LAYERS:
            print(f"layers: {file.relative_to(ROOT)} is in no known layer")
            return 1
        for name in DECLARATION.findall(text):
            owner.setdefault(name, set()).add(layer)
    unique = {n: next(iter(l)) for n, l in owner.items() if len(l) == 1 and n not in SHARED}
    bad = 0
    for file, text in sources.items():
        layer = file.relative_to(ROOT).parts[0]
        for word in sorted(set(re.findall(r"\b[A-Z]\w+", text))):
            home = unique.get(word)
            if home and LAYERS.index(home) > LAYERS.index(layer) and (layer, home) not in ALLOWED:
                print(f"layers: {file.relative_to(ROOT)} ({layer}) names {word} of {home}")
                bad += 1
    return 1 if bad else 0


sys.exit(main())
