"""Goal: a cancel does what it says, to the tasks it names and to no other, and its answer is
whole whatever the nodes do.
Method: a real cluster of three nodes with real commands on them; nodes are killed, frozen and
started again; processes are watched by their pids."""

import os
import signal
import time

import quelltest
from quelltest import NODE_ID, SLEEPER, alive, until, until_gone

N1, N2, N3 = "opensearch-node1", "opensearch-node2", "opensearch-node3"


class CancelByNodesTest(quelltest.SharedClusterCase):
    def test_cancel_on_two_nodes_answers_in_the_documented_shape_and_spares_the_third(self):
        jobs = {node: self.job(node, *SLEEPER, flags=["--action", f"bulk/{node}",
                                                      "--description", f"work on {node}"])
                for node in (N1, N2, N3)}
        pids = {node: job.pids()[0] for node, job in jobs.items()}
        self.shared.until_listed(3, "actions=bulk/*")

        answer = self.shared.post(f"/_tasks/_cancel?nodes={N1},{N2}&actions=bulk/*")

        self.assertEqual(answer.status, 200, answer)
        self.assert_header(answer, selected=2, failed=0)
        self.assertTrue(answer.header("Quell-Operation"), answer)
        body = answer.json
        self.assertEqual(list(body), ["node_failures", "nodes"])
        self.assertEqual(body["node_failures"], [])
        self.assertEqual({node["name"] for node in body["nodes"].values()}, {N1, N2})
        for node_id, node in body["nodes"].items():
            self.assertRegex(node_id, NODE_ID)
            self.assertEqual(list(node), ["name", "transport_address", "host", "ip", "roles",
                                          "attributes", "tasks"])
            self.assertRegex(node["transport_address"], r"^127\.0\.0\.1:\d+$")
            self.assertEqual(node["ip"], node["transport_address"])
            self.assertEqual(node["host"], "127.0.0.1")
            [(task_id, task)] = node["tasks"].items()
            self.assertEqual(task_id, f"{node_id}:{task['id']}")
            self.assertEqual(list(task)[:10], [
                "node", "id", "type", "action", "status", "description", "start_time_in_millis",
                "running_time_in_nanos", "cancellable", "cancelled"])
            self.assertEqual(task["node"], node_id)
            self.assertEqual(task["type"], "transport")
            self.assertEqual(task["action"], f"bulk/{node['name']}")
            self.assertEqual(task["status"], "cancelled")
            self.assertEqual(task["description"], f"work on {node['name']}")
            self.assertLess(abs(task["start_time_in_millis"] / 1000 - time.time()), 120)
            self.assertGreater(task["running_time_in_nanos"], 0)
            self.assertIs(task["cancellable"], True)
            self.assertIs(task["cancelled"], True)

        until_gone([pids[N1], pids[N2]], "the processes on nodes 1 and 2 are gone")
        self.assertEqual(jobs[N1].wait(), -signal.SIGTERM)
        self.assertEqual(jobs[N2].wait(), -signal.SIGTERM)
        self.assertTrue(alive(pids[N3]))
        self.assertIsNone(jobs[N3].process.poll())

    def test_a_nested_run_becomes_a_child_and_is_cancelled_with_its_parent(self):
        inner = f"{quelltest.QUELL} run --action in/ner -- sh -c 'echo $$ >>$PIDS; exec sleep 1000'"
        job = self.job(N1, "sh", "-c", f"echo $$ >>$PIDS; {inner}; exit 9",
                       flags=["--action", "out/er"])
        pids = job.pids(2)
        parent = self.shared.task_of("out/er")
        child = self.shared.task_of("in/ner")
        self.assertEqual(self.shared.tasks()[child]["parent_task_id"], parent)
        listed = self.shared.get(f"/_tasks?parent_task_id={parent}").json
        self.assertEqual([key for node in listed["nodes"].values() for key in node["tasks"]],
                         [child])

        answer = self.shared.post(f"/_tasks/{parent}/_cancel")

        self.assertEqual([key for node in answer.json["nodes"].values() for key in node["tasks"]],
                         [parent])
        until_gone(pids, "both commands are gone")
        job.wait()
        for task in (parent, child):
            record = until(lambda t=task: (r := self.shared.record(t)) and r["ended"] and r,
                           f"{task} has ended")
            self.assertEqual(record["task"]["state"], "cancelled", record)

    def test_a_cancel_of_an_ended_or_unknown_task_says_so_and_commits_nothing(self):
        job = self.job(N1, "sh", "-c", "echo $$ >>$PIDS; read x", stdin=-1,
                       flags=["--action", "short/one"])
        task = self.shared.task_of("short/one")
        job.process.stdin.close()
        job.wait()
        until(lambda: task not in self.shared.tasks(), "the task has ended")
        node = task.split(":")[0]
        for dead, cause in ((task, "illegal_state_exception"),
                            (f"{node}:9000000", "resource_not_found_exception")):
            answer = self.shared.post(f"/_tasks/{dead}/_cancel")
            self.assertEqual(answer.status, 200, answer)
            self.assertIsNone(answer.header("Quell-Operation"))
            [failure] = answer.json["node_failures"]
            self.assertEqual(failure["type"], "failed_node_exception")
            self.assertEqual(failure["node_id"], node)
            self.assertEqual(failure["caused_by"]["type"], cause)
            self.assertIn(dead, failure["caused_by"]["reason"])
            strict = self.shared.post(f"/_tasks/{dead}/_cancel", headers={"Quell-Profile": "strict"})
            self.assertEqual(strict.json["node_failures"][0]["caused_by"],
                             {"type": "resource_not_found_exception",
                              "reason": f"task [{dead}] is not found"})

    def test_a_node_part_that_nobody_has_is_a_failure(self):
        nobody = "A" * 21 + "Q"
        answer = self.shared.post(f"/_tasks/{nobody}:5/_cancel")
        self.assertEqual(answer.status, 200, answer)
        self.assert_header(answer, selected=1, failed=1)
        [failure] = answer.json["node_failures"]
        self.assertEqual(failure["node_id"], nobody)
        self.assertEqual(failure["caused_by"]["type"], "no_such_node_exception")
        self.assertIsNone(answer.header("Quell-Operation"))

    def test_a_task_that_begins_after_the_cancel_runs_on(self):
        first = self.job(N2, *SLEEPER, flags=["--action", "wave/a"])
        pid = first.pids()[0]
        self.shared.task_of("wave/a")
        self.shared.post("/_tasks/_cancel?actions=wave/*")
        second = self.job(N2, *SLEEPER, flags=["--action", "wave/b"])
        other = second.pids()[0]
        until_gone([pid], "the first is gone")
        self.shared.task_of("wave/b")
        self.assertTrue(alive(other))

    def test_selection_by_id_wildcard_and_all(self):
        ids = {node: self.shared.nodes[node]["id"] for node in (N1, N2, N3)}
        def selected(nodes):
            answer = self.shared.get(f"/_tasks?nodes={nodes}")
            self.assertEqual(answer.json["node_failures"], [], answer)
            return {node["name"] for node in answer.json["nodes"].values()} & {N1, N2, N3}
        self.assertEqual(selected(ids[N2]), {N2})
        self.assertEqual(selected("opensearch-*"), {N1, N2, N3})
        self.assertEqual(selected("*-node1,*-node3"), {N1, N3})
        self.assertEqual(selected("_all"), {N1, N2, N3})
        self.assertEqual(selected("_local"), set())
        answer = self.shared.get("/_tasks?nodes=nosuch,opensearch-node1")
        self.assert_header(answer, selected=2, failed=1)
        self.assertEqual(answer.json["node_failures"][0]["node_id"], "nosuch")


