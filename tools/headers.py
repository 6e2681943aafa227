"""Each header compiles alone: whoever includes it needs to know nothing else.

The verdict on a header is kept by the hash of all it includes, so that a second run costs nothing.
"""

import hashlib
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

import includes
from tree import Finding

COMPILER = "g++"
FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wshadow", "-Wnon-virtual-dtor",
         "-Woverloaded-virtual", "-Wconversion", "-Werror", "-DBOOST_ASIO_NO_DEPRECATED"]
ROOTS = [f"-I{root}" for root in includes.ROOTS]


def fingerprint(tree, header, salt):
    """Of the header and all of ours below it."""
    todo, seen = [header], set()
    while todo:
        path = todo.pop()
        if path in seen or path not in tree.texts:
            continue
        seen.add(path)
        todo.extend(includes.ours(tree, path, h)
                    for _, bracket, h in includes.includes_of(tree.texts[path]) if bracket == '"')
    digest = hashlib.sha256(salt.encode())
    for path in sorted(seen):
        digest.update(path.encode() + b"\0" + tree.texts[path].encode() + b"\0")
    return digest.hexdigest()


def generate(tree, folder):
    """The generated protobuf headers, which some of ours need."""
    protos = tree.names(".proto")
    if protos:
        plugin = subprocess.run(["which", "grpc_cpp_plugin"], check=True, capture_output=True,
                                text=True).stdout.strip()
        subprocess.run(["protoc", "-I", "proto", f"--cpp_out={folder}", f"--grpc_out={folder}",
                        f"--plugin=protoc-gen-grpc={plugin}", *protos], cwd=tree.root, check=True)


def check(tree):
    cache = tree.root / "build" / "check" / "headers"
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([COMPILER, "--version"], check=True, capture_output=True,
                             text=True).stdout
    protos = "".join(tree.texts[p] for p in tree.names(".proto"))
    salt = version + " ".join(FLAGS) + protos
    todo = []
    for header in tree.names(".h"):
        mark = cache / fingerprint(tree, header, salt)
        if not mark.exists():
            todo.append((header, mark))
    if not todo:
        return []
    with tempfile.TemporaryDirectory() as folder:
        generate(tree, folder)

        def compile_one(item):
            header, mark = item
            # Twice: a header without its guard fails here.
            source = f'#include "{header}"\n#include "{header}"\n'
            said = subprocess.run(
                [COMPILER, *FLAGS, "-I", ".", *ROOTS, "-isystem", folder, "-x", "c++", "-"], input=source,
                cwd=tree.root, capture_output=True, text=True)
            if said.returncode == 0:
                mark.touch()
                return None
            errors = [l for l in said.stderr.splitlines() if re.search(r"\b(error|warning):", l)]
            shown = "\n    ".join(errors[:3] or said.stderr.splitlines()[:3])
            return Finding(header, 0, "headers", f"does not compile alone:\n    {shown}")

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return [f for f in pool.map(compile_one, todo) if f]


def self_test():
    from tree import Tree
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(folder)
        tree.write("bad.h", "#pragma once\nstd::string G();\n")
        tree.write("unguarded.h", "struct S {};\n")
        tree.write("good.h", "#pragma once\n#include <string>\nstd::string F();\n")
        assert [f.path for f in check(tree)] == ["bad.h", "unguarded.h"]
        assert len(list((tree.root / "build/check/headers").iterdir())) == 1
        tree.write("bad.h", "#pragma once\n#include <string>\nstd::string G();\n")
        tree.write("unguarded.h", "#pragma once\nstruct S {};\n")
        assert check(tree) == []
