"""Who may include whom: the table of the architecture, as a program.

A *module* is a folder whose files obey one row. Our own headers are included from the root, in
quotes; a row names the modules they may come from and the libraries that may be used. Everything that
is not in the row is an error.
"""

import pathlib
import re

from tree import Finding, cpp_code

# Library -> what its headers look like between the angle brackets.
LIBRARIES = {
    "boost/system": r"boost/system/",
    "boost/asio": r"boost/asio(/|\.hpp)",
    "boost/beast": r"boost/beast(/|\.hpp)",
    "boost/json": r"boost/json(/|\.hpp)",
    "boost/url": r"boost/url(s)?(/|\.hpp)",
    "boost": r"boost/",
    "sqlite": r"sqlite3\.h",
    "spdlog": r"(spdlog|fmt)/",
    "cli11": r"CLI/",
    "grpc": r"(grpc|grpcpp|grpc\+\+)/",
    "protobuf": r"google/protobuf/",
    "absl": r"absl/",
    "gtest": r"(gtest|gmock)/",
    # What the operating system offers beside the C++ standard library. <cxxabi.h> comes with the compiler.
    "posix": r"(?!cxxabi\.h)[a-z_/0-9]+\.h",
}
GENERATED = re.compile(r"quell/v1/\w+\.(grpc\.)?pb\.h")  # Counts as the library "protobuf".

# Inside node/ includes run downwards only: each folder may include itself and those before it here.
NODE_ORDER = ["node/journal", "node/tasks", "node/cancels", "node/programs", "node/membership"]
# What is handed to the facade, and what passes through it: values and interfaces, for all above.
NODE_VALUES = {"node/journal/journal.h", "node/tasks/task_messages.h",
               "node/programs/program_messages.h", "node/programs/process_watch.h"}
NODE = {"node", "node/local_api", *NODE_ORDER}

# The same inside coordinator/.
COORDINATOR_ORDER = ["coordinator/store", "coordinator/members", "coordinator/fan_out",
                     "coordinator/cancels", "coordinator/membership"]
COORDINATOR_VALUES = {"coordinator/store/store.h", "coordinator/members/standing.h",
                      "coordinator/fan_out/request_context.h", "coordinator/fan_out/failures.h",
                      "coordinator/query.h",
                      "coordinator/gathered.h", "coordinator/coordinator_services.h"}
COORDINATOR = {"coordinator", "coordinator/coordinator.h", *COORDINATOR_ORDER}
# The APIs on top of its facade.
API_ORDER = ["coordinator/http", "coordinator/api/opensearch", "coordinator/api/native"]


def up_to(order, folder):
    """The folder and those below it."""
    return set(order[:order.index(folder) + 1])


