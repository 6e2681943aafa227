"""The Python probe: see README.md."""

import json
import logging
import os
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "sdk", "python"))
import quell_task  # noqa: E402  pylint: disable=wrong-import-position

TASKS = {}
SHIELDS = {}
SAID = []


class Said(logging.Handler):
    def emit(self, record):
        SAID.append(record.getMessage())


logging.getLogger("quell_task").addHandler(Said())
logging.getLogger("quell_task").propagate = False


def fork(task):
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        inner = task.id if task in quell_task._engine().snapshot() else "-"  # pylint: disable=protected-access
        os.write(write_end, f"{inner} {int(task.cancelled)}".encode())
        os._exit(0)  # pylint: disable=protected-access
    os.close(write_end)
    seen = os.read(read_end, 128).decode()
    os.close(read_end)
    os.waitpid(child, 0)
    return seen


def linger():
    child = os.fork()
    if child == 0:
        os.close(0)
        os.close(1)
        signal.pause()
    return str(child)


def forks(task, count):
    enough = threading.Event()

    def report():
        done = 0
        while not enough.is_set():
            done += 1
            task.progress(done, 10**9)

    threads = [threading.Thread(target=report) for _ in range(2)]
    for thread in threads:
        thread.start()
    hung = 0
    for _ in range(count):
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # For a child that hangs.
            task.progress(1, 2)
            task.finish("failure")
            own = task.child("sdk/forked")
            own.finish("success")
            os._exit(0 if quell_task.flush(20) else 1)  # pylint: disable=protected-access
        hung += os.waitpid(child, 0)[1] != 0
    enough.set()
    for thread in threads:
        thread.join()
    return str(hung)


def on_task(task, name, command, rest):
    if command == "id":
        return task.id or "-"
    if command == "cancelled":
        return str(int(task.cancelled))
    if command == "wait":
        if not task.wait_cancelled(20):
            return "no"
        request = task.cancel_request
        return f"cancelled {request.by} {request.reason}"
    if command == "fork":
        return fork(task)
    if command == "linger":
        return linger()
    if command == "forks":
        return forks(task, int(rest))
    if command == "field":
        member, value = rest.split()
        value = {"nan": float("nan"), "long": "x" * 20000}[value] if value in ("nan", "long") else json.loads(value)
        task.field(member, value)
    elif command == "throws":
        task.on_cancel(lambda: {}["no such key"])
    elif command == "progress":
        done, total, unit = rest.split()
        task.progress(int(done), int(total), unit)
    elif command == "phase":
        task.phase(rest)
    elif command == "shield":
        shield = task.shield(rest)
        shield.__enter__()  # pylint: disable=unnecessary-dunder-call
        SHIELDS.setdefault(name, []).append(shield)
    elif command == "unshield":
        SHIELDS[name].pop().__exit__(None, None, None)
    elif command == "burn":
        with task.measure_this_thread():
            until = time.thread_time() + int(rest) / 1000
            while time.thread_time() < until:
                pass
    elif command == "finish":
        task.finish(rest)
    elif command == "inject":
        return " ".join(f"{key}={value}" for key, value in task.context().inject(rest).items())
    else:
        return "unknown command " + command
    return "ok"


def answer(line):
    command, _, rest = line.partition(" ")
    name, _, rest = rest.partition(" ")
    if command == "said":
        return "; ".join(SAID)
    if command == "flush":
        return str(int(quell_task.flush(10)))
    if command == "start":
        TASKS[name] = quell_task.start(rest, "of the probe")
        return "ok"
    if command == "child":
        parent, _, action = rest.partition(" ")
        TASKS[name] = TASKS[parent].child(action)
        return "ok"
    if command == "extract":
        action, *pairs = rest.split()
        headers = dict(pair.split("=", 1) for pair in pairs)
        TASKS[name] = quell_task.start(action, context=quell_task.Context.extract(headers),
                                       cancel_on_parent_lost="on_parent_lost" in headers)
        return "ok"
    if name not in TASKS:
        return "unknown task " + name
    return on_task(TASKS[name], name, command, rest)


for request in sys.stdin:
    print(answer(request.rstrip("\n")), flush=True)
