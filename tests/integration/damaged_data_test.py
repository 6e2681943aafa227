"""Goal: a daemon says what is wrong with its data before it serves anybody, and never acknowledges what it
cannot keep; whoever accepts the damage gets all that can be read.
Method: real daemons that are killed; their files are cut, flipped, deleted, opened to everybody, restored."""

import json
import os
import shutil
import signal
import stat
import subprocess
import unittest

import quelltest
from quelltest import until

EXIT_DAMAGED = 70


def flip(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 4]))


def cut(path, size):
    os.truncate(path, size)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


class DamagedDataTest(quelltest.TestCase):
    def setUp(self):
        super().setUp()
        self.world = self.cluster(["a", "b"])
        self.node = self.world.nodes["a"]

    def data(self, name, file=""):
        return os.path.join(self.world.data, name, file)

    def register(self, action, count=1, **fields):
        tasks = [dict({"action": action, "pid": os.getpid()}, **fields) for _ in range(count)]
        answer = quelltest.http_call(self.node["socket"], "POST", "/v1/tasks", json.dumps(tasks))
        self.assertEqual(answer.status, 200, answer)
        return [task["id"] for task in answer.json["tasks"]]

    def cancel(self, task):
        return self.world.post(f"/_tasks/{task}/_cancel?reason=test")

    def start(self, what, *flags):
        """Starts a daemon and returns (its exit code or None, its log)."""
        log = os.path.join(self.world.directory, "damaged.log")
        if os.path.exists(log):
            os.remove(log)
        daemon = quelltest.Daemon(what["argv"] + list(flags), log)
        self.world.daemons.append(daemon)
        try:
            ready = daemon.wait_ready()
        except AssertionError:
            return daemon.process.wait(quelltest.DEADLINE), daemon.text()
        what.update({key: ready[key] for key in ("pid", "grpc")})
        return None, daemon.text()

    def kill_node(self):
        self.world.kill_node("a")

    def kill_coordinator(self):
        os.kill(self.world.coordinator["pid"], signal.SIGKILL)
        quelltest.until_gone([self.world.coordinator["pid"]], "the coordinator is gone")

    def assert_refused(self, started, *words):
        code, log = started
        self.assertEqual(code, EXIT_DAMAGED, log)
        for word in words + ("--accept-damaged-data",):
            self.assertIn(word, log)

    def cancel_some(self):
        tasks = self.register("damaged/work", 20)
        for task in tasks:
            self.assertEqual(self.cancel(task).status, 200)
        return tasks

    def test_a_nodes_log_that_was_cut_is_refused_and_then_accepted(self):
        self.cancel_some()
        self.kill_node()
        log = self.data("a", "node.db-wal")
        cut(log, os.path.getsize(log) * 2 // 3)
        self.assert_refused(self.start(self.node), "node.db-wal", "are missing")
        code, text = self.start(self.node, "--accept-damaged-data")
        self.assertIsNone(code, text)
        self.assertIn("damaged data is accepted", text)
        self.world.until_answering(3)
        numbers = [int(task.split(":")[1]) for task in self.register("damaged/later")]
        self.assertGreater(numbers[0], 1_000_000, "a number that a lost commit may have given out")
        self.kill_node()
        self.assertIsNone(self.start(self.node)[0], "it is whole again")

    def test_a_coordinators_log_that_was_flipped_is_refused_and_then_accepted(self):
        self.cancel_some()
        self.kill_coordinator()
        log = self.data("coordinator", "coordinator.db-wal")
        flip(log, os.path.getsize(log) // 2)
        self.assert_refused(self.start(self.world.coordinator), "coordinator.db-wal", "are missing")
        code, text = self.start(self.world.coordinator, "--accept-damaged-data")
        self.assertIsNone(code, text)
        self.world.until_answering(3)

    def test_a_log_that_is_gone_is_refused(self):
        self.cancel_some()
        self.kill_node()
        self.kill_coordinator()
        os.remove(self.data("a", "node.db-wal"))
        os.remove(self.data("coordinator", "coordinator.db-wal"))
        self.assert_refused(self.start(self.node), "are missing")
        self.assert_refused(self.start(self.world.coordinator), "are missing")

    def test_a_bit_that_flipped_in_the_file_itself_is_refused_and_the_rest_is_rescued(self):
        tasks = self.register("damaged/work", 300, description="x" * 500)
        for task in tasks[:30]:
            self.assertEqual(self.cancel(task).status, 200)
        until(lambda: len(self.world.tasks("actions=damaged/work")) == 300, "they are listed")
        os.kill(self.node["pid"], signal.SIGTERM)
        quelltest.until_gone([self.node["pid"]], "the node has stopped")
        file = self.data("a", "node.db")
        flip(file, os.path.getsize(file) - 3000)
        self.assert_refused(self.start(self.node), "node.db is damaged")
        code, text = self.start(self.node, "--accept-damaged-data")
        self.assertIsNone(code, text)
        self.assertIn("table tombstones: 30 rows", text)
        self.assertTrue(os.path.exists(file + ".damaged-1"))
        self.world.until_answering(3)

    def test_a_killed_daemon_is_not_damaged(self):
        tasks = self.cancel_some()
        self.kill_node()
        self.kill_coordinator()
        self.assertIsNone(self.start(self.world.coordinator)[0])
        code, text = self.start(self.node)
        self.assertIsNone(code, text)
        self.world.until_answering(3)
        # Of those that were registered less than 0.2 s before the kill nobody may know any more.
        listed = self.world.tasks("actions=damaged/work")
        self.assertLessEqual(set(listed), set(tasks))
        self.assertTrue(all(task["cancelled"] for task in listed.values()), listed)
        # Their cancels are known all the same: each id still is one that was cancelled.
        self.assertNotIn("damaged", text)

    def test_nothing_is_acknowledged_once_the_data_directory_is_deleted(self):
        first, second = self.register("damaged/work", 2)
        self.assertEqual(self.cancel(first).status, 200)
        shutil.rmtree(self.data("coordinator"))
        for answer in (self.cancel(second), self.world.post("/_tasks/_cancel?actions=damaged/*")):
            self.assertGreaterEqual(answer.status, 500, answer)
            self.assertIn(b"was deleted or replaced", answer.body)
        self.assertFalse(self.world.tasks("actions=damaged/*")[second]["cancelled"])

    def test_a_node_whose_data_directory_is_replaced_acknowledges_nothing(self):
        task = self.register("damaged/work")[0]
        copy = self.data("copy")
        shutil.copytree(self.data("a"), copy, ignore=shutil.ignore_patterns("*.sock"))
        os.rename(self.data("a"), self.data("moved"))
        os.rename(copy, self.data("a"))
        answer = self.cancel(task)
        self.assertEqual(answer.status, 200, "the store has it")
        self.assertIn("failed=1", answer.header("Quell-Nodes"))
        self.assertIn(b"was deleted or replaced", answer.body)
        ended = quelltest.http_call(os.path.join(self.data("moved"), "quell.sock"), "POST",
                                    f"/v1/tasks/{task}/finish", json.dumps({"outcome": "success"}))
        self.assertGreaterEqual(ended.status, 500, ended)

    def test_a_directory_that_was_open_to_others_is_closed(self):
        self.kill_node()
        self.kill_coordinator()
        for name, file in (("a", "node.db"), ("coordinator", "coordinator.db")):
            os.chmod(self.data(name), 0o755)
            for suffix in ("", "-wal"):
                os.chmod(self.data(name, file) + suffix, 0o644)
        code, text = self.start(self.world.coordinator)
        self.assertIsNone(code, text)
        self.assertIn("for its owner only", text)
        self.assertEqual(mode(self.data("coordinator")), 0o700)
        code, text = self.start(self.node)
        self.assertIsNone(code, text)
        self.assertEqual(mode(self.data("a")), 0o711, "its socket lies in it")
        for name, file in (("a", "node.db"), ("coordinator", "coordinator.db")):
            for suffix in ("", "-wal", "-commits"):
                self.assertEqual(mode(self.data(name, file) + suffix), 0o600, file + suffix)
        self.world.until_answering(3)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "becoming another user takes root")
    def test_another_user_can_neither_read_nor_lock_a_database(self):
        os.chmod(self.world.directory, 0o755)
        os.chmod(self.world.data, 0o755)
        self.kill_node()
        os.chmod(self.data("a"), 0o755)
        self.assertIsNone(self.start(self.node)[0])
        tried = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat", self.data("a", "node.db")],
            capture_output=True, text=True, check=False)
        self.assertIn("Permission denied", tried.stderr)


quelltest.main()
