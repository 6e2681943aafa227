"""Goal: ps, show, cancel and node say what is so, and end with the exit code that `quell help
exit-codes` promises.
Method: the commands as child processes against a real cluster, one of whose nodes dies at the
end."""

import fcntl
import json
import os
import signal
import subprocess
import termios

import quelltest
from quelltest import QUELL, SLEEPER, STUBBORN, alive, until, until_gone


class CommandTest(quelltest.SharedClusterCase):
    NAMES = ["a", "b"]

    def ok(self, *arguments, code=0):
        done = self.shared.quell(*arguments)
        self.assertEqual(done.returncode, code, (arguments, done.stdout, done.stderr))
        return done

    def start(self, node, action, *flags, command=SLEEPER):
        job = self.job(node, *command, flags=["--action", action, *flags])
        job.pids()
        return job, self.shared.task_of(action)

    def test_ps_lists_tasks_by_the_names_of_their_nodes(self):
        _, task = self.start("a", "ps/one", "--description", "the work")
        number = task.split(":")[1]
        done = self.ok("ps", "--actions", "ps/*")
        head, row = done.stdout.splitlines()
        self.assertEqual(head.split(), ["ID", "ACTION", "STATE", "AGE", "NODE", "PARENT",
                                        "DESCRIPTION"])
        cells = row.split(None, 6)
        self.assertEqual(cells[:3], [f"a:{number}", "ps/one", "running"])
        self.assertEqual(cells[4:], ["a", "-", "the work"])
        self.assertIn("1 task; 3 of 3 nodes answered", done.stderr)
        self.assertEqual(len(self.ok("ps", "--nodes", "b", "--actions", "ps/*")
                             .stdout.splitlines()), 1)
        wide = self.ok("ps", "-o", "wide", "--nodes", "a", "--actions", "ps/*").stdout
        self.assertIn(task, wide)
        data = json.loads(self.ok("ps", "-o", "json", "--actions", "ps/*").stdout)
        self.assertEqual([entry["id"] for entry in data["tasks"]], [task])
        self.assertEqual(data["tasks"][0]["name"], f"a:{number}")
        self.assertEqual(data["node_failures"], [])

    def test_ps_all_shows_what_has_ended_how_when_and_who_wanted_it(self):
        self.start("a", "history/runs")
        done, finished = self.start("a", "history/ends", command=("sh", "-c", "echo $$ >>$PIDS; exec sleep 1"))
        stopped, cancelled = self.start("b", "history/stopped")
        self.ok("cancel", cancelled, "--reason", "enough of it", "--wait")
        done.wait()
        stopped.wait()
        until(lambda: self.shared.record(finished)["ended"], "it has ended")
        self.assertEqual(len(self.ok("ps", "--actions", "history/*").stdout.splitlines()), 2)
        head, *rows = self.ok("ps", "--all", "--since", "1h", "--actions", "history/*").stdout.splitlines()
        self.assertEqual(head.split()[-3:], ["ENDED", "CANCEL", "DESCRIPTION"])
        rows = {row.split()[1]: row for row in rows}
        self.assertEqual(len(rows), 3)
        self.assertIn("running", rows["history/runs"])
        self.assertRegex(rows["history/ends"], r"succeeded .* \d{4}-\S+Z  -  ")
        self.assertRegex(rows["history/stopped"], r"cancelled .* \d{4}-\S+Z  loopback: enough of it  ")
        data = json.loads(self.ok("ps", "--all", "-o", "json", "--actions", "history/stopped").stdout)
        self.assertEqual([(task["id"], task["state"], task["cancel_reason"]) for task in data["tasks"]],
                         [(cancelled, "cancelled", "enough of it")])
        # What has ended before that is left out.
        ended = self.shared.get("/quell/v1/tasks?ended_within=1ms&actions=history/*").json
        self.assertEqual([task["action"] for node in ended["nodes"] for task in node["tasks"]], ["history/runs"])
        self.assertIn("--all", self.ok("ps", "--since", "1h", code=2).stderr)
        self.assertIn("--since", self.ok("ps", "--all", "--since", "yesterday", code=2).stderr)

    def test_ps_of_nothing_is_0_and_of_an_unknown_node_is_6(self):
        self.ok("ps", "--actions", "nobody/*")
        done = self.ok("ps", "--nodes", "nosuch", code=6)
        self.assertIn("nosuch", done.stderr)

    def test_show_takes_both_spellings_and_tells_everything(self):
        job, task = self.start("b", "show/one")
        number = task.split(":")[1]
        for spelling in (task, f"b:{number}"):
            out = self.ok("show", spelling).stdout
            for word in (task, "show/one", "running", str(job.pids()[0]), "no cancel requested"):
                self.assertIn(word, out)
        data = json.loads(self.ok("show", task, "-o", "json").stdout)
        self.assertEqual(data["task"]["id"], task)

    def test_show_of_what_is_not_there_is_3_and_of_nonsense_is_2(self):
        _, task = self.start("a", "show/two")
        node = task.split(":")[0]
        self.assertIn("9000000", self.ok("show", f"{node}:9000000", code=3).stderr)
        self.assertIn("nosuch", self.ok("show", "nosuch:1", code=3).stderr)
        self.ok("show", "A" * 21 + "Q:1", code=3)
        for text in ("nonsense", "a:", "a:x", "a:-1", ":5", "a:0"):
            self.assertIn("NODE:NUMBER", self.ok("show", text, code=2).stderr)

    def test_cancel_says_recorded_and_wait_says_stopped(self):
        job, task = self.start("a", "cancel/one")
        number = task.split(":")[1]
        done = self.ok("cancel", f"a:{number}", "--reason", "no longer needed")
        self.assertIn(f"a:{number}  cancel/one  cancel recorded at ", done.stdout)
        self.assertIn("the task may still be running", done.stderr)
        self.assertNotIn("stopped after", done.stdout)
        self.assertEqual(job.wait(), -signal.SIGTERM)
        shown = until(lambda: "cancelled" in (o := self.ok("show", task).stdout) and o,
                      "the task has ended")
        self.assertIn("no longer needed", shown)

        other, task = self.start("b", "cancel/two")
        done = self.ok("cancel", task, "--wait")
        self.assertIn("stopped after", done.stdout)
        self.assertEqual(other.wait(), -signal.SIGTERM)

    def test_a_wait_that_ends_first_is_7_and_says_that_it_still_runs(self):
        job, task = self.start("a", "cancel/slow", command=STUBBORN)
        done = self.ok("cancel", task, "--grace", "1h", "--wait", "--timeout", "500ms", code=7)
        self.assertIn("still runs (", done.stdout)
        self.assertNotIn("stopped", done.stdout.replace("cancel/", ""))
        self.assertTrue(alive(job.pids()[0]))
        self.assertIn("cancelling", self.ok("ps", "--actions", "cancel/slow").stdout)
        done = self.ok("cancel", task, "--grace", "0s", "--wait")  # A stronger one.
        self.assertIn("killed after", done.stdout)
        self.assertEqual(job.wait(), -signal.SIGKILL)

    def test_a_task_that_ignores_its_cancel_and_ends_well_has_succeeded_and_was_cancelled(self):
        end = os.path.join(self.directory, "end")
        job, task = self.start("a", "cancel/ignored", command=(
            "sh", "-c", f"trap '' TERM; echo $$ >>$PIDS; while [ ! -e {end} ]; do sleep 0.05; done"))
        self.ok("cancel", task, "--grace", "1h", "--reason", "not needed")
        until(lambda: self.shared.record(task)["receipt"]["state"] == "stopping", "the job was told")
        with open(end, "w", encoding="ascii"):
            pass
        self.assertEqual(job.wait(), 0)
        record = until(lambda: (r := self.shared.record(task))["ended"] and r, "it has ended")
        self.assertEqual(record["task"]["state"], "succeeded")
        self.assertEqual(record["task"]["cancel"]["reason"], "not needed")
        self.assertEqual(record["receipt"]["outcome"], "succeeded")
        answer = self.shared.get(f"/_tasks/{task}").json
        self.assertEqual((answer["state"], answer["task"]["cancelled"]), ("succeeded", True))

    def test_wait_says_of_a_task_that_ended_by_itself_that_it_did(self):
        end = os.path.join(self.directory, "end")
        job, task = self.start("b", "cancel/itself", command=(
            "sh", "-c", f"trap '' TERM; echo $$ >>$PIDS; while [ ! -e {end} ]; do sleep 0.05; done"))
        waiting = subprocess.Popen([QUELL, "cancel", task, "--grace", "1h", "--wait"], text=True,
                                   env=self.shared.environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        until(lambda: (self.shared.record(task)["receipt"] or {}).get("state") == "stopping",
              "the job was told")
        with open(end, "w", encoding="ascii"):
            pass
        out, err = waiting.communicate(timeout=60)
        self.assertEqual(job.wait(), 0)
        self.assertEqual(waiting.returncode, 0, (out, err))
        self.assertIn("ended by itself", out)
        self.assertNotIn("stopped after", out)

    def test_wait_does_not_say_of_a_lost_task_that_it_has_stopped(self):
        job, task = self.start("a", "cancel/lost", command=STUBBORN)
        pid = job.pids()[0]
        job.process.kill()
        until(lambda: self.shared.record(task)["task"]["detached"], "its wrapper is gone")
        done = self.ok("cancel", task, "--grace", "1h")
        self.assertIn("not delivered: the program that registered the task has gone", done.stdout)
        waiting = subprocess.Popen([QUELL, "cancel", task, "--wait"], text=True,
                                   env=self.shared.environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        quelltest.read_line(waiting.stdout.buffer.raw)
        os.kill(pid, signal.SIGKILL)
        out, err = waiting.communicate(timeout=60)
        self.assertEqual(waiting.returncode, 6, (out, err))
        self.assertIn("lost: its program went away", out)
        self.assertNotIn("stopped after", out)
        answer = self.shared.get(f"/_tasks/{task}").json
        self.assertEqual((answer["completed"], answer["state"], answer["error"]["type"]),
                         (True, "lost", "task_lost_exception"))

    def test_a_second_cancel_says_who_asked_first_and_that_its_reason_is_not_recorded(self):
        job, task = self.start("a", "cancel/twice", command=STUBBORN)
        self.ok("cancel", task, "--grace", "1h", "--reason", "the first reason")
        for flags in ((task,), ("--actions", "cancel/twice")):
            done = self.ok("cancel", *flags, "--grace", "1h", "--reason", "another one")
            self.assertRegex(done.stdout, r"cancel/twice  already cancelled at \S+Z by loopback: "
                                          r"the first reason \(the reason given now is not recorded\)")
            self.assertNotIn("cancel recorded", done.stdout)
        self.assertEqual(self.shared.record(task)["task"]["cancel"]["reason"], "the first reason")
        self.ok("cancel", task, "--grace", "0s")
        job.wait()

    def test_cancel_of_an_ended_task_says_how_and_when_it_ended(self):
        job = self.job("a", "sh", "-c", "echo $$ >>$PIDS; read x", stdin=-1,
                       flags=["--action", "cancel/over"])
        task = self.shared.task_of("cancel/over")
        job.process.stdin.close()
        job.wait()
        until(lambda: self.shared.record(task)["ended"], "it has ended")
        done = self.ok("cancel", task, code=1)
        self.assertRegex(done.stderr, r"nothing was cancelled, it has ended: failed at \d{4}-\S+Z")
        self.assertNotIn("not found", done.stderr)

    def test_ps_and_cancel_below_a_parent_that_does_not_exist_are_3(self):
        node = self.shared.nodes["a"]["id"]
        for command in ("ps", "cancel"):
            done = self.ok(command, "--parent", f"{node}:9000000", code=3)
            self.assertIn(f"there is no task {node}:9000000", done.stderr)
        _, task = self.start("a", "childless/a")
        self.ok("ps", "--parent", task)

    def test_invisible_characters_never_reach_the_terminal(self):
        _, task = self.start("a", "hidden/a", "--description", "a\u202eb\u200bc\x1b[2Jd")
        for arguments in (("ps", "--actions", "hidden/*"), ("show", task), ("show", task, "-o", "json"),
                          ("ps", "-o", "json", "--actions", "hidden/*"),
                          ("cancel", task, "--reason", "r\u202e", "--wait"),
                          ("ps", "--all", "--since", "1h", "--actions", "hidden/*")):
            done = self.ok(*arguments)
            for hidden in "\u202e\u200b\x1b":
                self.assertNotIn(hidden, done.stdout + done.stderr, arguments)
        data = json.loads(self.ok("show", task, "-o", "json").stdout)
        self.assertEqual(data["task"]["description"], "a\u202eb\u200bc\x1b[2Jd")

    def test_an_empty_value_is_2_and_nothing_is_sent(self):
        env = dict(os.environ, QUELL_HTTP=f"http://127.0.0.1:{quelltest.free_port()}")
        for arguments in (("ps", "--nodes", ""), ("ps", "--actions="), ("ps", "--parent", ""),
                          ("cancel", "--nodes", ""), ("cancel", ""), ("cancel", "a:1", "--reason", ""),
                          ("show", ""), ("node", "forget", "")):
            done = subprocess.run([QUELL, *arguments], env=env, text=True, capture_output=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 2, (arguments, done.stderr))  # 5: it was sent.
            self.assertRegex(done.stderr, "is empty|TEXT missing")

    def test_cancel_without_saying_what_is_2_and_does_nothing(self):
        job, task = self.start("a", "cancel/safe")
        done = self.ok("cancel", code=2)
        self.assertIn("nothing was cancelled", done.stderr)
        self.ok("cancel", "--reason", "x", code=2)
        self.ok("cancel", task, "--all", code=2)
        self.ok("cancel", "--all", "--nodes", "a", code=2)
        self.ok("cancel", task, "nonsense", code=2)
        self.ok("cancel", "--nodes", "", "--actions", "", code=2)
        self.assertFalse(self.shared.tasks()[task]["cancelled"])
        self.assertTrue(alive(job.pids()[0]))

    def test_cancel_of_several_is_6_when_some_are_not_there(self):
        job, task = self.start("a", "cancel/some")
        node = task.split(":")[0]
        done = self.ok("cancel", task, f"{node}:9000000", code=6)
        self.assertIn("cancel recorded", done.stdout)
        self.assertIn("9000000", done.stderr)
        self.assertEqual(job.wait(), -signal.SIGTERM)
        self.ok("cancel", f"{node}:9000000", f"{node}:9000001", code=3)

    def test_cancel_by_filters_hits_what_matches(self):
        hit, task = self.start("a", "filter/hit")
        self.start("b", "filter/other")
        spared, _ = self.start("a", "else/a")
        child = self.job("a", *SLEEPER, flags=["--action", "filter/child", "--parent", task])
        child.pids()
        self.shared.task_of("filter/child")
        done = self.ok("cancel", "--parent", f"a:{task.split(':')[1]}")
        self.assertIn("filter/child", done.stdout)
        self.assertEqual(child.wait(), -signal.SIGTERM)
        self.assertIsNone(hit.process.poll())
        done = self.ok("cancel", "--nodes", "a", "--actions", "filter/*")
        self.assertIn("1 task recorded as cancelled; 1 of 1 node answered", done.stderr)
        self.assertEqual(hit.wait(), -signal.SIGTERM)
        self.assertIsNone(spared.process.poll())
        self.ok("cancel", "--all")
        self.assertEqual(spared.wait(), -signal.SIGTERM)

    def test_node_ls_shows_everybody(self):
        rows = [line.split() for line in self.ok("node", "ls").stdout.splitlines()[1:]]
        self.assertEqual({(row[0], row[2], row[3]) for row in rows},
                         {("coordinator", "coordinator", "alive"), ("a", "node", "alive"),
                          ("b", "node", "alive")})
        self.ok("node", "forget", "nosuch", code=3)

    def test_an_unreachable_coordinator_is_5(self):
        env = dict(os.environ, QUELL_HTTP=f"http://127.0.0.1:{quelltest.free_port()}")
        for arguments in (["ps"], ["show", "A" * 21 + "Q:1"], ["cancel", "--all"], ["node", "ls"]):
            done = subprocess.run([QUELL, *arguments], env=env, text=True, capture_output=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 5, done.stderr)
            self.assertIn(env["QUELL_HTTP"], done.stderr)
            self.assertIn("QUELL_HTTP", done.stderr)

    def test_a_wrong_address_is_2(self):
        for address in ("nonsense", "http://", "https://127.0.0.1:0", "http://127.0.0.1:" + "99999"):
            done = self.shared.quell("ps", "--http", address)
            self.assertEqual(done.returncode, 2, (address, done.stderr))

    def test_help_and_mistakes(self):
        self.assertIn("127", self.ok("help", "exit-codes").stdout)
        self.assertIn("QUELL_HTTP", self.ok("--help").stdout)
        self.assertIn("did you mean 'cancel'", self.ok("cansel", code=2).stderr)
        self.assertIn("did you mean --nodes", self.ok("ps", "--node", "x", code=2).stderr)
        self.ok("ps", "--output", "xml", code=2)
        self.ok("ps", "extra", code=2)
        self.ok(code=2)


class SilentNodeTest(quelltest.TestCase):
    def test_a_dead_node_makes_answers_partial_until_it_is_forgotten(self):
        cluster = self.cluster(["a", "b"])
        job = cluster.run("b", *SLEEPER, flags=["--action", "gone/a"])
        [pid] = job.pids()
        task = cluster.task_of("gone/a")
        cluster.kill_node("b")
        def partial():
            done = cluster.quell("ps")
            return done if done.returncode == 6 else None
        done = until(partial, "ps is partial")
        self.assertRegex(done.stderr, r"node b did not respond: [a-z ]+(, since \S+Z)?")
        self.assertNotIn("exception", done.stderr)
        self.assertIn("2 of 3 nodes answered", done.stderr)

        done = cluster.quell("show", task)
        self.assertEqual(done.returncode, 5, done.stderr)
        self.assertIn("node b did not respond: ", done.stderr)

        done = cluster.quell("cancel", task)
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertIn("cancel pending, delivered when the node reconnects", done.stderr)
        self.assertNotIn("recorded", done.stdout)
        done = cluster.quell("cancel", "--nodes", "a,b")
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertTrue(alive(pid))
        row = until(lambda: [line for line in cluster.quell("node", "ls").stdout.splitlines()
                             if line.startswith("b ") and "silent" in line], "b counts as silent")
        self.assertGreaterEqual(int(row[0].split()[-2]), 1, "cancels are pending for it")

        self.assertEqual(cluster.quell("node", "forget", "b").returncode, 0)
        done = cluster.quell("ps")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 of 2 nodes answered", done.stderr)
        os.kill(pid, signal.SIGKILL)
        until_gone([pid], "the job")

    def test_wait_does_not_say_of_a_task_of_a_silent_or_forgotten_node_that_it_has_stopped(self):
        cluster = self.cluster(["a", "b"])
        job = cluster.run("b", *STUBBORN, flags=["--action", "gone/b"])
        [pid] = job.pids()
        task = cluster.task_of("gone/b")
        waiting = subprocess.Popen(
            [QUELL, "cancel", task, "--grace", "1h", "--wait", "--timeout", "80s"], text=True,
            env=cluster.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        until(lambda: cluster.record(task)["receipt"], "the cancel is recorded")
        cluster.kill_node("b")
        done = cluster.quell("cancel", task, "--wait", "--timeout", "1s")
        self.assertEqual(done.returncode, 6, (done.stdout, done.stderr))
        self.assertIn("unknown: node b: ", done.stdout)
        until(lambda: cluster.quell("node", "forget", "b").returncode == 0, "b is forgotten")
        out, err = waiting.communicate(timeout=90)
        self.assertEqual(waiting.returncode, 6, (out, err))
        self.assertIn("unknown: ", out)
        self.assertIn("is not a member", out)
        self.assertNotIn("stopped after", out)
        self.assertTrue(alive(pid))
        os.kill(pid, signal.SIGKILL)

    def test_wait_finds_the_end_on_a_node_that_comes_back(self):
        cluster = self.cluster(["a", "b"])
        job = cluster.run("b", *SLEEPER, flags=["--action", "back/b"])
        job.pids()
        task = cluster.task_of("back/b")
        cluster.kill_node("b")
        waiting = subprocess.Popen([QUELL, "cancel", task, "--wait", "--timeout", "80s"], text=True,
                                   env=cluster.environment(), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        until(lambda: [line for line in cluster.quell("node", "ls").stdout.splitlines()
                       if line.startswith("b ") and int(line.split()[-2]) > 0], "the cancel is pending")
        cluster.start_again(cluster.nodes["b"]).wait_joined()
        out, err = waiting.communicate(timeout=90)
        self.assertEqual(waiting.returncode, 0, (out, err))
        self.assertIn("stopped after", out)

    def test_a_frozen_coordinator_leaves_the_outcome_unknown_and_says_how_to_look(self):
        cluster = self.cluster(["a"])
        job = cluster.run("a", *SLEEPER, flags=["--action", "ice/c"])
        job.pids()
        task = cluster.task_of("ice/c")
        os.kill(cluster.coordinator["pid"], signal.SIGSTOP)
        done = cluster.quell("cancel", task, timeout=30)
        self.assertEqual(done.returncode, 8, (done.stdout, done.stderr))
        self.assertIn("outcome unknown", done.stderr)
        self.assertIn("quell show ID", done.stderr)
        self.assertEqual(done.stdout, "")
        done = cluster.quell("ps", timeout=30)
        self.assertEqual(done.returncode, 5, (done.stdout, done.stderr))
        self.assertIn("no answer", done.stderr)
        self.assertNotIn("outcome unknown", done.stderr)
        os.kill(cluster.coordinator["pid"], signal.SIGCONT)
        self.assertEqual(job.wait(), -signal.SIGTERM)  # It was carried out after all.

    def test_a_living_node_is_not_forgotten(self):
        cluster = self.cluster(["a"])
        done = cluster.quell("node", "forget", "a")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_header(cluster.get("/_tasks"), selected=2, failed=0)


class OutputTest(quelltest.SharedClusterCase):
    NAMES = ["a"]

    def register(self, count):
        """Tasks that live as long as this test."""
        body = [{"action": "out/many", "description": "d" * 80, "pid": os.getpid()}] * count
        answer = quelltest.http_call(self.shared.nodes["a"]["socket"], "POST", "/v1/tasks",
                                     json.dumps(body), {"Content-Type": "application/json"})
        self.assertEqual(answer.status, 200, answer)
        for task in answer.json["tasks"]:
            self.addCleanup(quelltest.http_call, self.shared.nodes["a"]["socket"], "POST",
                            f"/v1/tasks/{task['id'].replace(':', '%3A')}/finish", '{"outcome":"success"}',
                            {"Content-Type": "application/json"})

    def start(self, arguments, stdout, **more):
        process = subprocess.Popen([QUELL, *arguments], stdout=stdout, stderr=subprocess.PIPE,
                                   stdin=subprocess.DEVNULL, env=self.shared.environment(), **more)
        self.addCleanup(process.stderr.close)
        return process

    def test_what_could_not_be_written_is_1_in_every_command(self):
        self.register(1)
        [task] = self.shared.until_listed(1, "actions=out/many")
        for arguments in (["ps"], ["ps", "-o", "json"], ["show", task], ["show", task, "-o", "json"],
                          ["node", "ls"], ["help"], ["version"], ["--help"], ["cancel", task]):
            with open("/dev/full", "wb") as full:
                process = self.start(arguments, full)
                _, err = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 1, (arguments, err))
            self.assertIn(b"cannot write to standard output: No space left on device", err)

    def test_a_closed_standard_output_is_1(self):
        for arguments in ("ps", "version", "node ls"):
            done = subprocess.run(["bash", "-c", f"exec {QUELL} {arguments} >&-"], text=True,
                                  env=self.shared.environment(), stderr=subprocess.PIPE, timeout=60,
                                  check=False)
            self.assertEqual(done.returncode, 1, (arguments, done.stderr))
            self.assertIn("cannot write to standard output", done.stderr)

    def test_a_pipe_that_does_not_block_gets_everything(self):
        self.register(2000)
        self.shared.until_listed(2000, "actions=out/many")
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        process = self.start(["ps", "--actions", "out/many"], writer)
        os.close(writer)
        until(lambda: select_full(reader), "the pipe is full")
        lines = 0
        while chunk := os.read(reader, 65536):
            lines += chunk.count(b"\n")
        os.close(reader)
        _, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, lines), (0, 2001), err)

    def test_a_reader_that_has_gone_ends_it_quietly(self):
        for ignored, code in ((False, -signal.SIGPIPE), (True, 128 + signal.SIGPIPE)):
            reader, writer = os.pipe()
            os.close(reader)
            process = self.start(["node", "ls"], writer, restore_signals=False,
                                 preexec_fn=None if ignored else restore_sigpipe)
            os.close(writer)
            _, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, err), (code, b""))


def restore_sigpipe():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def select_full(reader):
    """Whether a pipe holds all that it can hold."""
    held = fcntl.ioctl(reader, termios.FIONREAD, b"\0" * 4)
    return int.from_bytes(held, "little") > 60_000


if __name__ == "__main__":
    quelltest.main()
