"""Goal: after minutes of restarts the books balance: each task that was registered is running, ended or
lost, exactly once, and no acknowledged cancel is forgotten. And a long life is no worse than a short one:
whatever was cancelled before, no cancel is refused, and memory stays flat.
Method: programs that use the library write down what they did (worker.py); nodes and the coordinator are
killed with SIGKILL every few seconds and come back; programs are killed, tasks are cancelled. Then all is
quiet, and what the cluster says is held against the ledgers. Then one node cancels more tasks than any of its
tables holds, and its memory is read from /proc.

    QUELL_BIN=build/bin python3 tests/soak/soak.py [--minutes 10] [--cancels 300000] [--seed N]"""

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import quelltest  # noqa: E402  pylint: disable=wrong-import-position
from quelltest import until, until_gone  # noqa: E402  pylint: disable=wrong-import-position

NAMES = ["a", "b", "c"]
WORKERS_PER_NODE = 2
# What is registered is written behind: if its node dies within this time, and its program too, nobody knows it.
WRITTEN_BEHIND_S = 0.5
# Of a long life: tasks cancelled at once, tasks in one call, and the tombstones that a node keeps.
ROUND = 10_000
BATCH = 2_000
TOMBSTONES = 100_000
BYTES_PER_TOMBSTONE = 2_000  # With its receipt and its intent, at most, while the table fills.
SPREAD = 48 * 1024 * 1024    # Of memory that is flat: what the allocator keeps, and caches.


