"""Goal: under `quell run` the terminal behaves as without it: Ctrl-C, Ctrl-Z, fg, pagers and
editors; and a job of the terminal can be cancelled.
Method: an interactive bash on a pseudo terminal is typed to, and what it shows is read. No node is
needed, except for the cancel."""

import os
import pty
import re
import select
import signal
import sys
import time

import quelltest
from quelltest import QUELL, until, until_gone

PROMPT = "ready> "

# What an editor does: takes the terminal over, and at Ctrl-Z stops its whole process group itself.
EDITOR = r"""
import os, signal, sys, termios, tty
saved = termios.tcgetattr(0)
tty.setraw(0)
print("editing", end="\r\n", flush=True)
while True:
    key = os.read(0, 1)
    if key == b"\x1a":
        termios.tcsetattr(0, termios.TCSANOW, saved)
        os.kill(0, signal.SIGTSTP)
        tty.setraw(0)
        print("back", end="\r\n", flush=True)
    elif key == b"q":
        termios.tcsetattr(0, termios.TCSANOW, saved)
        sys.exit(0)
    else:
        print("key", key.decode(), end="\r\n", flush=True)
"""

# Tells whether it is in the foreground, and of each single signal that it gets.
COUNTER = r"""
import os, signal
reader, writer = os.pipe()
os.set_blocking(writer, False)
signal.set_wakeup_fd(writer)
for number in (signal.SIGINT, signal.SIGCONT, signal.SIGUSR1):
    signal.signal(number, lambda *_: None)
print("foreground", os.tcgetpgrp(0) == os.getpgrp(), flush=True)
while True:
    for number in os.read(reader, 64):
        # In one piece: in the background the shell's prompt may come in between.
        os.write(1, b"got " + signal.Signals(number).name[3:].encode() + b"\n")
"""


class Terminal:
    """An interactive bash on a pseudo terminal."""

    def __init__(self, env, directory):
        self.seen = ""
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it; a shell does not.
            env = dict(env, PS1=PROMPT, TERM="dumb", HISTFILE="/dev/null")
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"], env)
        self.expect(PROMPT)

    def type(self, text):
        self.seen = ""
        os.write(self.file, text.encode())

    def line(self, text):
        self.type(text + "\n")

    def expect(self, pattern, deadline=quelltest.DEADLINE):
        """Reads until the pattern matches what came since the last type()."""
        end = time.monotonic() + deadline
        while not (match := re.search(pattern, self.seen)):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.file], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} within {deadline} s; on the screen: "
                                     f"{self.seen!r}")
            try:
                self.seen += os.read(self.file, 4096).decode(errors="replace")
            except OSError as error:
                raise AssertionError(f"the terminal is gone ({error}): {self.seen!r}") from None
        return match

    def close(self):
        for pid in children(self.pid):
            quelltest.kill_quietly(pid)
        quelltest.kill_quietly(self.pid)
        os.waitpid(self.pid, 0)
        os.close(self.file)


def children(pid):
    """All descendants, by way of /proc."""
    found = []
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            for child in map(int, file.read().split()):
                found += [child, *children(child)]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


