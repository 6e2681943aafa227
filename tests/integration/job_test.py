"""Goal: a cancelled `quell run` ends its whole tree, says what it did, and nobody else suffers; a
job and its task survive what happens to the node and to the wrapper.
Method: real trees of processes, watched by pid; daemons are killed and started again."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

import quelltest
from quelltest import QUELL, SLEEPER, STUBBORN, alive, until, until_gone


class TreeTest(quelltest.SharedClusterCase):
    NAMES = ["a"]

    def cancel(self, action, query=""):
        task = self.shared.task_of(action)
        answer = self.shared.post(f"/_tasks/{task}/_cancel{query}")
        self.assertEqual(answer.json["node_failures"], [], answer)
        return task

    def ended(self, task):
        return until(lambda: (r := self.shared.record(task)) and r["ended"] and r,
                     f"{task} has ended")

    def test_a_command_that_obeys_is_not_killed(self):
        job = self.job("a", "sh", "-c", "trap 'exit 3' TERM; echo $$ >>$PIDS; "
                       "while :; do sleep 0.05; done", flags=["--action", "tree/obeys"])
        pids = job.pids()
        task = self.cancel("tree/obeys")
        self.assertEqual(job.wait(), 3, "the command's own exit code")
        until_gone(pids, "the command is gone")
        record = self.ended(task)
        self.assertEqual(record["task"]["state"], "cancelled")
        self.assertNotIn("escalated_at_millis", record["receipt"])
        self.assertIn("delivered_at_millis", record["receipt"])
        self.assertIn("acknowledged_at_millis", record["receipt"])
        _, err = job.output()
        self.assertEqual(err.count("quell: "), 1, err)
        self.assertIn("quell: cancelled by", err)

    def test_a_stubborn_command_is_killed_after_the_jobs_grace(self):
        job = self.job("a", *STUBBORN, flags=["--action", "tree/stubborn", "--grace", "300ms"])
        pids = job.pids()
        start = time.monotonic()
        task = self.cancel("tree/stubborn")
        self.assertEqual(job.wait(), -signal.SIGKILL)
        self.assertGreater(time.monotonic() - start, 0.29)
        until_gone(pids, "the command is gone")
        record = self.ended(task)
        self.assertEqual(record["task"]["state"], "cancelled")
        self.assertIn("escalated_at_millis", record["receipt"])

    def test_a_command_that_ends_by_the_signal_of_an_outer_cancel_was_cancelled_too(self):
        job = self.job("a", "sh", "-c", "echo $$ >>$PIDS; exec sleep 1000", flags=["--action", "tree/inner"])
        pid, = job.pids()
        os.kill(job.process.pid, signal.SIGSTOP)
        until(lambda: quelltest.stopped(job.process.pid), "the wrapper stands still")
        task = self.cancel("tree/inner")
        os.kill(pid, signal.SIGTERM)  # As the wrapper of the outer task does.
        until(lambda: quelltest.state_of(pid) == "Z", "the command has ended")
        os.kill(job.process.pid, signal.SIGCONT)
        self.assertEqual(job.wait(), -signal.SIGTERM)
        self.assertEqual(self.ended(task)["task"]["state"], "cancelled")

    def test_the_cancels_own_grace_wins_over_the_jobs(self):
        job = self.job("a", *STUBBORN, flags=["--action", "tree/now", "--grace", "1h"])
        job.pids()
        self.cancel("tree/now", "?grace=100ms")
        self.assertEqual(job.wait(), -signal.SIGKILL)

    def test_a_detached_session_is_swept_with_the_rest(self):
        job = self.job("a", "sh", "-c",
                       "echo $$ >>$PIDS; setsid sh -c 'echo $$ >>$PIDS; exec sleep 1000' & "
                       "(setsid sh -c 'echo $$ >>$PIDS; exec sleep 1000' &); exec sleep 1000",
                       flags=["--action", "tree/detached"])
        pids = job.pids(3)
        self.cancel("tree/detached")
        self.assertEqual(job.wait(), -signal.SIGTERM)
        self.assertFalse([pid for pid in pids if alive(pid)],
                         "the wrapper ends only when nothing is left")

    def test_a_background_process_that_ignores_sigterm_is_killed_though_the_command_obeyed(self):
        job = self.job("a", "sh", "-c",
                       "(trap '' TERM; sh -c 'echo $$ >>$PIDS; while :; do sleep 1000; done') & "
                       "echo $$ >>$PIDS; exec sleep 1000",
                       flags=["--action", "tree/behind", "--grace", "500ms"])
        pids = job.pids(2)
        self.cancel("tree/behind")
        self.assertEqual(job.wait(), -signal.SIGTERM)
        self.assertFalse([pid for pid in pids if alive(pid)])

    def test_the_commands_clean_up_is_left_in_peace(self):
        flag = os.path.join(self.directory, "cleaned")
        job = self.job("a", "sh", "-c",
                       f"trap 'sleep 0.5; echo yes >{flag}; exit 0' TERM; echo $$ >>$PIDS; "
                       "while :; do sleep 0.05; done", flags=["--action", "tree/clean"])
        job.pids()
        time_before = time.monotonic()
        self.cancel("tree/clean")
        self.assertEqual(job.wait(), 0)
        self.assertGreater(time.monotonic() - time_before, 0.45)
        self.assertTrue(os.path.exists(flag))

    def test_a_tree_that_keeps_on_forking_is_ended(self):
        job = self.job("a", "sh", "-c",
                       "trap '' TERM\n f() { sleep 0.002; f & }\n"
                       "for i in 1 2 3 4; do f & done; echo $$ >>$PIDS; sleep 1000",
                       flags=["--action", "tree/storm", "--grace", "200ms"])
        job.pids()
        self.cancel("tree/storm")
        self.assertEqual(job.wait(60), -signal.SIGKILL)

    def test_a_stopped_process_in_the_tree_is_ended(self):
        job = self.job("a", "sh", "-c",
                       "sh -c 'echo $$ >>$PIDS; kill -STOP $$; exec sleep 1000' & "
                       "echo $$ >>$PIDS; wait", flags=["--action", "tree/stopped"])
        pids = job.pids(2)
        until(lambda: "T" in [quelltest.state_of(pid) for pid in pids], "one is stopped")
        self.cancel("tree/stopped")
        job.wait()
        self.assertFalse([pid for pid in pids if alive(pid)])

    def test_each_process_gets_one_sigterm_also_under_a_nested_run(self):
        log = os.path.join(self.directory, "terms")
        script = (f"trap 'echo term >>{log}' TERM; echo $$ >>$PIDS; "
                  "i=0; while [ $i -lt 30 ]; do sleep 0.05; i=$((i+1)); done; exit 0")
        env = dict(self.shared.environment("a"), SCRIPT=script)
        job = quelltest.Job(env, ["--action", "tree/out2"],
                            ["sh", "-c", f"trap : TERM; {QUELL} run --action tree/in2 -- "
                                         "sh -c \"$SCRIPT\"; exit 0"], self.directory)
        self.addCleanup(job.destroy)
        job.pids()
        self.shared.task_of("tree/in2")
        self.cancel("tree/out2")
        job.wait()
        with open(log, encoding="ascii") as file:
            self.assertEqual(file.read(), "term\n")

    def test_what_it_may_not_kill_is_reported(self):
        if os.getuid() != 0:
            self.skipTest("needs root to make a process of another user")
        if not shutil.which("perl"):
            self.skipTest("needs perl as a program that can become another user")
        # The job's user is nobody; a set-uid program in its tree becomes root for good.
        folder = os.path.join(self.directory, "open")
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        os.chmod(self.directory, 0o755)
        helper, program = os.path.join(folder, "helper"), os.path.join(folder, "quell")
        shutil.copy(shutil.which("perl"), helper)
        os.chmod(helper, 0o4755)
        shutil.copy(QUELL, program)
        with open(os.path.join(folder, "script"), "w", encoding="ascii") as file:
            file.write("$< = $>; sleep 1000;\n")
        env = self.shared.environment("a")
        for path in (self.shared_directory, self.shared.data, self.shared.nodes["a"]["data"]):
            os.chmod(path, 0o755)
        os.chmod(env["QUELL_SOCKET"], 0o666)
        self.addCleanup(os.chmod, env["QUELL_SOCKET"], 0o660)
        job = quelltest.Job(env, ["--action", "tree/root", "--grace", "100ms"],
                            ["sh", "-c", f"{helper} {folder}/script & echo $! >>$PIDS; wait"],
                            folder, program=program, user=65534, group=65534)
        self.addCleanup(job.destroy)
        [pid] = job.pids()
        self.addCleanup(quelltest.kill_quietly, pid)
        def real_uid():
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                return [line for line in file if line.startswith("Uid:")][0].split()[1]
        try:
            until(lambda: real_uid() == "0", "the helper is root", 5)
        except AssertionError:
            self.skipTest("set-uid programs are switched off here")
        task = self.cancel("tree/root")
        record = until(lambda: (r := self.shared.record(task)) and r["receipt"]
                       and r["receipt"]["state"] == "ignoring" and r,
                       f"the rest is reported; {self.shared.record(task)}")
        self.assertIn(str(pid), record["receipt"]["note"])
        self.assertFalse(record["ended"])
        self.assertIsNone(job.process.poll(), "the wrapper stays while something is left")
        os.kill(pid, signal.SIGKILL)
        job.wait()
        self.ended(task)

    def test_a_child_that_starts_under_a_cancelled_parent_never_runs(self):
        flag = os.path.join(self.directory, "ran")
        job = self.job("a", "sh", "-c",
                       f"trap '{QUELL} run --action tree/late -- touch {flag}; echo $? >>$PIDS; "
                       "exit 0' TERM; echo $$ >>$PIDS; while :; do sleep 0.05; done",
                       flags=["--action", "tree/early"])
        job.pids()
        self.cancel("tree/early")
        self.assertEqual(job.wait(), 0)
        self.assertEqual(job.pids(2)[1], 143)
        self.assertFalse(os.path.exists(flag))

    def test_a_process_whose_first_thread_has_ended_is_stopped_as_any_other(self):
        # Syscall 60: the first thread alone ends; the state in /proc says "zombie" from then on.
        program = ("import ctypes, os, threading\n"
                   "def work():\n"
                   "  until_alone()\n"
                   "  open(os.environ['PIDS'], 'a').write(f'{os.getpid()}\\n')\n"
                   "  threading.Event().wait()\n"
                   "def until_alone():\n"
                   "  while open(f'/proc/{os.getpid()}/stat').read().rpartition(')')[2].split()[0] != 'Z':\n"
                   "    os.sched_yield()\n"
                   "threading.Thread(target=work).start()\n"
                   "ctypes.CDLL(None).syscall(%d, 0)\n" % (60 if os.uname().machine == "x86_64" else 93))
        job = self.job("a", sys.executable, "-c", program, flags=["--action", "tree/thread"])
        [pid] = job.pids()
        self.assertEqual(quelltest.state_of(pid), "Z")
        task = self.cancel("tree/thread")
        self.assertEqual(job.wait(), -signal.SIGTERM)
        record = self.ended(task)
        self.assertEqual(record["task"]["state"], "cancelled")
        self.assertNotIn("escalated_at_millis", record["receipt"])

    def test_a_standard_error_that_nobody_reads_does_not_hold_up_a_cancel(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, bytes(4096))
        except BlockingIOError:
            pass
        os.set_blocking(writer, True)
        env = dict(self.shared.environment("a"), PIDS=os.path.join(self.directory, "pids"))
        process = subprocess.Popen([QUELL, "run", "--action", "tree/mute", "--", "sleep", "1000"],
                                   env=env, stdin=subprocess.DEVNULL, stderr=writer)
        os.close(writer)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.cancel("tree/mute")
        self.assertEqual(process.wait(quelltest.DEADLINE), -signal.SIGTERM)

    def around(self, *command):
        """A program that runs `quell` with its arguments inside `command`, where that is possible."""
        if os.getuid() != 0 or subprocess.run(["unshare", "-mpf", "true"], check=False,
                                              stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("needs root and unshare(1), to make namespaces")
        path = os.path.join(self.directory, "quell")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\nexec {shlex.join(command)} \"$@\"\n")
        os.chmod(path, 0o755)
        return path

    def test_without_proc_a_cancel_ends_the_whole_tree(self):
        program = self.around("unshare", "-m", "sh", "-c",
                              f'mount -t tmpfs none /proc; exec {QUELL} "$@"', "quell")
        job = self.job("a", "sh", "-c", "sh -c 'echo $$ >>$PIDS; exec sleep 1000' & "
                       "(setsid sh -c 'echo $$ >>$PIDS; exec sleep 1000' &); echo $$ >>$PIDS; wait",
                       flags=["--action", "tree/blind"], program=program)
        pids = job.pids(3)
        task = self.cancel("tree/blind")
        self.assertEqual(job.wait(), -signal.SIGTERM)
        self.assertFalse([pid for pid in pids if alive(pid)])
        record = self.ended(task)
        self.assertEqual(record["task"]["state"], "cancelled")
        self.assertIn("without a /proc", job.output()[1])

    def test_with_the_proc_of_another_pid_namespace_a_cancel_ends_the_job_and_nobody_else(self):
        program = self.around("unshare", "-pf", QUELL)
        # Its pids are those of quite other processes there.
        job = self.job("a", "sh", "-c", "trap '' TERM; sleep 1000 & echo up; wait; exit 0",
                       flags=["--action", "tree/inner", "--grace", "200ms"], program=program)
        self.assertEqual(job.process.stdout.readline(), b"up\n")
        task = self.cancel("tree/inner")
        self.assertEqual(job.wait(), 128 + signal.SIGKILL, "as unshare(1) shows it")
        self.assertEqual(self.ended(task)["task"]["state"], "cancelled")

    def test_a_job_in_a_pid_namespace_is_known_by_its_pid_on_the_host(self):
        program = self.around("unshare", "-pf", "--mount-proc", QUELL)
        job = self.job("a", "sleep", "1000", flags=["--action", "tree/ns"], program=program)
        task = self.shared.task_of("tree/ns")
        [wrapper] = quelltest.children_of(job.process.pid)
        [command] = quelltest.children_of(wrapper)
        self.assertEqual(self.shared.record(task)["task"]["pid"], command)
        os.kill(wrapper, signal.SIGKILL)  # The first of its namespace: all of that ends with it.
        until_gone([command], "the command is gone")
        self.assertEqual(self.ended(task)["task"]["state"], "lost")


class AwayTest(quelltest.TestCase):
    def test_a_job_registers_late_with_its_true_start_when_the_node_comes(self):
        cluster = self.cluster(["a"])
        cluster.kill_node("a")
        before = time.time()
        job = cluster.run("a", *SLEEPER, flags=["--action", "late/a"])
        job.pids()
        after = time.time()
        until(lambda: time.time() > after + 1, "the start and the registration are well apart")
        cluster.start_again(cluster.nodes["a"]).wait_joined()
        task = cluster.task_of("late/a", 60)
        start = cluster.tasks()[task]["start_time_in_millis"] / 1000
        self.assertGreaterEqual(start, before - 0.01)
        self.assertLessEqual(start, after + 0.01)
        cluster.post(f"/_tasks/{task}/_cancel")
        self.assertEqual(job.wait(), -signal.SIGTERM)

    def test_a_frozen_node_delays_a_start_by_a_quarter_second_at_most_and_hears_of_it_later(self):
        cluster = self.cluster(["a"])
        os.kill(cluster.nodes["a"]["pid"], signal.SIGSTOP)
        job = cluster.run("a", *SLEEPER, flags=["--action", "late/b"])
        job.pids()
        os.kill(cluster.nodes["a"]["pid"], signal.SIGCONT)
        cluster.task_of("late/b", 60)
        self.assertEqual(len(cluster.tasks("actions=late/*")), 1, "registered once")

    def test_a_job_that_ends_while_the_node_is_frozen_is_not_held_up(self):
        cluster = self.cluster(["a"])
        job = cluster.run("a", "sh", "-c", "echo $$ >>$PIDS; read x; exit 5", stdin=-1,
                          flags=["--action", "late/c"])
        job.pids()
        task = cluster.task_of("late/c")
        os.kill(cluster.nodes["a"]["pid"], signal.SIGSTOP)
        job.process.stdin.close()
        self.assertEqual(job.wait(10), 5)
        os.kill(cluster.nodes["a"]["pid"], signal.SIGCONT)
        until(lambda: task not in cluster.tasks(), "the task ends")

    def test_after_a_restart_of_its_daemon_the_task_keeps_its_id_and_start_and_can_be_cancelled(
            self):
        cluster = self.cluster(["a"])
        job = cluster.run("a", *SLEEPER, flags=["--action", "again/a", "--description", "d"])
        job.pids()
        task = cluster.task_of("again/a")
        before = cluster.tasks()[task]
        cluster.kill_node("a")
        cluster.start_again(cluster.nodes["a"]).wait_joined()
        after = until(lambda: cluster.tasks("nodes=a&detailed=true").get(task),
                      "the task is back under its id", 60)
        for key in ("action", "description", "start_time_in_millis", "cancelled"):
            self.assertEqual(after[key], before[key])
        cluster.post(f"/_tasks/{task}/_cancel")
        self.assertEqual(job.wait(), -signal.SIGTERM)

    def test_nested_jobs_come_back_with_their_family(self):
        cluster = self.cluster(["a"])
        job = cluster.run("a", "sh", "-c", f"echo $$ >>$PIDS; {QUELL} run --action again/in -- "
                          "sh -c 'echo $$ >>$PIDS; exec sleep 1000'; exit 0",
                          flags=["--action", "again/out"])
        job.pids(2)
        parent, child = cluster.task_of("again/out"), cluster.task_of("again/in")
        cluster.kill_node("a")
        cluster.start_again(cluster.nodes["a"]).wait_joined()
        tasks = until(lambda: (t := cluster.tasks("nodes=a")) and len(t) == 2 and t,
                      "both are back", 60)
        self.assertEqual(set(tasks), {parent, child})
        self.assertEqual(tasks[child]["parent_task_id"], parent)

    def test_a_killed_wrapper_leaves_its_task_orphaned_until_the_command_ends(self):
        cluster = self.cluster(["a"])
        job = cluster.run("a", *SLEEPER, flags=["--action", "orphan/a"])
        [pid] = job.pids()
        task = cluster.task_of("orphan/a")
        job.process.kill()
        job.process.wait()
        record = until(lambda: (r := cluster.record(task)) and r["task"]["detached"] and r,
                       "the task is detached")
        self.assertFalse(record["ended"])
        self.assertIn(task, cluster.tasks())
        self.assertTrue(alive(pid))
        os.kill(pid, signal.SIGKILL)
        until(lambda: task not in cluster.tasks(), "the task ends with its command")
        self.assertEqual(cluster.record(task)["task"]["state"], "lost")

    def test_a_node_that_ends_in_order_and_comes_back_finds_its_jobs(self):
        cluster = self.cluster(["a"])
        job = cluster.run("a", *SLEEPER, flags=["--action", "order/a"])
        job.pids()
        task = cluster.task_of("order/a")
        cluster.kill_node("a", signal.SIGTERM)
        until_gone([cluster.nodes["a"]["pid"]], "the node has stopped")
        self.assertIsNone(job.process.poll())
        cluster.start_again(cluster.nodes["a"]).wait_joined()
        until(lambda: task in cluster.tasks(), "the task is back", 60)


if __name__ == "__main__":
    quelltest.main()
