"""Goal: a daemon that is stopped is a node that is away: nothing is said of its tasks that nobody
knows, and no cancel is lost while it is upgraded. Only an explicit leave or forget takes a node out.
Method: real daemons that are stopped, started again, drained and forgotten, with jobs on them.
"""

import os
import signal
import socket

import quelltest
from quelltest import NODE, SLEEPER, alive, until, until_gone


class StoppedNodeTest(quelltest.TestCase):
    def setUp(self):
        super().setUp()
        self.fleet = self.cluster(["a", "b"])
        self.node = self.fleet.nodes["a"]
        self.job = self.fleet.run("a", *SLEEPER, flags=["--action", "upgrade/a"])
        [self.pid] = self.job.pids()
        self.task = self.fleet.task_of("upgrade/a")
        self.fleet.until_answering(3)

    def stop_node(self):
        self.fleet.kill_node("a", signal.SIGTERM)
        until_gone([self.node["pid"]], "the node's daemon has stopped")

    def entry(self):
        nodes = self.fleet.get("/quell/v1/nodes").json["nodes"]
        return next((node for node in nodes if node["name"] == "a"), None)

    def failure(self):
        [failure] = self.fleet.get("/quell/v1/tasks").json["node_failures"]
        return failure

    def test_it_is_away_and_its_tasks_are_unknown(self):
        self.stop_node()
        answer = self.fleet.get("/_tasks")
        self.assert_header(answer, selected=3, failed=1)
        [failure] = answer.json["node_failures"]
        self.assertEqual(failure["caused_by"]["type"], "node_not_connected_exception")
        failure = self.failure()
        self.assertEqual((failure["node"], failure["name"], failure["cause"]),
                         (self.node["id"], "a", "stopped"))
        self.assertGreater(failure["since_millis"], 0)
        self.assertEqual(self.entry()["state"], "stopped")
        self.assertEqual(self.entry()["since_millis"], failure["since_millis"])
        path = "/quell/v1/tasks/" + self.task.replace(":", "%3A")
        self.assertEqual(self.fleet.get(path).status, 503)
        self.assertEqual(self.fleet.quell("ps").returncode, 6)
        self.fleet.start_again(self.node).wait_joined()
        until(lambda: self.task in self.fleet.tasks(), "the task is shown again")
        self.assertEqual(self.entry()["state"], "alive")

    def test_a_cancel_by_id_during_an_upgrade_reaches_the_job(self):
        self.stop_node()
        answer = self.fleet.post(f"/_tasks/{self.task}/_cancel")
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(answer.header("Quell-Operation"), answer)
        self.assertEqual(len(answer.json["node_failures"]), 1, answer)
        self.assertEqual(self.entry()["pending"], 1)
        self.assertTrue(alive(self.pid))
        self.fleet.start_again(self.node).wait_joined()
        self.assertEqual(self.job.wait(), -signal.SIGTERM)
        until(lambda: self.entry()["pending"] == 0, "the node has acknowledged it")

    def test_a_cancel_by_filter_during_an_upgrade_reaches_the_job(self):
        self.stop_node()
        answer = self.fleet.post("/_tasks/_cancel?actions=upgrade/*")
        self.assertEqual(answer.status, 200, answer)
        self.assert_header(answer, selected=3, failed=1)
        self.assertEqual(self.entry()["pending"], 1)
        self.fleet.start_again(self.node).wait_joined()
        self.assertEqual(self.job.wait(), -signal.SIGTERM)

    def test_it_stays_away_and_its_cancel_pending_over_a_restart_of_the_coordinator(self):
        self.stop_node()
        since = self.failure()["since_millis"]
        self.assertEqual(self.fleet.post(f"/_tasks/{self.task}/_cancel").status, 200)
        coordinator = self.fleet.coordinator
        os.kill(coordinator["pid"], signal.SIGKILL)
        until_gone([coordinator["pid"]], "the coordinator is gone")
        self.fleet.start_again(coordinator)
        self.assertEqual(self.entry()["state"], "stopped")
        self.assertEqual(self.failure()["since_millis"], since)
        self.fleet.start_again(self.node).wait_joined()
        self.assertEqual(self.job.wait(), -signal.SIGTERM)

    def test_forgetting_says_what_is_given_up(self):
        self.stop_node()
        self.assertEqual(self.fleet.post(f"/_tasks/{self.task}/_cancel").status, 200)
        done = self.fleet.quell("node", "forget", "a")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("may still run", done.stdout)
        self.assertIn("1 pending cancel given up", done.stdout)
        self.assertIsNone(self.entry())
        self.fleet.start_again(self.node).wait_joined()
        until(lambda: self.task in self.fleet.tasks(), "it comes back as a new node")
        self.assertTrue(alive(self.pid))


