"""Banned constructs. Each rule says what to do instead, and brings a sample that it must find and
one that it must not."""

import ast
import dataclasses
import re

from tree import Allowances, Finding, cpp_code

CPP = (".h", ".cc")
PYTHON = (".py",)
MAX_LINES = 600
MAX_FUNCTION = 100

# What a rule looks at: the code without comments and contents of strings, the code with its
# strings, or the text as it is.
CODE, STRINGS, TEXT = "code", "strings", "text"


@dataclasses.dataclass(frozen=True)
class Rule:
    name: str
    pattern: str  # What its group "spared" matches is no finding.
    instead: str
    bad: str  # A line that the rule must find...
    good: str  # ...and one that it must not.
    files: tuple = CPP  # Endings; (): every text file.
    where: str = ""  # Only paths that match this.
    but: str = ""  # Not paths that match this.
    look: str = CODE


RULES = [
    # Time and chance are handed in.
    Rule("clock", r"\b(system_clock|steady_clock|high_resolution_clock|utc_clock)::now\b"
                  r"|\b(clock_gettime|gettimeofday|timespec_get)\s*\("
                  r"|\bstd::time\s*\(|(?<![\w.>:])time\s*\(\s*(nullptr|NULL|0|&\w+)\s*\)",
         "take a Clock (core/clock.h), or the executor's clock(): simulated time must rule",
         "auto t = std::chrono::steady_clock::now();", "auto t = clock.Now();",
         but=r"^host/system_clock\.cc$|^tests/bench/|^sdk/"),
    Rule("chance", r"\bmt19937", "take a Random (core/random.h): a seed must replay a run",
         "std::mt19937_64 g;", "random.Below(4);", but=r"^(tests|sdk)/"),
    Rule("chance", r"\brandom_device\b|(?<!\w)s?rand\s*\(|\bgetrandom\s*\(|\bgetentropy\b"
                   r"|/dev/u?random|\bRAND_bytes\b",
         "take a Random (core/random.h): a seed must replay a run",
         "std::random_device d;", "random.Below(4);", but=r"^host/system_random\.cc$|^sdk/", look=STRINGS),
    Rule("sleep", r"\bsleep_(for|until)\b|\b(u|nano|clock_nano)?sleep\s*\(",
         "post a timer (Executor::At); in a test run the simulated clock, or wait for an event",
         "std::this_thread::sleep_for(1s);", "executor.After(1s, work);",
         but=r"^(cli|sdk|tests/bench)/"),  # Blocking programs, with nothing else to do.
    Rule("sleep", r"\btime\.sleep\s*\(|\bimport sleep\b|from time import .*\bsleep\b",
         "wait for what you wait for: read the ready line, or poll by the suite's one helper",
         "time.sleep(1)", "until(lambda: gone(pid))", files=PYTHON, where=r"^tests/"),

    # Errors are values.
    Rule("result_value", r"(?<!error)(?<!\bcode)(?<!\bec)(?<!field)(\.|->)value\(\)",
         "test it with `if (!result)`, then use *result or result.error(); value() throws",
         "Use(result.value());", "Use(*result);", but=r"^transport/grpc/.*convert"),
    Rule("throw", r"\bthrow\b", "return an Error (core/result.h)",
         "throw std::runtime_error(x);", "return Error{ErrorCode::kInternal, x};",
         but=r"^tests/"),
    Rule("assert_effect", r"(?<![\w.])assert\s*\([^;\n]*(\+\+|--|[^=!<>]=[^=]|"
                          r"\b(Move|Post|Send|Add|Write|insert|erase|push_back|reset)\()",
         "NDEBUG takes the effect away with the assertion: act first, assert the outcome",
         "assert(queue.erase(id) == 1);", "assert(removed == 1);"),

    # Traps of GCC 12, Asio 1.81 and gRPC 1.51.
    Rule("await_braces", r"\bco_await\b[^;]*[(,]\s*(\w[\w:]*)?\{",
         "GCC 12 destroys such a temporary twice: make it a named variable before the co_await",
         "co_await f({1, 2});", "co_await f(options);"),
    Rule("await_lambda", r"\[[^\]\n]+\]\s*\([^)]*\)\s*(mutable\s*)?->\s*[\w:]*awaitable\b",
         "its captures die before the coroutine ends: write a named function with parameters",
         "[this](int x) -> awaitable<void> {", "awaitable<void> Serve(Socket socket) {"),
    Rule("awaitable_operators", r"\bawaitable_operators\b|\bparallel_group\b",
         "Asio 1.81 cancels across executors with it: use callbacks and a timer",
         "using namespace boost::asio::experimental::awaitable_operators;",
         "timer.async_wait(done);", look=STRINGS),
    Rule("detached", r"\basio::detached\b|\.detach\(\)",
         "somebody must see the end: give co_spawn a completion handler, join the thread",
         "co_spawn(executor, Run(), asio::detached);", "co_spawn(executor, Run(), OnEnd);"),
    Rule("grpc_localhost", r'"(ipv4:|dns:|unix:)?[^"\s]*\blocalhost\b',
         "a name costs a look-up for each channel: write 127.0.0.1",
         'Connect("localhost:9400");', 'Connect("127.0.0.1:9400");', look=STRINGS,
         where=r"^(transport/grpc|node|coordinator|cli|tests/unit/grpc|tests/bench)/"),
    Rule("grpc_channel", r"\bgrpc::CreateChannel\b|\bInsecureChannelCredentials\b",
         "make it where the arguments are set (ENABLE_HTTP_PROXY 0 among them): "
         "transport/grpc/channel.cc",
         "auto c = grpc::CreateChannel(a, b);", "auto c = MakeChannel(address);",
         but=r"^transport/grpc/channel\.cc$"),
    Rule("grpc_server", r"\bServerBuilder\b",
         "make it where the arguments are set (ALLOW_REUSEPORT 0 among them, or a busy port is "
         "shared in silence): transport/grpc/server.cc",
         "grpc::ServerBuilder builder;", "auto server = StartServer(options);",
         but=r"^transport/grpc/server\.cc$"),
    Rule("grpc_blocking", r"\bSync(Server|Stub)\b|->Wait\(\);\s*//\s*grpc|\bcallback_service\b",
         "use the completion queue: see docs/adr/0003-node-executor-is-the-completion-queue.md",
         "class X : public Node::callback_service {", "Node::AsyncService service;"),

    # One way to do a thing.
    Rule("regex", r"\bstd::(basic_)?regex\b|<regex>|<regex\.h>",
         "parse by hand, or WildcardMatch (core/wildcard.h): std::regex recurses on its input",
         "std::regex r;", "WildcardMatch(pattern, text);"),
    Rule("using_namespace", r"\busing\s+namespace\s+"
                              r"(?!std::(chrono_|string_view_|string_)?literals\b)",
         "name what you use: `namespace asio = boost::asio;` or `using testing::ElementsAre;`",
         "using namespace std;", "using namespace std::chrono_literals;", but=r"/main\.cc$"),
    Rule("shell_out", r"(?<![\w.:>])(std::|::)?(system|popen)\s*\(",
         "start the program itself (posix_spawn, execvp): no text ever meets a shell",
         'system("ls");', "execvp(argv[0], argv);"),
    Rule("raw_new", r"(?P<spared>\(\s*)?\bnew\s+(?!\()[\w:]|\bnew\s*\(std::nothrow\)"
                    r"|(?<!operator )\bdelete\b\s*[\w(*\[]",
         "std::make_unique, std::unique_ptr<T>(new T) where the constructor is private, or a "
         "member: owners have a type",
         "auto* x = new Thing;", "X(const X&) = delete;", but=r"^sdk/"),  # C handles.
    Rule("async", r"\bstd::(async|jthread|packaged_task)\b",
         "post to the executor that owns the state",
         "auto f = std::async(Work);", "executor.Post(work);", but=r"^sdk/examples/"),
    Rule("print", r"\bstd::(cout|cerr|clog)\b|(?<![\w.>])(std::)?(f?printf|puts|putchar)\s*\(",
         "log by host/log.h; stdout belongs to the ready line and to the command line's answers",
         'std::cout << "hello";', "log::Info(text);",
         but=r"^cli/|/main\.cc$|^host/(log|ready_line)\.cc$|^tests/(bench|sim|support|integration)/"
             r"|^sdk/examples/"),
    Rule("include_guard", r"^\s*#\s*ifndef\s+\w+_H_?\b", "#pragma once",
         "#ifndef NODE_NODE_H_", "#pragma once", files=(".h",), but=r"^sdk/include/"),

    # Tests.
    Rule("weak_expect", r"\b(EXPECT|ASSERT)_(TRUE\s*\([^;{<]*(\.has_value\(\)|\.ok\(\))|"
                        r"(TRUE|FALSE)\s*\([^;{<]*([^-<>!=]==|!=|\.empty\(\)\s*\)|\.contains\())"
                        r"[^;<{]*;",
         "it prints only 'false': use EXPECT_EQ, EXPECT_THAT(x, IsOk()), IsEmpty(), Contains(), or "
         "add `<< what was seen`",
         "EXPECT_TRUE(r.has_value());", "EXPECT_TRUE(r.has_value()) << r.error();",
         where=r"^tests/"),
    Rule("disabled_test", r"\bDISABLED_\w+", "mend it or delete it",
         "TEST(NodeTest, DISABLED_Joins) {", "TEST(NodeTest, Joins) {"),
    Rule("silent_skip", r"\bGTEST_SKIP\(\)\s*;", 'say why: GTEST_SKIP() << "reason"',
         "GTEST_SKIP();", 'GTEST_SKIP() << "no such file system here";'),
    Rule("silent_skip", r"@(unittest\.)?skip\b(?!(If|Unless)?\(.*['\"])|\bskipTest\(\s*\)",
         "say why: @unittest.skipIf(condition, 'reason')",
         "@unittest" ".skip", "@unittest.skipIf(True, 'needs root')", files=PYTHON),
    Rule("fixed_port", r'127\.0\.0\.1:[1-9]\d*\b',
         "take port 0 and read the ready line: tests run beside others",
         'start("--http", "127.0.0.1:9480")', 'start("--http", "127.0.0.1:0")',
         files=(".py", ".cc"), where=r"^tests/(integration|bench)/", look=STRINGS),
    Rule("fixed_port", r'\b(Listen|Bind|Start\w*)\([^;]*127\.0\.0\.1:[1-9]\d*',
         "take port 0: tests run beside others",
         'Listen("127.0.0.1:9480");', 'Listen("127.0.0.1:0");', where=r"^tests/unit/",
         look=STRINGS),

    # Texts of every kind.
    Rule("unfinished", r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b",
         "do it now, or file an issue and say nothing here",
         "// TO" "DO: later", "// Done.", files=(), look=TEXT),
    Rule("machine_path", r"(?<![\w.$}])/(home|Users)/(?!user\b|you\b)\w+|(?<![\w./-])/roo" r"t/|"
                         r"(?<![\w.$}/-])/wor" r"k/\w|/tmp/buil" r"d-",
         "a path of one machine means nothing on another: write it from the repository's root",
         "see /home/" "jane/x", "see docs/design.md", files=(), look=TEXT),
    Rule("registry_host", r"\b(deb\.debian|ftp\.debian|security\.debian|pypi|registry\.npmjs|"
                          r"files\.pythonhosted|proxy\.golang|index\.crates|static\.crates|"
                          r"repo1?\.maven)\.(org|io|com)\b|://(registry|deb|repo1?|files|proxy)\.",
         "the machine's own configuration says where packages come from",
         "from https://" "deb.debian" ".org/x", "from its Debian packages", files=(), look=TEXT),
    Rule("tab", r"\t", "blanks", "a\tb", "a b", files=(), look=TEXT,
         but=r"\.go$"),  # gofmt wants them.
    Rule("blank_end", r"[ \r]+$", "nothing after the last visible character (--fix)",
         "int x; ", "int x;", files=(), but=r"\.patch$", look=TEXT),
    Rule("ascii", r"[^\x00-\x7f]", "plain ASCII; in a string an escape",
         "// caf\u00e9", "// cafe", files=CPP + PYTHON + (".txt", ".cmake", ".proto"), look=TEXT),
]

