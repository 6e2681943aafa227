"""Goal: under `quell run` a command behaves as without it: streams, exit codes, signals,
processes it leaves; whether a node is there or not.
Method: each case runs bare and wrapped, and the two must be alike; once without any node and once
with one."""

import fcntl
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

import quelltest
from quelltest import QUELL, alive, until, until_gone

# Tells which descriptors it has, and of what, in the file that is named.
FILES = r"""
import os, sys
found = []
for number in range(64):
    try:
        stat = os.fstat(number)
    except OSError:
        continue
    found.append(f"{number} {stat.st_dev}:{stat.st_ino}")
open(sys.argv[1], "w").write("\n".join(found))
"""

# Tells of each signal that it gets, one a line.
LISTENER = r"""
import os, signal
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, lambda *_: None)
print("up", flush=True)
while True:
    for number in os.read(reader, 64):
        print("got", number, flush=True)
"""

# The signals that end a program that does nothing about them; 32 and 33 are the C library's own.
DEADLY = sorted(set(range(1, 65)) - {32, 33} - {int(number) for number in (
    signal.SIGKILL, signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT,
    signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH)})


def no_core():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class InvisibleCases:
    """The cases; `env` says where the node is."""

    env = None

    def wrapped(self, *command, flags=(), **kwargs):
        program = kwargs.pop("program", QUELL)
        return subprocess.run([program, "run", *flags, "--", *command], env=self.env,
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
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM])
        self.assert_alike(*show)
        self.assert_alike(*show, preexec_fn=ignore)

    def test_every_signal_that_can_be_caught_reaches_the_command(self):
        process = self.popen(sys.executable, "-c", LISTENER)
        self.assertEqual(quelltest.read_line(process.stdout), "up\n")
        for number in sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}):
            process.send_signal(number)
            self.assertEqual(quelltest.read_line(process.stdout), f"got {int(number)}\n")

    def test_every_deadly_signal_for_the_wrapper_ends_the_command_by_that_signal(self):
        for number in DEADLY:
            process = self.popen("sh", "-c", "echo $$; exec sleep 1000", preexec_fn=no_core)
            pid = int(quelltest.read_line(process.stdout))
            self.addCleanup(quelltest.kill_quietly, pid)
            process.send_signal(number)
            self.assertEqual(process.wait(30), -number)
            until_gone([pid], f"the command has died by signal {number}")

    def test_a_stop_signal_for_the_wrapper_stops_the_command(self):
        for number in (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU):
            # In a process group of its own: the kernel lets no terminal stop one that is detached, as the
            # one of the tests may be.
            process = self.popen("sh", "-c", "echo $$; read x; exit 4", stdin=subprocess.PIPE,
                                 preexec_fn=os.setpgrp)
            pid = int(quelltest.read_line(process.stdout))
            process.send_signal(number)
            until(lambda: quelltest.state_of(pid) == "T", f"signal {number} stops the command")
            until(lambda: quelltest.state_of(process.pid) == "T", "the wrapper stops with it")
            process.send_signal(signal.SIGCONT)
            process.stdin.close()
            self.assertEqual(process.wait(30), 4)

    def test_a_queued_signal_says_who_sent_it(self):
        process = self.popen(sys.executable, "-c", "import signal\n"
                             "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN])\n"
                             "print('up', flush=True)\n"
                             "info = signal.sigwaitinfo([signal.SIGRTMIN])\n"
                             "print(info.si_code, info.si_pid)")
        self.assertEqual(quelltest.read_line(process.stdout), "up\n")
        sender = subprocess.Popen(["/bin/kill", "--signal", "RTMIN", "--queue", "7",
                                   str(process.pid)])
        self.assertEqual(sender.wait(30), 0)
        self.assertEqual(quelltest.read_line(process.stdout), f"-1 {sender.pid}\n")

    def test_a_timer_that_was_set_before_goes_off_in_the_command(self):
        def alarm():
            signal.setitimer(signal.ITIMER_REAL, 0.3)
        self.assert_alike("sleep", "1000", preexec_fn=alarm)

    def test_timeout_nohup_setsid_and_script_see_no_difference(self):
        quell = [QUELL, "run", "--"]
        for around, command in ((["timeout", "0.3"], ["sleep", "1000"]),
                                (["timeout", "--foreground", "0.3"], ["sleep", "1000"]),
                                (["nohup"], ["grep", "SigIgn", "/proc/self/status"]),
                                (["setsid", "--wait"], ["sh", "-c", "exit 7"])):
            seen = [subprocess.run([*around, *wrapper, *command], env=self.env, capture_output=True,
                                   stdin=subprocess.DEVNULL, timeout=60, check=False)
                    for wrapper in ([], quell)]
            self.assertEqual((seen[1].returncode, seen[1].stdout),
                             (seen[0].returncode, seen[0].stdout), around)
        if shutil.which("script"):
            done = subprocess.run(["script", "-qec", f"{QUELL} run -- sh -c 'exit 7'", "/dev/null"],
                                  env=self.env, stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, 7)

    def assert_same_files(self, **kwargs):
        seen = []
        for wrapper in ([], [QUELL, "run", "--"]):
            path = os.path.join(self.directory, f"files{len(wrapper)}")
            done = subprocess.run([*wrapper, sys.executable, "-c", FILES, path], env=self.env,
                                  timeout=60, check=False, **kwargs)
            self.assertEqual(done.returncode, 0)
            with open(path, encoding="ascii") as file:
                seen.append(file.read())
        self.assertEqual(seen[1], seen[0])
        return seen[1]

    def test_the_command_has_the_open_files_of_the_caller_and_no_other(self):
        self.assert_same_files()
        with open("/dev/zero", "rb") as zero:
            self.assertIn(f"\n{zero.fileno()} ", self.assert_same_files(pass_fds=[zero.fileno()]))

    def test_standard_descriptors_that_are_closed_are_closed_for_the_command(self):
        for closed in ([0], [1], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]):
            def close(numbers=tuple(closed)):
                for number in numbers:
                    os.close(number)
            seen = self.assert_same_files(preexec_fn=close)
            for number in closed:
                self.assertNotIn(f"\n{number} ", "\n" + seen, closed)

    def test_with_closed_standard_descriptors_the_wrapper_hears_signals_and_waits_idly(self):
        for closed in ([0], [0, 1, 2]):
            def close(numbers=tuple(closed)):
                for number in numbers:
                    os.close(number)
            path = os.path.join(self.directory, f"up{len(closed)}")
            process = self.popen("sh", "-c", f"echo $$ >{path}; exec sleep 1000", preexec_fn=close)
            def started(path=path):
                with open(path, encoding="ascii") as file:
                    return file.read().strip()
            self.addCleanup(quelltest.kill_quietly, int(until(started, "the command is up")))
            until(lambda p=process: quelltest.state_of(p.pid) == "S", "the wrapper sleeps")
            process.terminate()
            self.assertEqual(process.wait(30), -signal.SIGTERM)

    def test_a_file_that_the_command_closes_is_held_by_nobody(self):
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        process = self.popen("bash", "-c", f"exec {writer}>&-; echo up; read x; exit 4",
                             pass_fds=[writer], stdin=subprocess.PIPE)
        os.close(writer)
        self.assertEqual(quelltest.read_line(process.stdout), "up\n")
        self.assertEqual(os.read(reader, 1), b"")
        process.stdin.close()
        self.assertEqual(process.wait(30), 4)

    def test_a_lock_of_the_process_is_held_until_the_command_ends(self):
        with open(os.path.join(self.directory, "lock"), "w", encoding="ascii") as file:
            def lock():
                fcntl.lockf(file, fcntl.LOCK_EX)
            process = self.popen("sh", "-c", "echo up; read x; exit 4", preexec_fn=lock,
                                 pass_fds=[file.fileno()], stdin=subprocess.PIPE)
            self.assertEqual(quelltest.read_line(process.stdout), "up\n")
            with self.assertRaises(BlockingIOError):
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            process.stdin.close()
            self.assertEqual(process.wait(30), 4)
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_variables_that_name_the_callers_process_name_the_command(self):
        names = ("LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID")
        export = " ".join(f"{name}=$$" for name in names)
        script = (f"export {export} OTHER_PID=$$ MANAGERPID=1; exec {QUELL} run -- sh -c '"
                  "echo $$ $LISTEN_PID $WATCHDOG_PID $SYSTEMD_EXEC_PID $OTHER_PID $MANAGERPID'")
        process = subprocess.Popen(["sh", "-c", script], env=self.env, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
        own, *named, other, manager = process.communicate(timeout=60)[0].decode().split()
        self.assertEqual(named, [own] * 3)
        self.assertEqual((other, manager), (str(process.pid), "1"))
        foreign = dict(self.env, LISTEN_PID="1")
        done = subprocess.run([QUELL, "run", "--", "sh", "-c", "echo $LISTEN_PID"], env=foreign,
                              capture_output=True, timeout=60, check=False)
        self.assertEqual(done.stdout, b"1\n", "it was meant for somebody else before, too")

    def test_without_room_for_a_process_or_a_thread_the_command_runs(self):
        if os.getuid() != 0:
            self.skipTest("the limit does not hold for root, and needs root to become another user")
        user = 61000 + os.getpid() % 4000
        # Where another user can run it: a home directory of root's may be closed to them.
        place = tempfile.mkdtemp(prefix="quell-it.")
        self.addCleanup(shutil.rmtree, place)
        os.chmod(place, 0o755)
        program = shutil.copy(QUELL, place)
        for limit in (1, 2, 3, 4):
            def tighten(limit=limit):
                resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
            done = self.wrapped("sh", "-c", "echo out; exit 3", user=user, group=user, program=program,
                                extra_groups=[], preexec_fn=tighten, cwd="/")
            self.assertEqual((done.returncode, done.stdout), (3, b"out\n"), (limit, done.stderr))

    def test_with_little_memory_the_command_runs(self):
        for limit in [*range(7000, 12000, 250), *range(12000, 40000, 2000)]:
            def tighten(limit=limit):
                resource.setrlimit(resource.RLIMIT_AS, (limit * 1024, limit * 1024))
            bare = subprocess.run([QUELL, "--version"], capture_output=True, preexec_fn=tighten,
                                  timeout=60, check=False)
            if bare.returncode != 0:
                continue  # So little that not even a program of this size can be loaded.
            done = self.wrapped("sh", "-c", "echo out; exit 3", preexec_fn=tighten)
            self.assertEqual((done.returncode, done.stdout), (3, b"out\n"), (limit, done.stderr))

    def test_without_room_for_files_the_command_runs(self):
        for limit in (4, 5, 6, 7, 8):
            def tighten(limit=limit):
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            done = self.wrapped("sh", "-c", "echo out; exit 3", preexec_fn=tighten)
            self.assertEqual((done.returncode, done.stdout), (3, b"out\n"), (limit, done.stderr))

    def test_a_parent_that_wants_it_killed_at_its_own_end_gets_that(self):
        prctl = "import ctypes, os, signal; ctypes.CDLL(None).prctl(1, signal.SIGKILL); "
        script = f"{prctl} os.execv({QUELL!r}, ['quell', 'run', '--', 'sh', '-c', 'echo $$; exec sleep 1000'])"
        parent = subprocess.Popen(["sh", "-c", '"$@"; exit 1', "sh", sys.executable, "-c", script],
                                  env=self.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                  bufsize=0)
        self.addCleanup(parent.stdout.close)
        pid = int(quelltest.read_line(parent.stdout))
        self.addCleanup(quelltest.kill_quietly, pid)
        parent.kill()
        parent.wait(30)
        until_gone([pid], "the command has been killed with the wrapper")

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

    def test_what_is_no_nodes_socket_fails_no_job(self):
        plain = os.path.join(self.directory, "plain")
        with open(plain, "w", encoding="ascii"):
            pass
        pipe = os.path.join(self.directory, "pipe")
        os.mkfifo(pipe)
        dumb = os.path.join(self.directory, "dumb")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(dumb)
            listener.listen(0)
            full = []
            for _ in range(3):  # Until nobody more can connect.
                client = socket.socket(socket.AF_UNIX)
                self.addCleanup(client.close)
                client.setblocking(False)
                full.append(client.connect_ex(dumb))
            self.assertNotEqual(full[-1], 0)
            for path in (plain, pipe, self.directory, dumb):
                self.env["QUELL_SOCKET"] = path
                done = self.wrapped("sh", "-c", "echo out; exit 3")
                self.assertEqual((done.returncode, done.stdout), (3, b"out\n"), path)
                self.assertIn(b"not tracked", done.stderr)

    def test_a_directory_that_is_gone_fails_no_job(self):
        for path in ("node.sock", os.path.join(self.directory, "nosuch.sock")):
            gone = os.path.join(self.directory, "gone")
            os.mkdir(gone)
            self.env["QUELL_SOCKET"] = path
            done = self.wrapped("sh", "-c", "exit 3", preexec_fn=lambda: (os.chdir(gone),
                                                                          os.rmdir(gone)))
            self.assertEqual(done.returncode, 3, done.stderr)

    def test_a_relative_socket_is_passed_on_as_an_absolute_path(self):
        self.env["QUELL_SOCKET"] = "node.sock"
        done = self.wrapped("sh", "-c", "echo $QUELL_SOCKET", cwd=self.directory)
        self.assertEqual(done.stdout.decode().strip(), os.path.join(self.directory, "node.sock"))

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
