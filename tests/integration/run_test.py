"""Goal: under `quell run` a command behaves as without it: streams, exit codes, signals,
processes it leaves; whether a node is there or not.
Method: each case runs bare and wrapped, and the two must be alike; once without any node and once
with one."""

import os
import signal
import subprocess

import quelltest
from quelltest import QUELL, alive, until, until_gone


class InvisibleCases:
    """The cases; `env` says where the node is."""

    env = None

    def wrapped(self, *command, flags=(), **kwargs):
        return subprocess.run([QUELL, "run", *flags, "--", *command], env=self.env,
                              capture_output=True, timeout=60, check=False,
                              **{"stdin": subprocess.DEVNULL, **kwargs})

    def popen(self, *command, **kwargs):
        process = subprocess.Popen([QUELL, "run", "--", *command], env=self.env,
                                   **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                                      "stderr": subprocess.PIPE, "bufsize": 0, **kwargs})
        for stream in (process.stdout, process.stderr, process.stdin):
            if stream:
                self.addCleanup(stream.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def assert_alike(self, *command, **kwargs):
        bare = subprocess.run(command, capture_output=True, timeout=60, check=False,
                              **{"stdin": subprocess.DEVNULL, **kwargs})
        wrapped = self.wrapped(*command, **kwargs)
        self.assertEqual((wrapped.returncode, wrapped.stdout, wrapped.stderr),
                         (bare.returncode, bare.stdout, bare.stderr), command)

    def test_exit_codes_and_death_by_signal_are_the_commands(self):
        for code in (0, 1, 2, 42, 125, 126, 127, 128, 255):
            self.assert_alike("sh", "-c", f"exit {code}")
        for name in ("TERM", "INT", "KILL", "SEGV", "HUP", "PIPE", "USR1", "ALRM"):
            self.assert_alike("sh", "-c", f"kill -{name} $$")

    def test_a_shell_sees_128_and_the_signals_number(self):
        done = subprocess.run(["sh", "-c", f"{QUELL} run -- sh -c 'kill -TERM $$'; echo $?"],
                              env=self.env, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.stdout, "143\n")

    def test_streams_are_the_commands_own(self):
        self.assert_alike("cat", stdin=None, input=os.urandom(1 << 20))
        self.assert_alike("sh", "-c", "echo out; echo err >&2")
        self.assert_alike("sh", "-c", "exec 1>&-; echo x")

    def test_arguments_directory_and_environment_arrive_untouched(self):
        self.assert_alike("printf", "<%s>", "a b", "", "--", "-x", "$HOME", "*")
        self.assert_alike("pwd", cwd=self.directory)
        before = dict(self.env, GREETING="hello")
        done = subprocess.run([QUELL, "run", "--", "env", "-0"], env=before, capture_output=True,
                              timeout=60, check=True)
        after = dict(entry.split("=", 1) for entry in done.stdout.decode().split("\0") if entry)
        added = {key: after.pop(key) for key in ("QUELL_SOCKET", "QUELL_TASK_ID") if key in after}
        before.pop("QUELL_SOCKET", None)
        self.assertEqual(after, before)
        self.assertTrue(added["QUELL_SOCKET"].startswith("/"))

    def test_a_command_that_is_not_there_is_127_and_one_that_cannot_be_run_is_126(self):
        missing = self.wrapped("/nosuch/command")
        self.assertEqual((missing.returncode, missing.stdout), (127, b""))
        self.assertIn(b"/nosuch/command", missing.stderr)
        self.assertEqual(self.wrapped("nosuchcommand12").returncode, 127)
        self.assertEqual(self.wrapped("/etc/passwd").returncode, 126)
        self.assertEqual(self.wrapped("/tmp").returncode, 126)

    def test_a_script_without_a_first_line_runs_as_from_a_shell(self):
        path = os.path.join(self.directory, "script")
        with open(path, "w", encoding="ascii") as file:
            file.write("echo $1; exit 5\n")
        os.chmod(path, 0o755)
        done = self.wrapped(path, "word")
        self.assertEqual((done.returncode, done.stdout), (5, b"word\n"))

    def test_signals_for_the_wrapper_reach_the_command(self):
        for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "WINCH"):
            with self.subTest(signal=name):
                process = self.popen(
                    "sh", "-c", f"trap 'echo got {name}; exit 3' {name}; echo up; "
                                "while :; do sleep 0.05; done")
                self.assertEqual(quelltest.read_line(process.stdout), "up\n")
                process.send_signal(getattr(signal, "SIG" + name))
                self.assertEqual(quelltest.read_line(process.stdout), f"got {name}\n")
                self.assertEqual(process.wait(30), 3)

    def test_a_signal_that_the_command_shrugs_off_does_not_end_the_wrapper(self):
        process = self.popen("sh", "-c", "trap 'echo got' TERM; echo up; "
                                         "while :; do sleep 0.05; done")
        self.assertEqual(quelltest.read_line(process.stdout), "up\n")
        for _ in range(3):
            process.terminate()
            self.assertEqual(quelltest.read_line(process.stdout), "got\n")
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGQUIT)
        self.assertEqual(process.wait(30), -signal.SIGQUIT)

    def test_blocked_and_ignored_signals_are_inherited(self):
        show = ("grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status")
        def ignore():
            signal.signal(signal.SIGUSR1, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM])
        self.assert_alike(*show)
        self.assert_alike(*show, preexec_fn=ignore)

    def test_no_file_descriptor_of_the_wrapper_leaks_into_the_command(self):
        self.assert_alike("sh", "-c", "ls /proc/self/fd | wc -l")

    def test_the_process_group_and_session_are_the_callers(self):
        done = self.wrapped("python3", "-c", "import os; print(os.getpgrp(), os.getsid(0))")
        self.assertEqual(done.stdout.decode().split(), [str(os.getpgrp()), str(os.getsid(0))])

    def test_a_pipes_reader_sees_the_end_when_the_command_closes_its_output(self):
        process = self.popen("sh", "-c", "echo one; exec >&-; read x", stdin=subprocess.PIPE)
        self.assertEqual(quelltest.read_line(process.stdout), "one\n")
        self.assertEqual(process.stdout.read(), b"")
        self.assertIsNone(process.poll())
        process.stdin.close()
        process.wait(30)

    def test_a_command_whose_reader_has_gone_gets_sigpipe(self):
        done = subprocess.run(["bash", "-c",
                               f"{QUELL} run -- yes | head -n1; echo ${{PIPESTATUS[0]}}"],
                              env=self.env, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.stdout, "y\n141\n")

    def test_what_the_command_leaves_in_the_background_lives_on_and_is_not_waited_for(self):
        process = self.popen("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")
        pid = int(quelltest.read_line(process.stdout))
        self.addCleanup(quelltest.kill_quietly, pid)
        self.assertEqual(process.wait(30), 0)
        self.assertTrue(alive(pid))

    def test_a_command_stopped_and_continued_from_outside_goes_on(self):
        process = self.popen("sh", "-c", "echo $$; read x; exit 4", stdin=subprocess.PIPE)
        pid = int(quelltest.read_line(process.stdout))
        os.kill(pid, signal.SIGSTOP)
        until(lambda: quelltest.state_of(pid) == "T", "the command is stopped")
        self.assertNotEqual(quelltest.state_of(process.pid), "T", "only the command was frozen")
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: quelltest.state_of(pid) != "T", "SIGCONT for the wrapper is passed on")
        process.stdin.close()
        self.assertEqual(process.wait(30), 4)

    def test_the_commands_death_ends_nobody_elses_wrapper(self):
        inner = f"{QUELL} run -- sh -c 'exit 6'"
        done = self.wrapped("sh", "-c", f"{inner}; echo $?; exit 7")
        self.assertEqual((done.returncode, done.stdout), (7, b"6\n"))

    def test_a_killed_wrapper_does_not_take_the_command_with_it(self):
        process = self.popen("sh", "-c", "echo $$; exec sleep 1000")
        pid = int(quelltest.read_line(process.stdout))
        self.addCleanup(quelltest.kill_quietly, pid)
        process.kill()
        process.wait()
        self.assertTrue(alive(pid))


