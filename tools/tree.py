"""The project's files as the checks see them, and what a check says: a Finding."""

import dataclasses
import pathlib
import re
import subprocess

ALLOW = re.compile(r"lint: allow\(([a-z_]+)\)(: *\S.*)?")


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    path: str
    line: int  # From 1; 0: the file as a whole.
    rule: str
    message: str

    def __str__(self):
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place}: {self.message} [{self.rule}]"


class Tree:
    """All text files of the project that git knows or would add, by their path from the root."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.texts = {}

    @classmethod
    def of_git(cls, root):
        tree = cls(root)
        names = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=root, check=True, capture_output=True).stdout.decode().split("\0")
        for name in sorted(set(filter(None, names))):
            path = tree.root / name
            if path.is_symlink() or not path.is_file():
                continue
            data = path.read_bytes()
            if b"\0" not in data:
                tree.texts[name] = data.decode("utf-8", errors="replace")
        return tree

    @classmethod
    def of_texts(cls, texts):
        """For the checks' own tests."""
        tree = cls(".")
        tree.texts = dict(texts)
        return tree

    def write(self, name, text):
        self.texts[name] = text
        (self.root / name).write_text(text)

    def names(self, *endings):
        return [n for n in sorted(self.texts) if n.endswith(endings)]

    def folders(self):
        """Every folder with a file in it, and the folders above it."""
        found = set()
        for name in self.texts:
            for parent in pathlib.PurePosixPath(name).parents:
                if str(parent) != ".":
                    found.add(str(parent))
        return sorted(found)


CPP_TOKEN = re.compile(r"""
      (?P<comment> //[^\n]* | /\*.*?(?:\*/|\Z) )
    | R"(?P<mark>[^(\s]{0,16})\(.*?\)(?P=mark)"
    | (?P<string> "(?:\\.|[^"\\\n])*"? )
    | (?<![0-9a-zA-Z]) '(?:\\.|[^'\\\n])*'?
    """, re.VERBOSE | re.DOTALL)


def cpp_code(text, keep_strings=False):
    """C++ text with its comments (and the contents of its strings) blanked, line for line."""
    def blank(part):
        return re.sub(r"[^\n]", " ", part)

    def replaced(match):
        token = match.group(0)
        if match.group("comment"):
            return blank(token)
        if keep_strings:
            return token
        return token[0].replace("R", '"') + blank(token[1:-1]) + token[-1] * (len(token) > 1)

    return CPP_TOKEN.sub(replaced, text)


class Allowances:
    """The `lint: allow(RULE): reason` notes of one file: each covers its line and the next."""

    def __init__(self, path, text):
        self.path = path
        self.notes = {}  # (line, rule) -> used
        self.bad = []
        for number, line in enumerate(text.split("\n"), 1):
            for match in ALLOW.finditer(line):
                if match.group(2):
                    self.notes[(number, match.group(1))] = False
                else:
                    self.bad.append(Finding(path, number, "allow", "say why: allow(RULE): reason"))

    def covers(self, line, rule):
        for at in (line, line - 1):
            if (at, rule) in self.notes:
                self.notes[(at, rule)] = True
                return True
        return False

    def findings(self):
        unused = [Finding(self.path, line, "allow", f"allow({rule}) excuses nothing: delete it")
                  for (line, rule), used in self.notes.items() if not used]
        return self.bad + unused