NAMES = {rule.name for rule in RULES} | {"long_file", "long_function", "file_end", "python",
                                         "grpc_arguments"}


def blank_python(text):
    """Python text with its comments blanked."""
    return re.sub(r"(^|\s)#[^\n]*", lambda m: " " * len(m.group(0))
                  if not m.group(0).startswith("\n") else "\n" + " " * (len(m.group(0)) - 1), text)


def applies(rule, path):
    return ((not rule.files or path.endswith(rule.files))
            and (not rule.where or re.search(rule.where, path))
            and not (rule.but and re.search(rule.but, path)))


def views_of(path, text):
    if path.endswith(CPP):
        return {CODE: cpp_code(text), STRINGS: cpp_code(text, keep_strings=True), TEXT: text}
    code = blank_python(text) if path.endswith(PYTHON) else text
    return {CODE: code, STRINGS: code, TEXT: text}


def functions_of(code):
    """(line, length) of each function that begins at the left edge, as clang-format leaves it."""
    begin = None
    for number, line in enumerate(code.split("\n"), 1):
        if re.match(r"[A-Za-z_~:<].*\{\s*$|\S.*\) (const )?\{\s*$", line) and begin is None \
                and not re.match(r"(inline )?(namespace|class|struct|enum|union|extern|constexpr "
                                 r"\w+ k|const )\b", line):
            begin = number
        elif line.startswith("}"):
            if begin is not None:
                yield begin, number - begin
            begin = None


