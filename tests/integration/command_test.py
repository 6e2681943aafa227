"""Goal: ps, show, cancel and node say what is so, and end with the exit code that `quell help
exit-codes` promises.
Method: the commands as child processes against a real cluster, one of whose nodes dies at the
end."""

import json
import os
import signal
import subprocess

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
            for word in (task, "show/one", "running", str(job.pids()[0]), "not asked for"):
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
        self.assertIn("recorded is not stopped", done.stderr)
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
        self.assertIn("not stopped after", done.stdout)
        self.assertIn("still runs", done.stdout)
        self.assertTrue(alive(job.pids()[0]))
        self.assertIn("cancelling", self.ok("ps", "--actions", "cancel/slow").stdout)
        done = self.ok("cancel", task, "--grace", "0s", "--wait")  # A stronger one.
        self.assertEqual(job.wait(), -signal.SIGKILL)

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
        self.assertIn(cluster.nodes["b"]["id"], done.stderr)
        self.assertIn("2 of 3 nodes answered", done.stderr)

        done = cluster.quell("cancel", task)
        self.assertEqual(done.returncode, 6, done.stderr)
        self.assertIn("the cancel is kept", done.stderr)
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

    def test_a_living_node_is_not_forgotten(self):
        cluster = self.cluster(["a"])
        done = cluster.quell("node", "forget", "a")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assert_header(cluster.get("/_tasks"), selected=2, failed=0)


if __name__ == "__main__":
    quelltest.main()
