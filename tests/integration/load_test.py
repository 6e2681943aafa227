"""Goal: whoever asks for much, sends nothing, or does not read, costs a bounded part of a daemon and
holds up nobody; a cancel gets through all the same.
Method: real daemons with many tasks of long texts; clients that misbehave in one way each. Memory is
read from /proc and compared with the bound, not with a time."""

import json
import os
import resource
import socket

import quelltest
from quelltest import http_call, until

PER_NODE = 3000
TEXT = "x" * 4000
BATCH = 400
MIB = 1024 * 1024
HELD_MAX = 512 * MIB  # limits::kHeldMax
CONNECTIONS = 1024
LOCAL_CONNECTIONS = 5120  # limits::kLocalConnectionsMax


def memory(pid, what="VmRSS"):
    """In bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        [line] = [line for line in file if line.startswith(what + ":")]
    return int(line.split()[1]) * 1024


def open_files(pid):
    return sorted(int(name) for name in os.listdir(f"/proc/{pid}/fd"))


def dial(address):
    if address.startswith("/"):
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(30)
        link.connect(address)
        return link
    host, port = address.rsplit(":", 1)
    link = socket.socket()
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    link.settimeout(30)
    link.connect((host, int(port)))
    return link


class LoadTest(quelltest.SharedClusterCase):
    @classmethod
    def setUpClass(cls):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = 8192 if hard == resource.RLIM_INFINITY else min(8192, hard)
        if soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        super().setUpClass()
        cls.ids = []
        for node in cls.shared.nodes.values():
            headers = {}
            for begin in range(0, PER_NODE, BATCH):
                tasks = [{"action": "load/x", "description": TEXT, "pid": os.getpid()}]
                tasks *= min(BATCH, PER_NODE - begin)
                answer = http_call(node["socket"], "POST", "/v1/tasks", json.dumps(tasks), headers)
                assert answer.status == 200, answer
                headers = {"Quell-Session": answer.json["session"]}
                cls.ids += [task["id"] for task in answer.json["tasks"]]

    def setUp(self):
        super().setUp()
        self.links = []
        self.addCleanup(lambda: [link.close() for link in self.links])

    def dial(self, address, data=b""):
        link = dial(address)
        self.links.append(link)
        if data:
            link.sendall(data)
        return link

    def unread(self, method, target, count):
        """So many clients ask, read the first line, and then nothing. Its statuses."""
        request = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        links = [self.dial(self.shared.address, request.encode()) for _ in range(count)]
        statuses = []
        for link in links:
            link.settimeout(60)
            statuses.append(int(link.recv(12, socket.MSG_WAITALL).split()[1]))
        return statuses

    def assert_a_cancel_gets_through(self):
        answer = self.shared.post(f"/_tasks/{self.ids.pop()}/_cancel?timeout=60s")
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["node_failures"], [])

    def test_unread_lists_cost_the_budget_and_no_more(self):
        coordinator = self.shared.coordinator["pid"]
        before = memory(coordinator)
        statuses = self.unread("GET", "/_tasks?detailed&group_by=parents&actions=load/*&timeout=60s", 48)
        # On a slow machine the first ones are cut off before the last ones ask, and none is refused.
        self.assertLessEqual(set(statuses), {200, 429})
        grown = memory(coordinator, "VmHWM") - before
        whole = len(self.ids) * len(TEXT) * len(statuses)
        self.assertLess(grown, HELD_MAX + 256 * MIB, f"all answers together are {whole} bytes")
        self.assertGreater(whole, 2 * (HELD_MAX + 256 * MIB))
        self.assert_a_cancel_gets_through()
        self.assertEqual(self.shared.get("/_tasks?size=10").status, 200)
        for link in self.links:
            link.close()
        until(lambda: self.shared.get("/_tasks?detailed&group_by=parents&actions=load/*&timeout=60s").status
              == 200, "the share of clients that have gone is free")

    def test_unread_cancels_are_shortened_and_never_refused(self):
        coordinator = self.shared.coordinator["pid"]
        before = memory(coordinator)
        statuses = self.unread("POST", "/_tasks/_cancel?actions=load/*&timeout=60s", 48)
        self.assertEqual(set(statuses), {200})
        grown = memory(coordinator, "VmHWM") - before
        self.assertLess(grown, HELD_MAX + 256 * MIB)
        # What is said of the cancel is whole, what it shows is not.
        answer = self.shared.post("/_tasks/_cancel?actions=load/*&timeout=60s")
        self.assertEqual(answer.status, 200)
        self.assert_header(answer, 4, 0)
        # It is shortened, unless those who did not read have been cut off already.
        omitted = int((answer.header("Quell-Shortened") or "omitted=0").removeprefix("omitted="))
        shown = sum(len(node["tasks"]) for node in answer.json["nodes"].values())
        self.assertGreaterEqual(shown + omitted, len(self.ids) // 2)
        self.assertEqual(any(node.get("incomplete") for node in answer.json["nodes"].values()), omitted > 0)

    def test_an_announced_body_costs_nothing_before_it_comes(self):
        node = next(iter(self.shared.nodes.values()))
        before = memory(node["pid"])
        for _ in range(1000):
            self.dial(node["socket"], b"POST /v1/tasks HTTP/1.1\r\nHost: localhost\r\n"
                                      b"Content-Length: 2000000\r\n\r\n[")
        task = [{"action": "load/late", "pid": os.getpid()}]
        answer = http_call(node["socket"], "POST", "/v1/tasks", json.dumps(task))
        self.assertEqual(answer.status, 200)
        self.assertLess(memory(node["pid"]) - before, 200 * MIB)

    def test_connections_that_send_nothing_make_room(self):
        idle = [self.dial(self.shared.address) for _ in range(CONNECTIONS // 2)]
        dribble = [self.dial(self.shared.address, b"POST /_tasks/_cancel?actions=none HTTP/1.1\r\n"
                                                  b"Host: localhost\r\nContent-Length: 9\r\n\r\n1")
                   for _ in range(CONNECTIONS)]
        for _ in range(5):
            self.assert_a_cancel_gets_through()
        self.assertEqual(len(idle) + len(dribble), CONNECTIONS * 3 // 2)

    def test_silent_connections_do_not_keep_programs_from_their_node(self):
        node = next(iter(self.shared.nodes.values()))
        for _ in range(LOCAL_CONNECTIONS + 200):
            self.dial(node["socket"])
        task = [{"action": "load/late", "pid": os.getpid()}]
        answer = http_call(node["socket"], "POST", "/v1/tasks", json.dumps(task))
        self.assertEqual(answer.status, 200)

    def test_what_would_take_long_is_refused_with_its_bound(self):
        for target, bound in (("/_cat/tasks?s=" + ",".join(["action"] * 570), "[64] sort keys"),
                              ("/_tasks?filter_path=" + ",".join(
                                  ".".join([f"a{i}"] + ["**", "*"] * 4) for i in range(60)),
                               "[256] steps"),
                              ("/_tasks?nodes=" + ",".join(["_all"] * 500), "more than 64")):
            answer = self.shared.get(target)
            self.assertEqual(answer.status, 400, target)
            self.assertIn(bound, answer.json["error"]["reason"])
        same = ",".join([".".join(["**", "*"] * 8)] * 64)
        answer = self.shared.get("/_tasks?size=9000&filter_path=" + same)
        self.assertEqual(answer.status, 200)
        answer = self.shared.get("/_cat/tasks?h=id&s=" + ",".join(["action"] * 64))
        self.assertEqual(answer.status, 200)


class DescriptorsTest(quelltest.TestCase):
    def test_without_descriptors_connections_make_room_or_are_told(self):
        cluster = self.cluster(["a"])
        for address, pid in ((cluster.address, cluster.coordinator["pid"]),
                             (cluster.nodes["a"]["socket"], cluster.nodes["a"]["pid"])):
            _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            idle = dial(address)
            until(lambda pid=pid: len(open_files(pid)) > 10, "it has its files open")
            idle.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 200 ", idle.recv(1000))
            # None is left: numbers from here on may not be given out.
            full = open_files(pid)[-1] + 1
            while len(open_files(pid)) < full:
                extra = dial(address)
                self.addCleanup(extra.close)
                extra.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertIn(b" 200 ", extra.recv(1000))
                full = open_files(pid)[-1] + 1
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (full, hard))
            # The idle one makes room.
            link = dial(address)
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(b" 200 ", link.recv(1000), address)
            self.assertEqual(idle.recv(1), b"")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
            idle.close()
            link.close()
        log = until(lambda: cluster.text() if "LimitNOFILE" in cluster.text() else None,
                    "meeting the limit is logged")
        self.assertLess(log.count("LimitNOFILE"), 5)


if __name__ == "__main__":
    quelltest.main()
