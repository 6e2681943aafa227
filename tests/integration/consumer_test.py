"""Goal: the installed library is found by CMake and by pkg-config, works from C++20 and C11, and brings
nothing of gRPC, protobuf or Boost into the program.
Method: an install into a temporary prefix, projects that know only that prefix, nm and ldd."""

import os
import re
import subprocess

import quelltest

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.dirname(quelltest.BIN)


def run(*command, **kwargs):
    done = subprocess.run(command, text=True, capture_output=True, timeout=300, check=False, **kwargs)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


class ConsumerTest(quelltest.SharedClusterCase):
    NAMES = ["a"]

    def setUp(self):
        super().setUp()
        self.prefix = os.path.join(self.directory, "prefix")
        run("cmake", "--install", BUILD, "--component", "sdk", "--prefix", self.prefix)
        self.library = self.find("libquell.so")

    def find(self, name):
        found = [os.path.join(folder, name) for folder, _, files in os.walk(self.prefix) if name in files]
        self.assertEqual(len(found), 1, name)
        return found[0]

    def tracked(self, program):
        env = dict(self.shared.environment("a"), LD_LIBRARY_PATH=os.path.dirname(self.library))
        self.assertRegex(run(program, env=env), r"^[A-Za-z0-9_-]{22}:[0-9]+\n$")

    def test_cmake_projects_in_cpp20_and_c11(self):
        build = os.path.join(self.directory, "build")
        run("cmake", "-S", os.path.join(HERE, "consumer"), "-B", build,
            "-DCMAKE_PREFIX_PATH=" + self.prefix)
        run("cmake", "--build", build)
        self.tracked(os.path.join(build, "consumer_cc"))
        self.tracked(os.path.join(build, "consumer_c"))

    def test_pkg_config(self):
        flags = self.pkg_config()
        program = os.path.join(self.directory, "consumer")
        run("cc", "-std=c11", os.path.join(HERE, "consumer", "consumer.c"), "-o", program, *flags)
        self.tracked(program)

    def pkg_config(self):
        """Where it was installed counts, not what was known when it was configured."""
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(self.find("quell.pc")))
        prefix = run("pkg-config", "--variable=prefix", "quell", env=env).strip()
        self.assertEqual(os.path.realpath(prefix), os.path.realpath(self.prefix))
        return run("pkg-config", "--cflags", "--libs", "quell", env=env).split()

    def test_the_first_example_of_the_header_compiles_without_a_warning(self):
        with open(os.path.join(self.prefix, "include", "quell", "quell.h"), encoding="utf-8") as file:
            lines = iter(file.read().splitlines())
        example = []
        for line in lines:
            code = re.match(r" \*     (.*)", line)
            if code:
                example.append(code.group(1))
            elif example:
                break
        self.assertIn("quell_task_start", "".join(example))
        source = os.path.join(self.directory, "example.c")
        with open(source, "w", encoding="utf-8") as file:
            body = "\n".join(example).replace("...", "")
            file.write(f"#include <quell/quell.h>\nint main(void) {{\n{body}\nreturn 0;\n}}\n")
        for language in (("cc", "-std=c11"), ("c++", "-std=c++20", "-x", "c++")):
            run(*language, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c", source, "-o",
                os.path.join(self.directory, "example.o"), *self.pkg_config())

    def test_only_names_of_ours_leave_the_library(self):
        names = [line.split()[-1].split("@")[0] for line in
                 run("nm", "-D", "--defined-only", self.library).splitlines()]
        self.assertTrue(names)
        self.assertEqual([name for name in names if not name.startswith(("quell_", "QUELL_"))], [])
        needed = run("ldd", self.library)
        for stranger in ("grpc", "protobuf", "boost", "absl", "ssl"):
            self.assertNotIn(stranger, needed)


if __name__ == "__main__":
    quelltest.main()