class Soak:
    def __init__(self, seed):
        self.seed = seed
        self.random = random.Random(seed)
        self.directory = tempfile.mkdtemp(prefix="quell-soak.")
        self.world = quelltest.Cluster(self.directory, NAMES)
        self.workers = []  # [process, node, ledger, killed].
        self.node_kills = {name: [] for name in NAMES}  # When.
        self.cancels = {}  # Of those that were acknowledged: id to operation, and when it had surely arrived.
        self.counts = {}
        self.local_api = None  # Of node a.

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    # What happens.

    def start_worker(self, node):
        ledger = os.path.join(self.directory, f"ledger{len(self.workers)}")
        process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "worker.py"), ledger, f"{self.seed}-{len(self.workers)}"],
            env=self.world.environment(node), stdin=subprocess.DEVNULL)
        self.workers.append([process, node, ledger, False])
        until(lambda: os.path.exists(ledger), f"{ledger} is begun")

    def living(self):
        return [worker for worker in self.workers if not worker[3]]

    def kill_node(self, meanwhile=lambda name: None):
        name = self.random.choice(NAMES)
        self.node_kills[name].append(time.time())
        self.world.kill_node(name)
        meanwhile(name)
        time.sleep(self.random.uniform(0, 1.5))  # lint: allow(sleep): how long it stays away.
        self.world.start_again(self.world.nodes[name]).wait_joined()
        self.count("node killed")
        return name

    def kill_coordinator(self):
        os.kill(self.world.coordinator["pid"], signal.SIGKILL)
        until_gone([self.world.coordinator["pid"]], "the coordinator is gone")
        time.sleep(self.random.uniform(0, 1.5))  # lint: allow(sleep): how long it stays away.
        self.world.start_again(self.world.coordinator)
        self.world.until_answering(len(NAMES) + 1)
        self.count("coordinator killed")

    def kill_worker(self, node=None):
        worker = self.random.choice([one for one in self.living() if node in (None, one[1])])
        worker[0].kill()
        worker[0].wait()
        worker[3] = True
        self.count("program killed")
        return worker[1]

    def kill_one_of_the_workers(self):
        self.start_worker(self.kill_worker())

    def kill_node_and_worker(self):
        """The program dies while its node is down."""
        self.start_worker(self.kill_node(meanwhile=self.kill_worker))

    def cancel(self):
        tasks = list(self.world.tasks("actions=soak/*"))
        if not tasks:
            return
        task = self.random.choice(tasks)
        answer = self.world.post(f"/_tasks/{task}/_cancel?reason=soak")
        if answer.status == 200 and answer.header("Quell-Operation"):
            reached = not answer.json.get("node_failures")
            self.cancels[task] = (answer.header("Quell-Operation"), time.time() * 1000 if reached else float("inf"))
            self.count("cancelled")

    def run(self, seconds):
        self.world.start()
        for name in NAMES:
            for _ in range(WORKERS_PER_NODE):
                self.start_worker(name)
        end = time.monotonic() + seconds
        deeds = [(self.kill_node, 5), (self.kill_coordinator, 2), (self.kill_one_of_the_workers, 2),
                 (self.kill_node_and_worker, 2), (self.cancel, 6)]
        while time.monotonic() < end:
            time.sleep(self.random.uniform(0.2, 2.0))  # lint: allow(sleep): the pace of the soak.
            deed = self.random.choices([deed for deed, _ in deeds], [weight for _, weight in deeds])[0]
            deed()
        self.settle()

    def settle(self):
        for worker in self.living():
            worker[0].send_signal(signal.SIGTERM)
        for worker in self.living():
            until(lambda: any(line["fact"] == "settled" for line in self.lines(worker[2])),  # pylint: disable=cell-var-from-loop
                  f"{worker[2]} is settled", 120)
        self.world.until_answering(len(NAMES) + 1)
        until(lambda: not self.unsettled(), "what nobody works on any more is lost", 120)

    def unsettled(self):
        """Tasks of programs that were killed, and live."""
        dead = {str(worker[0].pid) for worker in self.workers if worker[3]}
        return [key for key, task in self.world.tasks("detailed=true&actions=soak/*").items()
                if task["description"].split("-")[0] in dead]

    # A long life.

    def local(self, method, path, body, session=None):
        """One call of the local API of node a, by a connection that is kept."""
        if self.local_api is None:
            self.local_api = http.client.HTTPConnection("localhost", timeout=120)
            self.local_api.sock = quelltest.socket.socket(quelltest.socket.AF_UNIX)
            self.local_api.sock.settimeout(120)
            self.local_api.sock.connect(self.world.nodes["a"]["socket"])
        self.local_api.request(method, path, json.dumps(body), {"Quell-Session": session} if session else {})
        response = self.local_api.getresponse()
        answer = quelltest.Answer(response.status, response.getheaders(), response.read())
        if answer.status != 200:
            raise AssertionError(repr(answer))
        return answer.json

    def cancel_a_round(self):
        """Registers, cancels and ends ROUND tasks of node a."""
        ids, session = [], None
        for _ in range(ROUND // BATCH):
            answer = self.local("POST", "/v1/tasks", [{"action": "long/life"}] * BATCH, session)
            session = answer["session"]
            ids += [task["id"] for task in answer["tasks"]]
        time.sleep(1)  # lint: allow(sleep): a filter spares what began within the clocks' doubt.
        answer = self.world.post("/_tasks/_cancel?actions=long/life&timeout=60s&filter_path=node_failures", timeout=120)
        if answer.status != 200 or "failed=0" not in answer.header("Quell-Nodes"):
            raise AssertionError(f"a cancel was refused: {answer!r}")
        for start in range(0, len(ids), BATCH):
            self.local("POST", "/v1/tasks/finish",
                       [{"id": one, "outcome": "cancelled"} for one in ids[start:start + BATCH]], session)
        return len(ids)

    def memory(self):
        """Bytes in use by node a and by the coordinator."""
        used = {}
        for name, pid in (("node", self.world.nodes["a"]["pid"]), ("coordinator", self.world.coordinator["pid"])):
            with open(f"/proc/{pid}/status", encoding="utf-8") as status:
                used[name] = int(next(line for line in status if line.startswith("VmRSS")).split()[1]) * 1024
        return used

    def live_long(self, cancels):
        """Returns what is wrong."""
        self.local_api = None
        seen = []  # (Cancelled so far, memory).
        cancelled = 0
        while cancelled < cancels:
            cancelled += self.cancel_a_round()
            seen.append((cancelled, self.memory()))
            print(f"soak: {cancelled:7} cancelled; " +
                  ", ".join(f"{name} {used >> 20} MB" for name, used in seen[-1][1].items()), flush=True)
        self.counts["cancelled in one life"] = cancelled
        wrong = []
        for name in ("node", "coordinator"):
            # The first rounds warm up; then a table that is not full may grow, a full one may not.
            first, last = seen[min(2, len(seen) - 1)], seen[-1]
            filled = max(0, min(last[0], TOMBSTONES) - first[0]) * BYTES_PER_TOMBSTONE
            if last[1][name] > first[1][name] + filled + SPREAD:
                wrong.append(f"memory of the {name} grows: {first} to {last}")
            full = [used[name] for count, used in seen if count >= TOMBSTONES + 2 * ROUND]
            if full and full[-1] > full[0] + SPREAD:
                wrong.append(f"memory of the {name} grows with full tables: {[used >> 20 for used in full]} MB")
        self.world.kill_node("a")
        self.world.start_again(self.world.nodes["a"]).wait_joined()
        self.local_api = None
        self.cancel_a_round()
        return wrong

    # The books.

    @staticmethod
    def lines(ledger):
        if not os.path.exists(ledger):
            return []
        with open(ledger, encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def read_cluster(self):
        """By the name in the ledger (the description): each task that the cluster knows, as often as it does."""
        answer = self.world.get("/quell/v1/tasks?ended_within=1h&timeout=60s")
        if answer.json["node_failures"]:
            raise AssertionError(repr(answer))
        known = {}
        for node in answer.json["nodes"]:
            for task in node["tasks"]:
                if task["action"].startswith("soak/"):
                    known.setdefault(task["description"], []).append(task)
        return known

    def was_killed_in_the_moment_of(self, fact, node):
        """Of the registration: after it began, and soon after it was known to be over."""
        return any(fact["begun"]["at"] <= kill <= fact["known"]["at"] + WRITTEN_BEHIND_S
                   for kill in self.node_kills[node])

    def check(self):
        known = self.read_cluster()
        wrong = []
        for process, node, ledger, killed in self.workers:
            facts = {}
            for line in self.lines(ledger):
                facts.setdefault(line["name"], {})[line["fact"]] = line
            running = facts.pop(str(process.pid), {}).get("settled", {}).get("running", [])
            for name, fact in facts.items():
                wrong += self.check_task(name, fact, known.pop(name, []), node, killed, name in running)
        wrong += [f"{name}: nobody has registered it" for name in known]
        return wrong

    def check_task(self, name, fact, seen, node, killed, running):
        """What is wrong with one task."""
        task_id = (fact.get("told") or fact.get("known") or {}).get("id")
        what = f"{name} ({task_id})"
        if len(seen) > 1:
            return [f"{what}: it is there {len(seen)} times: {[task['id'] for task in seen]}"]
        if not seen:
            return self.check_missing(what, fact, node, killed)
        [task] = seen
        state = task["state"]
        if task_id and task["id"] != task_id:
            return [f"{what}: it is {task['id']} for its node"]
        if task["id"] in self.cancels and not task["cancel"]:
            operation, arrived = self.cancels[task["id"]]
            if task.get("end_time_in_millis", float("inf")) > arrived or state in ("running", "stopping"):
                return [f"{what}: its cancel {operation} was acknowledged and is forgotten"]
            self.count("cancelled, and had ended before that arrived")
        if "told" in fact:
            wanted = {"success": "succeeded", "failure": "failed", "timeout": "expired",
                      "cancelled": "cancelled"}[fact["told"]["outcome"]]
            self.count(f"ended: {wanted}")
            return [] if state == wanted else [f"{what}: it ended as {wanted} and is {state}"]
        if running:
            self.count("running")
            return [] if state in ("running", "stopping") else [f"{what}: it runs and is {state}"]
        # Its program was killed: it is lost, unless its last word had just been taken.
        self.count("lost" if state == "lost" else "ended as its program was killed")
        if not killed:
            return [f"{what}: its program lives, has said nothing of it, and it is {state}"]
        return [f"{what}: its program was killed and it is {state}"] if state in ("running", "stopping") else []

    def check_missing(self, what, fact, node, killed):
        if "told" in fact or not killed:
            return [f"{what}: nobody knows it; {fact}"]
        if "known" not in fact:
            self.count("never registered: its program was killed first")
            return []
        if self.was_killed_in_the_moment_of(fact, node):
            self.count("registered in the last moment before its node was killed, and its program with it")
            return []
        return [f"{what}: nobody knows it; {fact}"]

    def clean(self, keep):
        for process, *_ in self.workers:
            process.kill()
            process.wait()
        self.world.stop()
        if keep:
            print(f"soak: the evidence is in {self.directory}", flush=True)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--cancels", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=None)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int(time.time())
    print(f"soak: seed {seed}, {arguments.minutes} minutes", flush=True)
    soak = Soak(seed)
    wrong = ["it did not come to the end"]
    try:
        soak.run(arguments.minutes * 60)
        wrong = soak.check()
        wrong += soak.live_long(arguments.cancels)
    finally:
        soak.clean(keep=bool(wrong))
    for what, count in sorted(soak.counts.items()):
        print(f"soak: {count:6} {what}")
    for line in wrong[:50]:
        print(f"soak: WRONG: {line}")
    print(f"soak: the books {'do not balance: ' + str(len(wrong)) + ' entries' if wrong else 'balance'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