# Module -> (modules of ours, libraries). A file belongs to the longest module that its path begins with;
# a module may be a single file.
MODULES = {
    "core": ({"core"}, {"boost/system"}),
    "host": ({"core", "host"}, {"boost/system", "boost/asio", "sqlite", "spdlog", "posix"}),
    "transport": ({"core", "transport"}, {"boost/system"}),
    "transport/http": ({"core", "transport", "transport/http"},
                       {"boost/system", "boost/asio", "boost/beast", "boost/json", "boost/url",
                        "posix"}),
    "transport/grpc": ({"core", "transport", "transport/grpc"},
                       {"boost/system", "grpc", "protobuf", "absl", "posix"}),
    "node/journal": ({"core", "host", "node/journal"}, {"boost/json"}),
    **{folder: ({"core", "transport", *up_to(NODE_ORDER, folder)}, {"boost/system"})
       for folder in NODE_ORDER[1:]},
    **{header: ({"core", *NODE_VALUES}, set()) for header in NODE_VALUES},
    # The facade: the simulation runs it and all below it, so it needs neither host nor HTTP.
    "node/node.h": ({"core", "transport", *NODE_VALUES}, {"boost/system"}),
    "node": ({"core", "transport", "node/node.h", *NODE_ORDER}, {"boost/system"}),
    "node/local_api": ({"core", "host", "transport", "transport/http", "node/node.h", *NODE_VALUES,
                        "node/local_api"}, {"boost/system", "boost/asio", "boost/json", "posix"}),
    "node/main.cc": ({"core", "host", "transport", "transport/http", "transport/grpc",
                      "node/node.h", "node/journal", "node/local_api", *NODE_VALUES},
                     {"boost/system", "boost/asio", "boost/json", "cli11", "posix"}),
    "coordinator/store": ({"core", "host", "coordinator/store"}, {"boost/json"}),
    **{folder: ({"core", "transport", *up_to(COORDINATOR_ORDER, folder), *COORDINATOR_VALUES},
                {"boost/system"})
       for folder in COORDINATOR_ORDER[1:]},
    **{header: ({"core", "transport", *COORDINATOR_VALUES}, set())
       for header in COORDINATOR_VALUES},
    "coordinator/coordinator.h": ({"core", "transport", *COORDINATOR_VALUES}, {"boost/system"}),
    "coordinator": ({"core", "transport", "coordinator/coordinator.h", *COORDINATOR_VALUES,
                     *COORDINATOR_ORDER}, {"boost/system"}),
    **{folder: ({"core", "host", "transport", "transport/http", "coordinator/coordinator.h",
                 *COORDINATOR_VALUES, *up_to(API_ORDER, folder)},
                {"boost/system", "boost/asio", "boost/json", "posix"})
       for folder in API_ORDER},
    "coordinator/main.cc": ({"core", "host", "transport", "transport/http", "transport/grpc",
                             "coordinator/coordinator.h", "coordinator/store",
                             *COORDINATOR_VALUES, *API_ORDER},
                            {"boost/system", "boost/asio", "boost/json", "cli11", "posix"}),
    "cli": ({"core", "host", "transport/http", "cli"},
            {"boost/system", "boost/asio", "boost/json", "cli11", "posix"}),
    # Stands alone: programs link it, so it brings nothing of ours and nothing of gRPC's with it.
    "sdk": ({"sdk"}, {"boost/json", "posix"}),
    "tests": ({"core", "host", "transport", "transport/http", "transport/grpc", *NODE,
               *COORDINATOR, *API_ORDER, "cli", "sdk", "tests", "tests/support"},
              set(LIBRARIES)),
    "tests/unit/core": ({"core", "tests/support"}, {"boost/system", "boost/json", "gtest"}),
    # The fixtures, with a whole node; below them one folder for each of node/, with its rows.
    "tests/unit/node": ({"core", "transport", "node/node.h", *NODE_VALUES, "tests/support"},
                        {"gtest"}),
    **{f"tests/unit/{folder}": ({"core", "transport", *up_to(NODE_ORDER, folder), "tests/support",
                                 "tests/unit/node"}, {"gtest"})
       for folder in NODE_ORDER[1:]},
    "tests/unit/node/journal": ({"core", "host", "node/journal", "tests/support"},
                                {"boost/asio", "boost/json", "gtest", "posix"}),
    "tests/unit/node/local_api": ({"core", "host", "transport", "transport/http", "node/node.h",
                                   *NODE_VALUES, "node/local_api", "tests/support",
                                   "tests/unit/node"},
                                  {"boost/system", "boost/asio", "boost/json", "gtest", "posix"}),
    # The fixtures, with a whole coordinator and its APIs; below them one folder for each.
    "tests/unit/coordinator": ({"core", "host", "transport", "transport/http",
                                "coordinator/coordinator.h", *COORDINATOR_VALUES, *API_ORDER,
                                "tests/support"},
                               {"boost/system", "boost/asio", "boost/json", "gtest", "posix"}),
    **{f"tests/unit/{folder}": ({"core", "transport", *up_to(COORDINATOR_ORDER, folder),
                                 *COORDINATOR_VALUES, "tests/support", "tests/unit/coordinator"},
                                {"gtest"})
       for folder in COORDINATOR_ORDER[1:]},
    "tests/unit/coordinator/store": ({"core", "host", "coordinator/store", "tests/support",
                                      "tests/unit/coordinator"},
                                     {"boost/asio", "gtest", "posix"}),
    "tests/unit/cli": ({"core", "host", "transport/http", "cli", "tests/support"},
                       {"boost/system", "boost/json", "gtest", "posix"}),
    # Holds what all of them take and refuse against each other, with the fixtures of their own tests.
    "tests/unit/entrances": ({"core", "host", "transport", "transport/http", "transport/grpc",
                              *NODE, *COORDINATOR, *API_ORDER, "cli", "sdk", "tests/support", "tests/unit/node",
                              "tests/unit/coordinator"}, set(LIBRARIES)),
    # The logic of the daemons without a network: whatever it includes must run on a simulated one.
    "tests/sim": ({"core", "transport", "node/node.h", *NODE_VALUES,
                   "coordinator/coordinator.h", *COORDINATOR_VALUES,
                   "tests/support", "tests/sim"},
                  {"boost/system", "boost/json", "gtest"}),
    "tests/support": ({"core", "host", "transport", *NODE_VALUES, *COORDINATOR_VALUES, "tests/support"},
                      {"boost/system", "boost/json", "gtest", "posix"}),
}

# A unit test's folder may share helpers of its own.
for name in list(MODULES):
    if name.startswith("tests/unit/"):
        MODULES[name][0].add(name)

