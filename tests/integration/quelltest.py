"""What the integration tests share: a cluster of real processes, jobs on it, HTTP, and waiting for
a condition with a deadline whose failure says what was seen last.

Every test file ends with `quelltest.main()`. The binaries are taken from the folder $QUELL_BIN.
"""

import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

BIN = os.path.abspath(os.environ.get("QUELL_BIN", "build/bin"))
QUELL = os.path.join(BIN, "quell")
NODE = os.path.join(BIN, "quell-node")
COORDINATOR = os.path.join(BIN, "quell-coordinator")

DEADLINE = 30.0  # For anything that should happen soon; generous, the machine may be busy.
NODE_ID = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_-]{20}[AQgw]$")


def until(look, what, deadline=DEADLINE):
    """Calls `look` until it returns something true, and returns that. What it returned last, or
    the exception it raised, is in the failure's message."""
    end = time.monotonic() + deadline
    pause = 0.01
    while True:
        try:
            seen = look()
            if seen:
                return seen
        except Exception as error:  # pylint: disable=broad-except
            seen = repr(error)
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline} s: {what}; last seen: {seen!r}")
        time.sleep(pause)  # lint: allow(sleep): this is the suite's one helper.
        pause = min(pause * 1.5, 0.2)


def state_of(pid):
    """The letter of /proc/PID/stat; None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def alive(pid):
    """Whether the process exists and has not ended. A zombie has, once its last thread has: until
    then the process still holds its files, and with them the lock on its data directory."""
    if state_of(pid) not in (None, "Z", "X"):
        return True
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def stopped(pid):
    """Whether each of its threads has met SIGSTOP."""
    states = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="utf-8") as stat:
            states.append(stat.read().rpartition(")")[2].split()[0])
    return set(states) == {"T"}


def until_gone(pids, what, deadline=DEADLINE):
    def look():
        left = {pid: state_of(pid) for pid in pids if alive(pid)}
        if left:
            raise AssertionError(f"still there: {left}")
        return True
    until(look, what, deadline)


def kill_quietly(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def read_line(stream, deadline=60.0):
    """One line of a pipe's file object that is opened unbuffered and binary."""
    end = time.monotonic() + deadline
    line = b""
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            raise AssertionError(f"no line within {deadline} s, only {line!r}")
        byte = os.read(stream.fileno(), 1)
        if not byte:
            raise AssertionError(f"the stream ended; last seen: {line!r}")
        line += byte
    return line.decode()


# What daemons logged of turns of an executor that took long, and not only since the machine is busy.
LONG_TURNS = set()
LONG_TURN = re.compile(r"one piece of work held up all others.* cpu_ms=(\d+)")


def note_long_turns(text):
    for line in text.splitlines():
        seen = LONG_TURN.search(line)
        if seen and int(seen.group(1)) >= 50:
            LONG_TURNS.add(line)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Answer:
    """An HTTP answer; `json` is its body read, `header` takes any case."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    def header(self, name):
        return dict((key.lower(), value) for key, value in self.headers).get(name.lower())

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:2000]!r}>"


def http_call(address, method, path, body=None, headers=None, timeout=60.0):
    """`address` is host:port, or a path of a unix socket."""
    if address.startswith("/"):
        connection = http.client.HTTPConnection("localhost", timeout=timeout)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout)
        connection.sock.connect(address)
    else:
        connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def raw_call(address, data, timeout=20.0):
    """Sends bytes as they are, and returns all that comes back until the server closes."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=timeout) as link:
        try:
            link.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass
        received = b""
        try:
            while chunk := link.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
        return received


class Daemon:
    """A daemon that a test starts by hand, its ready line read."""

    def __init__(self, argv, log, env=None):
        self.argv = argv
        self.log = log
        with open(log, "ab") as file:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                            stderr=file, bufsize=0, env=env)
        self.ready = None

    def wait_ready(self):
        try:
            self.ready = json.loads(read_line(self.process.stdout))
        except AssertionError as error:
            raise AssertionError(f"{self.argv}: {error}; its log: {self.text()}") from None
        return self.ready

    def wait_joined(self):
        return json.loads(read_line(self.process.stdout))

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        note_long_turns(self.text())

    def stop(self):
        self.process.terminate()
        code = self.process.wait(20)
        self.process.stdout.close()
        return code


