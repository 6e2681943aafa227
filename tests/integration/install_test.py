"""Goal: `cmake --install` installs all that a host needs, and what is installed works from where it lies.
Method: an install into a temporary prefix, and a cluster of the installed programs."""

import os
import subprocess
import unittest.mock

import quelltest

BUILD = os.path.dirname(quelltest.BIN)


class InstallTest(quelltest.TestCase):
    def setUp(self):
        super().setUp()
        self.prefix = os.path.join(self.directory, "prefix")
        subprocess.run(["cmake", "--install", BUILD, "--prefix", self.prefix], check=True, capture_output=True)

    def test_it_installs_the_programs_and_the_library_and_nothing_of_the_build(self):
        installed = {os.path.relpath(os.path.join(folder, name), self.prefix)
                     for folder, _, names in os.walk(self.prefix) for name in names}
        self.assertEqual({path for path in installed if path.startswith("bin/")},
                         {"bin/quell", "bin/quell-node", "bin/quell-coordinator"})
        for name in ("libquell.so", "quell.h", "task.hpp", "QuellConfig.cmake", "quell.pc"):
            self.assertEqual(len([path for path in installed if os.path.basename(path) == name]), 1, name)
        self.assertEqual([path for path in installed if path.endswith((".a", ".o"))], [])

    def test_the_installed_programs_run_a_cluster(self):
        programs = os.path.join(self.prefix, "bin")
        with unittest.mock.patch.object(quelltest, "QUELL", os.path.join(programs, "quell")):
            world = self.cluster(["a"])
            self.assertEqual([os.path.dirname(os.readlink(f"/proc/{pid}/exe")) for pid in world.pids()],
                             [programs] * 2)
            listed = world.quell("node", "ls")
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertRegex(listed.stdout, r"(?m)^a\b")


if __name__ == "__main__":
    quelltest.main()
