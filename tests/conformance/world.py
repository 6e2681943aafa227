"""A cluster as the recordings had one, and tasks on it: three nodes and the coordinator as
processes, and programs at the nodes' local APIs that behave as the recorded tasks did.

A *listening* task ends as cancelled once it was cancelled and `settle` is called (the recorded ones
went on for about a second, long enough to be looked at), or at once while `quick` is set. A *deaf*
one goes on until its time is over, a *stubborn* one until the end.
"""

import json
import os
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "integration"))
import quelltest  # noqa: E402  pylint: disable=wrong-import-position

NODES = ["node1", "node2", "node3"]
NAME = "opensearch-{}"
UPDATE, DELETE = "indices:data/write/update/byquery", "indices:data/write/delete/byquery"
BULK, SHARD = "indices:data/write/bulk", "indices:data/write/bulk[s]"
HOLDER = {0: "node2", 1: "node1", 2: "node3"}  # Of each shard.
STATUS = {"total": 3000, "updated": 1, "batches": 1, "requests_per_second": 0.1}


class Program:
    """A session at a node's local API. `on_cancel` is called with a task's id, on a thread."""

    def __init__(self, socket_path, on_cancel):
        self.path = socket_path
        self.on_cancel = on_cancel
        self.session = None
        self.thread = None
        self.away = False
        self.unfinished = set()

    def call(self, method, path, body):
        headers = {"Quell-Session": self.session} if self.session else {}
        answer = quelltest.http_call(self.path, method, path, json.dumps(body), headers, 10)
        if answer.status != 200:
            raise AssertionError(f"{method} {path} {body}: {answer!r}")
        return answer.json

    def register(self, tasks):
        """The ids of new tasks; they end with `finish`."""
        answer = self.call("POST", "/v1/tasks", tasks)
        if self.session is None:
            self.session = answer["session"]
            self.listen()
        ids = [task["id"] for task in answer["tasks"]]
        self.unfinished.update(ids)
        return ids

    def finish(self, task, outcome):
        self.call("POST", f"/v1/tasks/{task}/finish", {"outcome": outcome})
        self.unfinished.discard(task)

    def finish_all(self):
        """Those that ended while the node was away too."""
        for task in list(self.unfinished):
            try:
                self.finish(task, "failure")
            except AssertionError:
                self.unfinished.discard(task)  # Registered too late to be journaled before the end.

    def listen(self):
        connection = quelltest.http.client.HTTPConnection("localhost")
        connection.sock = quelltest.socket.socket(quelltest.socket.AF_UNIX)
        connection.sock.connect(self.path)
        connection.request("GET", f"/v1/sessions/{self.session}/commands",
                           headers={"Quell-Session": self.session})
        response = connection.getresponse()

        def read():
            try:
                while line := response.readline():
                    if line.strip():
                        self.on_cancel(json.loads(line)["cancel"]["task"])
            except (OSError, ValueError, quelltest.http.client.HTTPException):
                pass
        self.thread = threading.Thread(target=read, daemon=True)
        self.thread.start()


class Task:
    """One task of a program, and what ends with it."""

    def __init__(self, program, ident, deaf, parent=None):
        self.program = program
        self.id = ident
        self.deaf = deaf
        self.stubborn = False
        self.parts = []
        if parent:
            parent.parts.append(self)

    def hears(self):
        """Whether it was cancelled, asked of the node; not while the node is away."""
        if self.program.away:
            return False
        try:
            report = self.program.call("POST", f"/v1/tasks/{self.id}/report", {})
        except (OSError, AssertionError, quelltest.http.client.HTTPException):
            return False  # The node is away.
        return report["cancel"] is not None