class Cluster:
    """A `quell dev` and the talk with it."""

    def __init__(self, directory, names=None, flags=(), env=None):
        self.directory = directory
        self.env = env
        self.names = names or ["opensearch-node1", "opensearch-node2", "opensearch-node3"]
        self.flags = list(flags)
        self.data = os.path.join(directory, "data")
        self.log = os.path.join(directory, "dev.log")
        self.process = None
        self.daemons = []
        self.jobs = []

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [QUELL, "dev", "--nodes", str(len(self.names)), "--names", ",".join(self.names),
                 "--http", "127.0.0.1:0", "--data", self.data, *self.flags],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, bufsize=0, env=self.env)
        try:
            self.ready = json.loads(read_line(self.process.stdout, 90))
        except AssertionError as error:
            self.process.kill()
            raise AssertionError(f"quell dev: {error}; its log: {self.text()}") from None
        self.http = self.ready["http"]
        self.address = self.http.removeprefix("http://")
        self.coordinator = self.ready["coordinator"]
        self.nodes = {node["name"]: node for node in self.ready["nodes"]}
        return self

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()

    def pids(self):
        return [self.coordinator["pid"]] + [node["pid"] for node in self.nodes.values()]

    def stop(self):
        """Everything down; for clean-up, whatever state it is in."""
        for job in self.jobs:
            job.destroy()
        for daemon in self.daemons:
            daemon.kill()
        if self.process is None:
            return
        for pid in self.pids() if hasattr(self, "nodes") else []:
            if state_of(pid) == "T":
                kill_quietly(pid, signal.SIGCONT)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()
        note_long_turns(self.text())

    # HTTP.

    def call(self, method, path, body=None, headers=None, timeout=60.0):
        return http_call(self.address, method, path, body, headers, timeout)

    def get(self, path, **kwargs):
        return self.call("GET", path, **kwargs)

    def post(self, path, **kwargs):
        return self.call("POST", path, **kwargs)

    def tasks(self, query="detailed=true"):
        """All tasks that are listed, by id; not those that are requests to the coordinator."""
        answer = self.get("/_tasks?" + query, headers={"Quell-Requests": "hidden"})
        if answer.status != 200:
            raise AssertionError(repr(answer))
        return {key: task for node in answer.json["nodes"].values()
                for key, task in node["tasks"].items()}

    def task_of(self, action, deadline=DEADLINE):
        """The id of the one listed task with that action."""
        def look():
            found = [key for key, task in self.tasks().items() if task["action"] == action]
            return found[0] if len(found) == 1 else None
        return until(look, f"a task {action} is listed", deadline)

    def record(self, task):
        answer = self.get("/quell/v1/tasks/" + task.replace(":", "%3A"))
        return answer.json if answer.status == 200 else None

    def until_listed(self, count, query="detailed=true"):
        return until(lambda: (tasks := self.tasks(query)) and len(tasks) == count and tasks,
                     f"{count} tasks are listed for {query}")

    # Commands.

    def environment(self, node=None):
        env = {key: value for key, value in os.environ.items() if not key.startswith("QUELL_")}
        env["QUELL_HTTP"] = self.http
        if node:
            env["QUELL_SOCKET"] = self.nodes[node]["socket"]
        return env

    def quell(self, *arguments, timeout=90, node=None):
        return subprocess.run([QUELL, *arguments], env=self.environment(node), text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout,
                              check=False)

    def popen(self, *arguments):
        """A `quell` that goes on while the test does."""
        return subprocess.Popen([QUELL, *arguments], env=self.environment(), text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def run(self, node, *command, flags=(), **kwargs):
        """A job on a node: `quell run FLAGS -- COMMAND`."""
        job = Job(self.environment(node), flags, command, self.directory, **kwargs)
        self.jobs.append(job)
        return job

    # Daemons.

    def kill_node(self, name, number=signal.SIGKILL):
        pid = self.nodes[name]["pid"]
        os.kill(pid, number)
        if number == signal.SIGKILL:
            until_gone([pid], f"{name} is gone after SIGKILL")
        elif number == signal.SIGSTOP:
            until(lambda: stopped(pid), f"{name} has stopped")

    def start_again(self, what):
        """`what`: a node or the coordinator as the ready line has it."""
        daemon = Daemon(what["argv"], os.path.join(self.directory, "again.log"))
        self.daemons.append(daemon)
        ready = daemon.wait_ready()
        what.update({key: ready[key] for key in ("pid", "argv", "grpc")})
        return daemon

    def until_answering(self, count):
        """`count` nodes are selected and all of them answer."""
        wanted = f"selected={count} answered={count} failed=0"
        until(lambda: (seen := self.get("/_tasks").header("Quell-Nodes")) == wanted or seen == ""
              or None, f"{count} nodes answer", 60)


class Job:
    """A `quell run` with a shell script or a command, its processes known by their pids."""

    COUNT = 0

    def __init__(self, env, flags, command, directory, stdin=subprocess.DEVNULL, program=QUELL,
                 **kwargs):
        Job.COUNT += 1
        self.pid_file = os.path.join(directory, f"pids{Job.COUNT}")
        env = dict(env, PIDS=self.pid_file)
        self.process = subprocess.Popen(
            [program, "run", *flags, "--", *command], env=env, stdin=stdin,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)

    def pids(self, count=1):
        """What the job has written to $PIDS, one pid a line, once there are `count`."""
        def look():
            if not os.path.exists(self.pid_file):
                return None
            with open(self.pid_file, encoding="ascii") as file:
                pids = [int(line) for line in file.read().splitlines()]
            return pids if len(pids) >= count else None
        return until(look, f"the job has written {count} pids")

    def wait(self, timeout=DEADLINE):
        return self.process.wait(timeout)

    def output(self, timeout=DEADLINE):
        out, err = self.process.communicate(timeout=timeout)
        return out.decode(), err.decode()

    def destroy(self):
        pids = []
        if os.path.exists(self.pid_file):
            with open(self.pid_file, encoding="ascii") as file:
                pids = [int(line) for line in file.read().splitlines()]
        for pid in pids:
            # Only what still carries this job's own mark: a pid may be somebody else's by now.
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if f"PIDS={self.pid_file}".encode() in file.read().split(b"\0"):
                        kill_quietly(pid)
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                pass
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdout, self.process.stderr, self.process.stdin):
            if stream:
                stream.close()


