#!/usr/bin/env python3
"""Proves that the simulation finds bugs: plants each patch of planted/ in a copy of the sources,
builds quell-sim against it and runs seeds until the run shows the expected violation.

The unpatched sources must pass the same seeds. A patch that no longer applies is a failure: mend
the patch. Each patch starts with two lines:

    What: the bug, in a sentence.
    Expect: a regular expression for one of the violations it must lead to.

What the simulation cannot see is shown by unit tests. Then a third line names their file; it is
built with the daemons' decisions and tests/support, must pass, and must fail with the patch:

    Test: tests/unit/coordinator/places_test.cc

Objects of sources that a patch does not touch are built once and shared.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

FLAGS = ["-std=c++20", "-O1", "-D_GLIBCXX_ASSERTIONS", "-DBOOST_ASIO_NO_DEPRECATED",
         '-DQUELL_VERSION="planted"']
LOGIC = ["core", "node", "coordinator"]  # What may be patched.
OUTSIDE = ("host/", "transport/http/", "transport/grpc/")  # What the simulation must not need.
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.MULTILINE)


class Tree:
    """Sources under `root`, each found in `overlay` first."""

    def __init__(self, root, overlay=None):
        self.root, self.overlay = root, overlay
        self.memo = {}

    def path(self, name):
        if self.overlay and (self.overlay / name).exists():
            return self.overlay / name
        return self.root / name

    def includes(self, name):
        """All files of ours and all system headers that `name` includes, however deeply."""
        if name not in self.memo:
            self.memo[name] = set()  # Against circles.
            found = set()
            for included in INCLUDE.findall(self.path(name).read_text()):
                found.add(included)
                if self.path(included).is_file():
                    found |= self.includes(included)
            self.memo[name] = found
        return self.memo[name]

    def logic(self):
        """The .cc files of the daemons' decisions: those that need neither host nor HTTP."""
        names = []
        for folder in LOGIC:
            for path in sorted((self.root / folder).rglob("*.cc")):
                name = str(path.relative_to(self.root))
                needs = self.includes(name)
                if path.name == "main.cc" or any(n.startswith(OUTSIDE + ("sqlite3.h",)) for n in needs):
                    continue
                names.append(name)
        return names


