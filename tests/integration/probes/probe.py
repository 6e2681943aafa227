"""The Python probe: see README.md."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "sdk", "python"))
import quell_task  # noqa: E402  pylint: disable=wrong-import-position

TASKS = {}
SHIELDS = {}


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
    if command == "progress":
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
