"""Goal: what a wrapped command uses is measured and shown on every face while it runs and after its end;
what nobody measures is absent, and zero only where a typed client demands it.
Method: commands that burn a known time and hold known memory; nothing is asserted but lower bounds."""

import json
import os
import sys

import quelltest
from quelltest import http_call, until

BURNT_S = 0.4
HELD = 48 << 20
# In a child of the command: it holds memory, burns time, says so and waits.
WORK = (f"import os,time\nheld=bytearray(os.urandom(1<<20))*{HELD >> 20}\n"
        f"while time.process_time()<{BURNT_S}: pass\n"
        "open(os.environ['PIDS'],'a').write(f'{os.getpid()}\\n')\n")
STRICT = {"Quell-Profile": "strict"}


class ResourcesTest(quelltest.SharedClusterCase):
    NAMES = ["a"]

    def busy(self, action, then):
        path = os.path.join(self.directory, "work.py")
        with open(path, "w", encoding="ascii") as file:
            file.write(WORK + then)
        job = self.job("a", "sh", "-c", f"{sys.executable} {path} & wait", flags=["--action", action])
        job.pids()
        return job

    def resources(self, task):
        return self.shared.record(task)["task"].get("resources", {})

    def assert_used(self, resources):
        self.assertGreaterEqual(resources["cpu_time_in_nanos"], BURNT_S * 0.9 * 1e9, resources)
        self.assertGreaterEqual(resources["memory_in_bytes"], HELD, resources)
        self.assertEqual(resources["executions"], 1)

    def test_a_commands_time_and_memory_are_shown_while_it_runs_and_after_its_end(self):
        job = self.busy("busy/a", "import signal; signal.pause()")
        task = self.shared.task_of("busy/a")
        until(lambda: self.resources(task).get("memory_in_bytes", 0) >= HELD
              and self.resources(task)["cpu_time_in_nanos"] >= BURNT_S * 0.9 * 1e9,
              "its use is measured")
        self.assert_used(self.resources(task))
        self.assertEqual(self.resources(task)["active"], 1)
        for headers in ({}, STRICT):
            listed = self.shared.get("/_tasks?detailed&actions=busy/a", headers=headers).json
            [node] = [node for node in listed["nodes"].values() if node["tasks"]]
            stats = node["tasks"][task]["resource_stats"]
            self.assertEqual(list(stats), ["average", "total", "min", "max", "thread_info"])
            self.assertGreaterEqual(stats["total"]["memory_in_bytes"], HELD)
        shown = self.shared.quell("show", task).stdout
        self.assertRegex(shown, r"\ncpu +[0-9.]+s\nmemory +\d+ MiB")
        wide = self.shared.quell("ps", "--output", "wide", "--actions", "busy/a").stdout
        self.assertRegex(wide, r"CPU +MEMORY[\s\S]* [0-9.]+s +\d+ MiB ")
        self.shared.post(f"/_tasks/{task}/_cancel")
        job.wait()
        ended = until(lambda: (r := self.shared.record(task)) and r["ended"] and r, "it has ended")
        self.assert_used(ended["task"]["resources"])
        self.assertEqual(ended["task"]["resources"]["active"], 0)
        history = json.loads(self.shared.quell("ps", "--all", "--output", "json").stdout)
        [entry] = [one for one in history["tasks"] if one["id"] == task]
        self.assertGreaterEqual(entry["memory_in_bytes"], HELD)

    def test_all_of_a_short_commands_time_is_told_with_its_end(self):
        job = self.busy("short/a", "")
        self.assertEqual(job.wait(), 0)
        tasks = self.shared.get("/quell/v1/tasks?ended_within=1h&actions=short/a").json["nodes"]
        [task] = [one for node in tasks for one in node["tasks"]]
        self.assertGreaterEqual(task["resources"]["cpu_time_in_nanos"], BURNT_S * 1e9)

    def test_what_nobody_measures_is_absent_and_zero_only_in_the_strict_profile(self):
        local_api = self.shared.nodes["a"]["socket"]
        answer = http_call(local_api, "POST", "/v1/tasks", json.dumps({"action": "plain/a"}))
        [task] = [one["id"] for one in answer.json["tasks"]]
        self.addCleanup(http_call, local_api, "POST", f"/v1/tasks/{task}/finish",
                        json.dumps({"outcome": "success"}))
        self.assertNotIn("resource_stats", self.shared.tasks()[task])
        self.assertNotIn("resources", self.shared.record(task)["task"])
        self.assertNotIn("memory", self.shared.quell("show", task).stdout)
        zeros = {"cpu_time_in_nanos": 0, "memory_in_bytes": 0}
        strict = self.shared.get(f"/_tasks/{task}", headers=STRICT).json["task"]
        self.assertEqual(strict["resource_stats"]["total"], zeros)

    def test_nodes_say_how_many_cancelled_tasks_run_on(self):
        nodes = until(lambda: (found := self.shared.get("/_nodes/a/stats/task_cancellation").json["nodes"])
                      and all("task_cancellation" in node for node in found.values()) and found,
                      "the node has told it")
        [node] = nodes.values()
        self.assertEqual(node["task_cancellation"]["search_task"],
                         {"current_count_post_cancel": 0, "total_count_post_cancel": 0})
        self.assertRegex(self.shared.quell("node", "ls").stdout, r"OVERDUE\n[\s\S]* 0 of 0\n")


if __name__ == "__main__":
    quelltest.main()
