"""Goal: who is killed, and when: whatever dies at whatever moment, what is said of the task stays true,
and nothing that was promised is forgotten.
Method: a matrix of {program, node, coordinator} x {before registration, after it, at work, a cancel asked
for while it is down, between delivery and acknowledgement, at the finish}. One class for whom is killed,
one test a cell, each with a cluster of its own; SIGKILL always."""

import http.client
import json
import os
import signal
import subprocess
import time
import unittest

import quelltest
from quelltest import until, until_gone


class Program:
    """A program with the local API alone: a process that works, and what it says and hears."""

    def __init__(self, socket):
        self.socket = socket
        self.worker = subprocess.Popen(["sleep", "1000"])
        self.session = None
        self.task = None
        self.stream = None

    def post(self, path, body):
        headers = {"Quell-Session": self.session} if self.session else {}
        answer = quelltest.http_call(self.socket, "POST", path, json.dumps(body), headers)
        if answer.status != 200:
            raise AssertionError(repr(answer))
        return answer.json

    def register(self, **fields):
        body = dict({"action": "killed/work", "pid": self.worker.pid}, **fields)
        answer = self.post("/v1/tasks", body)
        self.session, self.task = answer["session"], answer["tasks"][0]["id"]
        return self.task

    def listen(self):
        self.stream = http.client.HTTPConnection("localhost", timeout=quelltest.DEADLINE)
        self.stream.sock = quelltest.socket.socket(quelltest.socket.AF_UNIX)
        self.stream.sock.settimeout(quelltest.DEADLINE)
        self.stream.sock.connect(self.socket)
        self.stream.request("GET", f"/v1/sessions/{self.session}/commands",
                            headers={"Quell-Session": self.session})
        self.lines = self.stream.getresponse()

    def hear(self):
        """The next cancel."""
        while not (line := self.lines.readline()).strip():
            if not line:
                raise AssertionError("the stream has ended")
        return json.loads(line)["cancel"]

    def report(self, **fields):
        return self.post(f"/v1/tasks/{self.task}/report", fields)

    def finish(self, outcome="success"):
        return self.post(f"/v1/tasks/{self.task}/finish", {"outcome": outcome})

    def kill(self):
        self.worker.kill()
        self.worker.wait()
        if self.stream:
            self.lines.close()
            self.stream.close()
            self.stream = None


class Matrix(quelltest.TestCase):
    def setUp(self):
        super().setUp()
        self.world = self.cluster(["a"])
        self.node = self.world.nodes["a"]

    def program(self):
        program = Program(self.node["socket"])
        self.addCleanup(program.kill)
        return program

    def sdk(self):
        """A program that uses the library."""
        from sdk_test import Probe  # pylint: disable=import-outside-toplevel
        probe = Probe([os.path.join(quelltest.BIN, "sdk_probe")], self.world.environment("a"))
        self.addCleanup(probe.destroy)
        return probe

    def kill_node(self):
        self.world.kill_node("a")

    def node_is_back(self):
        self.world.start_again(self.node).wait_joined()

    def kill_coordinator(self):
        os.kill(self.world.coordinator["pid"], signal.SIGKILL)
        until_gone([self.world.coordinator["pid"]], "the coordinator is gone")

    def coordinator_is_back(self):
        self.world.start_again(self.world.coordinator)
        self.world.until_answering(2)

    def cancel(self, task, *flags):
        return self.world.quell("cancel", task, "--reason", "matrix", *flags)

    def state(self, task):
        record = self.world.record(task)
        return record and record["task"]["state"]

    def until_state(self, task, state):
        until(lambda: self.state(task) == state or self.world.record(task), f"{task} is known")
        return until(lambda: self.state(task) == state and self.world.record(task), f"{task} is {state}")

    def ended_tasks(self):
        answer = self.world.get("/quell/v1/tasks?ended_within=1h").json
        return {task["id"]: task for node in answer["nodes"] for task in node["tasks"] if "end_time_in_millis" in task}