class LeavingNodeTest(quelltest.TestCase):
    def setUp(self):
        super().setUp()
        self.fleet = self.cluster(["a"])
        self.argv = [NODE, "--name", "extra", "--data", os.path.join(self.directory, "extra"),
                     "--listen", "127.0.0.1:0", "--coordinator", self.fleet.coordinator["grpc"]]
        self.extra = self.start()

    def start(self):
        extra = self.daemon(*self.argv)
        ready = extra.wait_ready()
        extra.wait_joined()
        self.fleet.nodes["extra"] = ready
        return extra

    def run_job(self, action):
        job = self.fleet.run("extra", *SLEEPER, flags=["--action", action])
        return job, job.pids()[0], self.fleet.task_of(action)

    def register(self):
        return quelltest.http_call(self.fleet.nodes["extra"]["socket"], "POST", "/v1/tasks",
                                   body=b'{"action":"new/work"}',
                                   headers={"Content-Type": "application/json"})

    def ok(self, *arguments, code=0):
        done = self.fleet.quell(*arguments)
        self.assertEqual(done.returncode, code, (done.stdout, done.stderr))
        return done.stdout

    def test_a_draining_node_takes_no_new_work_and_names_what_lives(self):
        job, _, task = self.run_job("old/work")
        number = task.rsplit(":", 1)[1]
        out = self.ok("node", "drain", "extra")
        self.assertIn("1 task lives", out)
        self.assertIn(f"extra:{number}  old/work", out)
        refused = self.register()
        self.assertEqual((refused.status, refused.json["error"]["type"]), (503, "draining"))
        until(lambda: "draining" in self.ok("node", "ls"), "the list says so")
        self.ok("node", "drain", "extra", "--wait", "--timeout", "300ms", code=7)
        self.ok("node", "drain", "extra", "--undo")
        self.assertEqual(self.register().status, 200)
        self.assertIsNone(job.process.poll())

    def test_a_node_leaves_when_nothing_lives_there_and_is_back_when_it_is_started(self):
        job, _, task = self.run_job("last/work")
        out = self.ok("node", "leave", "extra", code=1)
        self.assertIn("cannot leave: 1 task lives there", out)
        self.assertIn("last/work", out)
        self.assertIsNone(self.extra.process.poll())
        self.ok("cancel", task)
        self.assertEqual(job.wait(), -signal.SIGTERM)
        self.assertIn("has left the fleet", self.ok("node", "leave", "extra", "--wait"))
        self.assertEqual(self.extra.process.wait(30), 0, self.extra.text())
        self.assertNotIn("extra", self.ok("node", "ls"))
        self.assert_header(self.fleet.get("/_tasks"), selected=2, failed=0)
        self.start()
        self.assertIn("extra", self.ok("node", "ls"))
        self.assertEqual(self.register().status, 200, "it takes tasks again")

    def test_leave_waits_for_what_lives(self):
        job, pid, _ = self.run_job("short/work")
        leaving = self.fleet.popen("node", "leave", "extra", "--wait", "--timeout", "60s")
        self.addCleanup(leaving.kill)
        until(lambda: "draining" in self.ok("node", "ls"), "it drains")
        self.assertIsNone(leaving.poll())
        os.kill(pid, signal.SIGTERM)
        out, err = leaving.communicate(timeout=60)
        self.assertEqual(leaving.returncode, 0, err)
        self.assertIn("has left the fleet", out)
        self.assertEqual(self.extra.process.wait(30), 0, self.extra.text())
        job.wait()

    def test_a_node_that_is_away_cannot_leave(self):
        self.assertEqual(self.extra.stop(), 0)
        done = self.fleet.quell("node", "leave", "extra")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("away", done.stderr)
        self.ok("node", "forget", "extra")


class HungNodeTest(quelltest.TestCase):
    def test_lists_beside_a_hung_node_keep_no_cancel_of_another_out(self):
        fleet = self.cluster(["a", "b"])
        jobs = [fleet.run("a", *SLEEPER, flags=["--action", f"free/{i}"]) for i in range(3)]
        for job in jobs:
            job.pids()
        tasks = [fleet.task_of(f"free/{i}") for i in range(3)]
        fleet.kill_node("b", signal.SIGSTOP)
        host, port = fleet.address.rsplit(":", 1)
        for i, task in enumerate(tasks):
            # More than there are places for lists.
            links = []
            for _ in range(300):
                link = socket.create_connection((host, int(port)), timeout=20)
                self.addCleanup(link.close)
                link.sendall(b"GET /_tasks?nodes=b&timeout=20s HTTP/1.1\r\nHost: localhost\r\n\r\n")
                links.append(link)
            answer = fleet.post(f"/_tasks/{task}/_cancel")
            self.assertEqual(answer.status, 200, f"cancel {i}: {answer}")
            self.assertEqual(answer.json["node_failures"], [], answer)
            self.assertEqual(jobs[i].wait(), -signal.SIGTERM)
            for link in links:
                link.close()


if __name__ == "__main__":
    quelltest.main()
