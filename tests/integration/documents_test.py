"""Goal: what the documents show is what happens.
Method: the ```console blocks of a document are run, in one shell and in their order, on a cluster
of real processes. What a command prints must be what the document shows, ids, numbers and ages
aside; a line "..." stands for any lines."""

import os
import re
import signal
import subprocess
import unittest

import quelltest
from quelltest import until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN_HTTP = "127.0.0.1:9480"  # lint: allow(fixed_port): what documents show, replaced before use
MARK = "=-=-="  # Ends what one command prints.


def plain(text):
    """What of an output must be the same each time."""
    text = re.sub(r"(?<![\w-])[A-Za-z0-9_][\w-]{20}[AQgw](?![\w-])", "ID", text)
    text = re.sub(r"(?<![\w.:/])/[\w./-]+", "PATH", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text)
    text = re.sub(r"(?<![A-Za-z0-9_])\d[\d.]*(ms|s|m|h)?(?!\w)", "N", text)
    # Whether a stream that was opened in the background was open in time is a matter of the machine.
    text = re.sub(r"(cancel recorded at TIME), not delivered yet", r"\1", text)
    lines = (re.sub(r" +", " ", line).strip() for line in text.strip().split("\n"))
    return "\n".join(line for line in lines if line)


def same(shown, seen):
    pattern = re.escape(plain(shown)).replace(re.escape("..."), r"[\s\S]*?")
    return re.fullmatch(pattern, plain(seen)) is not None


def commands_of(path):
    """(command, what the document shows below it) of all blocks, in order."""
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        text = file.read()
    found = []
    for block in BLOCK.findall(text):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append([line[2:], ""])
            elif found[-1][0].endswith("\\"):
                found[-1][0] += "\n" + line
            else:
                found[-1][1] += line + "\n"
    return found


class Shell:
    """A bash that runs one command after the other and keeps its variables."""

    def __init__(self, env, folder):
        self.process = subprocess.Popen(
            ["bash"], env=env, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, start_new_session=True)

    def run(self, command):
        self.process.stdin.write(f"{command}\necho {MARK}\n")
        self.process.stdin.flush()
        said = ""
        while not said.endswith(MARK + "\n"):
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"the shell ended at {command!r}: {said}")
            said += line
        return said.removesuffix(MARK + "\n")

    def close(self):
        """With all that it has started in the background."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def measured(cluster):
    """How many tasks are listed with what they use."""
    return sum("memory_in_bytes" in task.get("resource_stats", {}).get("total", {})
               for task in cluster.tasks().values())


class DocumentsTest(quelltest.TestCase):
    def follow(self, path, given=True):
        """`given`: the addresses are in the environment; else the document itself sets them, and what
        it names is replaced by where the cluster is."""
        commands = commands_of(path)
        names = ["node1"]
        for command, _ in commands:
            if command.startswith("quell dev"):
                names = re.search(r"--names (\S+)", command).group(1).split(",")
        cluster = self.cluster(names)
        env = cluster.environment(names[0])
        env["PATH"] = quelltest.BIN + os.pathsep + env["PATH"]
        if given:
            for name, node in cluster.nodes.items():
                env[re.sub(r"\W", "_", name)] = node["socket"]
        else:
            del env["QUELL_HTTP"], env["QUELL_SOCKET"]
        shell = Shell(env, self.directory)
        self.addCleanup(shell.close)
        for command, shown in commands:
            if not given:
                command = command.replace("/tmp/quell-demo", cluster.data).replace(
                    SHOWN_HTTP, cluster.address)
            with self.subTest(path=path, command=command):
                if command.startswith("quell dev"):  # The cluster that runs stands for it.
                    self.assert_same(shown, cluster.text())
                    continue
                if command.startswith("cat "):
                    until(lambda c=command, s=shown: same(s, shell.run(c)), f"{command}: {shown}")
                    continue
                if command.endswith("&") and "quell run" in command:
                    # What the job says later must not stand in another command's output.
                    before = measured(cluster)
                    command = command.removesuffix("&") + ">jobs 2>&1 &"
                    self.assert_same(shown, shell.run(command))
                    until(lambda n=before: measured(cluster) > n, f"{command} is listed, and measured")
                    continue
                self.assert_same(shown, shell.run(command))

    def assert_same(self, shown, seen):
        self.assertTrue(same(shown, seen),
                        f"the document shows\n{shown}\nand this is seen\n{seen}")

    def test_local_api(self):
        self.follow("docs/local-api.md")

    def test_readme(self):
        self.follow("README.md", given=False)


class SameTest(unittest.TestCase):
    """The comparison itself is no rubber."""

    def test_ids_numbers_and_ages_may_differ(self):
        self.assertTrue(same("tYb2pXSaTQa0gMZkqk1fWg:1  3.2s", "JzrCxdtFTCO_RaINw8ckNA:20 150ms"))

    def test_words_may_not(self):
        self.assertFalse(same("running", "cancelling"))
        self.assertFalse(same("a", "a\nb"))
        self.assertTrue(same("a\n...\nc", "a\nb\nc"))
        self.assertFalse(same('"cancel":null', '"cancel":{"by":"x"}'))


if __name__ == "__main__":
    quelltest.main()