class ProgramIsKilled(Matrix):
    def test_before_registration_it_was_never_there(self):
        os.kill(self.node["pid"], signal.SIGSTOP)
        program = self.sdk()
        program.ask("start t killed/early")
        program.process.kill()
        program.process.wait()
        os.kill(self.node["pid"], signal.SIGCONT)
        # What it had sent names a process that is gone: nothing is registered for it, or it is lost.
        self.program().register()  # The node is at work again.
        until(lambda: not self.world.tasks("actions=killed/early"), "nothing runs")
        for task in self.ended_tasks().values():
            self.assertEqual((task["action"], task["state"]), ("killed/early", "lost"))

    def test_after_registration_it_is_lost(self):
        program = self.program()
        task = program.register()
        program.kill()
        self.until_state(task, "lost")

    def test_at_work_it_is_lost_with_its_children_and_its_last_words_are_kept(self):
        program = self.sdk()
        program.ask("start t killed/work")
        program.ask("child c t killed/child")
        task, child = program.id("t"), program.id("c")
        program.ask("phase t half way")
        until(lambda: self.world.tasks()[task].get("status") == {"phase": "half way"}, "it says how far it is")
        program.process.kill()
        record = self.until_state(task, "lost")
        self.assertEqual(record["task"]["status"], {"phase": "half way"})
        self.until_state(child, "lost")
        self.assertEqual(self.world.tasks(), {})

    def test_cancelled_after_its_death_the_cancel_says_that_it_has_ended(self):
        program = self.program()
        task = program.register()
        program.kill()
        self.until_state(task, "lost")
        answer = self.world.post(f"/_tasks/{task}/_cancel")
        self.assertEqual(len(answer.json["node_failures"]), 1, answer)
        self.assertIsNone(answer.header("Quell-Operation"))
        self.assertEqual(self.state(task), "lost")

    def test_between_delivery_and_acknowledgement_the_receipt_says_delivered_and_lost(self):
        program = self.program()
        task = program.register()
        program.listen()
        self.assertEqual(self.cancel(task).returncode, 0)
        self.assertEqual(program.hear()["reason"], "matrix")
        program.kill()
        record = self.until_state(task, "lost")
        self.assertEqual((record["receipt"]["state"], record["receipt"]["outcome"]), ("ended", "lost"))
        self.assertIn("delivered_at_millis", record["receipt"])
        self.assertNotIn("acknowledged_at_millis", record["receipt"])

    def test_at_the_finish_what_it_has_said_stays(self):
        program = self.program()
        task = program.register()
        program.listen()
        program.finish("failure")
        program.kill()
        self.assertEqual(self.state(task), "failed")
        other = self.program()
        untold = other.register()
        other.listen()
        other.kill()  # It was about to say so.
        self.until_state(untold, "lost")
        self.assertEqual(self.state(task), "failed")


