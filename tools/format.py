"""clang-format 14, this version and no other: what it would change is an error, shown as a diff."""

import difflib
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

from tree import Finding

PROGRAM = "clang-format-14"


def formatted(path, text, root):
    return subprocess.run([PROGRAM, f"--assume-filename={path}", "--style=file"], input=text,
                          cwd=root, check=True, capture_output=True, text=True).stdout


def each(tree):
    paths = tree.names(".h", ".cc")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda p: formatted(p, tree.texts[p], tree.root), paths)
        yield from zip(paths, results)


def check(tree):
    findings = []
    for path, wanted in each(tree):
        if wanted == tree.texts[path]:
            continue
        diff = list(difflib.unified_diff(tree.texts[path].splitlines(), wanted.splitlines(),
                                         path, "formatted", n=0, lineterm=""))
        first = next(line for line in diff if line.startswith("@@"))
        number = int(first.split()[1].split(",")[0].lstrip("-"))
        shown = "\n    ".join(diff[2:14])
        findings.append(Finding(path, number, "format", f"run tools/check --fix\n    {shown}"))
    return findings


def fix(tree):
    for path, wanted in each(tree):
        if wanted != tree.texts[path]:
            tree.write(path, wanted)
            print(f"formatted {path}")


def self_test():
    """The style is found, bad format is an error, and fixing it mends it."""
    from tree import Tree
    style = open(os.path.join(os.path.dirname(__file__), "..", ".clang-format")).read()
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(folder)
        tree.write(".clang-format", style)
        tree.write("a.cc", "int  x ;\n")
        assert len(check(tree)) == 1
        fix(tree)
        assert tree.texts["a.cc"] == "int x;\n"
        assert check(tree) == []
