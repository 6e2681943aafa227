"""What documents and build files promise: folders have a README, links and paths lead somewhere,
ctest knows every test, and versions agree."""

import pathlib
import re

from tree import Finding

LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")
CODE_SPAN = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
ADR_NAME = re.compile(r"docs/adr/\d{4}-[a-z0-9-]+\.md")
ADR_FIELDS = ["Status", "Context", "Decision", "Consequences"]
ADR_STATUS = re.compile(r"^(accepted|superseded by \[\d{4}\]\(\d{4}-[a-z0-9-]+\.md\))$")


def check(tree):
    return (readmes(tree) + links(tree) + paths(tree) + tests(tree) + adrs(tree)
            + warnings(tree) + versions(tree) + retired(tree))


def readmes(tree):
    """Top-level folders, and the modules of transport/ and tests/, have a page of their own."""
    findings = []
    for folder in tree.folders():
        parts = folder.split("/")
        module = len(parts) == 1 or (len(parts) == 2 and parts[0] in ("transport", "tests"))
        if module and not parts[0].startswith(".") and f"{folder}/README.md" not in tree.texts:
            findings.append(Finding(f"{folder}/README.md", 0, "readme",
                                    "is missing: one page with purpose, main classes, what must "
                                    "not be included, where to start"))
    return findings


def slug(heading):
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


def anchors(text):
    return {slug(re.sub(r"[`*]", "", line.lstrip("#")))
            for line in FENCE.sub("", text).split("\n") if line.startswith("#")}


def exists(tree, name):
    return name in tree.texts or name in tree.folders()


def blanked(text):
    """Without the contents of fenced blocks, line for line."""
    return FENCE.sub(lambda m: "\n" * m.group(0).count("\n"), text)


def links(tree):
    findings = []
    for path in tree.names(".md"):
        text = blanked(tree.texts[path])
        for match in LINK.finditer(text):
            target, _, anchor = match.group(1).partition("#")
            line = text.count("\n", 0, match.start()) + 1
            if re.match(r"[a-z]+:", target):
                continue
            name = path
            if target:
                joined = pathlib.PurePosixPath(path).parent / target
                name = str(pathlib.PurePosixPath(*resolve(joined.parts)))
            if not exists(tree, name):
                findings.append(Finding(path, line, "link", f"{match.group(1)} leads nowhere"))
            elif anchor and name.endswith(".md") and anchor not in anchors(tree.texts[name]):
                findings.append(Finding(path, line, "link", f"{name} has no heading #{anchor}"))
    return findings


def resolve(parts):
    out = []
    for part in parts:
        if part == ".." and out:
            out.pop()
        elif part != ".":
            out.append(part)
    return out


def paths(tree):
    """Files named in documents and comments exist."""
    tops = {folder for folder in tree.folders() if "/" not in folder}
    named = re.compile(rf"(?<![\w/.-])({'|'.join(map(re.escape, sorted(tops)))})"
                       r"(/[\w.-]+)+/?(?![\w*{<$-])")
    findings = []
    for path in tree.names(".md", ".h", ".cc", ".proto", ".cmake", "CMakeLists.txt"):
        if path == "CHANGELOG.md":
            continue  # Speaks of the past as well.
        text = tree.texts[path]
        prose = text if path.endswith(".md") else comments(text)
        for match in named.finditer(prose):
            name = match.group(0).rstrip("/.")
            head = prose[:match.start()]
            if "*" in name or exists(tree, name) or "://" in head.split("\n")[-1][-40:]:
                continue
            # "node/program" may stand for the header.
            if f"{name}.h" in tree.texts or f"{name}.cc" in tree.texts:
                continue
            if not re.search(r"\.\w+$", name) and not path.endswith(".md"):
                continue  # "node/coordinator" in a comment is prose.
            if path.endswith(".md") and not re.search(r"\.\w+$", name) and not in_code(prose, match):
                continue
            line = prose.count("\n", 0, match.start()) + 1
            findings.append(Finding(path, line, "path", f"{name} does not exist"))
    return findings


def comments(text):
    return "\n".join(m.group(0) if (m := re.search(r"(//|#).*", line)) else ""
                     for line in text.split("\n"))


def in_code(text, match):
    line = text[text.rfind("\n", 0, match.start()) + 1:]
    line = line[:line.find("\n")] if "\n" in line else line
    return any(match.group(0).rstrip("/.") in span for span in CODE_SPAN.findall(line))


