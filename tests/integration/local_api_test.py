"""Goal: with curl alone a program registers a task, sees its cancel arrive, and finishes it; what
it must not do is refused with a reason.
Method: curl as a child process on the node's unix socket, against a real cluster."""

import json
import os
import subprocess
import unittest

import quelltest
from quelltest import until


def curl(socket, path, *arguments, body=None):
    """Status and body."""
    command = ["curl", "-sS", "--max-time", "30", "--unix-socket", socket, "-w", "\n%{http_code}",
               *arguments]
    if body is not None:
        command += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    done = subprocess.run([*command, "http://localhost" + path], text=True, capture_output=True,
                          timeout=60, check=True)
    text, status = done.stdout.rsplit("\n", 1)
    return int(status), text


class CurlTest(quelltest.SharedClusterCase):
    NAMES = ["a", "b"]

    def setUp(self):
        super().setUp()
        self.socket = self.shared.nodes["a"]["socket"]

    def register(self, *tasks, session=None):
        headers = ["-H", f"Quell-Session: {session}"] if session else []
        status, text = curl(self.socket, "/v1/tasks", *headers,
                            body=list(tasks) if len(tasks) != 1 else tasks[0])
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def finish(self, task, session, outcome="success"):
        return curl(self.socket, f"/v1/tasks/{task}/finish", "-H", f"Quell-Session: {session}",
                    body={"outcome": outcome})

    def stream(self, session):
        process = subprocess.Popen(
            ["curl", "-sSN", "--unix-socket", self.socket,
             f"http://localhost/v1/sessions/{session}/commands"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def test_register_stream_cancel_report_finish(self):
        registered = self.register({"action": "curl/one", "description": "by hand",
                                    "status": {"phase": 1}})
        session = registered["session"]
        [entry] = registered["tasks"]
        task = entry["id"]
        self.assertIsNone(entry["cancel"])
        listed = self.shared.tasks()[task]
        self.assertEqual(listed["action"], "curl/one")
        self.assertEqual(listed["description"], "by hand")
        self.assertEqual(listed["status"], {"phase": 1})

        stream = self.stream(session)
        answer = self.shared.post(f"/_tasks/{task}/_cancel?reason=enough")
        self.assertEqual(answer.json["node_failures"], [])
        line = ""
        while not line.strip():  # Empty lines keep the stream alive.
            line = quelltest.read_line(stream.stdout)
        command = json.loads(line)["cancel"]
        self.assertEqual(command["task"], task)
        self.assertEqual(command["reason"], "enough")
        self.assertEqual(command["intent"], answer.header("Quell-Operation"))
        self.assertEqual(command["grace_in_millis"], 10000)
        self.assertIn(task, self.shared.tasks(), "recorded is not stopped")

        status, text = curl(self.socket, f"/v1/tasks/{task}/report", "-H",
                            f"Quell-Session: {session}",
                            body={"stopping": True, "status": {"phase": 2}})
        self.assertEqual(status, 200, text)
        self.assertEqual(json.loads(text)["cancel"]["intent"], command["intent"])
        record = self.shared.record(task)
        self.assertEqual(record["task"]["state"], "stopping")
        self.assertEqual(record["task"]["status"], {"phase": 2})

        status, text = self.finish(task, session, "cancelled")
        self.assertEqual(status, 200, text)
        self.assertEqual(json.loads(text), {})
        self.assertNotIn(task, self.shared.tasks())
        record = self.shared.record(task)
        self.assertTrue(record["ended"])
        self.assertEqual(record["task"]["state"], "cancelled")

    def test_every_outcome_has_its_state(self):
        for outcome, state in (("success", "succeeded"), ("failure", "failed"),
                               ("cancelled", "cancelled"), ("timeout", "expired")):
            with self.subTest(outcome=outcome):
                registered = self.register({"action": "curl/outcome"})
                task = registered["tasks"][0]["id"]
                self.assertEqual(self.finish(task, registered["session"], outcome)[0], 200)
                self.assertEqual(self.shared.record(task)["task"]["state"], state)

    def test_a_batch_is_registered_whole_or_not_at_all(self):
        registered = self.register({"action": "batch/a"}, {"action": "batch/b"})
        first, second = (task["id"] for task in registered["tasks"])
        self.assertEqual(set(self.shared.tasks("actions=batch/*")), {first, second})
        status, text = curl(self.socket, "/v1/tasks",
                            body=[{"action": "batch/c"}, {"action": ""}])
        self.assertEqual(status, 400, text)
        self.assertEqual(len(self.shared.tasks("actions=batch/*")), 2)
        for task in (first, second):
            self.finish(task, registered["session"])

    def test_a_child_of_a_cancelled_task_is_born_cancelled(self):
        registered = self.register({"action": "born/parent"})
        parent, session = registered["tasks"][0]["id"], registered["session"]
        self.shared.post(f"/_tasks/{parent}/_cancel?reason=why")
        child = self.register({"action": "born/child", "parent": parent}, session=session)
        cancel = child["tasks"][0]["cancel"]
        self.assertEqual(cancel["reason"], "why")
        for task in (parent, child["tasks"][0]["id"]):
            self.finish(task, session, "cancelled")

    def test_a_parent_that_nobody_knows_is_left_out_and_the_answer_says_so(self):
        unknown = self.shared.nodes["a"]["id"] + ":9000000"
        known = self.register({"action": "known/parent"})
        session, parent = known["session"], known["tasks"][0]["id"]
        batch = self.register({"action": "child/one", "parent": parent}, {"action": "child/two", "parent": unknown},
                              session=session)["tasks"]
        self.assertNotIn("warning", batch[0])
        self.assertEqual(batch[1]["warning"]["type"], "parent_not_found")
        self.assertIn(unknown, batch[1]["warning"]["reason"])
        listed = self.shared.tasks()
        self.assertEqual(listed[batch[0]["id"]]["parent_task_id"], parent)
        self.assertNotIn("parent_task_id", listed[batch[1]["id"]])
        for task in (batch[0]["id"], batch[1]["id"], parent):
            self.finish(task, session)

    def test_each_thing_that_is_not_known_has_a_type_of_its_own(self):
        unknown = self.shared.nodes["a"]["id"] + ":9000000"
        session = ("-H", "Quell-Session: AbcdefghijklmnopqrstuQ")
        for wanted, path, body, flags in (
                ("task_not_found", f"/v1/tasks/{unknown}/report", {}, ()),
                ("task_not_found", f"/v1/tasks/{unknown}/finish", {"outcome": "success"}, ()),
                ("parent_not_found", "/v1/tasks", {"action": "x", "parent": unknown, "parent_required": True}, ()),
                ("session_not_found", "/v1/tasks", {"action": "x"}, session),
                ("session_not_found", "/v1/sessions/AbcdefghijklmnopqrstuQ/commands", None, ()),
                ("not_found", "/nowhere", {}, ())):
            status, text = curl(self.socket, path, *flags, body=body)
            self.assertEqual((status, json.loads(text)["error"]["type"]), (404, wanted), path)

    def test_a_session_lives_by_the_pid_it_named_and_its_task_is_lost_with_it(self):
        sleeper = subprocess.Popen(["sleep", "1000"])
        self.addCleanup(sleeper.wait)
        self.addCleanup(sleeper.kill)
        task = self.register({"action": "pid/a", "pid": sleeper.pid})["tasks"][0]["id"]
        self.assertIn(task, self.shared.tasks())
        sleeper.kill()
        sleeper.wait()
        record = until(lambda: (r := self.shared.record(task)) and r["ended"] and r,
                       "the task ends with its pid")
        self.assertEqual(record["task"]["state"], "lost")

    def test_a_second_cancel_is_not_a_second_command(self):
        registered = self.register({"action": "twice/a"})
        task, session = registered["tasks"][0]["id"], registered["session"]
        first = self.shared.post(f"/_tasks/{task}/_cancel")
        second = self.shared.post(f"/_tasks/{task}/_cancel")
        self.assertEqual(second.status, 200)
        self.assertEqual(first.header("Quell-Operation"), second.header("Quell-Operation"))
        times = [task_["cancellation_time_millis"] for answer in (first, second)
                 for node in answer.json["nodes"].values() for task_ in node["tasks"].values()]
        self.assertEqual(len(set(times)), 1, "the first mark is kept")
        self.finish(task, session, "cancelled")

    def test_what_a_program_must_not_do_is_refused_with_a_reason(self):
        registered = self.register({"action": "wrong/base"})
        task, session = registered["tasks"][0]["id"], registered["session"]
        self.addCleanup(self.finish, task, session)
        node = task.split(":")[0]
        cases = [
            (400, "/v1/tasks", {"description": "no action"}, "action"),
            (400, "/v1/tasks", {"action": "x", "colour": "red"}, "colour"),
            (400, "/v1/tasks", {"action": "x" * 129}, "128"),
            (400, "/v1/tasks", {"action": "x", "description": "d" * 4097}, "4096"),
            (400, "/v1/tasks", {"action": "x", "status": [1]}, "status"),
            (400, "/v1/tasks", {"action": "x", "parent": "nonsense"}, "nonsense"),
            (404, "/v1/tasks", {"action": "x", "parent": f"{node}:9000000", "parent_required": True}, "9000000"),
            (400, "/v1/tasks", {"action": "x", "pid": -5}, "pid"),
            (400, f"/v1/tasks/{task}/finish", {"outcome": "splendid"}, "success, failure"),
            (404, f"/v1/tasks/{node}:9000000/finish", {"outcome": "success"}, "9000000"),
            (400, "/v1/tasks/nonsense/finish", {"outcome": "success"}, "nonsense"),
        ]
        for status, path, body, word in cases:
            with self.subTest(path=path, body=str(body)[:60]):
                got, text = curl(self.socket, path, body=body)
                self.assertEqual(got, status, text)
                error = json.loads(text)
                self.assertEqual(error["status"], status)
                self.assertIn(word, error["error"]["reason"])
        status, text = curl(self.socket, "/v1/tasks", "-H", "Content-Type: application/json",
                            "-d", '{"action":')
        self.assertEqual(status, 400, text)
        status, text = curl(self.socket, "/v1/sessions/nonsense/commands")
        self.assertIn(status, (400, 404), text)
        status, text = curl(self.socket, "/nowhere")
        self.assertEqual(status, 404, text)

    @unittest.skipUnless(os.getuid() == 0, "needs root to be somebody else")
    def test_another_user_cannot_finish_a_task_without_its_session(self):
        registered = self.register({"action": "other/a"})
        task, session = registered["tasks"][0]["id"], registered["session"]
        # The socket is for its owner and group; opened here, so that the rule behind it is tested.
        os.chmod(self.socket, 0o666)
        self.addCleanup(os.chmod, self.socket, 0o660)
        for folder in (self.shared_directory, self.shared.data, os.path.dirname(self.socket)):
            os.chmod(folder, 0o755)
        done = subprocess.run(
            ["curl", "-sS", "--unix-socket", self.socket, "-d", '{"outcome":"success"}', "-H",
             "Content-Type: application/json", "-w", "%{http_code}", "-o", "/dev/null",
             f"http://localhost/v1/tasks/{task}/finish"],
            user=65534, group=65534, text=True, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.stdout, "403", done.stderr)
        self.assertEqual(self.finish(task, session)[0], 200)


if __name__ == "__main__":
    quelltest.main()
