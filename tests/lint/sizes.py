#!/usr/bin/env python3
"""Functions of at most 60 lines, files of at most 600, public headers of at most 120."""
import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTION, FILE, HEADER = 60, 600, 120


def c_functions(lines):
    """(first line, lines) of each body; in this style its braces stand alone in column one."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number - start + 1
            start = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1


def faults_of(path):
    text = path.read_text()
    lines = text.splitlines()
    name = path.relative_to(ROOT)
    limit = HEADER if path.suffix == ".h" and ROOT / "include" in path.parents else FILE
    if len(lines) > limit:
        yield f"{name}: {len(lines)} lines, at most {limit}"
    functions = python_functions(text) if path.suffix == ".py" else c_functions(lines)
    for first, size in functions:
        if size > FUNCTION:
            yield f"{name}:{first}: a function of {size} lines, at most {FUNCTION}"


def main():
    paths = sorted(p for folder in ("include", "src", "tests") for p in (ROOT / folder).rglob("*")
                   if p.suffix in (".c", ".h", ".py"))
    faults = [f for path in paths for f in faults_of(path)]
    print("\n".join(faults) or f"{len(paths)} files within their bounds")
    return 1 if faults or not paths else 0


if __name__ == "__main__":
    sys.exit(main())