def tests(tree):
    findings = []
    lists = {p: tree.texts[p] for p in tree.names("CMakeLists.txt") if p.startswith("tests/")}
    known = set()
    for path, text in lists.items():
        folder = str(pathlib.PurePosixPath(path).parent)
        for match in re.finditer(r"^\s*quell_tests\(\s*\w+\s+(\S+)", text, re.MULTILINE):
            known.add(str(pathlib.PurePosixPath(folder) / match.group(1)))
        # Or the folder's own list takes all of them and links GoogleTest itself.
        if r'_test\\.cc' in text and "gtest_main" in text and "add_test" in text:
            known.add(folder)
    for path in tree.names(".cc"):
        if not path.startswith("tests/"):
            continue
        folder = str(pathlib.PurePosixPath(path).parent)
        has_tests = re.search(r"^(TEST|TEST_F|TEST_P|TYPED_TEST)\(", tree.texts[path], re.MULTILINE)
        if path.endswith("_test.cc") and not has_tests:
            findings.append(Finding(path, 0, "tests", "is called a test and holds none"))
        if has_tests and not path.endswith("_test.cc"):
            findings.append(Finding(path, 0, "tests", "holds tests: its name must end in _test.cc"))
        above = {str(one) for one in pathlib.PurePosixPath(path).parents}
        if has_tests and not known & above:
            findings.append(Finding(path, 0, "tests",
                                    f"ctest does not know it: no quell_tests(NAME {folder} ...)"))
        if has_tests and not re.match(r"//.*Goal", tree.texts[path]):
            findings.append(Finding(path, 1, "tests", "begins with a comment: Goal and Method"))
    for path in tree.names("_test.py"):
        folder = str(pathlib.PurePosixPath(path).parent)
        text = lists.get(f"{folder}/CMakeLists.txt", "")
        if "_test.py" not in text or "add_test" not in text or "GLOB" not in text:
            findings.append(Finding(path, 0, "tests",
                                    f"ctest does not know it: {folder}/CMakeLists.txt must "
                                    "add_test each file(GLOB ... *_test.py)"))
    return findings


def adrs(tree):
    findings = []
    numbers = {}
    for path in tree.names(".md"):
        if not path.startswith("docs/adr/") or path.endswith("README.md"):
            continue
        if not ADR_NAME.fullmatch(path):
            findings.append(Finding(path, 0, "adr", "is called NNNN-words-of-the-title.md"))
            continue
        number = path.split("/")[-1][:4]
        if number in numbers:
            findings.append(Finding(path, 0, "adr", f"has the number of {numbers[number]}"))
        numbers[number] = path
        text = tree.texts[path]
        fields = re.findall(r"^## (.*)$", text, re.MULTILINE)
        if fields != ADR_FIELDS or not text.startswith(f"# {number} "):
            findings.append(Finding(path, 0, "adr",
                                    f"has the title '# {number} ...' and the fields "
                                    f"{', '.join(ADR_FIELDS)}"))
            continue
        status = text.split("## Status\n", 1)[1].strip().split("\n")[0]
        if not ADR_STATUS.match(status):
            findings.append(Finding(path, 0, "adr",
                                    "status is 'accepted' or 'superseded by [NNNN](file)'"))
    return findings


def warnings(tree):
    """Every build warns, and in the one that CI makes a warning is an error."""
    findings = []
    for path, wanted in [("tools/cmake/QuellOptions.cmake", "-Wall"), (".ci/run", "QUELL_WERROR=ON")]:
        if path in tree.texts and not re.search(rf"^[^#]*{wanted}\b", tree.texts[path], re.MULTILINE):
            findings.append(Finding(path, 0, "warnings", f"must set {wanted}"))
    return findings


# Words that only this project used, or that need a second reading, and what stands in their place.
RETIRED = [(re.compile(pattern), instead) for pattern, instead in [
    (r"(?i)\blocal[ _-]?door\b|\b(Open|Local)Door\b|\bDoor(Client|Node)\b", "local API"),
    (r"(?i)\b(strict|the) gate\b|\bgate\.(h|cc)\b", "request validation"),
    (r"\bmakes? no sense\b", "could not be parsed, or cannot be read"),
    (r"(?i)\bmend the state\b", "fix the cause"),
    (r"(?i)\bneighbou?rhood\b", "cluster information endpoints"),
    (r"(?i)\bborn[ _-]cancelled\b", "cancelled on registration"),
    (r"\b(Keeper|KeptTask|Revive)\b", "LiveTaskWriter, LiveTaskRecord, RestoreTasks"),
    (r"\b(Canceller|OwedIntents|JoinLoop|TableWishes|CancelWords)\b", "the name in docs/glossary.md"),
    (r"\b[Ll]ikewise\b", "say it: 'the same', 'too', 'as above'"),
    (r"\b[Hh]e may\b", "name who: 'the caller may'"),
    (r"\bbut for (the|a|an|its|what|those|where|lack)\b", "except for"),
    (r"\bmust not be forgotten\b", "has to be durable"),
]]