class WithoutNodeTest(InvisibleCases, quelltest.TestCase):
    """No QUELL_SOCKET, and nobody at the default path."""

    def setUp(self):
        super().setUp()
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith("QUELL_")}

    def test_a_named_socket_without_a_node_costs_one_line_on_stderr(self):
        self.env["QUELL_SOCKET"] = os.path.join(self.directory, "nosuch.sock")
        done = self.wrapped("sh", "-c", "echo out; exit 3")
        self.assertEqual((done.returncode, done.stdout), (3, b"out\n"))
        self.assertEqual(done.stderr.count(b"\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith(b"quell: not tracked"), done.stderr)
        self.assertIn(b"nosuch.sock", done.stderr)

    def test_a_socket_path_that_is_too_long_does_not_fail_the_job(self):
        done = self.wrapped("sh", "-c", "exit 3", flags=["--socket", "/tmp/" + "x" * 200])
        self.assertEqual(done.returncode, 3)
        self.assertIn(b"not tracked", done.stderr)

    def test_a_relative_socket_is_passed_on_as_an_absolute_path(self):
        self.env["QUELL_SOCKET"] = "door.sock"
        done = self.wrapped("sh", "-c", "echo $QUELL_SOCKET", cwd=self.directory)
        self.assertEqual(done.stdout.decode().strip(), os.path.join(self.directory, "door.sock"))

    def test_a_mistake_in_its_own_flags_is_2_and_starts_nothing(self):
        for flags in (["--grace", "soon"], ["--parent", "x"], ["--nonsense"]):
            done = self.wrapped("echo", "started", flags=flags)
            self.assertEqual((done.returncode, done.stdout), (2, b""), flags)
        bare = subprocess.run([QUELL, "run", "echo", "started"], capture_output=True, env=self.env,
                              timeout=60, check=False)
        self.assertEqual((bare.returncode, bare.stdout), (2, b""))


class WithNodeTest(InvisibleCases, quelltest.SharedClusterCase):
    NAMES = ["a"]

    def setUp(self):
        super().setUp()
        self.env = self.shared.environment("a")

    def test_a_tracked_command_knows_its_task_and_is_listed(self):
        process = self.popen("sh", "-c", "echo $QUELL_TASK_ID; echo $QUELL_SOCKET; read x",
                             stdin=subprocess.PIPE)
        task = quelltest.read_line(process.stdout).strip()
        self.assertEqual(quelltest.read_line(process.stdout).strip(),
                         self.shared.nodes["a"]["socket"])
        listed = self.shared.tasks()[task]
        self.assertEqual(listed["action"], "run/sh")
        self.assertIn("sh -c", listed["description"])
        process.stdin.close()
        process.wait(30)
        until_gone([process.pid], "the wrapper")
        record = self.shared.record(task)
        self.assertTrue(record["ended"])

    def test_an_outer_task_that_the_node_does_not_know_is_left_out_after_a_while(self):
        unknown = self.shared.nodes["a"]["id"] + ":9000000"
        self.env = dict(self.env, QUELL_TASK_ID=unknown)
        process = self.popen("cat", stdin=subprocess.PIPE)
        task = self.shared.task_of("run/cat")
        self.assertNotIn("parent", self.shared.record(task)["task"])
        process.stdin.close()
        process.wait(30)

    def test_a_command_knows_the_chain_above_it(self):
        script = f"echo $QUELL_TASK_ID; {QUELL} run -- sh -c 'echo $QUELL_TASK_ID $QUELL_ANCESTORS'; read x"
        process = self.popen("sh", "-c", script, stdin=subprocess.PIPE)
        outer = quelltest.read_line(process.stdout).strip()
        inner, *ancestors = quelltest.read_line(process.stdout).split()
        self.assertEqual(ancestors, [outer])
        self.assertEqual(self.shared.record(inner)["task"]["parent"], outer)
        # A job elsewhere that is told of both carries both on.
        env = dict(self.env, QUELL_TASK_ID="OOOOOOOOOOOOOOOOOOOOOg:7", QUELL_ANCESTORS=f"{inner},{outer}")
        far = subprocess.run([QUELL, "run", "--", "sh", "-c", "echo $QUELL_ANCESTORS"], env=env, text=True,
                             capture_output=True, timeout=60, check=True)
        self.assertEqual(far.stdout.strip(), f"OOOOOOOOOOOOOOOOOOOOOg:7,{inner},{outer}")
        process.stdin.close()
        process.wait(30)

    def test_the_outcome_follows_the_exit_code(self):
        for code, state in ((0, "succeeded"), (1, "failed")):
            process = self.popen("sh", "-c", f"echo $QUELL_TASK_ID; exit {code}")
            task = quelltest.read_line(process.stdout).strip()
            process.wait(30)
            self.assertEqual(self.shared.record(task)["task"]["state"], state)

    def test_nothing_is_ever_written_to_its_own_streams(self):
        done = self.wrapped("true")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


if __name__ == "__main__":
    quelltest.main()