def check_file(path, text):
    allowed = Allowances(path, text)
    findings = []

    def add(line, rule, message):
        if not allowed.covers(line, rule):
            findings.append(Finding(path, line, rule, message))

    views = views_of(path, text)
    for rule in RULES:
        if not applies(rule, path):
            continue
        view = views[rule.look]
        for match in re.finditer(rule.pattern, view, re.MULTILINE):
            if match.groupdict().get("spared"):
                continue
            seen = match.group(0).strip().split("\n")[0] or repr(match.group(0))
            add(view.count("\n", 0, match.start()) + 1, rule.name, f"{seen}: {rule.instead}")

    lines = text.count("\n")
    # A client in one file is what sdk/ promises to programs in Python.
    if lines > MAX_LINES and path.endswith(CPP + PYTHON) and not path.startswith("sdk/python/"):
        add(1, "long_file", f"{lines} lines: more than {MAX_LINES} hide two subjects, split them")
    if text and not text.endswith("\n"):
        add(lines + 1, "file_end", "ends without a line end (--fix)")
    if path.endswith(CPP):
        for line, length in functions_of(views[CODE]):
            if length > MAX_FUNCTION:
                add(line, "long_function", f"{length} lines: name its steps as functions")
        for word, needed, why in [
                ("ServerBuilder", "GRPC_ARG_ALLOW_REUSEPORT", "a busy port is shared in silence"),
                ("CreateCustomChannel", "GRPC_ARG_ENABLE_HTTP_PROXY",
                 "a proxy variable captures loopback")]:
            at = views[CODE].find(word)
            if at >= 0 and needed not in views[CODE]:
                add(views[CODE].count("\n", 0, at) + 1, "grpc_arguments",
                    f"{word} without {needed} set to 0: {why}")
    if path.endswith(PYTHON) or text.startswith("#!/usr/bin/env python3"):
        try:
            ast.parse(text)
        except SyntaxError as error:
            add(error.lineno or 0, "python", f"does not parse: {error.msg}")
    return findings + allowed.findings()


def check(tree):
    findings = []
    for path, text in sorted(tree.texts.items()):
        findings += check_file(path, text)
    return findings


def mended(text):
    text = re.sub(r"[ \r]+$", "", text, flags=re.MULTILINE)
    return text if not text or text.endswith("\n") else text + "\n"


def fix(tree):
    for path, text in sorted(tree.texts.items()):
        wanted = mended(text)
        if wanted != text and not path.endswith(".patch"):
            tree.write(path, wanted)
            print(f"trimmed {path}")