# Where includes in quotes start, beside the root.
ROOTS = ["sdk/src/", "sdk/include/"]

# What costs seconds to parse: not in a header that another module includes, so that each is paid for
# once, in a .cc file.
HEAVY = {"boost/asio", "boost/beast", "boost/json", "spdlog", "cli11", "grpc", "protobuf", "gtest"}
# Forward declarations and the like: light parts of heavy libraries.
LIGHT = re.compile(r"boost/json/fwd\.hpp|boost/asio/(any_io_executor|awaitable|io_context)\.hpp"
                   r"|grpcpp/impl/codegen/completion_queue\.h")

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)


def module_of(path):
    best = ""
    for module in MODULES:
        if (path == module or path.startswith(module + "/")) and len(module) > len(best):
            best = module
    return best


def library_of(header):
    if GENERATED.fullmatch(header):
        return "protobuf"
    for library, pattern in LIBRARIES.items():
        if re.match(pattern, header):
            return library
    return ""  # The C++ standard library.


def includes_of(text):
    """Yields (line, bracket, header)."""
    code = cpp_code(text, keep_strings=True)
    for match in INCLUDE.finditer(code):
        yield code.count("\n", 0, match.start()) + 1, match.group(1), match.group(2)


def ours(tree, path, header):
    """The file of ours that `path` means by "header", or None."""
    for root in ["", *(r for r in ROOTS if path.startswith("sdk/") or r == "sdk/include/")]:
        if root + header in tree.texts:
            return root + header
    return None


def shared_headers(tree):
    """Headers of ours that a file of another module includes, directly or through others."""
    direct = {}
    for path in tree.names(".h", ".cc"):
        direct[path] = {ours(tree, path, h) for _, b, h in includes_of(tree.texts[path])
                        if b == '"'} - {None}
    shared = {}
    for path, headers in direct.items():
        todo, seen = list(headers), set()
        while todo:
            header = todo.pop()
            if header in seen or header not in direct:
                continue
            seen.add(header)
            # The tests of a module count as the module's own; so do its sub-modules' main files.
            home = folder_of(header)
            if folder_of(path) != home and not path.startswith("tests/"):
                shared.setdefault(header, path)
            todo.extend(direct[header])
    return shared


def folder_of(path):
    module = module_of(path)
    return str(pathlib.PurePosixPath(module).parent) if module.endswith((".cc", ".h")) else module


def check(tree):
    findings = []
    shared = shared_headers(tree)
    for path in tree.names(".h", ".cc"):
        module = module_of(path)
        if not module:
            findings.append(Finding(path, 0, "includes", "lies in no module of tools/includes.py"))
            continue
        modules, libraries = MODULES[module]
        for line, bracket, header in includes_of(tree.texts[path]):
            generated = GENERATED.fullmatch(header)
            if bracket == '"' and not generated:
                found = ours(tree, path, header)
                if not found:
                    message = f'"{header}" is no file of ours: name it from the root'
                elif module_of(found) not in modules and folder_of(found) not in modules:
                    message = (f"{module} must not include {module_of(found)}; "
                               f"it may: {', '.join(sorted(modules))}")
                else:
                    continue
                findings.append(Finding(path, line, "includes", message))
                continue
            library = library_of(header)
            if library and library not in libraries:
                findings.append(Finding(
                    path, line, "includes",
                    f"{module} must not use {library} (<{header}>); "
                    f"it may: {', '.join(sorted(libraries)) or 'the standard library only'}"))
            elif path.endswith(".h") and library in HEAVY and path in shared \
                    and not LIGHT.fullmatch(header):
                findings.append(Finding(
                    path, line, "includes",
                    f"<{header}> costs seconds, and {shared[path]} includes this header: "
                    "move it to the .cc file, behind a forward declaration or a private Impl"))
    return findings


