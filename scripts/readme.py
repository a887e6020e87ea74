#!/usr/bin/env python3
"""The README's example is the one that the tests build and run: writes it there (--write) or checks that it is."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(<!-- example: (\S+) -->\n```swift\n)(.*?)(```\n)", re.S)


def main():
    readme = ROOT / "README.md"
    text = readme.read_text()
    expected = BLOCK.sub(lambda m: m[1] + (ROOT / m[2]).read_text() + m[4], text)
    if "--write" in sys.argv:
        readme.write_text(expected)
        return 0
    if expected != text:
        print("readme: an example differs from its source; run scripts/readme.py --write")
        return 1
    return 0


sys.exit(main())
