"""Goal: the installed library is found by CMake and by pkg-config, works from C++20 and C11, and brings
nothing of gRPC, protobuf or Boost into the program.
Method: an install into a temporary prefix, projects that know only that prefix, nm and ldd."""

import os
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
        # The prefix was not known when the file was made.
        env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(self.find("quell.pc")))
        flags = run("pkg-config", "--define-variable=prefix=" + self.prefix, "--cflags", "--libs", "quell",
                    env=env).split()
        program = os.path.join(self.directory, "consumer")
        run("cc", "-std=c11", os.path.join(HERE, "consumer", "consumer.c"), "-o", program, *flags)
        self.tracked(program)

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