class BrokenNodesTest(quelltest.TestCase):
    def test_a_killed_node_is_in_node_failures_until_it_is_back(self):
        cluster = self.cluster()
        cluster.run(N1, *SLEEPER, flags=["--action", "keep/a"]).pids()
        cluster.task_of("keep/a")
        cluster.kill_node(N2)

        def failed():
            answer = cluster.get("/_tasks")
            return answer if answer.json["node_failures"] else None
        answer = until(failed, "the dead node is a failure")
        self.assertEqual(answer.status, 200)
        [failure] = answer.json["node_failures"]
        self.assertEqual(failure["type"], "failed_node_exception")
        self.assertEqual(failure["node_id"], cluster.nodes[N2]["id"])
        self.assertIn(failure["caused_by"]["type"],
                      ("node_disconnected_exception", "node_not_connected_exception"))
        self.assertIn(N2, failure["caused_by"]["reason"])
        names = {node["name"] for node in answer.json["nodes"].values()}
        self.assertTrue({N1, N3} <= names and N2 not in names, names)
        self.assertIn("failed=1", answer.header("Quell-Nodes"))

        identity = cluster.nodes[N2]["id"]
        again = cluster.start_again(cluster.nodes[N2])
        self.assertEqual(again.ready["id"], identity)
        again.wait_joined()
        cluster.until_answering(4)

    def test_a_frozen_node_fails_at_the_deadline_and_the_rest_is_whole(self):
        cluster = self.cluster()
        cluster.run(N1, *SLEEPER, flags=["--action", "keep/b"]).pids()
        task = cluster.task_of("keep/b")
        cluster.kill_node(N3, signal.SIGSTOP)
        start = time.monotonic()
        answer = cluster.get("/_tasks?timeout=1500ms")
        took = time.monotonic() - start
        self.assertEqual(answer.status, 200)
        self.assertIn(task, [key for node in answer.json["nodes"].values()
                             for key in node["tasks"]])
        [failure] = answer.json["node_failures"]
        self.assertEqual(failure["node_id"], cluster.nodes[N3]["id"])
        self.assertEqual(failure["caused_by"]["type"], "receive_timeout_transport_exception")
        self.assertGreater(took, 1.4)
        self.assertLess(took, 15)
        os.kill(cluster.nodes[N3]["pid"], signal.SIGCONT)
        cluster.until_answering(4)

    def test_a_frozen_node_gets_the_cancel_when_it_goes_on(self):
        cluster = self.cluster()
        job = cluster.run(N3, *SLEEPER, flags=["--action", "ice/a"])
        pid = job.pids()[0]
        task = cluster.task_of("ice/a")
        cluster.kill_node(N3, signal.SIGSTOP)
        answer = cluster.post(f"/_tasks/{task}/_cancel?timeout=1s")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.header("Quell-Operation"), answer)
        self.assertEqual([f["node_id"] for f in answer.json["node_failures"]],
                         [cluster.nodes[N3]["id"]])
        self.assertTrue(alive(pid))
        os.kill(cluster.nodes[N3]["pid"], signal.SIGCONT)
        until_gone([pid], "the cancel arrived after all")

    def test_a_node_that_was_dead_gets_the_cancel_when_it_is_back(self):
        cluster = self.cluster()
        job = cluster.run(N2, *SLEEPER, flags=["--action", "back/a"])
        pid = job.pids()[0]
        cluster.task_of("back/a")
        cluster.kill_node(N2)
        answer = cluster.post("/_tasks/_cancel?actions=back/*&timeout=2s")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.header("Quell-Operation"), answer)
        self.assertIn(cluster.nodes[N2]["id"],
                      [failure["node_id"] for failure in answer.json["node_failures"]])
        self.assertTrue(alive(pid))
        cluster.start_again(cluster.nodes[N2]).wait_joined()
        until_gone([pid], "the job that came back was told of the cancel", 60)

    def test_a_cancel_survives_the_coordinators_death_right_after_its_200(self):
        cluster = self.cluster()
        job = cluster.run(N1, *SLEEPER, flags=["--action", "last/a"])
        pid = job.pids()[0]
        task = cluster.task_of("last/a")
        cluster.kill_node(N1, signal.SIGSTOP)  # So that only the coordinator's promise is left.
        answer = cluster.post(f"/_tasks/{task}/_cancel?timeout=500ms")
        self.assertEqual(answer.status, 200)
        os.kill(cluster.coordinator["pid"], signal.SIGKILL)
        until_gone([cluster.coordinator["pid"]], "the coordinator is dead")
        os.kill(cluster.nodes[N1]["pid"], signal.SIGCONT)
        self.assertTrue(alive(pid))
        cluster.start_again(cluster.coordinator)
        until_gone([pid], "the kept cancel reached its node", 60)
        self.assertEqual(job.wait(), -signal.SIGTERM)
        cluster.until_answering(4)

    def test_all_nodes_down_is_still_a_whole_answer(self):
        cluster = self.cluster()
        for name in cluster.names:
            cluster.kill_node(name)
        def all_failed():
            answer = cluster.get("/_tasks?timeout=2s")
            return answer if len(answer.json["node_failures"]) == 3 else None
        answer = until(all_failed, "three failures")
        self.assert_header(answer, selected=4, failed=3)
        self.assertEqual({failure["node_id"] for failure in answer.json["node_failures"]},
                         {node["id"] for node in cluster.nodes.values()})


if __name__ == "__main__":
    quelltest.main()
