"""Goal: a data directory of an older version opens, loses nothing of what it promised, and goes on; that of a
newer one is refused and stays as it is.
Method: directories that real daemons of two earlier commits have left (old_data/, made by old_data/make.py with
what those daemons had answered); today's daemons on them, on a machine whose clock is an hour past their making
and whose boot is another (probes/clocks.c), so that their age decides nothing."""

import glob
import json
import os
import re
import shutil
import sqlite3
import subprocess
import tarfile
import time
import unittest

import quelltest
from quelltest import until

HERE = os.path.dirname(os.path.abspath(__file__))
FIRST, LAST = "made-by-434a178", "made-by-1032a9a"  # Before there were horizons and checksums; with them.
ARCHIVES = sorted(os.path.basename(path).split(".")[0] for path in glob.glob(f"{HERE}/old_data/*.tar.xz"))
DATABASES = {"coordinator": "coordinator.db", "a": "node.db", "b": "node.db"}
WARNING = re.compile(r"Z [WE] (?!.*one piece of work held up)(.*)")  # A busy machine is no fault of the data.


class Surface:
    """All that this test and make.py say and read by HTTP."""

    def __init__(self, fleet):
        self.fleet = fleet

    def ended(self, task):
        """As expected.json has it; None while it lives or is not known."""
        record = self.fleet.record(task)
        if not record or not record["ended"]:
            return None
        shown, receipt = record["task"], record.get("receipt")
        return {
            "state": shown["state"], "action": shown["action"], "description": shown["description"],
            "start": shown["start_time_in_millis"], "end": shown["end_time_in_millis"],
            "cancel": shown["cancel"] and [shown["cancel"][key] for key in ("at_millis", "by", "reason")],
            "receipt": receipt and [receipt[key] for key in
                                    ("intent", "state", "recorded_at_millis", "ended_at_millis", "outcome")]}

    def nodes(self):
        """By name: id, and how many cancels wait for it."""
        nodes = self.fleet.get("/quell/v1/nodes").json["nodes"]
        return {node["name"]: (node["id"], node["pending"]) for node in nodes}

    def own_number(self):
        """Of the coordinator's newest task: this request."""
        node = self.fleet.get("/_tasks").json["nodes"][self.fleet.coordinator["id"]]
        return max(int(task.split(":")[1]) for task in node["tasks"])

    def register(self, node, action, **fields):
        """(id, session, intent of the cancel that it is told of or None, warning or None)"""
        answer = quelltest.http_call(self.fleet.nodes[node]["socket"], "POST", "/v1/tasks",
                                     json.dumps(dict({"action": action}, **fields)))
        if answer.status != 200:
            raise AssertionError(repr(answer))
        [entry] = answer.json["tasks"]
        return (entry["id"], answer.json["session"], entry["cancel"] and entry["cancel"]["intent"],
                entry.get("warning"))

    def resume(self, node, task):
        """A program takes its old task up: (session, intent of the cancel that it is told of or None)."""
        resumed, session, told, _ = self.register(node, task["action"], id=task["id"],
                                                  start_time_in_millis=task["start"])
        if resumed != task["id"]:
            raise AssertionError(f"{task} has become {resumed}")
        return session, told

    def finish(self, node, task, session, outcome):
        answer = quelltest.http_call(self.fleet.nodes[node]["socket"], "POST", f"/v1/tasks/{task}/finish",
                                     json.dumps({"outcome": outcome}), {"Quell-Session": session})
        if answer.status != 200:
            raise AssertionError(repr(answer))

    def cancel(self, task):
        """The intent."""
        answer = self.fleet.post(f"/_tasks/{task}/_cancel")
        if answer.status != 200 or not answer.header("Quell-Nodes").endswith("failed=0"):
            raise AssertionError(repr(answer))
        return answer.header("Quell-Operation")