class Tasks:
    """All tasks that run; used from several threads."""

    def __init__(self):
        self.lock = threading.RLock()
        self.programs = {}
        self.running = {}
        self.quick = False

    def connect(self, sockets):
        """`sockets`: node to the path of its local API. What ran before is forgotten."""
        with self.lock:
            self.sockets = sockets
            self.programs.clear()
            self.running.clear()

    def node_is(self, verb, node):
        """After the node's process was stopped, continued, killed or started."""
        if node in self.programs and verb in ("stop", "kill", "cont"):
            self.programs[node].away = verb != "cont"
        if verb == "start" and (program := self.programs.pop(node, None)):
            # The recorded tasks died with their server; programs outlive their daemon.
            program.finish_all()

    def program(self, node):
        if node not in self.programs:
            self.programs[node] = Program(self.sockets[node], self.on_cancel)
        return self.programs[node]

    def on_cancel(self, ident):
        with self.lock:
            task = self.running.get(ident)
            if task and self.quick and not task.deaf:
                self.end(task, "cancelled")

    def end(self, task, outcome):
        with self.lock:
            for part in list(task.parts):
                self.end(part, outcome)
            if self.running.pop(task.id, None) and not task.program.away:
                try:
                    task.program.finish(task.id, outcome)
                except (OSError, AssertionError, quelltest.http.client.HTTPException):
                    pass  # Its node is away.

    def run_out(self, task):
        """The time of a deaf task is over: the recorded ones noticed only then that they had been
        cancelled."""
        self.end(task, "cancelled" if task.hears() else "failure")

    def settle(self, slices=False, stubborn=False):
        """What listens and was cancelled has ended, and parents whose parts have all ended. With
        `slices` only parts of parents that were cancelled; with `stubborn` those that are as well."""
        with self.lock:
            for task in list(self.running.values()):
                deaf = task.deaf and not (stubborn and task.stubborn)
                if deaf or not task.hears():
                    continue
                for part in task.parts if slices else [task]:
                    self.end(part, "cancelled")
            if slices:
                return
            for task in list(self.running.values()):
                if task.parts and not any(part.id in self.running for part in task.parts):
                    self.end(task, "success")

    def end_all(self, stubborn=False):
        with self.lock:
            for task in list(self.running.values()):
                if stubborn or not task.stubborn:
                    self.end(task, "success")

    def one(self, node, values, deaf=False, parent=None):
        program = self.program(node)
        body = {"status": STATUS, **values}
        if body["status"] is None:
            del body["status"]
        if parent:
            body["parent"] = parent.id
            if not parent.id.startswith(self.ids[node]):
                body["ancestors"] = parent.ancestors
        with self.lock:  # A cancel must not be looked up before its task is known here.
            task = Task(program, program.register([body])[0], deaf, parent)
            task.ancestors = ([parent.id] + parent.ancestors) if parent else []
            task.stubborn = parent is not None and parent.stubborn
            self.running[task.id] = task
        return task

    def start(self, step):
        """Begins what a "start" step says; the first task's id."""
        node, kind = step["node"], step["kind"]
        headers = step.get("headers", {})
        action = DELETE if kind == "delete" else UPDATE
        word = "delete" if kind == "delete" else "update"
        whole = {"action": action, "description": f"{word}-by-query [src]", "headers": headers}
        first = self.one(node, whole, deaf=kind in ("deaf", "stubborn"))
        first.stubborn = kind == "stubborn" or step.get("stubborn", False)
        for _ in range(step.get("slices", 0)):
            self.one(node, whole, parent=first)
        if kind == "deaf":
            self.bulk(node, first, headers)
            timer = threading.Timer(step["seconds"], self.run_out, (first,))
            timer.daemon = True
            timer.start()
        elif kind == "short":
            self.end(first, "success")
        return first.id

    def bulk(self, node, first, headers):
        """A request that waits for shards: one part here for each shard, and one where it is."""
        def part(where, action, text, parent, status):
            return self.one(where, {"action": action, "description": text, "headers": headers,
                                    "cancellable": False, "status": status}, True, parent)
        bulk = part(node, BULK, "requests[30], indices[src]", first, None)
        for shard, holder in HOLDER.items():
            text = f"requests[10], index[src][{shard}]"
            here = part(node, SHARD, text, bulk, {"phase": "rerouted"})
            if holder != node:
                part(holder, SHARD, text, here, {"phase": "waiting_for_retry"})


ROLES = "cluster_manager,data,ingest,remote_cluster_client"


class Cluster:
    """The daemons. `directory` is for their data, `flags` are the coordinator's. With `asked` it is
    the recorded node1, as far as one that hosts no tasks of programs can be."""

    def __init__(self, directory, flags=(), asked=False):
        self.directory = directory
        self.flags = list(flags)
        self.daemons = {}
        self.ids = {}
        self.nodes = NODES[1:] if asked else NODES
        if asked:
            self.flags += ["--name", NAME.format("node1"), "--roles", ROLES, "--attr", "rack=r1"]
        self.sockets = {node: os.path.join(directory, node + ".sock") for node in self.nodes}

    def start(self):
        data = os.path.join(self.directory, "coordinator")
        coordinator = self.daemon("coordinator", [
            quelltest.COORDINATOR, "--data", data, "--http", "127.0.0.1:0", "--listen",
            "127.0.0.1:0", *self.flags])
        self.address = coordinator.ready["http"].removeprefix("http://")
        self.grpc = coordinator.ready["grpc"]
        for node in self.nodes:
            self.start_node(node)
        if len(self.nodes) < len(NODES):
            self.ids["node1"] = self.ids.pop("coordinator")
        return self

    def daemon(self, name, argv):
        daemon = quelltest.Daemon(argv, os.path.join(self.directory, name + ".log"))
        self.daemons[name] = daemon
        self.ids[name] = daemon.wait_ready()["id"]
        return daemon

    def start_node(self, node):
        daemon = self.daemon(node, [
            quelltest.NODE, "--data", os.path.join(self.directory, node), "--name",
            NAME.format(node), "--coordinator", self.grpc, "--socket", self.sockets[node], "--attr",
            "rack=r" + node[-1]])
        daemon.wait_joined()

    def control(self, verb, node):
        process = self.daemons[node].process
        if verb == "up":
            return None  # `start_node` has waited for it.
        if verb == "start":
            return self.start_node(node)
        if verb == "forget":
            path = "/quell/v1/nodes/" + self.ids[node]
            return quelltest.until(  # Once it counts as silent.
                lambda: quelltest.http_call(self.address, "DELETE", path).status == 200,
                f"{node} is forgotten")
        number = {"stop": "SIGSTOP", "cont": "SIGCONT", "kill": "SIGKILL"}[verb]
        process.send_signal(getattr(quelltest.signal, number))
        if verb == "kill":
            process.wait()
        return None

    def stop(self):
        for daemon in self.daemons.values():
            daemon.kill()
