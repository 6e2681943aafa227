"""Goal: a program that uses the library is listed, hears its cancels, reports, and survives the daemon's
absence, in each language alike.
Method: a probe program in each language (probes/README.md), driven with the same vectors against a real
cluster."""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest

import quelltest
from quelltest import until

PROBES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probes")


def connections_to(path):
    """How many sockets have that name: the one that listens, and the node's end of each connection."""
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        return sum(line.split()[-1] == path for line in file)


class Probe:
    def __init__(self, argv, env):
        self.process = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        bufsize=0)
        self.pid = self.process.pid

    def ask(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        return quelltest.read_line(self.process.stdout).rstrip("\n")

    def id(self, name):
        return until(lambda: (seen := self.ask("id " + name)) != "-" and seen, f"{name} is registered")

    def close(self):
        self.process.stdin.close()
        self.process.wait(quelltest.DEADLINE)
        self.process.stdout.close()

    def destroy(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            stream.close()


class Vectors:
    """What every language must do. Mixed into one test class a language."""

    ARGV = []
    NAMES = ["a", "b"]
    FORKS = True
    THROWS = True

    def probe(self, node="a", **extra):
        probe = Probe(self.ARGV, dict(self.shared.environment(node), **extra))
        self.addCleanup(probe.destroy)
        return probe

    def listed(self, task):
        return until(lambda: self.shared.tasks().get(task), f"{task} is listed")

    def state(self, task):
        return self.shared.record(task)["task"]["state"]

    def test_a_started_task_is_listed_with_its_pid(self):
        probe = self.probe()
        self.assertEqual(probe.ask("start t sdk/listed"), "ok")
        task = probe.id("t")
        seen = self.listed(task)
        self.assertEqual((seen["action"], seen["description"]), ("sdk/listed", "of the probe"))
        self.assertEqual(self.shared.record(task)["task"]["pid"], probe.pid)

    def test_a_cancel_reaches_the_task_and_its_children(self):
        probe = self.probe()
        probe.ask("start t sdk/parent")
        probe.ask("child c t sdk/child")
        task, child = probe.id("t"), probe.id("c")
        self.assertEqual(self.listed(child)["parent_task_id"], task)
        done = self.shared.quell("cancel", task, "--reason", "maintenance")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(probe.ask("wait t"), r"^cancelled \S+ maintenance$")
        self.assertRegex(probe.ask("wait c"), r"^cancelled \S+ maintenance$")
        until(lambda: self.state(task) == "stopping", "the program's acknowledgement is seen")
        probe.ask("finish c cancelled")
        probe.ask("finish t cancelled")
        self.assertEqual(probe.ask("flush"), "1")
        until(lambda: self.state(task) == "cancelled", "the end is seen")

    def test_other_tasks_of_the_program_run_on(self):
        probe = self.probe()
        probe.ask("start t sdk/one")
        probe.ask("start u sdk/two")
        task = probe.id("t")
        probe.id("u")
        self.shared.quell("cancel", task)
        self.assertTrue(probe.ask("wait t").startswith("cancelled "))
        self.assertEqual(probe.ask("cancelled u"), "0")

    def test_progress_and_phase_are_shown(self):
        probe = self.probe()
        probe.ask("start t sdk/progress")
        task = probe.id("t")
        for done in range(1, 51):
            probe.ask(f"progress t {done} 50 rows")
        probe.ask("phase t loading")
        wanted = {"progress": {"done": 50, "total": 50, "unit": "rows"}, "phase": "loading"}
        until(lambda: self.shared.tasks()[task].get("status") == wanted, "the last values are shown")

    def test_a_shield_defers_a_cancel_and_says_why(self):
        probe = self.probe()
        probe.ask("start t sdk/shielded")
        task = probe.id("t")
        probe.ask("shield t swapping files")
        self.shared.quell("cancel", task)
        until(lambda: "swapping files" in str(self.shared.record(task)), "the reason is seen")
        self.assertEqual(probe.ask("cancelled t"), "0")
        probe.ask("unshield t")
        self.assertTrue(probe.ask("wait t").startswith("cancelled "))

    def test_the_outcome_is_kept(self):
        probe = self.probe()
        for outcome, state in (("success", "succeeded"), ("failure", "failed"), ("timeout", "expired")):
            probe.ask(f"start {outcome} sdk/outcome")
            task = probe.id(outcome)
            probe.ask(f"finish {outcome} {outcome}")
            until(lambda: self.state(task) == state, f"{task} has {state}")  # pylint: disable=cell-var-from-loop

    def test_what_is_told_at_the_end_of_the_program_arrives(self):
        probe = self.probe()
        probe.ask("start t sdk/exit")
        task = probe.id("t")
        probe.ask("finish t success")
        probe.close()
        until(lambda: self.state(task) == "succeeded", "the end was told before the exit")

    def test_a_context_carries_the_parent_and_its_chain(self):
        first = self.probe("a")
        first.ask("start t sdk/root")
        first.ask("child c t sdk/middle")
        root, middle = first.id("t"), first.id("c")
        headers = first.ask("inject c http")
        self.assertIn(f"Quell-Task-Id={middle}", headers)
        second = self.probe("a")
        second.ask("extract r sdk/leaf " + headers)
        leaf = second.id("r")
        self.assertEqual(self.listed(leaf)["parent_task_id"], middle)
        self.shared.quell("cancel", root)
        self.assertTrue(second.ask("wait r").startswith("cancelled "))

    def test_the_whole_chain_is_passed_on_to_another_node(self):
        first = self.probe("a")
        first.ask("start t sdk/root")
        first.ask("child c t sdk/middle")
        root, middle = first.id("t"), first.id("c")
        headers = first.ask("inject c http")
        environment = dict(pair.split("=", 1) for pair in first.ask("inject c environment").split())
        by_headers = self.probe("b")
        by_headers.ask("extract r sdk/leaf " + headers)
        by_environment = self.probe("b", **environment)
        by_environment.ask("start r sdk/leaf")
        for second in (by_headers, by_environment):
            leaf = second.id("r")
            self.assertEqual(leaf.split(":")[0], self.shared.nodes["b"]["id"])
            # What the leaf passes on is what node b has of it.
            self.assertEqual(self.context(second, "r"), (leaf, [middle, root]))
            second.ask("child s r sdk/below")
            second.id("s")
            self.assertEqual(self.context(second, "s")[1], [leaf, middle, root])

    def test_a_chain_has_16_ancestors_at_most(self):
        first = self.probe("a")
        first.ask("start t sdk/root")
        root = first.id("t")
        chain = [root.split(":")[0] + f":{number}" for number in range(1001, 1021)]
        second = self.probe("b")
        second.ask(f"extract r sdk/leaf Quell-Task-Id={root} Quell-Ancestors={','.join(chain)}")
        second.id("r")
        self.assertEqual(self.context(second, "r")[1], [root, *chain[:15]])

    @staticmethod
    def context(probe, name):
        """The id and the ancestors that the task passes on."""
        headers = dict(pair.split("=", 1) for pair in probe.ask(f"inject {name} http").split())
        return headers["Quell-Task-Id"], headers.get("Quell-Ancestors", "").split(",")

    def test_the_environment_names_the_parent(self):
        first = self.probe()
        first.ask("start t sdk/environment")
        task = first.id("t")
        env = dict(pair.split("=", 1) for pair in first.ask("inject t environment").split())
        second = self.probe(**env)
        second.ask("start u sdk/inner")
        self.assertEqual(self.listed(second.id("u"))["parent_task_id"], task)

    def test_the_node_hears_when_the_program_last_looked(self):
        probe = self.probe()
        before = time.time() * 1000
        probe.ask("start t sdk/looks")
        task = probe.id("t")
        self.assertNotIn("last_check_millis", self.shared.record(task)["task"])
        self.assertEqual(probe.ask("cancelled t"), "0")
        probe.ask("phase t looked")  # Travels together with that.
        seen = until(lambda: self.shared.record(task)["task"].get("last_check_millis"), "the look is told")
        # The clock of a look is coarse by some milliseconds.
        self.assertGreater(seen, before - 100)
        self.assertLess(seen, time.time() * 1000 + 1)

    def test_what_the_program_measures_is_shown_and_all_of_it_at_the_end(self):
        probe = self.probe()
        probe.ask("start t sdk/measures")
        task = probe.id("t")
        self.assertNotIn("resources", self.shared.record(task)["task"])
        probe.ask("burn t 40")
        probe.ask("burn t 80")
        used = until(lambda: (r := self.shared.record(task)["task"].get("resources"))
                     and r["executions"] == 2 and r["active"] == 0 and r, "both stretches are told")
        self.assertGreaterEqual(used["cpu_time_in_nanos"], 120e6)
        self.assertGreaterEqual(used["least_cpu_time_in_nanos"], 40e6)
        self.assertGreaterEqual(used["most_cpu_time_in_nanos"], 80e6)
        probe.ask("burn t 40")
        probe.ask("finish t success")
        ended = until(lambda: (r := self.shared.record(task)) and r["ended"] and r["task"], "it has ended")
        self.assertEqual(ended["resources"]["executions"], 3)
        self.assertGreaterEqual(ended["resources"]["cpu_time_in_nanos"], 160e6)

    def test_a_program_that_never_looks_is_told_and_has_not_acknowledged(self):
        probe = self.probe()
        probe.ask("start t sdk/busy")
        task = probe.id("t")
        self.shared.quell("cancel", task, "--grace", "100ms")
        receipt = until(lambda: (r := self.shared.record(task)["receipt"])["state"] == "ignoring" and r,
                        "it is past the grace")
        self.assertIn("delivered_at_millis", receipt)
        self.assertNotIn("acknowledged_at_millis", receipt)
        self.assertIn("looked", receipt["note"])
        self.assertIn("ignoring", self.shared.quell("show", task).stdout)
        self.assertEqual(probe.ask("cancelled t"), "1")
        until(lambda: self.shared.record(task)["receipt"]["state"] == "stopping", "it has looked")
        self.assertIn("last check", self.shared.quell("show", task).stdout)

    def test_a_child_elsewhere_is_cancelled_when_its_parent_is_lost_if_it_asked_for_that(self):
        first = self.probe()
        first.ask("start t sdk/dies")
        parent = first.id("t")
        headers = first.ask("inject t http")
        second = self.probe()
        second.ask(f"extract k sdk/keeps {headers}")
        second.ask(f"extract g sdk/goes on_parent_lost=cancel {headers}")
        keeps, goes = second.id("k"), second.id("g")
        self.assertEqual(self.shared.record(goes)["task"]["on_parent_lost"], "cancel")
        self.assertEqual(self.shared.record(keeps)["task"]["on_parent_lost"], "keep")
        self.assertIn("cancelled if that is lost", self.shared.quell("show", goes).stdout)
        first.process.kill()
        self.assertEqual(second.ask("wait g"), f"cancelled on_parent_lost its parent [{parent}] was lost")
        self.assertEqual(self.state(parent), "lost")
        self.assertEqual(second.ask("cancelled k"), "0")
        self.assertIsNone(self.shared.record(keeps)["task"]["cancel"])

    def test_a_task_with_a_parent_that_nobody_knows_holds_up_no_other(self):
        probe = self.probe()
        probe.ask("start t sdk/one")
        probe.ask("start u sdk/two")
        probe.id("t")
        probe.id("u")
        unknown = self.shared.nodes["a"]["id"] + ":999999"
        probe.ask(f"extract o sdk/orphan Quell-Task-Id={unknown}")
        orphan = probe.id("o")
        self.assertNotIn("parent_task_id", self.listed(orphan))
        self.assertIn(unknown, probe.ask("said"))
        probe.ask("finish t success")
        until(lambda: self.state(probe.ask("id t")) == "succeeded", "the end of another is told")
        probe.ask("start v sdk/three")
        probe.id("v")
        self.shared.quell("cancel", probe.id("u"))
        self.assertTrue(probe.ask("wait u").startswith("cancelled "))
        self.assertEqual(probe.ask("flush"), "1")

    def test_a_bad_member_of_a_status_costs_itself_alone(self):
        probe = self.probe()
        probe.ask("start t sdk/members")
        task = probe.id("t")
        for member, value in (("loss", "0.5"), ("note", '"short"'), ("step", "1")):
            probe.ask(f"field t {member} {value}")
        until(lambda: self.shared.tasks()[task].get("status") == {"loss": 0.5, "note": "short", "step": 1},
              "the good members are shown")
        probe.ask("field t loss nan")
        probe.ask("field t note long")
        probe.ask("field t step 2")
        until(lambda: self.shared.tasks()[task].get("status") == {"step": 2}, "the bad ones are left out")
        self.shared.quell("cancel", task)
        self.assertTrue(probe.ask("wait t").startswith("cancelled "))
        until(lambda: self.state(task) == "stopping", "the acknowledgement arrives")
        for step in (3, 4):
            probe.ask("field t loss nan")
            probe.ask(f"field t step {step}")
        until(lambda: self.shared.tasks()[task].get("status") == {"step": 4}, "the status goes on")
        said = probe.ask("said").split("; ")
        self.assertEqual([sum(f"member {name}:" in one for one in said) for name in ("loss", "note")], [1, 1], said)

    def test_a_member_that_only_the_node_finds_bad_costs_itself_alone(self):
        probe = self.probe()
        probe.ask("start t sdk/deep")
        task = probe.id("t")
        probe.ask("field t deep " + "[" * 31 + "]" * 31)
        probe.ask("field t step 1")
        until(lambda: self.shared.tasks()[task].get("status") == {"step": 1}, "the other one is shown")
        self.shared.quell("cancel", task)
        self.assertTrue(probe.ask("wait t").startswith("cancelled "))
        until(lambda: self.state(task) == "stopping", "the acknowledgement arrives")
        self.assertIn("member deep:", probe.ask("said"))

    def test_a_callback_that_throws_keeps_no_cancel_from_others(self):
        if not self.THROWS:
            self.skipTest("this language has no such callback")
        probe = self.probe()
        probe.ask("start t sdk/throws")
        probe.ask("start u sdk/other")
        task, other = probe.id("t"), probe.id("u")
        probe.ask("throws t")
        self.shared.quell("cancel", task)
        until(lambda: probe.ask("cancelled t") == "1", "it has arrived")
        self.shared.quell("cancel", other)
        self.assertTrue(probe.ask("wait u").startswith("cancelled "))
        probe.ask("finish u cancelled")
        self.assertEqual(probe.ask("flush"), "1")
        self.assertEqual(self.state(other), "cancelled")

    def test_a_killed_program_is_lost_although_a_forked_child_lives_on(self):
        if not self.FORKS:
            self.skipTest("this language does not fork")
        probe = self.probe()
        probe.ask("start t sdk/parent")
        task = probe.id("t")
        child = int(probe.ask("linger t"))
        self.addCleanup(quelltest.kill_quietly, child)
        folder = f"/proc/{child}/fd/"
        until(lambda: not [link for link in os.listdir(folder) if os.readlink(folder + link).startswith("socket:")],
              "the child has closed its copies of the library's sockets")
        probe.process.kill()
        until(lambda: self.state(task) == "lost", "the program is gone")
        self.assertTrue(quelltest.alive(child))

    def test_forked_children_never_wait_for_their_parents_threads(self):
        if not self.FORKS:
            self.skipTest("this language does not fork")
        probe = self.probe()
        probe.ask("start t sdk/forks")
        task = probe.id("t")
        hung = probe.ask("forks t 40")
        if not hung.isdigit():
            self.skipTest(hung)
        self.assertEqual(hung, "0")
        forked = self.shared.tasks("actions=sdk/forked")
        self.assertEqual(forked, {}, "each has said how its own task ended")
        self.assertEqual(self.state(task), "running", "no child has ended it")

    def test_without_a_node_the_work_goes_on_untracked(self):
        probe = self.probe(QUELL_SOCKET=os.path.join(self.directory, "nobody.sock"))
        self.assertEqual(probe.ask("start t sdk/alone"), "ok")
        self.assertEqual(probe.ask("id t"), "-")
        self.assertEqual(probe.ask("cancelled t"), "0")
        probe.ask("finish t success")
        probe.close()
        self.assertEqual(probe.process.returncode, 0)

    def test_a_forked_child_is_not_the_task(self):
        if not self.FORKS:
            self.skipTest("this language does not fork")
        probe = self.probe()
        probe.ask("start t sdk/fork")
        probe.id("t")
        self.assertEqual(probe.ask("fork t"), "- 0")
        self.assertEqual(probe.ask("flush"), "1")


    def test_a_node_without_room_keeps_what_it_knows_and_takes_the_rest_later(self):
        probe = self.probe()
        probe.ask("start t sdk/known")
        task = probe.id("t")
        flood = self.fill("a")
        probe.ask("start u sdk/waits")
        until(lambda: "no more tasks" in probe.ask("said"), "the node has refused it")
        self.assertEqual(probe.ask("id u"), "-")
        probe.ask("phase t at work")
        until(lambda: self.shared.record(task)["task"].get("status") == {"phase": "at work"}, "its status goes on")
        self.shared.quell("cancel", task)
        self.assertTrue(probe.ask("wait t").startswith("cancelled "))
        probe.ask("finish t cancelled")
        until(lambda: self.state(task) == "cancelled", "its end is told")
        self.empty("a", flood)
        probe.id("u")

    def call(self, node, path, body, session=None):
        headers = {"Quell-Session": session} if session else {}
        return quelltest.http_call(self.shared.nodes[node]["socket"], "POST", path, json.dumps(body), headers)

    def fill(self, node):
        """As many tasks as one user may have; their ids."""
        tasks, session, size = [], None, 4000
        while size:
            answer = self.call(node, "/v1/tasks", [{"action": "flood/task"}] * size, session)
            if answer.status == 429:
                # A node that is busy for a moment is not full yet.
                if "is its limit" in answer.json["error"]["reason"]:
                    size //= 2
                continue
            session = answer.json["session"]
            tasks += [task["id"] for task in answer.json["tasks"]]
        return tasks

    def empty(self, node, tasks):
        for first in range(0, len(tasks), 5000):
            ends = [{"id": task, "outcome": "success"} for task in tasks[first:first + 5000]]
            self.assertEqual(self.call(node, "/v1/tasks/finish", ends).status, 200)


class CppTest(Vectors, quelltest.SharedClusterCase):
    ARGV = [os.path.join(quelltest.BIN, "sdk_probe")]
    THROWS = False  # A stop token has no callback that may; those of the C interface: tests/unit/sdk.


class PythonTest(Vectors, quelltest.SharedClusterCase):
    ARGV = ["python3", os.path.join(PROBES, "probe.py")]


@unittest.skipUnless(shutil.which("node"), "Node is not installed")
class NodeTest(Vectors, quelltest.SharedClusterCase):
    ARGV = ["node", os.path.join(PROBES, "probe.mjs")]
    FORKS = False


class RestartVectors:
    """The daemon's restart, in each language."""

    ARGV = []

    def start(self):
        cluster = self.cluster(["a"])
        probe = Probe(self.ARGV, cluster.environment("a"))
        self.addCleanup(probe.destroy)
        probe.ask("start t sdk/survivor")
        return cluster, probe, probe.id("t")

    def test_a_killed_node_daemon_gets_its_task_back_and_its_cancel(self):
        cluster, probe, task = self.start()
        before = until(lambda: cluster.tasks().get(task), "it is listed")["start_time_in_millis"]
        cluster.kill_node("a")
        done = cluster.quell("cancel", task)
        self.assertEqual(done.returncode, 6, done.stderr)  # The node is silent, the intent is kept.
        cluster.start_again(cluster.nodes["a"])
        self.assertTrue(probe.ask("wait t").startswith("cancelled "))
        again = until(lambda: cluster.tasks().get(task), "it is listed again")
        self.assertEqual(again["start_time_in_millis"], before)
        self.assertEqual(probe.ask("id t"), task)

    def test_a_draining_node_keeps_what_it_knows_and_takes_the_rest_later(self):
        cluster, probe, task = self.start()
        cluster.quell("node", "drain", "a")
        probe.ask("start u sdk/new")
        until(lambda: "no more tasks" in probe.ask("said"), "the node has refused it")
        self.assertEqual(probe.ask("id u"), "-")
        probe.ask("phase t at work")
        until(lambda: cluster.record(task)["task"].get("status") == {"phase": "at work"}, "its status goes on")
        cluster.quell("cancel", task)
        self.assertTrue(probe.ask("wait t").startswith("cancelled "))
        probe.ask("finish t cancelled")
        until(lambda: cluster.record(task)["task"]["state"] == "cancelled", "its end is told")
        cluster.quell("node", "drain", "a", "--undo")
        probe.id("u")

    def test_a_registration_whose_answer_was_lost_makes_one_task(self):
        cluster = self.cluster(["a"])
        pid = cluster.nodes["a"]["pid"]
        before = connections_to(cluster.nodes["a"]["socket"])
        os.kill(pid, signal.SIGSTOP)
        probe = Probe(self.ARGV, cluster.environment("a"))
        self.addCleanup(probe.destroy)
        probe.ask("start t sdk/once")
        # It gives the first attempt up after 5 s and asks again; both wait in the node's sockets.
        until(lambda: connections_to(cluster.nodes["a"]["socket"]) >= before + 2, "it has asked again")
        os.kill(pid, signal.SIGCONT)
        task = probe.id("t")
        self.assertEqual(list(cluster.tasks("actions=sdk/once")), [task])
        probe.ask("finish t success")
        self.assertEqual(probe.ask("flush"), "1")
        until(lambda: not cluster.tasks("actions=sdk/once"), "nothing is left of it")

    def test_a_task_that_began_without_a_daemon_is_registered_late(self):
        cluster = self.cluster(["a"])
        cluster.kill_node("a")
        probe = Probe(self.ARGV, cluster.environment("a"))
        self.addCleanup(probe.destroy)
        probe.ask("start t sdk/late")
        self.assertEqual(probe.ask("id t"), "-")
        cluster.start_again(cluster.nodes["a"])
        task = probe.id("t")
        until(lambda: cluster.tasks().get(task), "it is listed")


class CppRestartTest(RestartVectors, quelltest.TestCase):
    ARGV = CppTest.ARGV


class PythonRestartTest(RestartVectors, quelltest.TestCase):
    ARGV = PythonTest.ARGV


@unittest.skipUnless(shutil.which("node"), "Node is not installed")
class NodeRestartTest(RestartVectors, quelltest.TestCase):
    ARGV = NodeTest.ARGV


if __name__ == "__main__":
    quelltest.main()