class Builder:
    def __init__(self, root, work, compiler, jobs):
        self.root, self.work, self.jobs = root, work, jobs
        ccache = shutil.which("ccache")
        self.compiler = ([ccache] if ccache else []) + [compiler]
        self.environment = dict(os.environ, CCACHE_NOHASHDIR="1", CCACHE_BASEDIR=str(root))

    def compile(self, tree, names, objects):
        """Compiles `names` into the folder `objects`; returns the object of each."""
        include = [f"-I{tree.overlay}"] if tree.overlay else []
        built = {name: objects / (name.replace("/", "_") + ".o") for name in names}
        objects.mkdir(parents=True, exist_ok=True)

        def one(name):
            command = self.compiler + FLAGS + include + [
                f"-I{self.root}", "-c", str(tree.path(name)), "-o", str(built[name])]
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
            return f"{name}:\n{done.stderr}" if done.returncode else ""

        # Within one planted bug this is one file or two: the bugs share the processors out.
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            failures = [text for text in pool.map(one, names) if text]
        if failures:
            raise RuntimeError("does not compile: " + "\n".join(failures))
        return built

    def link(self, objects, program, libraries=()):
        command = [self.compiler[-1], "-o", str(program)] + [str(o) for o in objects]
        command += [*libraries, "-lboost_json"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError("does not link: " + done.stderr)


def run_seeds(program, count):
    """Runs the seeds 1..count, in parts; returns {seed: violations}. A part that crashes is run
    again seed by seed."""
    share = 10

    def part(first, seeds):
        command = [str(program), "--seed", str(first), "--count", str(seeds), "--keep-going"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=150)
        except subprocess.TimeoutExpired:
            return {first: "it did not end in 150 s\n"}
        found, seed = {}, None
        for line in done.stdout.splitlines():
            match = re.match(r"seed=(\d+) failed: ", line)
            if match:
                seed = int(match.group(1))
                found[seed] = line + "\n"
            elif line.startswith("  ") and seed is not None:
                found[seed] += line + "\n"
        if done.returncode not in (0, 1) and seeds > 1:
            for seed in range(first, first + seeds):
                found.update(part(seed, 1))
        elif done.returncode not in (0, 1):
            found[first] = f"it ended with {done.returncode}: {done.stderr[-2000:]}\n"
        return found

    failures = {}
    for first in range(1, count + 1, share):
        failures.update(part(first, min(share, count - first + 1)))
    return failures


def run_test(program):
    """Runs a program of unit tests; returns what it says if it fails."""
    try:
        done = subprocess.run([str(program), "--gtest_brief=1"], capture_output=True, text=True,
                              timeout=150)
    except subprocess.TimeoutExpired:
        return "it did not end in 150 s\n"
    return done.stdout + done.stderr if done.returncode else ""


def parts_of(objects, test):
    """Those of `objects` that the unit tests `test` are linked from, or the simulation."""
    mine = ("tests/support/", test or "tests/sim/")
    return {name: built for name, built in objects.items()
            if not name.startswith("tests/") or name.startswith(mine)}


def prove(builder, objects, test, program, seeds):
    """Links and runs the unit tests `test`, or seeds if there are none: {test or seed: failure}."""
    if not test:
        builder.link(objects.values(), program)
        return run_seeds(program, seeds)
    builder.link(objects.values(), program, ["-lgmock", "-lgtest_main", "-lgtest"])
    failure = run_test(program)
    return {test: failure} if failure else {}


def header(patch, key, needed=True):
    match = re.search(rf"^{key}: (.+)$", patch.read_text(), re.MULTILINE)
    if not match:
        if not needed:
            return None
        raise RuntimeError(f"has no line '{key}: ...'")
    return match.group(1).strip()


def plant(builder, tree, base, patch, seeds):
    """Builds and runs one planted bug; returns what to say of it. Raises if it is not found."""
    home = builder.work / patch.stem
    shutil.rmtree(home, ignore_errors=True)
    overlay = home / "tree"
    expect, what, test = header(patch, "Expect"), header(patch, "What"), header(patch, "Test", False)
    sound = parts_of(base, test)
    touched = set(re.findall(r"^\+\+\+ b/(\S+)", patch.read_text(), re.MULTILINE))
    for name in touched:
        (overlay / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(builder.root / name, overlay / name)
    applied = subprocess.run(["patch", "-p1", "--forward", "--no-backup-if-mismatch", "-i", str(patch)],
                             cwd=overlay, capture_output=True, text=True)
    if applied.returncode:
        raise RuntimeError("no longer applies to the sources: mend tests/sim/planted/"
                           f"{patch.name}\n{applied.stdout}{applied.stderr}")
    patched = Tree(builder.root, overlay)
    again = [name for name in sound if name in touched or patched.includes(name) & touched]
    if not again:
        raise RuntimeError("touches nothing that its proof is built from")
    objects = {**sound, **builder.compile(patched, again, home / "objects")}
    failures = prove(builder, objects, test, home / "proof", seeds)
    hits = sorted(seed for seed, text in failures.items() if re.search(expect, text))
    if not hits:
        others = "".join(failures.values()) or "nothing failed\n"
        raise RuntimeError(f"was not found by {test or f'the seeds 1..{seeds}'} ({what})\n"
                           f"expected: {expect}\ngot: {others}")
    if test:
        return f"found by {test}: {what}"
    return f"found by {len(hits)} of {seeds} seeds, first by seed {hits[0]}: {what}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--source", type=pathlib.Path, required=True, help="root of the sources")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for what is built")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--only", help="the name of one patch")
    arguments = parser.parse_args()

    root = arguments.source.resolve()
    builder = Builder(root, arguments.work.resolve(), arguments.compiler, arguments.jobs)
    patches = sorted((root / "tests/sim/planted").glob("*.patch"))
    if arguments.only:
        patches = [patch for patch in patches if patch.stem == arguments.only]
    if len(patches) < (1 if arguments.only else 5):
        sys.exit(f"only {len(patches)} patches in tests/sim/planted")

    tree = Tree(root)
    names = tree.logic()
    for folder in ("tests/support", "tests/sim"):
        names += sorted(f"{folder}/{path.name}" for path in (root / folder).glob("*.cc")
                        if not path.name.endswith("_test.cc"))
    tests = sorted({header(patch, "Test", False) for patch in patches} - {None})
    base = builder.compile(tree, names + tests, builder.work / "objects")
    for test in [None] + tests:
        failures = prove(builder, parts_of(base, test), test, builder.work / "sound", arguments.seeds)
        if failures:
            sys.exit("without any planted bug there are failures:\n" + "".join(failures.values()))
        print(f"unpatched: {test or f'{arguments.seeds} seeds'}: pass", flush=True)

    def one(patch):
        try:
            return True, f"{patch.stem}: {plant(builder, tree, base, patch, arguments.seeds)}"
        except RuntimeError as error:
            return False, f"{patch.stem}: {error}"

    missed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for found, text in pool.map(one, patches):
            missed += 0 if found else 1
            print(text, flush=True)
    print(f"{len(patches) - missed} of {len(patches)} planted bugs found")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
