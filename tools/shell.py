"""shellcheck over every script of ours."""

import json
import subprocess
import tempfile

from tree import Finding

# Text in single quotes that another shell expands is what `sh -c '...' NAME "$1"` needs.
SPARED = ["--exclude=SC2016"]


def scripts(tree):
    return [p for p, text in sorted(tree.texts.items())
            if text.startswith(("#!/usr/bin/env bash\n", "#!/bin/sh\n", "#!/bin/bash\n"))]


def check(tree):
    paths = scripts(tree)
    if not paths:
        return []
    said = subprocess.run(["shellcheck", "--format=json", *SPARED, *paths], cwd=tree.root,
                          capture_output=True, text=True)
    if said.returncode > 1:
        return [Finding(paths[0], 0, "shell", said.stderr.strip())]
    return [Finding(c["file"], c["line"], "shell", f"{c['message']} (SC{c['code']})")
            for c in json.loads(said.stdout)]


def self_test():
    from tree import Tree
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(folder)
        tree.write("good", "#!/usr/bin/env bash\necho \"$1\"\n")
        assert check(tree) == []
        tree.write("bad", "#!/usr/bin/env bash\nrm -r $1\n")
        assert [f.path for f in check(tree)] == ["bad"]
