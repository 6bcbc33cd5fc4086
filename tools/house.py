"""The house in numbers: one table of the package, its tests and its documentation.

    python tools/house.py                 sizes, docstrings, imports, documentation, releases
    python tools/house.py --seams         also: which files know an optimizer, an engine, a noise model, …
    python tools/house.py --times         also: how long imports take

What it counts: a function is a `def` at any depth, its lines from `def` to its end; it is public where neither it nor
anything around it begins with an underscore, in files outside of which it can be used. `--times` measures CPU time in
processes of their own, so that other work on the machine matters little.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE, TESTS, DOCS = ROOT / "odefit", ROOT / "tests", ROOT / "docs"
LONG = 60
"""Lines of a function above which it should be two."""
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Counts:
    """What one walk over the files of a package finds."""

    lines: list[int] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)
    code: list[int] = field(default_factory=list)
    modules: int = 0
    modules_with_docstring: int = 0
    public: int = 0
    public_with_docstring: int = 0


def python_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def count(files: Sequence[Path]) -> Counts:
    counts = Counts()
    for path in files:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        counts.lines.append(len(text.splitlines()))
        if tree.body:
            counts.modules += 1
            counts.modules_with_docstring += ast.get_docstring(tree) is not None
        for function, is_public in functions(tree, not path.stem.startswith("_") or path.stem == "__init__"):
            counts.functions.append(lines_of(function))
            counts.code.append(lines_of(function) - docstring_lines(function))
            counts.public += is_public
            counts.public_with_docstring += is_public and ast.get_docstring(function) is not None
    return counts


def lines_of(node: FunctionNode | ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def docstring_lines(function: FunctionNode) -> int:
    return lines_of(function.body[0]) if ast.get_docstring(function) is not None else 0


def functions(node: ast.AST, is_public: bool) -> Iterator[tuple[FunctionNode, bool]]:
    """Every function below a node, and whether others may call it: methods of public classes, not functions within."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode):
            open_to_others = is_public and not child.name.startswith("_")
            yield child, open_to_others
            yield from functions(child, False)
        elif isinstance(child, ast.ClassDef):
            yield from functions(child, is_public and not child.name.startswith("_"))
        else:
            yield from functions(child, is_public)


def cycles(files: Sequence[Path]) -> tuple[int, int]:
    """How many imports there are within the package, and how many groups of files that import each other in a circle.

    Imports for type checking only, and those within functions, count as well.
    """
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files}
    edges: dict[str, set[str]] = {}
    for path in files:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        edges[name] = set(imported(ast.parse(path.read_text(encoding="utf-8")), modules)) - {name}
    return sum(map(len, edges.values())), sum(len(group) > 1 for group in components(edges))


def imported(tree: ast.Module, modules: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                if below in modules:
                    yield below
                elif node.module in modules:
                    yield node.module


def components(edges: dict[str, set[str]]) -> list[list[str]]:
    """Strongly connected components (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for below in edges.get(node, ()):
            if below not in index:
                visit(below)
                low[node] = min(low[node], low[below])
            elif below in stack:
                low[node] = min(low[node], index[below])
        if low[node] == index[node]:
            cut = stack.index(node)
            found.append(stack[cut:])
            del stack[cut:]

    for node in edges:
        if node not in index:
            visit(node)
    return found


def table() -> list[tuple[str, str]]:
    files = python_files(PACKAGE)
    c = count(files)
    tests = sum(count(python_files(TESTS)).lines)
    imports, circles = cycles(files)
    releases = re.findall(r"^## \[?(\d+\.\d+\.\d+)\]? - \d{4}", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    versions = [x.rpartition(" ")[2] for x in project["classifiers"] if re.search(r":: 3\.\d+$", x)]
    share = c.public_with_docstring / c.public
    pages = len(list(DOCS.glob("*.md")))
    return [
        ("files / lines", f"{len(c.lines)} / {sum(c.lines) / 1000:.1f}k"),
        ("median / longest file", f"{statistics.median(c.lines):.0f} / {max(c.lines)}"),
        ("functions; median lines", f"{len(c.functions):,}; {statistics.median(c.functions):.0f}"),
        (f"functions over {LONG} lines", str(sum(lines > LONG for lines in c.functions))),
        ("the same without docstrings", str(sum(lines > LONG for lines in c.code))),
        ("modules with a docstring", f"{c.modules_with_docstring} of {c.modules}"),
        ("public functions with a docstring", f"{share:.0%} of {c.public:,}"),
        ("names in the public API", str(len(public_names()))),
        ("pages of documentation", str(pages)),
        ("test lines / package lines", f"{tests / sum(c.lines):.2f}"),
        ("imports within; circles", f"{imports}; {circles}"),
        ("changelog: releases", f"{len(releases)} ({', '.join(releases)})"),
        ("Python versions in CI", ", ".join(versions)),
    ]


def public_names() -> list[str]:
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    (names,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    )
    return list(names)


SEAMS = {
    "optimizer least_squares": r"\bminimize_least_squares\b|[\"']least_squares[\"']",
    "optimizer lbfgs": r"\bminimize_lbfgs\b|[\"']lbfgs[\"']",
    "engine DiffsolEngine": r"\bDiffsolEngine\b",
    "engine TorchEngine": r"\bTorchEngine\b",
    "noise model student_t": r"student_t\b|\bStudent",
    "noise model negative_binomial": r"negative_binomial|NegativeBinomial",
    "built-in system lorenz": r"\blorenz\b|\bLorenz\b",
    "picture waterfall": r"\bwaterfall\b",
    "config key fit.weight_decay": r"\bweight_decay\b",
    "config key solver.rtol": r"\.rtol\b|\brtol: |[\"']rtol[\"']",
}


def seams() -> list[tuple[str, str]]:
    """Which files of the package know one of each kind by name, comments and docstrings aside."""
    rows = []
    sources = {path: code_of(path) for path in python_files(PACKAGE)}
    for what, pattern in SEAMS.items():
        knowing = [str(path.relative_to(PACKAGE)) for path, text in sources.items() if re.search(pattern, text)]
        rows.append((what, f"{len(knowing)}: {', '.join(knowing)}"))
    return rows


def code_of(path: Path) -> str:
    """The text of a file without its comments and docstrings."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]
    return ast.unparse(tree)


def import_times() -> list[tuple[str, str]]:
    """CPU seconds until a statement is done, the least of five processes, with Python's own start taken away."""
    bare = cpu_seconds("pass")
    statements = {
        "import odefit": "import odefit",
        "import odefit.cli": "import odefit.cli",
        "odefit.load (function)": "import odefit; odefit.load",
        "odefit.nn (with torch)": "import odefit.nn",
    }
    return [(what, f"{cpu_seconds(statement) - bare:.2f} s CPU") for what, statement in statements.items()]


def cpu_seconds(statement: str) -> float:
    script = f"import time\n{statement}\nprint(time.process_time())"
    return min(
        float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    )


def show(title: str, rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(what) for what, _ in rows)
    print(f"\n| {title:<{width}} | |", f"|{'-' * (width + 2)}|---|", sep="\n")
    for what, value in rows:
        print(f"| {what:<{width}} | {value} |")


def main() -> None:
    parser = argparse.ArgumentParser(description="The house in numbers.")
    parser.add_argument("--seams", action="store_true", help="which files know an optimizer, an engine, …")
    parser.add_argument("--times", action="store_true", help="how long imports take")
    options = parser.parse_args()
    show("the house", table())
    if options.seams:
        show("files that know it by name", seams())
    if options.times:
        show("CPU time of imports", import_times())


if __name__ == "__main__":
    main()
