"""Goal: a function is defined in one library only: of two with one name the linker takes the first it
meets, and says nothing.
Method: nm over all static libraries of the build."""

import collections
import os
import subprocess
import unittest

import quelltest

BUILD = os.path.dirname(quelltest.BIN)


def defined_in(library):
    """The mangled names that a library defines, without inline functions and templates."""
    lines = subprocess.run(["nm", "--defined-only", "--extern-only", library], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    return {fields[2] for fields in map(str.split, lines) if len(fields) == 3 and fields[1] in "TDBR"}


class SymbolsTest(unittest.TestCase):
    def test_each_is_defined_in_one_library(self):
        libraries = [os.path.join(folder, name) for folder, _, names in os.walk(BUILD) for name in names
                     if name.startswith("libquell_") and name.endswith(".a") and "planted" not in folder]
        self.assertGreater(len(libraries), 5)
        where = collections.defaultdict(set)
        for library in libraries:
            for symbol in defined_in(library):
                where[symbol].add(os.path.basename(library))
        self.assertTrue(any("quell" in symbol for symbol in where))
        self.assertEqual({symbol: found for symbol, found in where.items() if len(found) > 1}, {})


if __name__ == "__main__":
    quelltest.main()