class OldDataCase(quelltest.TestCase):
    def unpack(self, archive):
        """expected.json of the archive; its data directory is where the cluster looks for it."""
        with tarfile.open(f"{HERE}/old_data/{archive}.tar.xz") as packed:
            packed.extractall(self.directory)
        with open(os.path.join(self.directory, "expected.json"), encoding="utf-8") as file:
            return json.load(file)

    def database(self, name):
        return os.path.join(self.directory, "data", name, DATABASES[name])

    def asked(self, name, pragma):
        with sqlite3.connect(f"file:{self.database(name)}?mode=ro&immutable=1", uri=True) as database:
            return database.execute(f"PRAGMA {pragma}").fetchone()[0]


@unittest.skipUnless(shutil.which("cc"), "no C compiler: install one to try moving clocks")
class OldDataTest(OldDataCase):
    def start(self):
        cluster = quelltest.Cluster(self.directory, ["a", "b"], env=self.env)
        self.addCleanup(cluster.stop)
        return cluster.start()

    def machine(self, expected):
        """One on which it is an hour after the last task of old has ended."""
        library = os.path.join(self.directory, "clocks.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, f"{HERE}/probes/clocks.c", "-ldl"],
                       check=True)
        made = max(ended["end"] for ended in expected["ended"].values()) // 1000
        for name, value in (("wall", made + 3600 - int(time.time())),
                            ("boot_id", "11111111-aaaa-bbbb-cccc-000000000000")):
            with open(os.path.join(self.directory, name), "w", encoding="ascii") as file:
                file.write(f"{value}\n")
        self.env = dict(os.environ, LD_PRELOAD=library, MACHINE=self.directory)

    def opened(self, archive):
        self.expected = self.unpack(archive)
        self.machine(self.expected)
        self.fleet = self.start()
        self.surface = Surface(self.fleet)

    def every(self, check):
        for archive in ARCHIVES:
            with self.subTest(archive=archive):
                self.directory = os.path.join(self.whole, archive)
                os.mkdir(self.directory)
                self.opened(archive)
                check(archive)
                self.fleet.stop()

    def setUp(self):
        super().setUp()
        self.whole = self.directory

    def assert_ended_as_they_did(self):
        for task, ended in self.expected["ended"].items():
            self.assertEqual(self.surface.ended(task), ended, task)

    def test_there_is_an_archive_from_before_and_one_from_after_the_checksums(self):
        self.assertTrue({FIRST, LAST} <= set(ARCHIVES), ARCHIVES)

    def test_nodes_and_what_has_ended_are_as_they_were(self):
        def check(archive):
            ids = {name: found for name, (found, _) in self.surface.nodes().items()}
            self.assertEqual(ids, dict(self.expected["nodes"], coordinator=self.expected["coordinator"]))
            self.assert_ended_as_they_did()
            self.assertIsNone(self.fleet.record(self.expected["forgotten"]["task"]), "its node is forgotten")
            self.assertEqual(self.fleet.get("/_tasks").json["node_failures"], [])
            task = self.expected["pid_has_ended"]["id"]
            ended = until(lambda: self.surface.ended(task), "the task whose process has ended is lost")
            self.assertEqual(ended["state"], "lost")
            allowed = {FIRST: ("for its owner only", "a cancel has spared"), LAST: ()}.get(archive, ())
            for warning in WARNING.findall(self.fleet.text()):
                self.assertTrue(any(words in warning for words in allowed), warning)
        self.every(check)

    @unittest.skipIf(os.geteuid() != 0, "the archived tasks are root's, and only root takes them up")
    def test_a_program_that_comes_back_hears_of_each_cancel_that_waited_for_it(self):
        def check(archive):
            expected, surface = self.expected, self.surface
            until(lambda: surface.nodes()["b"][1] == 0, "b has acknowledged what was pending")
            # What was live then can be ordered by its number alone. Before there were horizons nothing was noted
            # for that: a filter spares the task, and its coordinator says so.
            by_filter = None if archive == FIRST else expected["by_filter"]["intent"]
            for node, name, intent in (("a", "live", None), ("a", "asked", expected["asked"]["intent"]),
                                       ("b", "spared", None), ("b", "by_id", expected["by_id"]["intent"]),
                                       ("b", "by_filter", by_filter)):
                session, told = surface.resume(node, expected[name])
                self.assertEqual(told, intent, name)
                task = expected[name]["id"]
                surface.finish(node, task, session, "cancelled" if told else "success")
                ended = surface.ended(task)
                self.assertEqual(ended["state"], "cancelled" if told else "succeeded", name)
                self.assertEqual(ended["start"], expected[name]["start"], name)
                self.assertEqual(ended["receipt"] and ended["receipt"][0], intent, name)
            spared = [line for line in self.fleet.text().splitlines() if "spared" in line]
            if archive == FIRST:
                named = [line for line in spared if expected["by_filter"]["id"] in line
                         and expected["by_filter"]["intent"] in line]
                self.assertTrue(named, spared)
            else:
                self.assertEqual(spared, [])
        self.every(check)

    def test_numbers_go_on_and_new_tasks_are_registered_and_cancelled(self):
        def check(archive):
            surface = self.surface
            self.assertGreater(surface.own_number(), self.expected["own_number"], archive)
            for node in ("a", "b"):
                task, session, told, _ = surface.register(node, "new/work")
                self.assertIsNone(told)
                self.assertGreater(int(task.split(":")[1]), self.expected["highest"][node])
                intent = surface.cancel(task)
                surface.finish(node, task, session, "cancelled")
                ended = surface.ended(task)
                self.assertEqual((ended["state"], ended["receipt"][0]), ("cancelled", intent))
            parent = self.expected["cancelled_parent"]
            child, _, told, warning = surface.register("a", "new/child", parent=parent)
            self.assertIsNone(warning)
            self.assertEqual(told, self.expected["ended"][parent]["receipt"][0], f"{child} is cancelled on registration")
        self.every(check)

    def test_the_next_start_has_nothing_left_to_change(self):
        def check(archive):
            self.assertEqual(self.fleet.process.poll(), None)
            self.fleet.stop()
            forms = {name: [self.asked(name, pragma) for pragma in ("user_version", "schema_version")]
                     for name in DATABASES}
            self.fleet = self.start()
            self.surface = Surface(self.fleet)
            self.assert_ended_as_they_did()
            self.assertEqual({name: self.surface.nodes()[name][0] for name in ("a", "b")}, self.expected["nodes"])
            self.assertNotIn("damage", self.fleet.text())
            self.fleet.stop()
            self.assertEqual({name: [self.asked(name, pragma) for pragma in ("user_version", "schema_version")]
                              for name in DATABASES}, forms, archive)
        self.every(check)


