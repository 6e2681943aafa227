"""A program of the soak: tasks with children, for as long as it lives. Writes what it knows of them to its
ledger, a line of JSON for each fact: begun (before the node knows), known (its id), told (its end has been
taken). The line is in the file before the program goes on, so that SIGKILL takes nothing back.

    python3 worker.py LEDGER SEED"""

import json
import os
import random
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "sdk", "python"))
import quell_task  # noqa: E402  pylint: disable=wrong-import-position

OUTCOMES = ("success", "failure", "timeout")


class Worker:
    def __init__(self, ledger, seed):
        self.ledger = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.random = random.Random(seed)
        self.count = 0
        self.stopping = threading.Event()
        self.open = []  # Tasks, with the name of each in the ledger, that have not been told to end.
        self.ended = []  # Those whose end the node may not know yet.

    def note(self, fact, name, **more):
        line = json.dumps(dict(more, fact=fact, name=name, at=time.time())) + "\n"
        os.write(self.ledger, line.encode())

    def begin(self, parent=None):
        self.count += 1
        name = f"{os.getpid()}-{self.count}"
        self.note("begun", name)
        action = "soak/child" if parent else "soak/work"
        task = parent.child(action, name) if parent else quell_task.start(action, name)
        self.open.append([task, name, False])

    def end(self, entry):
        task, name, _ = entry
        self.open.remove(entry)
        outcome = "cancelled" if task.cancelled else self.random.choice(OUTCOMES)
        task.finish(outcome)
        self.ended.append((task, name, outcome))

    def notice(self):
        """Writes down what has become known."""
        for entry in self.open:
            if entry[0].id and not entry[2]:
                entry[2] = True
                self.note("known", entry[1], id=entry[0].id)
        for ended in list(self.ended):
            task, name, outcome = ended
            if task._told_end:  # pylint: disable=protected-access
                self.ended.remove(ended)
                self.note("told", name, id=task.id, outcome=outcome)

    def step(self):
        self.notice()
        for entry in list(self.open):
            if entry[0].cancelled or self.random.random() < 0.1:
                self.end(entry)
        while len(self.open) < 6:
            parent = self.random.choice(self.open)[0] if self.open and self.random.random() < 0.5 else None
            self.begin(parent)
        for task, _, _ in self.open:
            if self.random.random() < 0.2:
                task.progress(self.random.randrange(100), 100, "steps")

    def run(self):
        while not self.stopping.wait(self.random.uniform(0.1, 0.5)):
            self.step()
        # In the end half of what it has ends, and the rest runs on until the program is killed.
        for entry in list(self.open)[::2]:
            self.end(entry)
        while True:
            quell_task.flush(1)
            self.notice()
            if not self.ended and all(known for _, _, known in self.open):
                self.note("settled", str(os.getpid()), running=[name for _, name, _ in self.open])
                signal.pause()
            self.stopping.clear()
            self.stopping.wait(0.1)


def main():
    worker = Worker(sys.argv[1], sys.argv[2])
    signal.signal(signal.SIGTERM, lambda *_: worker.stopping.set())
    worker.run()


if __name__ == "__main__":
    main()
