"""Goal: what a program does wrong at its node is bounded, refused with a reason, and harms nobody else.
Method: raw calls, bare sockets and the C library loaded by hand, beside a program that must not notice.
Another user's task is in local_api_test.py, a fork with live tasks in sdk_test.py."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import quelltest
from quelltest import until

LIBRARY = os.path.join(quelltest.BIN, "..", "lib", "libquell.so")


class BadProgramTest(quelltest.SharedClusterCase):
    NAMES = ["a", "b"]

    def setUp(self):
        super().setUp()
        self.socket = self.shared.nodes["a"]["socket"]
        good = self.register({"action": "good/one"})
        self.good, self.session = good["tasks"][0]["id"], good["session"]
        self.addCleanup(self.others_are_well)

    def call(self, path, body, session=None):
        headers = {"Quell-Session": session} if session else {}
        return quelltest.http_call(self.socket, "POST", path, json.dumps(body), headers)

    def register(self, body, session=None):
        answer = self.call("/v1/tasks", body, session)
        self.assertEqual(answer.status, 200, answer)
        return answer.json

    def refused(self, answer, status, *words):
        self.assertEqual(answer.status, status, answer)
        for word in words:
            self.assertIn(word, answer.json["error"]["reason"])

    def others_are_well(self):
        self.assertEqual(self.call(f"/v1/tasks/{self.good}/report", {"status": {"well": True}}, self.session).status,
                         200)
        self.assertIn(self.good, self.shared.tasks())
        self.assertEqual(self.call(f"/v1/tasks/{self.good}/finish", {"outcome": "success"}, self.session).status, 200)

    def test_a_flood_of_tasks_meets_the_limit_of_its_user(self):
        session = None
        registered = 0
        while True:
            answer = self.call("/v1/tasks", [{"action": "flood/task"}] * 5000, session)
            if answer.status != 200:
                break
            session = answer.json["session"]
            tasks = [task["id"] for task in answer.json["tasks"]]
            registered += len(tasks)
            self.assertLess(registered, 40000, "there is no limit")
        self.refused(answer, 429, "20000", "try again")
        # The flood is one session: its lease ends it. A cancel finds all of it.
        done = self.shared.post("/_tasks/_cancel?actions=flood/*&nodes=a", timeout=120)
        self.assertEqual(done.json["node_failures"], [])
        ends = [{"id": task, "outcome": "cancelled"} for task in self.shared.tasks("actions=flood/*")]
        for begin in range(0, len(ends), 5000):
            self.assertEqual(self.call("/v1/tasks/finish", ends[begin:begin + 5000], session).status, 200)

    def test_a_flood_of_connections_leaves_room_for_others(self):
        flood = []
        try:
            for _ in range(900):
                link = socket.socket(socket.AF_UNIX)
                flood.append(link)
                link.settimeout(5)
                link.connect(self.socket)
                link.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\n")  # And no more.
            self.assertEqual(self.call("/v1/tasks", {"action": "flood/beside"}).status, 200)
        finally:
            for link in flood:
                link.close()

    def test_forged_tokens_and_ids_open_nothing(self):
        token = "A" * 21 + "Q"
        answer = quelltest.http_call(self.socket, "GET", f"/v1/sessions/{token}/commands")
        self.refused(answer, 404, "no such session")
        self.refused(self.call("/v1/tasks", {"action": "x"}, token), 404, "no such session")
        self.refused(self.call("/v1/tasks", {"action": "x"}, "not a token"), 400, "no token")
        node, number = self.good.split(":")
        for forged in (f"{node}:{int(number) + 100000}", f"{'B' * 21}A:{number}"):
            self.refused(self.call(f"/v1/tasks/{forged}/report", {"stopping": True}), 404, "not known")
            self.refused(self.call(f"/v1/tasks/{forged}/finish", {"outcome": "success"}), 404, "not known")
        never = {"action": "x", "id": f"{node}:{int(number) + 100000}", "start_time_in_millis": 1}
        self.refused(self.call("/v1/tasks", never), 400, "never given out")

    def test_a_task_of_another_node_is_not_this_ones_to_report_on(self):
        other = quelltest.http_call(self.shared.nodes["b"]["socket"], "POST", "/v1/tasks",
                                    json.dumps({"action": "other/node"})).json["tasks"][0]["id"]
        self.refused(self.call(f"/v1/tasks/{other}/finish", {"outcome": "success"}), 404, "not known to this node")
        self.assertIn(other, self.shared.tasks())

    def test_a_stream_that_nobody_reads_holds_nobody_up(self):
        body = [{"action": "unread/task"}] * 2000
        unread = self.register(body)
        with socket.socket(socket.AF_UNIX) as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.connect(self.socket)
            link.sendall(f"GET /v1/sessions/{unread['session']}/commands HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            done = self.shared.post("/_tasks/_cancel?actions=unread/*&nodes=a&reason=" + "r" * 200)
            self.assertEqual(done.json["node_failures"], [])
            self.assertEqual(self.call("/v1/tasks", {"action": "unread/beside"}).status, 200)
        for task in unread["tasks"]:
            self.call(f"/v1/tasks/{task['id']}/finish", {"outcome": "cancelled"}, unread["session"])

    def test_a_start_in_the_future_is_refused(self):
        later = int(time.time() * 1000) + 3600_000
        self.refused(self.call("/v1/tasks", {"action": "x", "start_time_in_millis": later}), 400, "future")

    def test_a_report_after_the_finish_is_refused_and_changes_nothing(self):
        registered = self.register({"action": "done/task"})
        task, session = registered["tasks"][0]["id"], registered["session"]
        self.assertEqual(self.call(f"/v1/tasks/{task}/finish", {"outcome": "failure"}, session).status, 200)
        self.refused(self.call(f"/v1/tasks/{task}/report", {"status": {"x": 1}}, session), 409, "ended as failed")
        self.refused(self.call(f"/v1/tasks/{task}/finish", {"outcome": "success"}, session), 409, "ended as failed")
        record = self.shared.record(task)["task"]
        self.assertEqual((record["state"], record.get("status")), ("failed", None))

    def test_an_exit_in_the_middle_of_a_call_leaves_nothing_half_done(self):
        whole = json.dumps([{"action": "half/task"}] * 10).encode()
        for length in (0, 20, len(whole) - 1):
            with socket.socket(socket.AF_UNIX) as link:
                link.connect(self.socket)
                link.sendall(b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(whole)
                             + whole[:length])
        self.assertEqual(self.call("/v1/tasks", {"action": "half/beside"}).status, 200)
        self.assertEqual(self.shared.tasks("actions=half/task"), {})

    def test_a_program_that_exits_while_the_library_calls_ends_at_once(self):
        program = ("import os, sys, threading; sys.path.insert(0, sys.argv[1]); import quell_task\n"
                   "def busy():\n"
                   "    while True:\n"
                   "        quell_task.start('exit/task').finish()\n"
                   "for _ in range(3): threading.Thread(target=busy, daemon=True).start()\n"
                   "quell_task.start('exit/main')\n"
                   "sys.exit(7)\n")
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sdk", "python")
        done = subprocess.run([sys.executable, "-c", program, folder], env=self.shared.environment("a"),
                              timeout=60, check=False)
        self.assertEqual(done.returncode, 7)
        until(lambda: not self.shared.tasks("actions=exit/*"), "what it left behind is lost")

    def test_the_library_twice_in_one_program_is_two_programs(self):
        copy = shutil.copy(LIBRARY, os.path.join(self.directory, "libcopy.so"))
        program = os.path.join(self.directory, "twice.py")
        with open(program, "w", encoding="utf-8") as file:
            file.write(TWICE)
        done = subprocess.run([sys.executable, program, LIBRARY, copy], env=self.shared.environment("a"),
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, second = done.stdout.split()
        self.assertNotEqual(first, second)
        for task, state in ((first, "succeeded"), (second, "failed")):
            until(lambda: self.shared.record(task)["task"]["state"] == state,  # pylint: disable=cell-var-from-loop
                  f"{task} has {state}")


TWICE = '''
import ctypes, sys

class Options(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("action", ctypes.c_char_p), ("description", ctypes.c_char_p),
                ("context", ctypes.c_void_p), ("uncancellable", ctypes.c_int)]

tasks = []
for path in sys.argv[1:]:
    library = ctypes.CDLL(path)
    library.quell_task_start.restype = ctypes.c_void_p
    options = Options(ctypes.sizeof(Options), b"twice/task")
    task = ctypes.c_void_p(library.quell_task_start(ctypes.byref(options)))
    assert library.quell_flush(ctypes.c_uint64(10000)) == 1
    text = ctypes.create_string_buffer(64)
    library.quell_task_id(task, text, ctypes.c_size_t(64))
    print(text.value.decode())
    tasks.append((library, task))
for outcome, (library, task) in enumerate(tasks):
    library.quell_task_finish(task, outcome)
    assert library.quell_flush(ctypes.c_uint64(10000)) == 1
'''


if __name__ == "__main__":
    quelltest.main()
