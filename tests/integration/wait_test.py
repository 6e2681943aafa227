"""Goal: `wait_for_completion` answers when the work has ended, in time in any case, and whoever is
gone costs nothing.
Method: a real cluster; commands that end, or do not, while requests wait for them; nodes that die
or stand still meanwhile."""

import os
import signal
import socket
import threading

import quelltest
from quelltest import SLEEPER, STUBBORN, until

N1, N2, N3 = "opensearch-node1", "opensearch-node2", "opensearch-node3"


class Asked(threading.Thread):
    """A request that takes its time, on a thread of its own."""

    def __init__(self, cluster, method, path, headers=None):
        super().__init__(daemon=True)
        self.call = (cluster, method, path, headers)
        self.answer = None
        self.start()

    def run(self):
        cluster, method, path, headers = self.call
        self.answer = cluster.call(method, path, headers=headers, timeout=120)

    def result(self):
        self.join(quelltest.DEADLINE)
        if self.answer is None:
            raise AssertionError(f"no answer to {self.call}")
        return self.answer


def tasks_of(answer):
    return {key: task for node in answer.json["nodes"].values()
            for key, task in node["tasks"].items()}


class WaitTest(quelltest.SharedClusterCase):
    def sleeper(self, node, action, command=SLEEPER):
        job = self.job(node, *command, flags=["--action", action, "--grace", "1s"])
        pid = job.pids()[0]
        return job, pid, self.shared.task_of(action)

    def test_a_get_answers_with_the_ended_task(self):
        _, pid, task = self.sleeper(N1, "wait/get")
        asked = Asked(self.shared, "GET", f"/_tasks/{task}?wait_for_completion&timeout=5m")
        self.until_waiting()
        self.assertIsNone(asked.answer)
        os.kill(pid, signal.SIGKILL)
        answer = asked.result()
        self.assertEqual(answer.status, 200, answer)
        self.assertIs(answer.json["completed"], True)
        self.assertEqual(answer.json["task"]["action"], "wait/get")
        self.assertEqual(answer.header("Quell-Wait"), "running=0")

    def test_a_wait_that_runs_out_keeps_what_is_known(self):
        _, _, task = self.sleeper(N2, "wait/out")
        answer = self.shared.get(f"/_tasks/{task}?wait_for_completion&timeout=2s")
        self.assertEqual(list(answer.json), ["completed", "timed_out", "task"])
        self.assertIs(answer.json["completed"], False)
        answer = self.shared.get("/_tasks?wait_for_completion&timeout=2s&actions=wait/out")
        self.assertEqual(list(answer.json), ["node_failures", "timed_out", "nodes"])
        self.assertEqual(list(tasks_of(answer)), [task])
        self.assert_header(answer, selected=4, failed=0)
        strict = self.shared.get(f"/_tasks/{task}?wait_for_completion&timeout=2s",
                                 headers={"Quell-Profile": "strict"})
        self.assertEqual(strict.status, 504)

    def test_a_list_answers_when_all_that_matched_has_ended(self):
        pids = [self.sleeper(node, f"wait/list-{node}")[1] for node in (N1, N3)]
        asked = Asked(self.shared, "GET",
                      "/_tasks?wait_for_completion&timeout=5m&actions=wait/list-*")
        self.until_waiting()
        os.kill(pids[0], signal.SIGKILL)
        until(lambda: len(self.shared.tasks("actions=wait/list-*")) == 1, "one is left")
        self.assertIsNone(asked.answer)
        os.kill(pids[1], signal.SIGKILL)
        answer = asked.result()
        self.assertEqual({task["action"] for task in tasks_of(answer).values()},
                         {f"wait/list-{N1}", f"wait/list-{N3}"})
        self.assert_header(answer, selected=4, failed=0)

    def test_a_cancel_by_id_answers_when_the_work_has_stopped(self):
        job, pid, task = self.sleeper(N1, "wait/cancel", STUBBORN)
        answer = self.shared.post(f"/_tasks/{task}/_cancel?wait_for_completion=true&timeout=5m")
        self.assertEqual(list(tasks_of(answer)), [task])
        self.assertIs(tasks_of(answer)[task]["cancelled"], True)
        self.assertFalse(quelltest.alive(pid), "it said that the work has stopped")
        self.assertEqual(answer.header("Quell-Wait"), "running=0")
        self.assertEqual(self.shared.tasks("actions=wait/cancel"), {})
        job.wait()

    def test_a_cancel_by_filter_answers_when_the_work_has_stopped_on_all_nodes(self):
        jobs = [self.sleeper(node, f"wait/many-{node}") for node in (N1, N2, N3)]
        answer = self.shared.post(
            "/_tasks/_cancel?wait_for_completion=true&timeout=5m&actions=wait/many-*")
        self.assertEqual(set(tasks_of(answer)), {task for _, _, task in jobs})
        for job, pid, _ in jobs:
            self.assertFalse(quelltest.alive(pid))
            job.wait()

    def test_a_client_that_goes_away_frees_the_wait(self):
        _, _, task = self.sleeper(N1, "wait/gone")
        host, port = self.shared.address.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as link:
            link.sendall(f"GET /_tasks/{task}?wait_for_completion&timeout=50m HTTP/1.1\r\n"
                         f"Host: {self.shared.address}\r\n\r\n".encode())
            self.until_waiting()
        until(lambda: self.waiting() == 0, "nobody waits any more")

    # How many requests wait for tasks: those connections of the coordinator that are open and have
    # not been answered.

    def waiting(self):
        count = 0
        with open("/proc/net/tcp", encoding="ascii") as table:
            port = int(self.shared.address.rsplit(":", 1)[1])
            for line in table.read().splitlines()[1:]:
                local, state = line.split()[1], line.split()[3]
                count += local.endswith(f":{port:04X}") and state == "01"
        return count

    def until_waiting(self):
        until(lambda: self.waiting() > 0, "a request waits")


class DyingNodesTest(quelltest.TestCase):
    def test_nodes_that_die_or_stand_still_are_failures_in_time(self):
        cluster = self.cluster()
        for node in (N1, N2, N3):
            cluster.run(node, *SLEEPER, flags=["--action", f"wait/{node}"]).pids()
        cluster.until_listed(3, "actions=wait/*")
        asked = Asked(cluster, "GET", "/_tasks?wait_for_completion&timeout=6s&actions=wait/*")
        until(lambda: asked.is_alive(), "it waits")
        cluster.kill_node(N1)
        os.kill(cluster.nodes[N2]["pid"], signal.SIGSTOP)
        answer = asked.result()
        os.kill(cluster.nodes[N2]["pid"], signal.SIGCONT)
        self.assertEqual(answer.status, 200)
        failures = {failure["node_id"]: failure["caused_by"]["type"]
                    for failure in answer.json["node_failures"]}
        self.assertEqual(failures, {
            cluster.nodes[N1]["id"]: "node_disconnected_exception",
            cluster.nodes[N2]["id"]: "receive_timeout_transport_exception"})
        self.assertEqual([task["action"] for task in tasks_of(answer).values()], [f"wait/{N3}"])
        self.assertEqual(answer.header("Quell-Wait"), "running=1")


if __name__ == "__main__":
    quelltest.main()