def retired(tree):
    """A document, a source or a message uses the field's words. A decision and a changelog stay."""
    findings = []
    for path in tree.names(".md", ".h", ".cc", ".proto", ".py", ".mjs"):
        if path == "CHANGELOG.md" or path.startswith(("docs/adr/", "tools/")):
            continue
        for number, line in enumerate(tree.texts[path].split("\n"), 1):
            findings += [Finding(path, number, "retired", f"'{match.group(0)}' is retired: {instead}")
                         for pattern, instead in RETIRED if (match := pattern.search(line))]
    return findings


def versions(tree):
    """The clients that are one file each cannot ask CMake: they repeat the project's version."""
    project = re.search(r"^project\(\w+ VERSION ([\d.]+)", tree.texts.get("CMakeLists.txt", ""),
                        re.MULTILINE)
    said = re.compile(r"""^(?:__version__|export const version) = ["']([^"']*)["']""", re.MULTILINE)
    findings = []
    for path in tree.names(".py", ".mjs"):
        match = said.search(tree.texts[path])
        if project and match and match.group(1) != project.group(1):
            findings.append(Finding(path, 0, "version", f"says {match.group(1)}, but project() in "
                                                        f"CMakeLists.txt says {project.group(1)}"))
    return findings


def samples():
    """(what the tree holds, the rules that must find something)"""
    page = {"docs/README.md": "# Docs\n\n## A heading\n"}
    claim = "// Goal: x.\nTEST(A, B) {\n}\n"
    unit = "quell_tests(core_tests unit/core LIBS quell_core)\n"
    decision = "# 0001 Title\n\n## Status\naccepted\n\n## Context\n\n## Decision\n\n## Consequences\n"
    return [
        (page, []),
        ({**page, "node/a.h": "// Likewise.\n"}, ["readme", "retired"]),
        ({**page, "docs/a.md": "the neighbourhood\n"}, ["retired"]),
        ({**page, "docs/adr/0001-a.md": decision + "once a LocalDoor\n"}, []),
        ({"docs/a.md": ""}, ["readme"]),
        ({**page, "docs/a.md": "[x](README.md#a-heading) [y](https://example.org/)\n"}, []),
        ({**page, "docs/a.md": "[x](gone.md)\n"}, ["link"]),
        ({**page, "docs/a.md": "[x](README.md#gone)\n"}, ["link"]),
        ({**page, "docs/a.md": "see `docs/gone.md`\n"}, ["path"]),
        ({**page, "docs/a.md": "see docs/README.md, and docs/*.md\n"}, []),
        ({"tests/README.md": "", "tests/unit/README.md": "", "tests/CMakeLists.txt": unit,
          "tests/unit/core/a_test.cc": claim}, []),
        ({"tests/README.md": "", "tests/unit/README.md": "", "tests/CMakeLists.txt": unit,
          "tests/unit/node/a_test.cc": claim}, ["tests"]),
        ({"tests/README.md": "", "tests/unit/README.md": "", "tests/CMakeLists.txt": unit,
          "tests/unit/core/a.cc": claim}, ["tests"]),
        ({"tests/README.md": "", "tests/unit/README.md": "", "tests/CMakeLists.txt": unit,
          "tests/unit/core/a_test.cc": "// Goal: none.\n"}, ["tests"]),
        ({"tests/README.md": "", "tests/x/README.md": "", "tests/x/a_test.py": ""}, ["tests"]),
        ({**page, "docs/adr/0001-a.md": decision}, []),
        ({**page, "docs/adr/0001-a.md": decision.replace("accepted", "perhaps")}, ["adr"]),
        ({**page, "docs/adr/0001-a.md": decision.replace("## Context", "")}, ["adr"]),
        ({**page, "docs/adr/one.md": decision}, ["adr"]),
        ({"sdk/README.md": "", "CMakeLists.txt": "project(quell VERSION 1.2.3)\n",
          "sdk/a.py": '__version__ = "1.2.3"\n'}, []),
        ({"sdk/README.md": "", "CMakeLists.txt": "project(quell VERSION 1.2.3)\n",
          "sdk/a.mjs": "export const version = '1.2.4';\n"}, ["version"]),
        ({"tools/README.md": "", "tools/cmake/QuellOptions.cmake": "-Wextra\n"}, ["warnings"]),
        ({"tools/README.md": "", ".ci/run": "# QUELL_WERROR=ON\n"}, ["warnings"]),
    ]