class TerminalTest(quelltest.TestCase):
    def setUp(self):
        super().setUp()
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith("QUELL_")}
        self.env["Q"] = f"{QUELL} run --"
        # So that the line about a missing node does not mix with what is looked for.
        self.env["PY"] = sys.executable
        for name, text in (("editor.py", EDITOR), ("counter.py", COUNTER)):
            with open(os.path.join(self.directory, name), "w", encoding="ascii") as file:
                file.write(text)

    def terminal(self, env=None):
        terminal = Terminal(env or self.env, self.directory)
        self.addCleanup(terminal.close)
        return terminal

    def test_ctrl_c_ends_the_command_and_the_shell_sees_it(self):
        terminal = self.terminal()
        terminal.line("$Q sh -c 'echo u''p; exec sleep 1000'")
        terminal.expect(r"up\r\n")
        terminal.type("\x03")
        terminal.expect(PROMPT)
        terminal.line("echo code=$?")
        terminal.expect(r"code=130\r\n")

    def test_ctrl_c_ends_a_loop_of_the_shell_as_without_the_wrapper(self):
        terminal = self.terminal()
        terminal.line("while :; do $Q sh -c 'echo u''p; exec sleep 1000'; done")
        terminal.expect(r"up\r\n")
        terminal.type("\x03")
        terminal.expect(PROMPT)

    def test_ctrl_c_reaches_the_command_once(self):
        terminal = self.terminal()
        terminal.line("$Q $PY counter.py")
        terminal.expect("foreground True")
        wrapper = children(terminal.pid)[0]
        for _ in range(30):  # Two that come close together can look like one.
            terminal.type("\x03")
            terminal.expect("got INT")
            # The wrapper passes signals on in order: a second SIGINT would come before this one.
            os.kill(wrapper, signal.SIGUSR1)
            terminal.expect("got USR1")
            self.assertEqual(terminal.seen.count("got INT"), 1, terminal.seen)

    def test_ctrl_z_stops_it_and_fg_goes_on(self):
        terminal = self.terminal()
        terminal.line("$Q $PY counter.py")
        terminal.expect("foreground True")
        terminal.type("\x1a")
        terminal.expect(r"Stopped[^\n]*\n(.|\n)*" + PROMPT)
        for pid in children(terminal.pid):
            until(lambda p=pid: quelltest.state_of(p) in ("T", None), "all of it is stopped")
        terminal.line("jobs")
        terminal.expect(r"Stopped")
        terminal.expect(PROMPT)
        terminal.line("fg")
        terminal.expect("got CONT")
        terminal.type("\x03")
        terminal.expect("got INT")
        terminal.type("\x1a")
        terminal.expect(r"Stopped[^\n]*\n(.|\n)*" + PROMPT)
        terminal.line("bg")
        terminal.expect("got CONT")
        terminal.line("kill -9 %1; wait; echo do''ne")
        terminal.expect("done")

    def test_kill_of_the_job_from_the_shell_ends_it(self):
        terminal = self.terminal()
        terminal.line("$Q sleep 1000 &")
        terminal.expect(PROMPT)
        terminal.line("kill %1; wait %1; echo code=$?")
        terminal.expect(r"code=143\r\n")

    def test_an_editor_gets_keys_and_stops_and_comes_back(self):
        terminal = self.terminal()
        terminal.line("$Q $PY editor.py")
        terminal.expect("editing")
        terminal.type("a")
        terminal.expect("key a")
        terminal.type("\x1a")
        terminal.expect(r"Stopped[^\n]*\n(.|\n)*" + PROMPT)
        terminal.line("fg")
        terminal.expect("back")
        terminal.type("b")
        terminal.expect("key b")
        terminal.type("q")
        terminal.expect(PROMPT)
        terminal.line("echo code=$?")
        terminal.expect(r"code=0\r\n")

    def test_a_pager_behind_it_reads_the_keyboard(self):
        terminal = self.terminal()
        terminal.line("$Q seq 3 | sh -c 'cat; read x </dev/tty; echo pager got $x'")
        terminal.expect("3\r\n")
        terminal.line("hello")
        terminal.expect("pager got hello")

    def test_a_pager_in_front_of_a_long_list_can_be_left(self):
        terminal = self.terminal()
        terminal.line("$Q seq 1 10000000 | sh -c 'read a; echo first $a; read x </dev/tty'; "
                      "echo code=${PIPESTATUS[0]}")
        terminal.expect("first 1\r\n")
        terminal.line("q")
        terminal.expect(r"code=141\r\n")

    def test_a_command_that_reads_the_terminal_in_the_background_is_stopped(self):
        terminal = self.terminal()
        terminal.line("$Q cat &")
        terminal.expect(PROMPT)
        def stopped():
            terminal.line("jobs")
            terminal.expect(PROMPT)
            return "Stopped" in terminal.seen
        until(stopped, "the shell sees the job stopped")
        terminal.line("fg")
        terminal.line("typed")
        terminal.expect("typed\r\n(.|\n)*typed\r\n")
        terminal.type("\x04")
        terminal.expect(PROMPT)

    def test_a_hangup_of_the_terminal_ends_it(self):
        terminal = self.terminal()
        terminal.line("$Q sh -c 'echo pid $$ .; exec sleep 1000'")
        pid = int(terminal.expect(r"pid (\d+) \.").group(1))
        os.close(terminal.file)
        until_gone([pid], "the command has got its SIGHUP")
        terminal.file = os.open("/dev/null", os.O_RDONLY)

    def test_a_hangup_reaches_the_command_of_a_session_leader(self):
        for wrapper in ([], [QUELL, "run", "--"]):
            leader, file = pty.fork()
            if leader == 0:
                command = [*wrapper, "sh", "-c", "echo pid $$ .; exec sleep 1000"]
                os.execvpe(command[0], command, self.env)
            self.addCleanup(quelltest.kill_quietly, leader)
            seen = ""
            while not (found := re.search(r"pid (\d+) \.", seen)):
                self.assertTrue(select.select([file], [], [], quelltest.DEADLINE)[0], seen)
                seen += os.read(file, 4096).decode()
            pid = int(found.group(1))
            self.addCleanup(quelltest.kill_quietly, pid)
            os.close(file)
            until_gone([pid], "the command has got its SIGHUP")
            _, status = os.waitpid(leader, 0)
            self.assertEqual(os.waitstatus_to_exitcode(status), -signal.SIGHUP)

    def test_ctrl_z_of_a_command_whose_caller_ignores_it_is_seen_by_the_shell(self):
        terminal = self.terminal()
        reset = ("import os, signal; signal.signal(signal.SIGTSTP, signal.SIG_DFL); "
                 "print('up', flush=True); signal.pause()")
        with open(os.path.join(self.directory, "reset.py"), "w", encoding="ascii") as file:
            file.write(reset)
        ignore = ("import os, signal, sys; signal.signal(signal.SIGTSTP, signal.SIG_IGN); "
                  "os.execv(sys.argv[1], sys.argv[1:])")
        with open(os.path.join(self.directory, "ignore.py"), "w", encoding="ascii") as file:
            file.write(ignore)
        terminal.line(f"$PY ignore.py {QUELL} run -- $PY reset.py")
        terminal.expect(r"up\r\n")
        terminal.type("\x1a")
        terminal.expect(r"Stopped[^\n]*\n(.|\n)*" + PROMPT)
        terminal.line("kill -9 %1; wait; echo do''ne")
        terminal.expect("done")