class NodeIsKilled(Matrix):
    def test_before_registration_the_task_is_registered_late_with_its_true_start(self):
        self.kill_node()
        before = time.time() * 1000
        program = self.sdk()
        program.ask("start t killed/late")
        after = time.time() * 1000
        self.node_is_back()
        task = program.id("t")
        start = self.world.tasks()[task]["start_time_in_millis"]
        self.assertGreaterEqual(start, int(before))
        self.assertLessEqual(start, after)

    def test_after_registration_the_task_comes_back_under_its_id(self):
        program = self.sdk()
        program.ask("start t killed/back")
        task = program.id("t")
        before = self.world.tasks()[task]
        self.kill_node()
        self.node_is_back()
        after = until(lambda: self.world.tasks().get(task), "it is back")
        self.assertEqual(after["start_time_in_millis"], before["start_time_in_millis"])
        self.assertEqual(list(self.world.tasks()), [task])

    def test_at_work_the_family_comes_back_with_what_it_says_of_itself(self):
        program = self.sdk()
        program.ask("start t killed/work")
        program.ask("child c t killed/child")
        program.ask("phase c half way")
        task, child = program.id("t"), program.id("c")
        self.kill_node()
        program.ask("phase t alone")  # Said while nobody listens.
        self.node_is_back()
        def family():
            tasks = self.world.tasks()
            return (set(tasks) == {task, child} and tasks[child]["parent_task_id"] == task
                    and tasks[child].get("status") == {"phase": "half way"}
                    and tasks[task].get("status") == {"phase": "alone"})
        until(family, "both are back, with their words")

    def test_a_cancel_that_is_asked_for_while_it_is_down_reaches_the_task(self):
        program = self.sdk()
        program.ask("start t killed/unreachable")
        task = program.id("t")
        self.kill_node()
        done = self.cancel(task)
        self.assertEqual(done.returncode, 6, done.stderr)  # The node is not part of the answer.
        self.assertEqual(program.ask("cancelled t"), "0")
        self.node_is_back()
        self.assertRegex(program.ask("wait t"), r"^cancelled \S+ matrix$")
        program.ask("finish t cancelled")
        self.assertEqual(self.until_state(task, "cancelled")["task"]["cancel"]["reason"], "matrix")

    def test_between_delivery_and_acknowledgement_both_times_are_in_the_receipt(self):
        program = self.sdk()
        program.ask("start t killed/told")
        task = program.id("t")
        self.assertEqual(self.cancel(task).returncode, 0)
        delivered = until(lambda: self.world.record(task)["receipt"].get("delivered_at_millis"), "it is delivered")
        self.assertNotIn("acknowledged_at_millis", self.world.record(task)["receipt"])
        # The cancel of another task is on disk when it is answered, and with it all that was before it.
        other = self.program().register()
        self.assertEqual(self.cancel(other).returncode, 0)
        self.kill_node()
        self.node_is_back()
        until(lambda: self.world.tasks().get(task), "it is back")
        self.assertTrue(self.world.tasks()[task]["cancelled"])
        self.assertEqual(program.ask("cancelled t"), "1")  # Now it has looked.
        receipt = until(lambda: (r := self.world.record(task)["receipt"])["state"] == "stopping" and r,
                        "its acknowledgement is seen")
        self.assertEqual(receipt["delivered_at_millis"], delivered)
        self.assertGreaterEqual(receipt["acknowledged_at_millis"], delivered)

    def test_a_program_that_dies_while_it_is_down_leaves_lost_tasks_and_none_is_forgotten(self):
        program, listening, other = self.program(), self.sdk(), self.program()
        listening.ask("start t killed/listens")
        lost = {program.register(), listening.id("t")}
        running = other.register()
        time.sleep(0.5)  # lint: allow(sleep): what is written behind gets its time.
        self.kill_node()
        program.kill()
        listening.destroy()
        self.node_is_back()
        for task in lost:
            self.until_state(task, "lost")
        self.assertEqual(list(self.world.tasks()), [running])
        other.finish("failure")  # Nothing else is needed of it.
        self.until_state(running, "failed")

    def test_an_end_that_was_answered_is_never_undone(self):
        program = self.program()
        tasks = [program.register() for _ in range(20)]
        for program.task in tasks:
            program.finish()
        self.kill_node()
        self.node_is_back()
        ended = self.ended_tasks()
        self.assertEqual({task: ended.get(task, {}).get("state") for task in tasks}, dict.fromkeys(tasks, "succeeded"))
        self.assertEqual(self.world.tasks(), {})

    def test_at_the_finish_the_end_is_told_when_it_is_back(self):
        program = self.sdk()
        program.ask("start t killed/ends")
        task = program.id("t")
        self.kill_node()
        program.ask("finish t failure")
        self.node_is_back()
        self.until_state(task, "failed")
        self.assertEqual(self.world.tasks(), {})


class CoordinatorIsKilled(Matrix):
    def test_before_registration_the_task_is_listed_once_it_is_back(self):
        self.kill_coordinator()
        program = self.sdk()
        program.ask("start t killed/nobody")
        task = program.id("t")  # The node needs nobody for that.
        self.coordinator_is_back()
        self.assertEqual(list(self.world.tasks()), [task])

    def test_after_registration_the_task_is_listed_as_it_was(self):
        program = self.program()
        task = program.register()
        before = self.world.tasks()[task]
        self.kill_coordinator()
        self.coordinator_is_back()
        after = self.world.tasks()[task]
        before.pop("running_time_in_nanos")
        after.pop("running_time_in_nanos")
        self.assertEqual(after, before)

    def test_at_work_what_the_task_says_meanwhile_is_shown(self):
        program = self.program()
        task = program.register()
        self.kill_coordinator()
        program.report(status={"phase": "half way"})
        self.coordinator_is_back()
        self.assertEqual(self.world.tasks()[task]["status"], {"phase": "half way"})

    def test_a_cancel_that_is_asked_for_while_it_is_down_was_never_promised(self):
        program = self.program()
        task = program.register()
        program.listen()
        self.kill_coordinator()
        done = self.cancel(task)
        self.assertNotEqual(done.returncode, 0)
        # The second, if it reached what was left of the listening socket.
        self.assertRegex(done.stderr, "cannot reach the coordinator|the connection broke")
        self.coordinator_is_back()
        self.assertFalse(self.world.tasks()[task]["cancelled"])
        self.assertEqual(self.cancel(task).returncode, 0)
        self.assertEqual(program.hear()["reason"], "matrix")

    def test_between_delivery_and_acknowledgement_the_cancel_goes_its_way(self):
        program = self.program()
        task = program.register()
        program.listen()
        self.assertEqual(self.cancel(task).returncode, 0)
        told = program.hear()
        self.kill_coordinator()
        program.report(stopping=True)
        self.coordinator_is_back()
        record = self.world.record(task)
        self.assertEqual((record["receipt"]["state"], record["receipt"]["intent"]), ("stopping", told["intent"]))
        nodes = self.world.get("/quell/v1/nodes").json["nodes"]
        until(lambda: all(node["pending"] == 0 for node in self.world.get("/quell/v1/nodes").json["nodes"]),
              f"nothing is pending for {nodes}")

    def test_at_the_finish_the_end_is_known_once_it_is_back(self):
        program = self.program()
        task = program.register()
        self.kill_coordinator()
        program.finish("timeout")
        self.coordinator_is_back()
        self.assertEqual(self.state(task), "expired")
        self.assertEqual(self.world.tasks(), {})
        self.assertIn(task, self.ended_tasks())