# A script that notes its pid and sleeps, and one that does so and ignores SIGTERM.
SLEEPER = ("sh", "-c", "echo $$ >>$PIDS; exec sleep 1000")
STUBBORN = ("sh", "-c", "trap '' TERM; echo $$ >>$PIDS; while :; do sleep 1000; done")


class TestCase(unittest.TestCase):
    """Has a directory for each test, and makes clusters that are taken down with it."""

    maxDiff = None

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="quell-it.")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def cluster(self, names=None, flags=()):
        cluster = Cluster(self.directory, names, flags)
        self.addCleanup(cluster.stop)
        return cluster.start()

    def daemon(self, *argv):
        daemon = Daemon(list(argv), os.path.join(self.directory, "daemon.log"))
        self.addCleanup(daemon.kill)
        return daemon

    def assert_header(self, answer, selected, failed):
        self.assertEqual(answer.header("Quell-Nodes"),
                         f"selected={selected} answered={selected - failed} failed={failed}")


class SharedClusterCase(TestCase):
    """One cluster for all tests of the class: they must leave it as it was."""

    NAMES = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.shared_directory = tempfile.mkdtemp(prefix="quell-it.")
        cls.addClassCleanup(shutil.rmtree, cls.shared_directory, ignore_errors=True)
        cls.shared = Cluster(cls.shared_directory, cls.NAMES)
        cls.addClassCleanup(cls.shared.stop)
        cls.shared.start()

    def job(self, node, *command, flags=(), **kwargs):
        job = self.shared.run(node, *command, flags=flags, **kwargs)
        self.addCleanup(job.destroy)
        return job


def main():
    """Runs the file's tests. None at all is a failure. Long turns of the daemons' executors are
    reported; with QUELL_LONG_TURNS=fail they are a failure too."""
    for binary in (QUELL, NODE, COORDINATOR):
        if not os.access(binary, os.X_OK):
            sys.exit(f"{binary} is not there: set QUELL_BIN to the folder with the binaries")
    program = unittest.main(exit=False, verbosity=2)
    if program.result.testsRun == 0:
        sys.exit("no test was run")
    for line in sorted(LONG_TURNS):
        print("long turn:", line, file=sys.stderr)
    failed = LONG_TURNS and os.environ.get("QUELL_LONG_TURNS") == "fail"
    sys.exit(bool(failed) or not program.result.wasSuccessful())
