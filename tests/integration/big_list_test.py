"""Goal: a list of any size arrives whole, costs the coordinator a part of it and no more, and holds
up nobody, however slowly it is read.
Method: tens of thousands of tasks with long texts on a real cluster, read by real clients."""

import json
import os
import socket

import quelltest
from quelltest import http_call, until

PER_NODE = 12_000
TEXT = "x" * 4000
BATCH = 400  # What fits into one request.


def memory_peak(pid):
    """VmHWM in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        [line] = [line for line in file if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


class BigListTest(quelltest.SharedClusterCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ids = set()
        for node in cls.shared.nodes.values():
            headers = {}
            for _ in range(PER_NODE // BATCH):
                tasks = [{"action": "big/list", "description": TEXT, "pid": os.getpid()}] * BATCH
                answer = http_call(node["socket"], "POST", "/v1/tasks", json.dumps(tasks), headers)
                assert answer.status == 200, answer
                headers = {"Quell-Session": answer.json["session"]}
                cls.ids |= {task["id"] for task in answer.json["tasks"]}

        cls.peak = memory_peak(cls.shared.coordinator["pid"])

    def assert_only_a_part_was_held(self):
        grown = memory_peak(self.shared.coordinator["pid"]) - self.peak
        whole = len(self.ids) * len(TEXT)
        self.assertLess(grown, whole * 0.6, f"the list has {whole} bytes")

    def test_arrives_whole_by_nodes_and_flat(self):
        answer = self.shared.get("/_tasks?actions=big/*&detailed")
        self.assertEqual(answer.header("Transfer-Encoding"), "chunked")
        self.assert_header(answer, 4, 0)
        listed = [key for node in answer.json["nodes"].values() for key in node["tasks"]]
        self.assertEqual(len(listed), len(self.ids))
        self.assertEqual(set(listed), self.ids)
        self.assertEqual(list(answer.json), ["nodes", "node_failures"])
        self.assert_only_a_part_was_held()
        flat = self.shared.get("/_tasks?actions=big/*&group_by=none").json["tasks"]
        self.assertEqual(len(flat), len(self.ids))

    def test_pages_lead_from_one_to_the_next(self):
        listed = []
        query = "/_tasks?actions=big/*&size=2000"
        after = ""
        while True:
            page = self.shared.get(query + after).json
            listed += [key for node in page["nodes"].values() for key in node["tasks"]]
            if "next" not in page:
                break
            after = "&after=" + page["next"]
        self.assertEqual(len(listed), len(self.ids))
        self.assertEqual(set(listed), self.ids)

    def test_an_unread_list_costs_a_part_and_holds_up_nobody(self):
        host, port = self.shared.address.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as reader:
            reader.sendall(b"GET /_tasks?actions=big/*&detailed HTTP/1.1\r\nHost: localhost\r\n\r\n")
            first = reader.recv(1000)
            self.assertTrue(first.startswith(b"HTTP/1.1 200"), first)
            # It reads no more; others do what they came for.
            victim = sorted(self.ids)[0]
            answer = self.shared.post(f"/_tasks/{victim}/_cancel")
            self.assertEqual(answer.json["node_failures"], [])
            until(lambda: self.shared.get(f"/_tasks/{victim}").json["task"]["cancelled"],
                  "the cancel has arrived")
            self.assert_only_a_part_was_held()
        self.shared.until_answering(4)


if __name__ == "__main__":
    quelltest.main()