class LostInTime(Matrix):
    """A program that dies without a word is lost within 2 s, by the node's own clock. Of some tries the
    best one counts: the machine may be busy, but the rule is not to wait longer than it has to."""

    LIMIT = 2000

    def lost_after(self, start):
        best = None
        for _ in range(5):
            task, kill = start()
            killed = time.time() * 1000
            kill()
            took = self.until_state(task, "lost")["task"]["end_time_in_millis"] - killed
            best = took if best is None else min(best, took)
            if best <= self.LIMIT:
                return best
        return best

    def test_by_the_loss_of_its_stream_and_its_process(self):
        def start():
            probe = self.sdk()
            probe.ask("start t killed/stream")
            return probe.id("t"), probe.process.kill
        self.assertLessEqual(self.lost_after(start), self.LIMIT)

    def test_by_the_death_of_the_process_it_named(self):
        def start():
            program = self.program()
            return program.register(), program.worker.kill
        self.assertLessEqual(self.lost_after(start), self.LIMIT)

    def test_a_lost_stream_alone_leaves_an_orphan_that_can_come_back(self):
        program = self.program()
        task = program.register()
        program.listen()
        program.lines.close()
        program.stream.close()
        until(lambda: self.world.record(task)["task"]["detached"], "it is an orphan")
        self.assertEqual(self.state(task), "running")
        program.listen()
        until(lambda: not self.world.record(task)["task"]["detached"], "it is looked after again")

    def test_children_are_kept_or_cancelled_as_they_asked(self):
        parent, children = self.program(), self.program()
        lost = parent.register()
        keeps = children.register(parent=lost, action="killed/keeps")
        goes = children.register(parent=lost, action="killed/goes", on_parent_lost="cancel")
        children.listen()
        parent.kill()
        self.until_state(lost, "lost")
        self.assertEqual(children.hear()["task"], goes)
        self.assertIsNone(self.world.record(keeps)["task"]["cancel"])
        self.assertEqual(self.state(keeps), "running")


class Orphans(quelltest.TestCase):
    def test_what_is_below_an_orphan_on_another_host_hears_of_it_when_the_coordinator_is_back(self):
        world = self.cluster(["a", "b"])
        here, far = world.nodes["a"]["socket"], world.nodes["b"]["socket"]
        parent, child, below = Program(here), Program(here), Program(far)
        for program in (parent, child, below):
            self.addCleanup(program.kill)
        lost = parent.register()
        orphan = child.register(parent=lost, on_parent_lost="cancel")
        child.listen()
        below.register(parent=orphan, ancestors=[lost])
        below.listen()
        os.kill(world.coordinator["pid"], signal.SIGKILL)
        until_gone([world.coordinator["pid"]], "the coordinator is gone")
        parent.kill()
        self.assertEqual(child.hear()["task"], orphan)
        world.start_again(world.coordinator)
        self.assertEqual(below.hear()["reason"], f"its parent [{lost}] was lost")


if __name__ == "__main__":
    quelltest.main()
