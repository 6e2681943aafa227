"""Goal: no wall clock decides whom a cancel hits: what began before it is hit, what began after it is
not, and what nobody can tell is spared and named, however the clocks of either side step, sleep or begin
again, and whatever is restarted.
Method: real daemons, each on a machine of its own: a library that is loaded before all others moves its
wall clock, its boot clock and its boot id (probes/clocks.c)."""

import json
import os
import shutil
import subprocess
import time
import unittest

import quelltest
from quelltest import SLEEPER, until


class Machine:
    """What a process believes of the clocks of its host."""

    def __init__(self, directory, library, boot_id):
        self.directory = directory
        os.mkdir(directory)
        self.env = {"LD_PRELOAD": library, "MACHINE": directory}
        self.set(wall=0, boot=0, boot_id=boot_id)

    def set(self, **values):
        for name, value in values.items():
            path = os.path.join(self.directory, name)
            with open(path + ".new", "w", encoding="ascii") as file:
                file.write(f"{value}\n")
            os.rename(path + ".new", path)


@unittest.skipUnless(shutil.which("cc"), "no C compiler: install one to try moving clocks")
class ClocksTest(quelltest.TestCase):

    def setUp(self):
        super().setUp()
        library = os.path.join(self.directory, "clocks.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "probes", "clocks.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        self.ours = Machine(f"{self.directory}/ours", library, "11111111-aaaa-bbbb-cccc-000000000000")
        self.theirs = Machine(f"{self.directory}/theirs", library,
                              "22222222-aaaa-bbbb-cccc-000000000000")
        self.jobs = []
        self.addCleanup(lambda: [job.destroy() for job in self.jobs])
        self.coordinator = self.node = None
        self.start_coordinator()
        self.start_node()

    # ---- The fleet.

    def start(self, argv, machine, log):
        daemon = quelltest.Daemon(argv, f"{self.directory}/{log}", env=dict(os.environ, **machine.env))
        self.addCleanup(daemon.kill)
        daemon.wait_ready()
        return daemon

    def start_coordinator(self):
        argv = ([quelltest.COORDINATOR, "--data", f"{self.directory}/coordinator", "--http",
                 "127.0.0.1:0", "--listen", "127.0.0.1:0"]
                if self.coordinator is None else self.coordinator.ready["argv"])
        self.coordinator = self.start(argv, self.theirs, "coordinator.log")

    def start_node(self, wait=True):
        argv = ([quelltest.NODE, "--name", "web1", "--data", f"{self.directory}/node", "--coordinator",
                 self.coordinator.ready["grpc"]]
                if self.node is None else self.node.ready["argv"])
        self.node = self.start(argv, self.ours, "node.log")
        if wait:
            self.node.wait_joined()

    def environment(self):
        env = {key: value for key, value in os.environ.items() if not key.startswith("QUELL_")}
        return dict(env, QUELL_HTTP=self.coordinator.ready["http"],
                    QUELL_SOCKET=self.node.ready["socket"])

    def run_job(self, action, command=SLEEPER):
        job = quelltest.Job(dict(self.environment(), **self.ours.env), ("--action", action), command,
                            self.directory)
        self.jobs.append(job)
        return job

    def started_job(self, action):
        """It has been registered: its node shows it."""
        job = self.run_job(action)
        job.pids()
        until(lambda: action in self.shown(), f"{action} is registered")
        return job

    def shown(self):
        answer = quelltest.http_call(self.address(), "GET", "/_tasks?group_by=none",
                                     headers={"Quell-Requests": "hidden"})
        return {task["action"]: task for task in answer.json["tasks"]}

    def address(self):
        return self.coordinator.ready["http"].removeprefix("http://")

    def cancel(self, actions):
        """Returns its answer."""
        return quelltest.http_call(self.address(), "POST", f"/_tasks/_cancel?actions={actions}")

    def assert_stops(self, job):
        # TERM is what ends it.
        self.assertNotEqual(job.wait(), 0)

    def assert_runs(self, job, action):
        """It is there and nobody has cancelled it, after a heartbeat has passed."""
        seen = self.started_job("heartbeat/now")  # A round trip through the node and the list.
        try:
            task = until(lambda: self.shown().get(action), f"{action} is there")
            self.assertFalse(task["cancelled"], f"{action} was cancelled")
            self.assertIsNone(job.process.poll(), f"{action} was stopped")
        finally:
            seen.destroy()

    def restart_node(self, **clocks):
        self.node.kill()
        self.ours.set(**clocks)
        self.start_node()

    # ---- The wall clock steps.

    def test_a_clock_that_goes_back_kills_no_job_that_begins_after_the_cancel(self):
        for machine in (self.ours, self.theirs):
            machine.set(wall=3600)
        self.ours.set(boot_id="22222222-aaaa-bbbb-cccc-000000000000")  # One machine.
        self.restart_node()
        first = self.started_job("t/first")
        self.cancel("t/*")
        self.assert_stops(first)
        for machine in (self.ours, self.theirs):
            machine.set(wall=0)
        new = self.run_job("t/new", ("true",))
        self.assertEqual(new.wait(), 0)
        self.assertEqual(new.output()[1], "")

    def test_a_restart_with_a_clock_that_is_ahead_kills_no_job_that_began_after_the_cancel(self):
        old = self.started_job("t/old")
        self.cancel("t/*")
        self.assert_stops(old)
        innocent = self.started_job("t/innocent")
        self.restart_node(wall=30)
        self.assert_runs(innocent, "t/innocent")

    def test_a_restart_with_a_clock_that_is_behind_kills_no_job_that_began_after_the_cancel(self):
        old = self.started_job("t/old")
        self.cancel("t/*")
        self.assert_stops(old)
        innocent = self.started_job("t/innocent")
        self.restart_node(wall=-3600)
        self.assert_runs(innocent, "t/innocent")

    @staticmethod
    def apart():
        """What began and what is asked for are further apart than two busy hosts' clocks can be
        measured."""
        then = time.monotonic()
        until(lambda: time.monotonic() > then + 3, "three seconds have passed")

    def hit_while_away(self, **clocks):
        job = self.started_job("t/old")
        self.apart()
        self.node.kill()
        answer = self.cancel("t/*&timeout=3s")
        self.assertEqual(len(answer.json["node_failures"]), 1)
        self.ours.set(**clocks)
        self.start_node()
        self.assert_stops(job)

    def test_a_job_that_began_before_is_hit_though_its_nodes_clock_is_set_ahead_meanwhile(self):
        self.hit_while_away(wall=3600)

    def test_a_job_that_began_before_is_hit_though_its_nodes_clock_is_set_back_meanwhile(self):
        self.hit_while_away(wall=-3600)

    def test_a_job_that_began_before_is_hit_though_its_node_slept_meanwhile(self):
        self.hit_while_away(boot=7200, wall=7200)

    def test_a_job_begun_while_nobody_was_there_is_ordered_by_the_boot_clock(self):
        self.node.kill()
        before = self.run_job("t/before")
        before.pids()
        self.apart()
        self.ours.set(wall=600)  # By the wall clocks it would be after the cancel, or in the future...
        self.theirs.set(wall=-600)
        self.cancel("t/*&timeout=3s")
        self.apart()
        self.ours.set(wall=-600)  # ...and this one before it.
        self.theirs.set(wall=600)
        after = self.run_job("t/after")
        after.pids()
        self.start_node()
        self.assert_stops(before)
        until(lambda: "t/after" in self.shown(), "the other is registered")
        self.assert_runs(after, "t/after")

    def test_steps_and_a_restart_of_the_coordinator_change_nothing(self):
        old = self.started_job("t/old")
        self.apart()
        self.node.kill()
        self.cancel("t/*&timeout=3s")
        self.coordinator.kill()
        self.theirs.set(wall=-86400)
        self.start_coordinator()
        self.start_node(wait=False)
        self.assert_stops(old)
        self.node.wait_joined()
        innocent = self.started_job("t/innocent")
        self.theirs.set(wall=86400)
        self.restart_node()
        self.assert_runs(innocent, "t/innocent")

    # ---- What nobody can tell.

    def test_what_nobody_can_tell_is_spared_and_named(self):
        old = self.started_job("t/old")
        self.restart_node()  # Its join tells the coordinator of all numbers that it has given out.
        self.node.kill()
        self.cancel("t/*&timeout=3s")
        self.coordinator.kill()
        # Its host is started again: nothing relates the moment of the cancel to its new clock.
        self.theirs.set(boot_id="33333333-aaaa-bbbb-cccc-000000000000", boot=-5)
        self.start_node(wait=False)
        answer = quelltest.http_call(
            self.node.ready["socket"], "POST", "/v1/tasks",
            json.dumps({"action": "t/doubtful", "pid": os.getpid()}))
        self.assertEqual(answer.status, 200, repr(answer))
        self.start_coordinator()
        self.node.wait_joined()
        self.assert_stops(old)
        named = "nobody can tell whether"
        until(lambda: named in self.node.text(), "the node's log names what was spared")
        until(lambda: named in self.coordinator.text(), "so does the coordinator's")
        self.assertFalse(self.shown()["t/doubtful"]["cancelled"])


    # ---- A restored data directory.

    def member(self):
        nodes = quelltest.http_call(self.address(), "GET", "/quell/v1/nodes").json["nodes"]
        return next(node for node in nodes if node["name"] == "web1")

    def register(self, action, count):
        """The ids of so many tasks of this process."""
        answer = quelltest.http_call(
            self.node.ready["socket"], "POST", "/v1/tasks",
            json.dumps([{"action": action, "pid": os.getpid()}] * count))
        self.assertEqual(answer.status, 200, repr(answer))
        return [task["id"] for task in answer.json["tasks"]]

    def test_a_cancel_of_a_task_that_a_restored_node_has_forgotten_hits_nobody_else(self):
        data, backup = f"{self.directory}/node", f"{self.directory}/backup"
        self.node.kill()
        shutil.copytree(data, backup, ignore=shutil.ignore_patterns("*.sock"))
        self.start_node()
        old = self.register("old/job", 1500)
        until(lambda: "old/job" in self.shown(), "they are listed")
        self.node.kill()
        target = old[700]
        answer = quelltest.http_call(
            self.address(), "POST", f"/_tasks/{target}/_cancel?timeout=3s")
        self.assertEqual(answer.status, 200, repr(answer))
        self.coordinator.kill()
        shutil.rmtree(data)
        shutil.copytree(backup, data)
        self.start_node(wait=False)
        new = self.register("new/innocent", 1500)
        self.assertIn(target, new, "both copies give out the same ids")
        self.start_coordinator()
        self.node.wait_joined()
        until(lambda: self.member()["pending"] == 0, "the cancel has been handed over")
        self.assertTrue(self.member()["restored"])
        self.assertIn("restored from an older copy", self.coordinator.text())
        shown = quelltest.http_call(
            self.address(), "GET", "/_tasks?group_by=none&actions=new/*").json["tasks"]
        self.assertEqual(len(shown), 1500)
        self.assertEqual([task["id"] for task in shown if task["cancelled"]], [])
        self.assertTrue(set(old + new).isdisjoint(self.register("later", 10)))
        # Who asks for it now means the one that is there.
        answer = quelltest.http_call(self.address(), "POST", f"/_tasks/{target}/_cancel")
        self.assertEqual(answer.json.get("node_failures", []), [], repr(answer))
        record = quelltest.http_call(
            self.address(), "GET", "/quell/v1/tasks/" + target.replace(":", "%3A")).json
        self.assertIsNotNone(record["task"]["cancel"], repr(record))


if __name__ == "__main__":
    quelltest.main()
