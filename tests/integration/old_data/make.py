#!/usr/bin/env python3
"""Makes an archive for old_data_test.py: the data directory of a fleet of the binaries in $QUELL_BIN.

By hand, once for each format that is to stay readable, as root (the daemons are to see another boot and
another host than the one that runs the tests, so that nothing of them is compared by accident):

    QUELL_BIN=FOLDER tests/integration/old_data/make.py NAME.tar.xz

In it: the coordinator and node a, stopped with SIGTERM; node b, killed, with a cancel by id and one by
filter pending for it; a third node was forgotten. expected.json says what the old daemons had answered.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import quelltest  # pylint: disable=wrong-import-position
from old_data_test import Surface  # pylint: disable=wrong-import-position
from quelltest import until  # pylint: disable=wrong-import-position

ELSEWHERE = "QUELL_OLD_DATA_ELSEWHERE"
HOST = "old-host"


def go_elsewhere():
    """Starts this script again in namespaces with another name of the host and another boot."""
    with tempfile.NamedTemporaryFile("w", prefix="quell-boot.") as boot:
        boot.write(str(uuid.uuid4()) + "\n")
        boot.flush()
        script = ('hostname "$1" && mount --bind "$2" /proc/sys/kernel/random/boot_id && shift 2 && exec "$@"')
        subprocess.run(["unshare", "--mount", "--uts", "sh", "-c", script, "sh", HOST, boot.name,
                        sys.executable, *sys.argv], env=dict(os.environ, **{ELSEWHERE: "1"}), check=True)


class Maker:
    def __init__(self, directory):
        self.fleet = quelltest.Cluster(directory, ["a", "b", "c"])
        self.surface = Surface(self.fleet)
        self.ended = {}
        self.highest = {}

    def register(self, node, action, **fields):
        task, session, told, _ = self.surface.register(node, action, description=f"of old: {action}", **fields)
        assert told is None, task
        self.highest[node] = int(task.split(":")[1])
        return task, session

    def live(self, node, action, **fields):
        task, _ = self.register(node, action, **fields)
        start = self.fleet.record(task)["task"]["start_time_in_millis"]
        return {"id": task, "action": action, "start": start}

    def cancel(self, path, failed=0):
        answer = self.fleet.post(path + "reason=of+old&timeout=5s")
        assert answer.status == 200, answer
        assert answer.header("Quell-Nodes").endswith(f"failed={failed}"), answer
        return answer.header("Quell-Operation")

    def note_ended(self, task):
        self.ended[task] = self.surface.ended(task)
        assert self.ended[task], task

    def end(self, node, action, outcome, cancelled=False):
        task, session = self.register(node, action)
        if cancelled:
            self.cancel(f"/_tasks/{task}/_cancel?")
        self.surface.finish(node, task, session, outcome)
        self.note_ended(task)
        return task

    def family(self):
        """A parent is cancelled, and its child with it."""
        parent, session = self.register("a", "old/parent")
        child, childs = self.register("a", "old/child", parent=parent)
        self.cancel(f"/_tasks/{parent}/_cancel?")
        self.surface.finish("a", child, childs, "cancelled")
        self.surface.finish("a", parent, session, "cancelled")
        self.note_ended(child)
        self.note_ended(parent)
        return parent

    def run(self):
        fleet = self.fleet.start()
        sleeper = subprocess.Popen(["sleep", "1000"])
        try:
            for node in ("a", "b"):
                self.end(node, "old/success", "success")
                self.end(node, "old/failure", "failure")
                self.end(node, "old/timeout", "timeout")
                self.end(node, "old/cancelled", "cancelled", cancelled=True)
            self.end("a", "old/too-late", "success", cancelled=True)
            forgotten = self.end("c", "old/forgotten", "cancelled", cancelled=True)
            del self.ended[forgotten]
            expected = {
                "nodes": {name: fleet.nodes[name]["id"] for name in ("a", "b")},
                "coordinator": fleet.coordinator["id"],
                "forgotten": {"node": fleet.nodes["c"]["id"], "task": forgotten},
                "cancelled_parent": self.family(),
                "live": self.live("a", "old/live"),
                "pid_has_ended": self.live("a", "old/pid", pid=sleeper.pid),
                "asked": self.live("a", "old/asked"),
                "spared": self.live("b", "old/spared"),
                "by_id": self.live("b", "old/by-id"),
                "by_filter": self.live("b", "old/filter/one")}
            expected["asked"]["intent"] = self.cancel(f"/_tasks/{expected['asked']['id']}/_cancel?")
            # lint: allow(sleep): what is live is written behind, and told with the next heartbeats.
            time.sleep(5)
            fleet.kill_node("c")
            until(lambda: fleet.quell("node", "forget", "c").returncode == 0, "c is forgotten")
            fleet.kill_node("b")
            until(lambda: fleet.get("/_tasks").json["node_failures"], "b is away")
            expected["by_id"]["intent"] = self.cancel(f"/_tasks/{expected['by_id']['id']}/_cancel?", 1)
            expected["by_filter"]["intent"] = self.cancel("/_tasks/_cancel?actions=old/filter/*&", 1)
            expected["own_number"] = self.surface.own_number()
        finally:
            fleet.stop()
            sleeper.kill()
            sleeper.wait()
        return dict(expected, ended=self.ended, highest=self.highest)


def check(data, expected):
    """What was written behind has to be in the files: on copies, since to open one changes it."""
    copy = data + ".copy"
    shutil.copytree(data, copy)
    for node, names in (("a", ("live", "asked", "pid_has_ended")), ("b", ("spared", "by_id", "by_filter"))):
        with sqlite3.connect(os.path.join(copy, node, "node.db")) as database:
            numbers = {row[0] for row in database.execute("SELECT number FROM live")}
        assert numbers == {int(expected[name]["id"].split(":")[1]) for name in names}, (node, numbers)
    with sqlite3.connect(os.path.join(copy, "coordinator", "coordinator.db")) as database:
        assert database.execute("SELECT count(*) FROM pending").fetchone() == (2,)
    shutil.rmtree(copy)


def traces(data, words):
    """Nothing in the files says where they were made."""
    for folder, _, files in os.walk(data):
        for file in files:
            with open(os.path.join(folder, file), "rb") as opened:
                text = opened.read()
            for word in words:
                assert word.encode() not in text, (folder, file, word)


def pack(directory, target):
    def clean(entry):
        if os.path.basename(entry.name) == "lock" or not (entry.isfile() or entry.isdir()):
            return None
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        return entry
    with tarfile.open(target, "w:xz", preset=9) as archive:
        for name in ("data", "expected.json"):
            archive.add(os.path.join(directory, name), name, filter=clean)


def main():
    directory = tempfile.mkdtemp(prefix="quell-old.")
    try:
        expected = Maker(directory).run()
        data = os.path.join(directory, "data")
        shutil.rmtree(os.path.join(data, "c"))
        os.remove(os.path.join(data, "b", "quell.sock"))
        check(data, expected)
        traces(data, [directory, quelltest.BIN])
        with open(os.path.join(directory, "expected.json"), "w", encoding="utf-8") as file:
            json.dump(expected, file, indent=1)
        pack(directory, sys.argv[1])
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    if os.environ.get(ELSEWHERE):
        main()
    else:
        go_elsewhere()