class TerminalCancelTest(quelltest.SharedClusterCase):
    NAMES = ["a"]

    def test_a_cancel_says_who_and_the_shell_comes_back(self):
        terminal = Terminal(self.shared.environment("a"), self.directory)
        self.addCleanup(terminal.close)
        terminal.line(f"{QUELL} run --action tty/a -- sleep 1000")
        task = self.shared.task_of("tty/a")
        self.shared.post(f"/_tasks/{task}/_cancel?reason=maintenance")
        terminal.expect(r"quell: cancelled by [^\r\n]*: maintenance")
        terminal.expect(PROMPT)
        terminal.line("echo code=$?")
        terminal.expect(r"code=143\r\n")

    def test_a_stopped_job_is_cancelled_when_it_goes_on(self):
        terminal = Terminal(self.shared.environment("a"), self.directory)
        self.addCleanup(terminal.close)
        terminal.line(f"{QUELL} run --action tty/b -- sleep 1000")
        task = self.shared.task_of("tty/b")
        terminal.type("\x1a")
        terminal.expect(r"Stopped[^\n]*\n(.|\n)*" + PROMPT)
        self.shared.post(f"/_tasks/{task}/_cancel")
        self.assertIn(task, self.shared.tasks())
        terminal.line("fg")
        terminal.expect("quell: cancelled by")
        terminal.expect(PROMPT)
        until(lambda: task not in self.shared.tasks(), "the task has ended")


if __name__ == "__main__":
    quelltest.main()