def samples():
    """(what the tree holds, how many findings it must give)"""
    core = "#pragma once\n"
    return [
        ({"core/a.h": core, "node/b.cc": '#include "core/a.h"\n#include <vector>\n'}, 0),
        ({"core/a.cc": '#include "node/b.h"\n', "node/b.h": core}, 1),
        ({"core/a.cc": "#include <boost/asio/io_context.hpp>\n"}, 1),
        ({"core/a.cc": "#include <unistd.h>\n"}, 1),
        ({"core/a.cc": "// #include <unistd.h>\n"}, 0),
        ({"node/b.cc": '#include "coordinator/c.h"\n', "coordinator/c.h": core}, 1),
        ({"node/b.cc": '#include "quell/v1/node.pb.h"\n'}, 1),
        ({"node/b.cc": '#include "transport/grpc/g.h"\n', "transport/grpc/g.h": core}, 1),
        ({"node/main.cc": '#include "transport/grpc/g.h"\n', "transport/grpc/g.h": core}, 0),
        ({"transport/grpc/g.cc": '#include "quell/v1/node.grpc.pb.h"\n'}, 0),
        ({"transport/x.h": '#include "transport/http/h.h"\n', "transport/http/h.h": core}, 1),
        ({"cli/x.cc": '#include "transport/grpc/g.h"\n', "transport/grpc/g.h": core}, 1),
        ({"cli/x.cc": '#include "gone.h"\n'}, 1),
        ({"elsewhere/x.cc": ""}, 1),
        ({"sdk/src/a.cc": '#include "a.h"\n#include "quell/q.h"\n', "sdk/src/a.h": core,
          "sdk/include/quell/q.h": core}, 0),
        ({"sdk/src/a.cc": '#include "core/c.h"\n', "core/c.h": core}, 1),
        ({"node/a.cc": '#include "a.h"\n', "node/a.h": core}, 1),
        ({"host/l.h": "#include <spdlog/spdlog.h>\n", "cli/n.cc": '#include "host/l.h"\n'}, 1),
        ({"host/l.h": "#include <spdlog/spdlog.h>\n", "host/l.cc": '#include "host/l.h"\n'}, 0),
        *node_samples(),
        *coordinator_samples(),
    ]


def node_samples():
    """Downwards inside node/, and never up; its tests see what their folder sees."""
    for index, below in enumerate(NODE_ORDER):
        for above in NODE_ORDER[index + 1:]:
            for tests in "", "tests/unit/":
                yield {f"{tests}{above}/a.cc": f'#include "{below}/x.h"\n',
                       f"{below}/x.h": "#pragma once\n"}, 0
                yield {f"{tests}{below}/a.cc": f'#include "{above}/x.h"\n',
                       f"{above}/x.h": "#pragma once\n"}, 1
    facade = {"node/node.h": "#pragma once\n"}
    for folder in NODE_ORDER:
        yield {f"{folder}/a.cc": '#include "node/node.h"\n', **facade}, 1
        yield {"node/node.cc": f'#include "{folder}/x.h"\n', f"{folder}/x.h": "#pragma once\n"}, 0
        yield {"node/local_api/a.cc": f'#include "{folder}/x.h"\n',
               f"{folder}/x.h": "#pragma once\n"}, 1
        yield {"tests/sim/a.cc": f'#include "{folder}/x.h"\n',
               f"{folder}/x.h": "#pragma once\n"}, 1
    yield {"node/local_api/a.cc": '#include "node/node.h"\n', **facade}, 0
    yield {"node/node.cc": '#include "node/local_api/x.h"\n',
           "node/local_api/x.h": "#pragma once\n"}, 1
    yield {"node/node.cc": '#include "host/x.h"\n', "host/x.h": "#pragma once\n"}, 1
    for header in sorted(NODE_VALUES):
        yield {"node/local_api/a.cc": f'#include "{header}"\n', header: "#pragma once\n"}, 0
        yield {"node/node.h": f'#include "{header}"\n', header: "#pragma once\n"}, 0
    yield {"node/programs/program_messages.h": '#include "node/programs/x.h"\n',
           "node/programs/x.h": "#pragma once\n"}, 1


def coordinator_samples():
    """The same inside coordinator/; an API sees its facade and the values, and nothing below."""
    for index, below in enumerate(COORDINATOR_ORDER):
        for above in COORDINATOR_ORDER[index + 1:]:
            yield {f"{above}/a.cc": f'#include "{below}/x.h"\n', f"{below}/x.h": "#pragma once\n"}, 0
            yield {f"{below}/a.cc": f'#include "{above}/x.h"\n', f"{above}/x.h": "#pragma once\n"}, 1
    facade = {"coordinator/coordinator.h": "#pragma once\n"}
    for folder in COORDINATOR_ORDER:
        yield {f"{folder}/a.cc": '#include "coordinator/coordinator.h"\n', **facade}, 1
        yield {"coordinator/coordinator.cc": f'#include "{folder}/x.h"\n',
               f"{folder}/x.h": "#pragma once\n"}, 0
        for api in API_ORDER:
            yield {f"{api}/a.cc": f'#include "{folder}/x.h"\n', f"{folder}/x.h": "#pragma once\n"}, 1
    for api in API_ORDER:
        yield {f"{api}/a.cc": '#include "coordinator/coordinator.h"\n', **facade}, 0
        yield {"coordinator/coordinator.cc": f'#include "{api}/x.h"\n', f"{api}/x.h": "#pragma once\n"}, 1
