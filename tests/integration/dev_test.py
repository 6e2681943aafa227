"""Goal: `quell dev` keeps its promises about how a cluster starts, ends and starts again.
Method: real clusters; signals of all kinds; the data directory and the process table are looked at
afterwards."""

import json
import os
import pty
import signal
import subprocess

import quelltest
from quelltest import NODE_ID, QUELL, SLEEPER, alive, until, until_gone


class DevTest(quelltest.TestCase):
    def test_the_ready_line_is_the_contract(self):
        cluster = self.cluster(["a", "b"])
        ready = cluster.ready
        self.assertEqual(list(ready), ["ready", "http", "coordinator", "nodes"])
        self.assertIs(ready["ready"], True)
        self.assertRegex(ready["http"], r"^http://127\.0\.0\.1:[1-9]\d*$")
        self.assertEqual(list(ready["coordinator"]), ["id", "pid", "grpc", "data", "argv"])
        self.assertEqual([node["name"] for node in ready["nodes"]], ["a", "b"])
        for daemon in [ready["coordinator"], *ready["nodes"]]:
            self.assertRegex(daemon["id"], NODE_ID)
            self.assertTrue(alive(daemon["pid"]))
            self.assertRegex(daemon["grpc"], r"^127\.0\.0\.1:[1-9]\d*$")
            self.assertTrue(os.path.isdir(daemon["data"]))
            self.assertNotIn(":0", " ".join(daemon["argv"]).replace(":0.", ""))
        for node in ready["nodes"]:
            self.assertEqual(list(node), ["name", "id", "pid", "socket", "grpc", "data", "argv"])
            self.assertEqual(node["data"], os.path.join(cluster.data, node["name"]))
            self.assertEqual(node["socket"], os.path.join(node["data"], "quell.sock"))
            answer = quelltest.http_call(node["socket"], "GET", "/v1/node")
            self.assertEqual(answer.json["id"], node["id"])
        # Ready means joined: the first question finds everybody.
        self.assert_header(cluster.get("/_tasks"), selected=3, failed=0)

    def dev_on_terminal(self, *flags):
        """What a terminal shows of `quell dev` until Ctrl-C."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(QUELL, [QUELL, "dev", "--names", "a", "--http", "127.0.0.1:0", *flags])
        seen = b""
        def look():
            nonlocal seen
            seen += os.read(terminal, 65536)
            return b"Ctrl-C" in seen
        try:
            until(look, "it is up")
            os.write(terminal, b"\x03")
            while True:
                try:
                    chunk = os.read(terminal, 65536)
                except OSError:  # The other end is closed.
                    break
                seen += chunk
        finally:
            quelltest.kill_quietly(pid, signal.SIGTERM)
            _, status = os.waitpid(pid, 0)
            os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(status), 0, seen)
        return seen.decode()

    def test_on_a_terminal_the_ready_line_comes_only_if_it_is_asked_for(self):
        seen = self.dev_on_terminal()
        self.assertNotIn('{"ready":', seen)
        self.assertIn("commands under `quell run` keep running", seen)
        self.assertIn('{"ready":true', self.dev_on_terminal("-o", "json"))

    def test_a_ready_line_that_cannot_be_written_is_1_and_ends_the_cluster(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([QUELL, "dev", "--names", "a", "--http", "127.0.0.1:0"], stdout=full,
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=90,
                                  check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(b"cannot write to standard output", done.stderr)

    def test_a_signal_ends_it_with_0_and_leaves_nothing_behind(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                cluster = self.cluster(["a", "b"])
                pids = cluster.pids()
                cluster.process.send_signal(number)
                self.assertEqual(cluster.process.wait(30), 0, cluster.text())
                self.assertFalse([pid for pid in pids if alive(pid)])
                self.assertEqual(cluster.process.stdout.read(), b"", "one line and no more")
                self.assertNotIn("killing it", cluster.text())
                cluster.stop()

    def test_killed_with_9_its_daemons_end_within_5_seconds(self):
        cluster = self.cluster(["a", "b"])
        pids = cluster.pids()
        cluster.process.kill()
        until_gone(pids, "all daemons are gone", deadline=5)

    def test_it_starts_again_on_its_directory_with_the_same_ids(self):
        cluster = self.cluster(["a", "b"])
        before = [node["id"] for node in cluster.ready["nodes"]]
        coordinator = cluster.coordinator["id"]
        cluster.process.terminate()
        self.assertEqual(cluster.process.wait(30), 0)
        cluster.stop()
        again = self.cluster(["a", "b"])
        self.assertEqual([node["id"] for node in again.ready["nodes"]], before)
        self.assertEqual(again.coordinator["id"], coordinator)
        self.assert_header(again.get("/_tasks"), selected=3, failed=0)

    def test_a_number_is_never_given_out_twice_over_a_kill_9(self):
        cluster = self.cluster(["a"])
        numbers = []
        for round_ in range(3):
            job = cluster.run("a", *SLEEPER, flags=["--action", f"round/{round_}"])
            job.pids()
            numbers.append(int(cluster.task_of(f"round/{round_}").split(":")[1]))
            job.destroy()
            cluster.kill_node("a")
            cluster.start_again(cluster.nodes["a"]).wait_joined()
            cluster.until_answering(2)
        self.assertEqual(numbers, sorted(set(numbers)), "numbers only grow")

    def test_a_daemon_that_dies_is_reported_with_its_command_line_and_the_rest_goes_on(self):
        cluster = self.cluster(["a", "b"])
        cluster.kill_node("a")
        until(lambda: "a (pid" in cluster.text() and "signal 9" in cluster.text(),
              "the death is reported")
        self.assertIn("quell-node --name a", cluster.text())
        self.assertIsNone(cluster.process.poll())
        self.assertEqual(cluster.get("/_tasks?nodes=b").status, 200)
        cluster.process.terminate()
        self.assertEqual(cluster.process.wait(30), 0)

    def test_a_frozen_node_does_not_keep_it_from_ending(self):
        cluster = self.cluster(["a", "b"])
        os.kill(cluster.nodes["b"]["pid"], signal.SIGSTOP)
        cluster.process.terminate()
        self.assertEqual(cluster.process.wait(40), 0, cluster.text())
        self.assertFalse([pid for pid in cluster.pids() if alive(pid)])

    def test_jobs_outlive_the_cluster(self):
        cluster = self.cluster(["a"])
        job = cluster.run("a", *SLEEPER, flags=["--action", "stay/a"])
        pid = job.pids()[0]
        cluster.task_of("stay/a")
        cluster.process.terminate()
        self.assertEqual(cluster.process.wait(30), 0)
        self.assertTrue(alive(pid))
        self.assertIsNone(job.process.poll())

    def test_without_data_the_directory_is_temporary(self):
        env = dict(os.environ, TMPDIR=self.directory)
        dev = subprocess.Popen([QUELL, "dev", "--names", "a", "--http", "127.0.0.1:0"], env=env,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, bufsize=0)
        self.addCleanup(dev.stdout.close)
        self.addCleanup(dev.wait)
        self.addCleanup(dev.kill)
        ready = json.loads(quelltest.read_line(dev.stdout, 90))
        self.assertTrue(ready["nodes"][0]["data"].startswith(self.directory))
        self.assertTrue(os.listdir(self.directory))
        dev.terminate()
        self.assertEqual(dev.wait(30), 0)
        self.assertEqual(os.listdir(self.directory), [])


class DevMistakesTest(quelltest.TestCase):
    def dev(self, *flags):
        return subprocess.run([QUELL, "dev", "--http", "127.0.0.1:0", *flags], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=90,
                              check=False)

    def test_a_socket_path_that_is_too_long_is_refused_before_anything_starts(self):
        data = os.path.join(self.directory, "d" * 100)
        done = self.dev("--data", data, "--names", "a")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(os.path.join(data, "a", "quell.sock"), done.stderr)
        self.assertIn("107", done.stderr)
        self.assertIn("shorter --data", done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertFalse(os.path.exists(data))

    def test_a_directory_of_a_running_cluster_is_refused_with_the_daemons_own_words(self):
        cluster = self.cluster(["a"])
        done = self.dev("--data", cluster.data, "--names", "a")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertIn(os.path.join(cluster.data, "coordinator"), done.stderr)
        self.assertIn("exit code 73", done.stderr)
        self.assert_header(cluster.get("/_tasks"), selected=2, failed=0)

    def test_a_busy_port_is_refused_and_everything_else_taken_down(self):
        cluster = self.cluster(["a"])
        done = subprocess.run([QUELL, "dev", "--http", cluster.address, "--names", "b", "--data",
                               os.path.join(self.directory, "other")], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=90,
                              check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(cluster.address.split(":")[1], done.stderr)
        self.assertEqual(done.stdout, "")

    def test_a_listener_off_loopback_is_refused(self):
        done = subprocess.run([QUELL, "dev", "--http", "0.0.0.0:0", "--names", "a", "--data",
                               os.path.join(self.directory, "d")], text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=90,
                              check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("loopback", done.stderr)

    def test_a_directory_that_cannot_be_made_is_named(self):
        path = os.path.join(self.directory, "file")
        with open(path, "w", encoding="ascii"):
            pass
        done = self.dev("--data", os.path.join(path, "d"), "--names", "a")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(path, done.stderr)

    def test_names_that_do_not_fit_are_usage_errors(self):
        for flags in (("--nodes", "2", "--names", "a"), ("--names", "a,a"), ("--names", "../x"),
                      ("--nodes", "0"), ("--nodes", "many"), ("--opensearch-profile", "lax")):
            with self.subTest(flags=flags):
                done = self.dev("--data", os.path.join(self.directory, "d"), *flags)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertFalse(os.path.exists(os.path.join(self.directory, "d")))


if __name__ == "__main__":
    quelltest.main()
