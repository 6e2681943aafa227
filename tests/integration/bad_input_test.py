"""Goal: broken, oversized and hostile input gets a clear error that names the thing and the
remedy, with the right status or exit code; nothing is lost and everybody else is served.
Method: raw sockets and real daemons with wrong flags, taken ports, sockets and directories, copied
and full disks."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading

import quelltest
from quelltest import COORDINATOR, NODE, SLEEPER, alive, http_call, raw_call, until, until_gone

SDK = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "sdk"))


class HttpTest(quelltest.SharedClusterCase):
    NAMES = ["a"]

    def refused(self, answer, status, *words):
        self.assertEqual(answer.status, status, answer)
        body = answer.json
        self.assertEqual(body["status"], status)
        reason = body["error"]["reason"] if isinstance(body["error"], dict) else body["error"]
        for word in words:
            self.assertIn(word, reason)
        return body

    def still_well(self):
        self.assert_header(self.shared.get("/_tasks"), selected=2, failed=0)

    def test_an_unknown_parameter_is_refused_with_the_nearest_known_one(self):
        for method, path, wrong, near in (("GET", "/_tasks", "detaild", "detailed"),
                                          ("GET", "/_tasks", "node", "nodes"),
                                          ("POST", "/_tasks/_cancel", "action", "actions")):
            self.refused(self.shared.call(method, f"{path}?{wrong}=true"), 400, f"[{wrong}]",
                         f"[{near}]")
        self.refused(self.shared.get("/quell/v1/nodes?x=1"), 400, "x")

    def test_a_cancel_with_a_misspelt_filter_cancels_nothing(self):
        job = self.job("a", *SLEEPER, flags=["--action", "safe/a"])
        [pid] = job.pids()
        task = self.shared.task_of("safe/a")
        for query in ("node=a", "actions=", "nodes=", "parent_task_id=", "task_id=", "acitons=safe/*",
                      "actions=safe/*&detailed=true", "nodes=a&timeout=0",
                      "nodes=a&timeout=61s", "nodes=a&grace=-1s",
                      "nodes=a&reason=" + "r" * 257):
            answer = self.shared.post("/_tasks/_cancel?" + query)
            self.assertEqual(answer.status, 400, (query, answer))
            self.assertIsNone(answer.header("Quell-Operation"))
        self.assertTrue(alive(pid))
        self.assertFalse(self.shared.tasks()[task]["cancelled"])

    def test_a_cancel_whose_filter_stands_in_the_body_cancels_nothing(self):
        job = self.job("a", *SLEEPER, flags=["--action", "body/a"])
        [pid] = job.pids()
        task = self.shared.task_of("body/a")
        for profile in ("documented", "strict"):
            for path in ("/_tasks/_cancel", "/_tasks/_cancel?nodes=a", f"/_tasks/{task}/_cancel"):
                for body in ('{"actions":"nothing/*"}', "{", '["x"]'):
                    answer = self.shared.post(path, body=body, headers={
                        "Content-Type": "application/json", "Quell-Profile": profile})
                    self.refused(answer, 400, "does not support having a body")
                    self.assertIsNone(answer.header("Quell-Operation"))
            answer = self.shared.post("/_tasks/_cancel", body="actions=nothing", headers={
                "Content-Type": "application/x-www-form-urlencoded", "Quell-Profile": profile})
            self.assertEqual(answer.status, 406)
        json_type = {"Content-Type": "application/json"}
        named = self.shared.post("/_tasks/_cancel", body='{"actions":"x"}', headers=json_type)
        self.refused(named, 400, "[actions] must stand in the query", "/_tasks/_cancel?actions=...")
        for path in ("/_tasks", "/_cat/tasks", "/quell/v1/tasks", "/quell/v1/nodes"):
            answer = self.shared.call("GET", path, body='{"actions":"x"}', headers=json_type)
            self.assertEqual(answer.status, 400, (path, answer))
        self.assertTrue(alive(pid))
        self.assertFalse(self.shared.tasks()[task]["cancelled"])

    def test_input_that_a_list_would_not_read_is_refused(self):
        for query in ("actions=", "nodes=", "nodes", "parent_task_id=", "actions=a&actions=b",
                      "Actions=a", "actions=%FF"):
            for path in ("/_tasks", "/_cat/tasks", "/quell/v1/tasks"):
                self.assertEqual(self.shared.get(f"{path}?{query}").status, 400, (path, query))
        for query in ("pretty", "format=yaml", "filter_path=nodes"):
            self.refused(self.shared.get("/quell/v1/tasks?" + query), 400, query.split("=")[0])

    def test_a_reason_that_is_no_text_is_refused_and_every_node_stays_well(self):
        answer = self.shared.post("/_tasks/_cancel?actions=none/*&reason=" + "%FF" * 200)
        self.refused(answer, 400, "UTF-8")
        self.still_well()

    def test_what_the_local_api_does_not_read_is_refused(self):
        local_api = self.shared.nodes["a"]["socket"]
        for path, body, word in (("/v1/tasks?parent=x:1", '{"action":"x"}', "[parent]"),
                                 ("/v1/tasks", '{"action":"x","key":""}', "key"),
                                 ("/v1/tasks", '{"action":"x","Key":"k"}', "unknown key"),
                                 ("/v1/tasks", '{"action":"a\\u0000b"}', "control character")):
            self.refused(http_call(local_api, "POST", path, body), 400, word)
        self.refused(http_call(local_api, "GET", "/v1/node", '{"x":1}'), 400, "body")

    def test_a_parent_that_nobody_can_be_is_refused_and_hides_no_node(self):
        local_api = self.shared.nodes["a"]["socket"]
        for parent in ("A" * 22 + ":3", "-" + "A" * 20 + "Q:3", "A" * 21 + "Q:9007199254740992"):
            body = json.dumps({"action": "zero/a", "parent": parent})
            self.refused(http_call(local_api, "POST", "/v1/tasks", body), 400, "malformed task id")
            program = ("import sys, quell_task as q\n"
                       f"context = q.Context.extract({{'Quell-Task-Id': {parent!r}}})\n"
                       "with q.start('zero/served', context=context): sys.stdin.read()")
            env = {**self.shared.environment("a"), "PYTHONPATH": os.path.join(SDK, "python")}
            with subprocess.Popen([sys.executable, "-c", program], env=env,
                                  stdin=subprocess.PIPE) as served:
                task = self.shared.task_of("zero/served")
                self.assertNotIn("parent_task_id", self.shared.tasks()[task])
                self.still_well()
                served.stdin.close()
                self.assertEqual(served.wait(30), 0)
            until(lambda: task not in self.shared.tasks(), "the served request has ended")

    def test_the_libraries_take_the_ids_that_a_node_takes(self):
        """The C library's part is in entrances_test.cc."""
        good = [f"oTUltX4IQMOUUVeiohTt8A:{number}" for number in (1, 42, 9007199254740991)]
        bad = ["A" * 22 + ":3", "-TUltX4IQMOUUVeiohTt8A:1", "oTUltX4IQMOUUVeiohTt8B:1",
               "oTUltX4IQMOUUVeiohTt8A:0", "oTUltX4IQMOUUVeiohTt8A:01",
               "oTUltX4IQMOUUVeiohTt8A:9007199254740992", "oTUltX4IQMOUUVeiohTt8A:9999999999999999",
               "oTUltX4IQMOUUVeiohTt8A:1\n", "n1:1", ""]
        local_api = self.shared.nodes["a"]["socket"]
        for parent in good + bad:
            body = json.dumps({"action": "ids/a", "parent": parent})
            answer = http_call(local_api, "POST", "/v1/tasks", body)
            self.assertEqual(answer.status, 200 if parent in good else 400, (parent, answer))
        ids = json.dumps(good + bad)
        python = ("import json, quell_task as q\n"
                  f"ids = json.loads({ids!r})\n"
                  "print(json.dumps([q.Context.extract({'quell-task-id': i}).task for i in ids]))")
        env = {**os.environ, "PYTHONPATH": os.path.join(SDK, "python")}
        programs = [[sys.executable, "-c", python]]
        if shutil.which("node"):
            module = os.path.join(SDK, "node", "quell-task.mjs")
            programs.append(["node", "--input-type=module", "-e",
                             f"import {{ Context }} from {json.dumps(module)};"
                             f"const seen = {ids}.map((id) => Context.extract({{'quell-task-id': id}}).task);"
                             "console.log(JSON.stringify(seen));"])
        for program in programs:
            seen = json.loads(subprocess.run(program, env=env, check=True, text=True,
                                             stdout=subprocess.PIPE, timeout=60).stdout)
            self.assertEqual(seen, good + [""] * len(bad), program[0])

    def test_malformed_ids_are_400_and_name_the_id(self):
        for text in ("nonsense", "a:", "a:x", "a:9223372036854775808", "a:1x"):
            path = text.replace(":", "%3A")
            self.refused(self.shared.get(f"/_tasks/{path}"), 400, "malformed task id", text)
            self.refused(self.shared.post(f"/_tasks/{path}/_cancel"), 400, text)
            self.refused(self.shared.get(f"/_tasks?parent_task_id={path}"), 400, text)
        self.assertEqual(self.shared.get("/_tasks/unset").status, 400)

    def test_malformed_times_are_400_and_name_what_was_written(self):
        for text in ("5", "soon", "1.5s", "-5s"):
            self.refused(self.shared.get(f"/_tasks?timeout={text}"), 400, f"[{text}]")

    def test_unknown_paths_and_methods(self):
        self.assertEqual(self.shared.get("/nowhere").status, 400)
        answer = self.shared.get("/_tasks/_cancel")
        self.assertEqual((answer.status, answer.header("Allow")), (405, "POST"))
        answer = self.shared.call("PUT", "/_tasks")
        self.assertEqual(answer.status, 405)
        self.assertIn("GET", answer.header("Allow"))

    def status_of(self, data):
        received = raw_call(self.shared.address, data)
        self.assertTrue(received.startswith(b"HTTP/1.1 "), (data[:100], received[:200]))
        return int(received[9:12]), received

    def test_broken_http_gets_its_status_and_the_connection_ends(self):
        host = b"Host: 127.0.0.1\r\n"
        cases = [
            (b"GET / HTTP/1.1\r\n\r\n", 400),  # No Host.
            (b"GET / HTTP/1.1\r\n" + host + host + b"\r\n", 400),
            (b"GET / HTTP/1.1\nHost: 127.0.0.1\n\n", 400),
            (b"GET /\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n" + host + b"X: a\r\n b\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\n" + host + b"X : a\r\n\r\n", 400),
            (b"POST /_tasks/_cancel?nodes=a HTTP/1.1\r\n" + host +
             b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
            (b"POST /_tasks/_cancel?nodes=a HTTP/1.1\r\n" + host +
             b"Content-Length: -1\r\n\r\n", 400),
            (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + host + b"\r\n", 414),
            (b"GET / HTTP/1.1\r\n" + host + b"X: " + b"a" * 17000 + b"\r\n\r\n", 431),
            (b"GET / HTTP/1.1\r\n" + host + b"A: b\r\n" * 100 + b"\r\n", 431),
            (b"POST /_tasks/_cancel?nodes=a HTTP/1.1\r\n" + host +
             b"Content-Length: 99999999\r\n\r\n", 413),
            (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
            (b"POST /_tasks/_cancel?nodes=a HTTP/1.1\r\n" + host +
             b"Origin: http://evil.example\r\nContent-Length: 0\r\n\r\n", 403),
        ]
        for data, status in cases:
            with self.subTest(data=data[:80]):
                got, received = self.status_of(data)
                self.assertEqual(got, status, received[:500])
                self.assertIn(b"reason", received)
        got, received = self.status_of(
            b"POST /_tasks/_cancel?nodes=a HTTP/1.1\r\n" + host +
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
        self.assertIn(got, (400, 411, 501), received)
        self.still_well()

    def test_a_request_behind_a_refused_one_is_not_carried_out(self):
        job = self.job("a", *SLEEPER, flags=["--action", "smuggle/a"])
        [pid] = job.pids()
        task = self.shared.task_of("smuggle/a")
        inner = (b"POST /_tasks/_cancel?actions=smuggle/* HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                 b"Content-Length: 0\r\n\r\n")
        received = raw_call(self.shared.address,
                            b"POST /_tasks/_cancel?nodes=nosuch HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
                            inner)
        self.assertEqual(received.count(b"HTTP/1.1 "), 1, received)
        self.assertFalse(self.shared.tasks()[task]["cancelled"])
        self.assertTrue(alive(pid))

    def test_many_idle_and_broken_connections_do_not_stop_the_others(self):
        host, port = self.shared.address.split(":")
        links = []
        try:
            for i in range(200):
                link = socket.create_connection((host, int(port)), timeout=10)
                links.append(link)
                if i % 2:
                    link.sendall(b"GET /_tas")
            self.still_well()
        finally:
            for link in links:
                link.close()
        self.still_well()

    def test_a_flood_of_registrations_is_bounded_and_harms_nobody(self):
        local_api = self.shared.nodes["a"]["socket"]
        job = self.job("a", *SLEEPER, flags=["--action", "flood/neighbour"])
        [pid] = job.pids()
        neighbour = self.shared.task_of("flood/neighbour")
        statuses = []
        session = None
        batch = json.dumps([{"action": "flood/x"}] * 500)
        for _ in range(60):  # More than one user may have.
            headers = {"Content-Type": "application/json"}
            if session:
                headers["Quell-Session"] = session
            answer = http_call(local_api, "POST", "/v1/tasks", batch, headers)
            statuses.append(answer.status)
            if answer.status != 200:
                break
            session = answer.json["session"]
        self.assertEqual(statuses[-1], 429, statuses)
        self.assertIn("20000", answer.json["error"]["reason"].replace("'", "").replace(",", ""))
        listed = self.shared.tasks("actions=flood/*")
        self.assertIn(neighbour, listed)
        self.assertEqual(len(listed), 500 * (len(statuses) - 1) + 1)
        done = self.shared.post("/_tasks/_cancel?actions=flood/n*")
        self.assertEqual(done.status, 200)
        until_gone([pid], "the neighbour can be cancelled in the flood")
        # The flood ends with its session: it had neither a stream nor a pid, so it is finished by
        # hand here.
        for task in self.shared.tasks("actions=flood/x"):
            http_call(local_api, "POST", f"/v1/tasks/{task}/finish", '{"outcome":"success"}',
                      {"Content-Type": "application/json", "Quell-Session": session})
        self.assertEqual(len(self.shared.tasks("actions=flood/x")), 0)

    def test_parallel_cancels_and_lists_are_all_whole(self):
        answers = []
        def ask():
            for _ in range(10):
                answers.append(self.shared.post("/_tasks/_cancel?actions=none/*"))
                answers.append(self.shared.get("/_tasks"))
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(answers), 160)
        for answer in answers:
            self.assertEqual(answer.status, 200, answer)
            self.assert_header(answer, selected=2, failed=0)


class DaemonMistakesTest(quelltest.TestCase):
    def run_once(self, *argv, timeout=60):
        return subprocess.run(argv, text=True, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=timeout, check=False)

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def coordinator(self, name="c", http="127.0.0.1:0", listen="127.0.0.1:0"):
        daemon = self.daemon(COORDINATOR, "--data", self.path(name), "--http", http, "--listen",
                             listen)
        daemon.wait_ready()
        return daemon

    def node_argv(self, folder, coordinator=None, **flags):
        coordinator = coordinator or f"127.0.0.1:{quelltest.free_port()}"
        argv = [NODE, "--name", folder, "--data", self.path(folder), "--listen", "127.0.0.1:0",
                "--coordinator", coordinator, "--socket", self.path(folder + ".sock")]
        for flag, value in flags.items():
            argv[argv.index("--" + flag) + 1] = value
        return argv

    def assert_refused(self, done, code, *words):
        self.assertEqual(done.returncode, code, (done.args, done.stdout, done.stderr))
        self.assertEqual(done.stdout, "")
        for word in words:
            self.assertIn(word, done.stderr)

    def test_wrong_flags_are_64_and_named(self):
        self.assert_refused(self.run_once(*self.node_argv("a"), "--nonsense"), 64, "nonsense")
        self.assert_refused(self.run_once(COORDINATOR, "--data", self.path("c"), "--nonsense"), 64,
                            "nonsense")
        self.assert_refused(self.run_once(COORDINATOR), 64, "--data")
        self.assert_refused(self.run_once(COORDINATOR, "--data", self.path("c"), "--http", "x"),
                            64, "x")
        self.assert_refused(self.run_once(COORDINATOR, "--data", self.path("c"),
                                          "--opensearch-profile", "lax"), 64, "lax")
        self.assert_refused(self.run_once(*self.node_argv("a", listen="127.0.0.1:" + "99999")), 64,
                            "99999")
        for name in ("a,b", "_a", "a*", "x" * 129):  # Its coordinator would refuse it for ever.
            self.assert_refused(self.run_once(*self.node_argv("a", name=name)), 64, "--name")
        self.assert_refused(self.run_once(*self.node_argv("a"), "--attr", "rack=a\nb"), 64, "--attr")

    def test_a_listener_off_loopback_is_refused_with_the_remedy(self):
        for done in (self.run_once(*self.node_argv("a", listen="0.0.0.0:0")),
                     self.run_once(COORDINATOR, "--data", self.path("c"), "--http", "0.0.0.0:0",
                                   "--listen", "127.0.0.1:0"),
                     self.run_once(COORDINATOR, "--data", self.path("c"), "--http",
                                   "127.0.0.1:0", "--listen", "0.0.0.0:0")):
            self.assertIn(done.returncode, (64, 77), done.stderr)
            self.assertIn("0.0.0.0", done.stderr)
            self.assertIn("127.0.0.1", done.stderr)

    def test_a_busy_port_is_73_and_is_not_shared(self):
        first = self.coordinator()
        http = first.ready["http"].removeprefix("http://")
        for flag, address in (("--http", http), ("--listen", first.ready["grpc"])):
            argv = [COORDINATOR, "--data", self.path("other"), "--http", "127.0.0.1:0", "--listen",
                    "127.0.0.1:0"]
            argv[argv.index(flag) + 1] = address
            self.assert_refused(self.run_once(*argv), 73, address.split(":")[1])
        done = self.run_once(*self.node_argv("a", listen=first.ready["grpc"]))
        self.assert_refused(done, 73, first.ready["grpc"].split(":")[1])
        self.assertEqual(http_call(http, "GET", "/_tasks").status, 200)

    def test_a_data_directory_of_a_running_daemon_is_73(self):
        first = self.coordinator()
        self.assert_refused(self.run_once(COORDINATOR, "--data", self.path("c"), "--http",
                                          "127.0.0.1:0", "--listen", "127.0.0.1:0"),
                            73, self.path("c"))
        node = self.daemon(*self.node_argv("a", first.ready["grpc"]))
        node.wait_ready()
        other = self.node_argv("a", first.ready["grpc"], socket=self.path("other.sock"))
        self.assert_refused(self.run_once(*other), 73, self.path("a"))

    def test_a_socket_that_is_taken_or_too_long_is_named(self):
        first = self.coordinator()
        node = self.daemon(*self.node_argv("a", first.ready["grpc"]))
        node.wait_ready()
        self.assert_refused(self.run_once(*self.node_argv("b", socket=self.path("a.sock"))), 73,
                            self.path("a.sock"))
        self.assertEqual(http_call(self.path("a.sock"), "GET", "/v1/node").json["name"], "a")
        long = self.path("x" * 120 + ".sock")
        done = self.run_once(*self.node_argv("b", socket=long))
        self.assertIn(done.returncode, (64, 73), done.stderr)
        self.assertIn("107", done.stderr)

    def test_a_socket_file_that_a_dead_node_left_is_no_hindrance(self):
        first = self.coordinator()
        argv = self.node_argv("a", first.ready["grpc"])
        node = self.daemon(*argv)
        node.wait_ready()
        node.kill()
        self.assertTrue(os.path.exists(self.path("a.sock")))
        again = self.daemon(*argv)
        again.wait_ready()
        again.wait_joined()

    def test_a_copied_data_directory_makes_a_second_node_that_is_refused(self):
        first = self.coordinator()
        node = self.daemon(*self.node_argv("a", first.ready["grpc"]))
        ready = node.wait_ready()
        node.wait_joined()
        shutil.copytree(self.path("a"), self.path("b"),
                        ignore=lambda _, names: [n for n in names if n.endswith(".sock")])
        second = self.run_once(*self.node_argv("b", first.ready["grpc"]))
        self.assertEqual(second.returncode, 78, second.stderr)
        self.assertIn(ready["id"], second.stderr)
        answer = http_call(first.ready["http"].removeprefix("http://"), "GET", "/_tasks")
        self.assertEqual(answer.header("Quell-Nodes"), "selected=2 answered=2 failed=0")

    def test_a_directory_that_may_not_be_written_is_named(self):
        path = self.path("file")
        with open(path, "w", encoding="ascii"):
            pass
        done = self.run_once(*self.node_argv("a", data=os.path.join(path, "d")))
        self.assertNotIn(done.returncode, (0, 1), done.stderr)
        self.assertIn(path, done.stderr)

    def test_a_damaged_journal_is_named_and_left_alone(self):
        first = self.coordinator()
        argv = self.node_argv("a", first.ready["grpc"])
        node = self.daemon(*argv)
        node.wait_ready()
        node.stop()
        [journal] = [name for name in os.listdir(self.path("a")) if name.endswith(".db")]
        with open(self.path("a", journal), "r+b") as file:
            file.write(b"garbage" * 600)
        for name in os.listdir(self.path("a")):
            if name.startswith(journal + "-"):
                os.remove(self.path("a", name))
        done = self.run_once(*argv)
        self.assertNotIn(done.returncode, (0, 1), done.stderr)
        self.assertIn(self.path("a", journal), done.stderr)
        with open(self.path("a", journal), "rb") as file:
            self.assertTrue(file.read().startswith(b"garbage"))


class ByHandTest(quelltest.TestCase):
    def test_daemons_start_with_flags_and_join_whoever_comes_first(self):
        port = quelltest.free_port()
        node = self.daemon(NODE, "--name", "early", "--data", os.path.join(self.directory, "n"),
                           "--coordinator", f"127.0.0.1:{port}")
        ready = node.wait_ready()  # It serves its programs before anybody coordinates it.
        self.assertEqual(ready["socket"], os.path.join(self.directory, "n", "quell.sock"))
        registered = http_call(ready["socket"], "POST", "/v1/tasks", '{"action":"alone/a"}',
                               {"Content-Type": "application/json"})
        self.assertEqual(registered.status, 200, registered)
        task = registered.json["tasks"][0]["id"]
        coordinator = self.daemon(COORDINATOR, "--data", os.path.join(self.directory, "c"),
                                  "--http", "127.0.0.1:0", "--listen", f"127.0.0.1:{port}")
        http = coordinator.wait_ready()["http"].removeprefix("http://")
        self.assertEqual(node.wait_joined()["coordinator"], coordinator.ready["id"])
        answer = http_call(http, "GET", "/_tasks?nodes=early")
        self.assertIn(task, answer.json["nodes"][ready["id"]]["tasks"])
        # A clean end: it is away, still selected, and named.
        self.assertEqual(node.stop(), 0)
        until(lambda: http_call(http, "GET", "/_tasks").header("Quell-Nodes")
              == "selected=2 answered=1 failed=1", "the node is away")
        self.assertEqual(coordinator.stop(), 0)

    def test_a_node_survives_its_coordinators_restart(self):
        def argv(data, port):
            return [COORDINATOR, "--data", os.path.join(self.directory, data), "--http",
                    "127.0.0.1:0", "--listen", f"127.0.0.1:{port}"]
        first = self.daemon(*argv("c", 0))
        port = first.wait_ready()["grpc"].split(":")[1]
        node = self.daemon(NODE, "--name", "n", "--data", os.path.join(self.directory, "n"),
                           "--coordinator", f"127.0.0.1:{port}")
        node.wait_ready()
        node.wait_joined()
        first.kill()
        second = self.daemon(*argv("c", port))
        http = second.wait_ready()["http"].removeprefix("http://")
        self.assertEqual(second.ready["id"], first.ready["id"])
        until(lambda: http_call(http, "GET", "/_tasks").header("Quell-Nodes")
              == "selected=2 answered=2 failed=0", "the node is back", 60)


class FullDiskTest(quelltest.TestCase):
    """A file system of a few hundred kilobytes, filled up."""

    def setUp(self):
        super().setUp()
        self.small = os.path.join(self.directory, "small")
        os.mkdir(self.small)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", self.small],
                                 capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            self.skipTest(f"cannot mount a small file system: {mounted.stderr.strip()}")
        self.addCleanup(self.unmount)

    def unmount(self):
        until(lambda: subprocess.run(["umount", self.small], capture_output=True,
                                     check=False).returncode == 0, "unmounted")

    def fill(self):
        with open(os.path.join(self.small, "ballast"), "ab", buffering=0) as file:
            size = 65536
            while size >= 1:
                try:
                    if file.write(b"x" * size) < size:
                        size //= 2
                except OSError:
                    size //= 2

    def empty(self):
        os.remove(os.path.join(self.small, "ballast"))

    def start(self, node_data, coordinator_data):
        coordinator = self.daemon(COORDINATOR, "--data", coordinator_data, "--http",
                                  "127.0.0.1:0", "--listen", "127.0.0.1:0")
        self.http = coordinator.wait_ready()["http"].removeprefix("http://")
        node = self.daemon(NODE, "--name", "n", "--data", node_data, "--coordinator",
                           coordinator.ready["grpc"], "--socket",
                           os.path.join(self.directory, "n.sock"))
        self.local_api = node.wait_ready()["socket"]
        node.wait_joined()
        return coordinator, node

    def register(self, count=1):
        return http_call(self.local_api, "POST", "/v1/tasks", json.dumps([{"action": "disk/x"}] * count),
                         {"Content-Type": "application/json"})

    def test_a_coordinator_that_cannot_commit_answers_no_200(self):
        small = os.path.join(self.small, "c")
        self.start(os.path.join(self.directory, "n"), small)
        task = self.register().json["tasks"][0]["id"]
        self.fill()
        answer = until(lambda: (a := http_call(self.http, "POST", f"/_tasks/{task}/_cancel"))
                       and a.status != 200 and a, "the full disk is noticed")
        self.assertIn(answer.status, (503, 507), answer)
        self.assertIn(small, answer.json["error"]["reason"])
        self.assertEqual(http_call(self.http, "GET", "/_tasks").status, 200)
        self.empty()
        answer = until(lambda: (a := http_call(self.http, "POST", f"/_tasks/{task}/_cancel"))
                       and a.status == 200 and a, "it works again once there is room")
        self.assertEqual(answer.json["node_failures"], [])

    def test_a_node_that_cannot_journal_says_so_and_its_cancel_comes_again(self):
        small = os.path.join(self.small, "n")
        self.start(small, os.path.join(self.directory, "c"))
        registered = self.register().json
        task = registered["tasks"][0]["id"]
        self.fill()
        # Numbers that are reserved may still be given out; then there is no room for more.
        refused = until(lambda: (a := self.register(500)).status != 200 and a,
                        "a registration is refused")
        self.assertEqual(refused.status, 507, refused)
        self.assertIn(small, refused.json["error"]["reason"])
        answer = http_call(self.http, "POST", f"/_tasks/{task}/_cancel")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.header("Quell-Operation"), "the coordinator's disk is well")
        self.empty()
        until(lambda: http_call(self.http, "GET", f"/_tasks/{task}").json["task"]["cancelled"],
              "the node has recorded the cancel")
        nodes = lambda: http_call(self.http, "GET", "/quell/v1/nodes").json["nodes"]
        until(lambda: not sum(node["pending"] for node in nodes()), "nothing is pending any more")
        self.assertEqual(self.register(500).status, 200)

    def test_a_daemon_that_finds_no_room_at_its_start_says_so(self):
        self.fill()
        for argv in ([NODE, "--name", "n", "--data", os.path.join(self.small, "n"),
                      "--coordinator", f"127.0.0.1:{quelltest.free_port()}", "--socket",
                      os.path.join(self.directory, "n.sock")],
                     [COORDINATOR, "--data", os.path.join(self.small, "c"), "--http",
                      "127.0.0.1:0", "--listen", "127.0.0.1:0"]):
            done = subprocess.run(argv, text=True, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 74, done.stderr)
            self.assertIn(self.small, done.stderr)


if __name__ == "__main__":
    quelltest.main()
