"""How large the project is: lines and files per room, the longest files and functions.

    python benchmarks/size.py

Exits with 1 when a file is over 400 lines or a function over 60, unless it is listed with a reason.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_FILE, MAX_FUNCTION = 400, 60
REASONS = {
    "data/kinds.py": "one decision, what a column holds, with all its cases side by side",
    "data/prepare.py": "the trip from a table to arrays, read from top to bottom",
    "apps/cli.py: build": "the command line of a build: three lines for each option",
    "data/text_file.py": "the reading of one text file, with everything that can be wrong in it",
}


def functions(path: Path) -> list[tuple[int, str]]:
    """Lines and name of each function; a docstring is no length."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) and first.end_lineno:
                lines -= first.end_lineno - first.lineno + 1
            found.append((lines, node.name))
    return found


def main() -> int:
    rooms: dict[str, list[int]] = {}
    too_long = []
    for path in sorted((ROOT / "src" / "modelwright").rglob("*.py")):
        lines = len(path.read_text("utf-8").splitlines())
        name = str(path.relative_to(ROOT / "src" / "modelwright"))
        room = name.split("/")[0] if "/" in name else "(front)"
        rooms.setdefault(room, []).append(lines)
        if lines > MAX_FILE and name not in REASONS:
            too_long.append(f"{name}: {lines} lines")
        too_long += [
            f"{name}: {f} has {n} lines"
            for n, f in functions(path)
            if n > MAX_FUNCTION and f"{name}: {f}" not in REASONS
        ]
    for room, lengths in sorted(rooms.items(), key=lambda item: -sum(item[1])):
        print(f"{sum(lengths):6d} lines {len(lengths):3d} files  {room}")
    tests = sum(len(p.read_text("utf-8").splitlines()) for p in (ROOT / "tests").rglob("*.py"))
    print(f"{sum(map(sum, rooms.values())):6d} lines in the package, {tests} in tests")
    for line in too_long:
        print("too long without a reason:", line)
    return 1 if too_long else 0


if __name__ == "__main__":
    sys.exit(main())