class NewerDataTest(OldDataCase):
    def files(self, path):
        """What a database consists of, as bytes."""
        found = {}
        for name in glob.glob(path + "*"):
            with open(name, "rb") as file:
                found[name] = file.read()
        return found

    def test_data_of_a_newer_version_is_refused_by_name_and_stays_as_it_is(self):
        self.unpack(FIRST)
        for name, program in (("coordinator", quelltest.COORDINATOR), ("a", quelltest.NODE)):
            with self.subTest(daemon=name):
                known = self.asked(name, "user_version")
                path = self.database(name)
                with sqlite3.connect(path) as database:
                    database.execute("PRAGMA user_version = 999")
                database.close()
                before = self.files(path)
                tried = subprocess.run([program, "--data", os.path.dirname(path), "--listen", "127.0.0.1:0",
                                        *(["--http", "127.0.0.1:0"] if name == "coordinator" else [])],
                                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                                       check=False)
                self.assertNotEqual(tried.returncode, 0, tried)
                self.assertEqual(tried.stdout, "", "it never was ready")
                for words in (path, "written by a newer version", "its format is 999", "run that version"):
                    self.assertIn(words, tried.stderr)
                after = self.files(path)
                changed = [file for file in sorted({*before, *after}) if before.get(file) != after.get(file)]
                self.assertEqual(changed, [], "it was refused, and changed all the same")
                with sqlite3.connect(path) as database:
                    database.execute(f"PRAGMA user_version = {known}")
                database.close()
                daemon = self.daemon(program, "--data", os.path.dirname(path), "--listen", "127.0.0.1:0",
                                     *(["--http", "127.0.0.1:0"] if name == "coordinator" else []))
                self.assertTrue(daemon.wait_ready()["ready"], "what it knows it opens")


if __name__ == "__main__":
    quelltest.main()
