"""Shows that each check finds what it exists to find, and leaves the rest alone."""

import re
import traceback

import clang
import format as formatting
import includes
import lint
import docs_check
import shell
from tree import Tree, cpp_code


def path_for(rule):
    """A path that the rule looks at."""
    ending = rule.files[0] if rule.files else ".cc"
    places = ["node/", "tests/unit/x/", "tests/integration/", "transport/grpc/"]
    return next(p for p in (place + "sample" + ending for place in places)
                if lint.applies(rule, p))


def found(rule, line):
    rules = {f.rule for f in lint.check_file(path_for(rule), line + "\n")}
    return rule.name in rules


def each_rule_finds_its_bad_sample():
    for rule in lint.RULES:
        assert found(rule, rule.bad), f"{rule.name} misses: {rule.bad}"


def each_rule_spares_its_good_sample():
    for rule in lint.RULES:
        assert not found(rule, rule.good), f"{rule.name} finds: {rule.good}"


def each_rule_says_what_to_do_instead():
    for rule in lint.RULES:
        assert len(rule.instead) > 5, rule.name


def comments_and_strings_are_no_code():
    for rule in lint.RULES:
        if rule.look == lint.CODE and rule.files == lint.CPP and '"' not in rule.bad \
                and not rule.bad.lstrip().startswith("#"):
            assert not found(rule, "// " + rule.bad), f"{rule.name} reads comments"
            assert not found(rule, f'Say("{rule.bad}");'), f"{rule.name} reads strings"


def an_allowance_needs_a_reason_and_a_use():
    def rules(text):
        return [f.rule for f in lint.check_file("node/x.cc", text)]
    sleepy = "sleep(1);"
    assert rules(f"{sleepy}\n") == ["sleep"]
    allow = "// lint: " + "allow(sleep)"  # In two, or it would speak of this line.
    assert rules(f"{sleepy}  {allow}: the kernel wants it\n") == []
    assert rules(f"{allow}: the kernel wants it\n{sleepy}\n") == []
    assert sorted(rules(f"{sleepy}  {allow}\n")) == ["allow", "sleep"]
    assert rules(f"int x;  {allow}: no need\n") == ["allow"]


def long_files_and_functions_are_found():
    def rules(text):
        return {f.rule for f in lint.check_file("node/x.cc", text)}
    assert rules("int x;\n" * (lint.MAX_LINES + 1)) == {"long_file"}
    body = "  Step();\n"
    assert rules("void F() {\n" + body * (lint.MAX_FUNCTION + 1) + "}\n") == {"long_function"}
    assert rules("void F() {\n" + body * (lint.MAX_FUNCTION - 1) + "}\n") == set()
    assert rules("namespace a {\n" + body * (lint.MAX_FUNCTION + 1) + "}\n") == set()
    assert rules("int x;") == {"file_end"}


def grpc_needs_its_arguments():
    def rules(path, text):
        return {f.rule for f in lint.check_file(path, text)}
    server = "transport/grpc/server.cc"
    assert rules(server, "grpc::ServerBuilder b;\n") == {"grpc_arguments"}
    assert rules(server, "grpc::ServerBuilder b;\nb.Add(GRPC_ARG_ALLOW_REUSEPORT, 0);\n") == set()
    channel = "transport/grpc/channel.cc"
    assert rules(channel, "auto c = grpc::CreateCustomChannel(a);\n") == {"grpc_arguments"}


def python_must_parse():
    assert {f.rule for f in lint.check_file("tools/x.py", "def f(:\n")} == {"python"}


def blanks_are_mended():
    assert lint.mended("a  \nb\r\nc") == "a\nb\nc\n"


def cpp_text_is_taken_apart():
    text = 'a("x//y"); // z\nb(\'"\'); /* c\nd */ e(1\'000);\nf(R"(q"q)");\n'
    code = cpp_code(text)
    assert code.count("\n") == text.count("\n")
    assert not re.search(r"[xyzcdq]", code), code
    for kept in ("a(", "b(", "e(1'000)", "f("):
        assert kept in code, code
    assert "x//y" in cpp_code(text, keep_strings=True)


def the_include_table_holds():
    for texts, wanted in includes.samples():
        findings = includes.check(Tree.of_texts(texts))
        assert len(findings) == wanted, f"{texts}: wanted {wanted}, found {findings}"


def documents_are_read():
    for texts, wanted in docs_check.samples():
        findings = docs_check.check(Tree.of_texts(texts))
        assert sorted({f.rule for f in findings}) == wanted, f"{texts}: {findings}"


TESTS = [
    each_rule_finds_its_bad_sample, each_rule_spares_its_good_sample,
    each_rule_says_what_to_do_instead, comments_and_strings_are_no_code,
    an_allowance_needs_a_reason_and_a_use, long_files_and_functions_are_found,
    grpc_needs_its_arguments, python_must_parse, blanks_are_mended, cpp_text_is_taken_apart,
    the_include_table_holds, documents_are_read, formatting.self_test, shell.self_test,
    clang.self_test,
]


def main():
    failed = 0
    for test in TESTS:
        name = f"{test.__module__}.{test.__name__}"
        try:
            test()
            print(f"ok      {name}")
        except Exception:  # Whatever a test throws is its failure.
            failed += 1
            print(f"FAILED  {name}")
            traceback.print_exc()
    print(f"{len(TESTS) - failed} of {len(TESTS)} passed")
    return 1 if failed else 0
