"""Goal: each example of the SDK stops cleanly when it is cancelled, and ends well when it is not.
Method: the examples as they are, on a real node, cancelled through the CLI."""

import os
import shutil
import subprocess
import unittest

import quelltest
from quelltest import until

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sdk", "examples")


class ExamplesTest(quelltest.SharedClusterCase):
    NAMES = ["a"]

    def example(self, *argv):
        env = dict(self.shared.environment("a"), QUELL=quelltest.QUELL)
        process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def cancelled(self, action, *argv):
        """Starts it, cancels its task with `action`; its exit code and output."""
        process = self.example(*argv)
        task = self.shared.task_of(action)
        done = self.shared.quell("cancel", task, "--reason", "tidy up")
        self.assertEqual(done.returncode, 0, done.stderr)
        out, _ = process.communicate(timeout=quelltest.DEADLINE)
        until(lambda: self.shared.record(task)["task"]["state"] == "cancelled", f"{task} ended as cancelled")
        return process.returncode, out

    def test_index_rebuild(self):
        binary = os.path.join(quelltest.BIN, "index_rebuild")
        code, out = self.cancelled("index/rebuild", binary, "2", "1000000")
        self.assertEqual(code, 3, out)
        self.assertEqual(out.count("left as it was"), 2, out)
        self.assertIn("tidy up", out)
        done = self.example(binary, "2", "3")
        out, _ = done.communicate(timeout=quelltest.DEADLINE)
        self.assertEqual((done.returncode, "index rebuilt" in out), (0, True), out)

    def test_etl(self):
        script = os.path.join(EXAMPLES, "etl.py")
        code, out = self.cancelled("etl/load", script, "1000000")
        self.assertEqual(code, 3, out)
        self.assertRegex(out, r"^stopped after \d+ rows: cancelled by .+: tidy up$")
        done = self.example(script, "3")
        out, _ = done.communicate(timeout=quelltest.DEADLINE)
        self.assertEqual((done.returncode, out), (0, "loaded 3 rows\n"))

    @unittest.skipUnless(shutil.which("node"), "Node is not installed")
    def test_queue_worker(self):
        script = os.path.join(EXAMPLES, "queue_worker.mjs")
        code, out = self.cancelled("queue/worker", "node", script, "1000", "500")
        self.assertEqual(code, 3, out)
        self.assertIn("worker stopped: cancelled by", out)

    @unittest.skipUnless(shutil.which("node"), "Node is not installed")
    def test_queue_worker_goes_on_after_one_job(self):
        script = os.path.join(EXAMPLES, "queue_worker.mjs")
        process = self.example("node", script, "2", "3000")
        done = self.shared.quell("cancel", self.shared.task_of("queue/job"))
        self.assertEqual(done.returncode, 0, done.stderr)
        out, _ = process.communicate(timeout=quelltest.DEADLINE)
        self.assertEqual((process.returncode, out), (0, "job 1 stopped\njob 2 done\n"))

    def test_pipeline(self):
        process = self.example(os.path.join(EXAMPLES, "pipeline.sh"), "1000")
        whole = self.shared.task_of("report/nightly")
        stages = [self.shared.task_of("report/nightly:export"), self.shared.task_of("report/nightly:count")]
        for stage in stages:
            self.assertEqual(self.shared.tasks()[stage]["parent_task_id"], whole)
        self.shared.quell("cancel", whole)
        process.communicate(timeout=quelltest.DEADLINE)
        until(lambda: not set(self.shared.tasks()) & {whole, *stages}, "nothing of it is left")


if __name__ == "__main__":
    quelltest.main()
