"""Each source and each header compiles alone, without a warning of clang's.

The release build compiles sources by the batch, with GCC: what a file uses and does not include is
found here, and what only clang sees. A header that its own source includes first has been compiled
alone with it. The verdict on a file is kept by the hash of all it includes, so that a second run
costs nothing.
"""

import hashlib
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

import includes
from tree import Finding

COMPILER = "clang++-16"
FLAGS = ["-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wshadow", "-Wnon-virtual-dtor",
         "-Woverloaded-virtual", "-Wconversion", "-Wno-sign-conversion", "-Wold-style-cast",
         "-Wthread-safety", "-Werror", "-DBOOST_ASIO_NO_DEPRECATED", '-DQUELL_VERSION="0"']
ROOTS = [f"-I{root}" for root in includes.ROOTS]


def fingerprint(tree, path, salt):
    """Of the file and all of ours below it."""
    todo, seen = [path], set()
    while todo:
        one = todo.pop()
        if one in seen or one not in tree.texts:
            continue
        seen.add(one)
        todo.extend(includes.ours(tree, one, h)
                    for _, bracket, h in includes.includes_of(tree.texts[one]) if bracket == '"')
    digest = hashlib.sha256(salt.encode())
    for one in sorted(seen):
        digest.update(one.encode() + b"\0" + tree.texts[one].encode() + b"\0")
    return digest.hexdigest()


def generate(tree, folder):
    """The generated protobuf headers, which some of ours need."""
    protos = tree.names(".proto")
    if protos:
        plugin = subprocess.run(["which", "grpc_cpp_plugin"], check=True, capture_output=True,
                                text=True).stdout.strip()
        subprocess.run(["protoc", "-I", "proto", f"--cpp_out={folder}", f"--grpc_out={folder}",
                        f"--plugin=protoc-gen-grpc={plugin}", *protos], cwd=tree.root, check=True)


def alone(tree):
    """What must be compiled: all sources, and the headers that no source of theirs begins with."""
    sources = tree.names(".cc")
    covered = set()
    for source in sources:
        first = next((h for _, bracket, h in includes.includes_of(tree.texts[source]) if bracket == '"'), None)
        header = first and includes.ours(tree, source, first)
        if header and os.path.splitext(header)[0] == os.path.splitext(source)[0]:
            covered.add(header)
    return sources + [header for header in tree.names(".h") if header not in covered]


def check(tree):
    cache = tree.root / "build" / "check" / "clang"
    cache.mkdir(parents=True, exist_ok=True)
    version = subprocess.run([COMPILER, "--version"], check=True, capture_output=True,
                             text=True).stdout
    protos = "".join(tree.texts[p] for p in tree.names(".proto"))
    salt = version + " ".join(FLAGS) + protos
    todo = []
    for path in alone(tree):
        mark = cache / fingerprint(tree, path, salt + path)
        if not mark.exists():
            todo.append((path, mark))
    if not todo:
        return []
    with tempfile.TemporaryDirectory() as folder:
        generate(tree, folder)

        def compile_one(item):
            path, mark = item
            said = subprocess.run(
                [COMPILER, *FLAGS, "-I", ".", *ROOTS, "-isystem", folder, "-x", "c++", "-"],
                input=f'#include "{path}"\n', cwd=tree.root, capture_output=True, text=True)
            if said.returncode == 0:
                mark.touch()
                return None
            errors = [l for l in said.stderr.splitlines() if re.search(r"\b(error|warning):", l)]
            shown = "\n    ".join(errors[:3] or said.stderr.splitlines()[:3])
            return Finding(path, 0, "clang", f"does not compile alone:\n    {shown}")

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return [f for f in pool.map(compile_one, todo) if f]


def self_test():
    from tree import Tree
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(folder)
        tree.write("bad.h", "#pragma once\nstd::string G();\n")
        tree.write("cast.cc", "long F(int a) { return (long)a; }\n")
        tree.write("good.h", "#pragma once\n#include <string>\nstd::string F();\n")
        tree.write("good.cc", '#include "good.h"\nstd::string F() { return {}; }\n')
        assert sorted(f.path for f in check(tree)) == ["bad.h", "cast.cc"]
        assert alone(tree) == ["cast.cc", "good.cc", "bad.h"]
        assert len(list((tree.root / "build/check/clang").iterdir())) == 1
        tree.write("bad.h", "#pragma once\n#include <string>\nstd::string G();\n")
        tree.write("cast.cc", "long F(int a) { return a; }\n")
        assert check(tree) == []
