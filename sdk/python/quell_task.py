"""Quell for Python programs: one file, no dependencies, Python 3.9 or newer.

    import quell_task

    with quell_task.start("etl/load", "orders of today") as task:
        for i, row in enumerate(rows):
            task.check()                      # raises quell_task.Cancelled once it is to stop
            task.progress(i, len(rows), "rows")

In asyncio code a cancel becomes the cancellation of the current asyncio task:

    async with quell_task.start("etl/load") as task:
        await work()

The rules of the library hold (sdk/include/quell/quell.h): every method is thread-safe; nothing waits
for the network but the first start of the process, and that for at most 250 ms; without a node daemon
the work goes on untracked and is registered late, with its true start time.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import http.client
import json
import os
import re
import secrets
import socket
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional

__all__ = ["Cancelled", "Context", "Task", "current_task", "flush", "start"]
__version__ = "0.1.0"

_FIRST_START_S = 0.25
_EXIT_S = 0.25
_CALL_S = 5.0
_COALESCE_S = 0.1
_BACKOFF_MIN_S = 0.1
_BACKOFF_MAX_S = 2.0
# When the program last looked for a cancel travels with other reports; alone, only so often.
_LOOK_S = 10.0
_LOOK_CANCELLED_S = 1.0  # Somebody waits for it.
_LOOKS_A_SECOND = 100
_MEASURE_S = 1.0  # Figures that travel alone.
_BATCH = 500
_ENDED_UNTRACKED = 1000

_TASK_ID = re.compile(r"[A-Za-z0-9_-]{22}:[1-9][0-9]{0,15}\Z")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")

_current: "contextvars.ContextVar[Optional[Task]]" = contextvars.ContextVar("quell_task", default=None)


class Cancelled(Exception):
    """Somebody wants the task stopped. `by`, `reason`, `grace_s` and `at_s` (since 1970) say more."""

    def __init__(self, cancel: Mapping[str, Any]):
        self.by = str(cancel.get("by", ""))
        self.reason = str(cancel.get("reason", ""))
        self.grace_s = float(cancel.get("grace_in_millis", 0)) / 1000
        self.at_s = float(cancel.get("at_millis", 0)) / 1000
        super().__init__(f"cancelled by {self.by}" + (f": {self.reason}" if self.reason else ""))


class Context:
    """Where work comes from. Travels in HTTP headers, gRPC metadata and environments; what is malformed
    on the way in is dropped, never an error."""

    _NAMES = {
        "http": ("Quell-Task-Id", "Quell-Ancestors", "X-Opaque-Id", "traceparent"),
        "grpc": ("quell-task-id", "quell-ancestors", "x-opaque-id", "traceparent"),
        "environment": ("QUELL_TASK_ID", "QUELL_ANCESTORS", "QUELL_OPAQUE_ID", "TRACEPARENT"),
    }

    def __init__(self, task: str = "", ancestors: Optional[List[str]] = None, opaque_id: str = "",
                 traceparent: str = ""):
        self.task = task
        self.ancestors = list(ancestors or [])
        self.opaque_id = opaque_id
        self.traceparent = traceparent

    @classmethod
    def extract(cls, carrier: Mapping[str, str]) -> "Context":
        """From headers or metadata, names in any case."""
        lower = {str(name).lower(): value for name, value in carrier.items()}
        return cls._extract(cls._NAMES["grpc"], lower)

    @classmethod
    def from_environment(cls) -> "Context":
        return cls._extract(cls._NAMES["environment"], os.environ)

    @classmethod
    def _extract(cls, names, carrier: Mapping[str, str]) -> "Context":
        context = cls()
        task, ancestors, opaque_id, trace = (carrier.get(name, "") for name in names)
        if _TASK_ID.match(task):
            context.task = task
            chain = [id for id in ancestors.split(",") if id][:15]
            context.ancestors = chain if all(_TASK_ID.match(id) for id in chain) else []
        if _TRACEPARENT.match(trace):
            context.traceparent = trace
        if opaque_id and len(opaque_id) <= 1024 and opaque_id.isascii() and opaque_id.isprintable():
            context.opaque_id = opaque_id
        return context

    def inject(self, carrier: str = "http") -> Dict[str, str]:
        """As a dictionary for 'http', 'grpc' or 'environment'."""
        task, ancestors, opaque_id, trace = self._NAMES[carrier]
        out = {}
        if self.task:
            out[task] = self.task
            if self.ancestors:
                out[ancestors] = ",".join(self.ancestors)
        if self.opaque_id:
            out[opaque_id] = self.opaque_id
        if self.traceparent:
            out[trace] = self.traceparent
        return out


class Task:
    """One piece of work. A context manager, in `with` and `async with`: it ends as success, as cancelled
    if Cancelled (or, in asyncio, the cancellation it caused) leaves the block, else as failure."""

    def __init__(self, action: str, description: str, context: Context, parent: Optional["Task"],
                 cancellable: bool, cancel_on_parent_lost: bool = False):
        self.action = (action or "unnamed").encode()[:128].decode(errors="ignore")
        self.description = (description or "").encode()[:4096].decode(errors="ignore")
        self.cancellable = cancellable
        self.cancel_on_parent_lost = cancel_on_parent_lost
        self._start_ms = int(time.time() * 1000)
        self._start_boot_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        self._origin = context
        self._parent = parent
        self._lock = threading.RLock()
        self._cancelled = threading.Event()
        self._id = ""
        self._ancestors: List[str] = []
        self._registered = False
        self._refused = False
        self._outcome: Optional[str] = None
        self._told_end = False
        self._fields: Dict[str, Any] = {}
        self._fields_dirty = False
        self._fields_told = 0.0
        self._shields: List[str] = []
        self._cancel: Optional[Dict[str, Any]] = None
        self._tell_deferred = False
        self._knows = False  # The program has seen that it is cancelled.
        self._told_stopping = False
        self._key = ""  # Names the registration, should its answer be lost.
        self._looked = 0.0  # time.time() of the last look for a cancel; 0: never.
        self._look_told = 0.0
        self._look_told_at = 0.0
        self._callbacks: List[Callable[[], None]] = []
        self._running: List[_Measure] = []  # Measures under way.
        self._figures = [0, 0, 0, 0]  # Of those that have ended: total, least, most, how many.
        self._figures_told: Optional[Dict[str, int]] = None
        self._figures_told_at = 0.0
        self._token: Optional[contextvars.Token] = None
        self._async_cancel: Optional[Callable[[], None]] = None

    @property
    def id(self) -> str:
        """"NODE:NUMBER", or "" while untracked."""
        return self._id

    @property
    def tracked(self) -> bool:
        return bool(self._id)

    @property
    def cancelled(self) -> bool:
        """Whether it is to stop, and no shield holds. The node hears that the program has looked."""
        self._looked = time.time()
        if not self._cancelled.is_set():
            return False
        self._see()
        return True

    def _see(self) -> None:
        if not self._knows:
            self._knows = True
            _engine().wake()

    @property
    def cancel_request(self) -> Optional[Cancelled]:
        return Cancelled(self._cancel or {}) if self.cancelled else None

    def check(self) -> None:
        """Raises Cancelled once the task is to stop."""
        if self.cancelled:
            raise Cancelled(self._cancel or {})

    def wait_cancelled(self, timeout: Optional[float] = None) -> bool:
        """Sleeps until the task is to stop, `timeout` seconds at most: a sleep that a cancel ends."""
        self._looked = time.time()
        return self._cancelled.wait(timeout) and self.cancelled

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` once, on the library's thread; at once if it is cancelled already. Returns a
        function that takes it back."""
        with self._lock:
            if not self._cancelled.is_set():
                self._callbacks.append(callback)
                return lambda: self._drop(callback)
        callback()
        return lambda: None

    def _drop(self, callback: Callable[[], None]) -> None:
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def progress(self, done: int, total: int, unit: str = "") -> None:
        value: Dict[str, Any] = {"done": done, "total": total}
        if unit:
            value["unit"] = unit
        self.field("progress", value)

    def phase(self, text: str) -> None:
        self.field("phase", text)

    def field(self, name: str, value: Any) -> None:
        """One more member of the status; any JSON value. Only the last one within 100 ms travels."""
        json.dumps(value)  # A value that is no JSON is the caller's mistake: say so here.
        with self._lock:
            if self._outcome is not None or self._fields.get(name) == value:
                return
            if len(self._fields) >= 64 and name not in self._fields:
                return
            self._fields[name] = value
            if self._fields_dirty:
                return
            self._fields_dirty = True
        _engine().wake()

    def child(self, action: str, description: str = "", *, cancellable: bool = True,
              cancel_on_parent_lost: bool = False) -> "Task":
        task = Task(action, description, self.context(), self, cancellable, cancel_on_parent_lost)
        _engine().add(task)
        return task

    def context(self) -> Context:
        with self._lock:
            if not self._id:
                return self._origin
            return Context(self._id, self._ancestors, self._origin.opaque_id, self._origin.traceparent)

    def shield(self, why: str) -> "_Shield":
        """`with task.shield("swapping files"):` a cancel is deferred meanwhile, and everybody sees why."""
        return _Shield(self, why)

    def measure_this_thread(self) -> "_Measure":
        """`with task.measure_this_thread():` the CPU time of the calling thread counts to the task meanwhile:
        what a task uses is shown only where its program measures it. In asyncio code all that the loop runs
        meanwhile counts: measure what does not wait."""
        return _Measure(self)

    def finish(self, outcome: str = "success") -> None:
        """success, failure, cancelled or timeout. The first one counts."""
        if outcome not in ("success", "failure", "cancelled", "timeout"):
            raise ValueError(f"outcome {outcome!r}: use success, failure, cancelled or timeout")
        with self._lock:
            if self._outcome is not None:
                return
            self._outcome = outcome
        _engine().wake()

    def __enter__(self) -> "Task":
        self._token = _current.set(self)
        return self

    def __exit__(self, kind, error, trace) -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
        if kind is None:
            self.finish("success")
        elif issubclass(kind, Cancelled) or (
                self._cancelled.is_set() and issubclass(kind, (asyncio.CancelledError, KeyboardInterrupt))):
            self.finish("cancelled")
        else:
            self.finish("failure")

    async def __aenter__(self) -> "Task":
        loop = asyncio.get_running_loop()
        running = asyncio.current_task()

        def cancel_running() -> None:
            try:
                loop.call_soon_threadsafe(lambda: None if running.done() else running.cancel())
            except RuntimeError:
                pass  # The loop is closed: nothing is left to cancel.

        self.__enter__()
        self._async_cancel = self.on_cancel(cancel_running)
        return self

    async def __aexit__(self, kind, error, trace) -> None:
        if self._async_cancel is not None:
            self._async_cancel()
        self.__exit__(kind, error, trace)

    # For the engine.

    def _figures_now(self) -> Dict[str, int]:
        """What it has used until now, as a report says it; empty: nothing was measured."""
        total, least, most, count = self._figures
        running = [measure.read() for measure in self._running]
        if not count and not running:
            return {}
        return {"cpu_time_in_nanos": total + sum(running),
                "least_cpu_time_in_nanos": min(running + [least] if count else running),
                "most_cpu_time_in_nanos": max(running + [most]),
                "executions": count + len(running), "active": len(running)}

    def _figures_told_count(self) -> int:
        """How many measures are told as ended."""
        told = self._figures_told
        return told["executions"] - told["active"] if told else 0

    def _deliver(self) -> None:
        with self._lock:
            if self._cancel is None or self._outcome is not None or self._cancelled.is_set():
                return
            if self._shields:
                self._tell_deferred = True
                return
            self._cancelled.set()
            callbacks, self._callbacks = self._callbacks, []
            if callbacks:
                self._looked = time.time()
                self._knows = True
        for callback in callbacks:
            callback()

    def _new_json(self) -> Dict[str, Any]:
        out: Dict[str, Any] = {"action": self.action, "description": self.description,
                               "pid": os.getpid(), "start_time_in_millis": self._start_ms,
                               "start_since_boot_in_micros": self._start_boot_us}
        out.update({"id": self._id} if self._id else {"key": self._key})
        if self.cancel_on_parent_lost:
            out["on_parent_lost"] = "cancel"
        if not self.cancellable:
            out["cancellable"] = False
        if self._parent is not None and self._parent._id:
            out["parent"] = self._parent._id
        elif self._origin.task:
            out["parent"] = self._origin.task
            if self._origin.ancestors:
                out["ancestors"] = self._origin.ancestors
        headers = {}
        if self._origin.opaque_id:
            headers["X-Opaque-Id"] = self._origin.opaque_id
        if self._origin.traceparent:
            headers["traceparent"] = self._origin.traceparent
        if headers:
            out["headers"] = headers
        return out


class _Shield:
    def __init__(self, task: Task, why: str):
        self._task = task
        self._why = why[:256]

    def __enter__(self) -> None:
        with self._task._lock:
            self._task._shields.append(self._why)
            if self._task._cancel is not None and not self._task._cancelled.is_set():
                self._task._tell_deferred = True

    def __exit__(self, kind, error, trace) -> None:
        with self._task._lock:
            self._task._shields.remove(self._why)
        self._task._deliver()
        _engine().wake()


class _Measure:
    """One stretch of one thread's work. Times in nanoseconds."""

    def __init__(self, task: Task):
        self._task = task
        self.used = 0

    def __enter__(self) -> None:
        self._clock = time.pthread_getcpuclockid(threading.get_ident())  # Any thread can read it.
        self._start = time.clock_gettime_ns(self._clock)
        with self._task._lock:
            first = not self._task._running
            self._task._running.append(self)
        if first:
            _engine().wake()

    def __exit__(self, kind, error, trace) -> None:
        task = self._task
        with task._lock:
            used = self.read()
            task._running.remove(self)
            total, least, most, count = task._figures
            task._figures = [total + used, min(least, used) if count else used, max(most, used), count + 1]

    def read(self) -> int:
        try:
            self.used = max(self.used, time.clock_gettime_ns(self._clock) - self._start)
        except OSError:
            pass  # The thread has ended without a word: what was read last is what it leaves.
        return self.used


class _DoorConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float):
        super().__init__("quell", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        try:
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            self.sock = None
            raise


class _Away(Exception):
    """The daemon did not answer."""


def _is_away(status: int) -> bool:
    """It may be another status the next time."""
    return status in (408, 429) or status >= 500


class _Engine:
    """The one thread that tells the node what the program said; a second one hears the commands."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._path = os.environ.get("QUELL_SOCKET") or "/run/quell/node.sock"
        self._condition = threading.Condition()
        self._tasks: List[Task] = []
        self._started = False
        self._tried = False
        self._asked = 0
        self._served = 0
        self._door: Optional[_DoorConnection] = None
        self._session = ""
        self._listener: Optional[_Listener] = None
        self._backoff = 0.0
        self._retry_at = 0.0
        self._due: Optional[float] = None
        self._look_at: Optional[float] = None  # Looks that are told for their own sake.
        self._looks_since = 0.0  # The present second of them...
        self._looks = 0  # ...and how many it has had.
        self._resources_refused = False  # By a node that does not know them.
        self._key_prefix = secrets.token_hex(12)
        self._added = 0

    def add(self, task: Task) -> None:
        with self._condition:
            self._added += 1
            task._key = f"{self._key_prefix}-{self._added}"
            self._tasks.append(task)
            self._asked += 1
            first = not self._started
            if first:
                self._started = True
                threading.Thread(target=self._run, name="quell", daemon=True).start()
            self._condition.notify_all()
            if first:
                self._condition.wait_for(lambda: self._tried, _FIRST_START_S)

    def wake(self) -> None:
        with self._condition:
            self._asked += 1
            self._condition.notify_all()

    def flush(self, timeout: float) -> bool:
        with self._condition:
            if not self._started:
                return True
            until = self._asked
            return self._condition.wait_for(lambda: self._served >= until, timeout)

    def snapshot(self) -> List[Task]:
        with self._condition:
            return list(self._tasks)

    def _run(self) -> None:
        while True:
            with self._condition:
                asked = self._asked
            self._due = self._look_at = None
            told = False
            try:
                told = self._step()
            except (_Away, OSError, http.client.HTTPException, ValueError):
                self._disconnect()
            with self._condition:
                self._tried = True
                if told and self._due is None:
                    self._served = asked
                self._condition.notify_all()
                if self._asked == asked:
                    next_ones = [due for due in (self._due, self._look_at) if due is not None]
                    wait = max(0.0, min(next_ones) - time.monotonic()) if next_ones else None
                    self._condition.wait(wait)

    def _step(self) -> bool:
        tasks = self.snapshot()
        if not tasks:
            return True
        if time.monotonic() < self._retry_at:
            self._due = self._retry_at
            return False
        if self._listener is not None and self._listener.broken:
            raise _Away()
        self._register()
        for task in self.snapshot():
            self._report(task)
        self._end()
        return True

    def _post(self, target: str, body: Any) -> "tuple[int, Any]":
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self._session:
            headers["Quell-Session"] = self._session
        if self._door is None:
            self._door = _DoorConnection(self._path, _CALL_S)
        self._door.request("POST", target, body=data, headers=headers)
        response = self._door.getresponse()
        text = response.read()
        if _is_away(response.status):
            raise _Away()
        return response.status, json.loads(text or b"{}")

    def _register(self) -> None:
        while True:
            batch = []
            for task in self.snapshot():
                parent = task._parent
                if parent is not None and not parent._id and not parent._refused:
                    continue
                if task._registered or task._refused or task._told_end:
                    continue
                batch.append(task)
                if len(batch) == _BATCH:
                    break
            if not batch:
                return
            self._register_batch(batch)

    def _register_batch(self, batch: List[Task]) -> None:
        status, answer = self._post("/v1/tasks", [task._new_json() for task in batch])
        if status == 404 and self._session:
            raise _Away()  # The session is over: begin anew.
        if status != 200:
            if len(batch) > 1:  # One bad task spoils its batch: find it by asking for each alone.
                for task in batch:
                    self._register_batch([task])
                return
            batch[0]._refused = True
            return
        self._session = answer["session"]
        self._backoff = 0.0
        for task, registered in zip(batch, answer["tasks"]):
            with task._lock:
                task._registered = True
                task._id = registered["id"]
                task._ancestors = list(registered.get("ancestors") or [])
                task._fields_dirty = bool(task._fields)
                task._fields_told = 0.0
                task._told_stopping = False
                task._figures_told, task._figures_told_at = None, time.monotonic()
                task._look_told, task._look_told_at = 0.0, time.monotonic()
                if registered.get("cancel"):
                    task._cancel = registered["cancel"]
            task._deliver()
        if self._listener is None:
            self._listener = _Listener(self, self._path, self._session)
            self._listener.start()

    def _report(self, task: Task) -> None:
        body: Dict[str, Any] = {}
        with task._lock:
            if not task._registered or task._told_end:
                return
            if task._fields_dirty:
                due = task._fields_told + _COALESCE_S
                now = time.monotonic()
                if due <= now or task._outcome is not None:
                    body["status"] = dict(task._fields)
                    task._fields_dirty = False
                    task._fields_told = now
                else:
                    self._due = due if self._due is None else min(due, self._due)
            if task._tell_deferred and task._shields:
                body["deferred"] = task._shields[-1]
            if task._knows and not task._told_stopping:
                body["stopping"] = task._told_stopping = True
            task._tell_deferred = False
            if self._is_look_due(task, bool(body)):
                body["last_check_millis"] = int(task._looked * 1000)
                task._look_told, task._look_told_at = task._looked, time.monotonic()
            resources = self._new_figures(task, bool(body))
        self._send_report(f"/v1/tasks/{task._id}/report", body, resources)

    def _send_report(self, target: str, body: Dict[str, Any], resources: Dict[str, int]) -> None:
        """An older node refuses a report with what it does not know: the rest must get through."""
        if resources and not self._resources_refused:
            if self._post(target, dict(body, resources=resources))[0] != 400:
                return
            self._resources_refused = True
        if body:
            self._post(target, body)

    def _new_figures(self, task: Task, together: bool) -> Dict[str, int]:
        """What is to be told now of the CPU time that counts to the task: with something else, or for its own sake.
        The last figures go with the end."""
        if task._outcome is not None or (not task._running and task._figures_told_count() == task._figures[3]):
            return {}
        now, due = time.monotonic(), task._figures_told_at + _MEASURE_S
        if now < due and not together:
            self._look_at = due if self._look_at is None else min(self._look_at, due)
            return {}
        figures = task._figures_now()
        task._figures_told_at = now
        if task._running:
            due = now + _MEASURE_S
            self._look_at = due if self._look_at is None else min(self._look_at, due)
        told, task._figures_told = task._figures_told, figures
        return figures if figures != told else {}

    def _is_look_due(self, task: Task, together: bool) -> bool:
        """Whether the last look, if it is new, is to be told now: with something else, or for its own sake."""
        now = time.monotonic()
        if now - self._looks_since >= 1.0:
            self._looks_since, self._looks = now, 0
        awaited = task._cancel is not None
        pause = _LOOK_CANCELLED_S if awaited else _LOOK_S
        again, new = now + pause, task._looked != task._look_told
        tell = new and together
        if new and not together:
            crowded = not awaited and self._looks >= _LOOKS_A_SECOND
            tell = task._look_told_at + pause <= now and not crowded
            if tell:
                self._looks += 1
            else:
                again = self._looks_since + 1.0 if crowded else task._look_told_at + pause
        self._look_at = again if self._look_at is None else min(self._look_at, again)
        return tell

    def _end(self) -> None:
        batch: List[Task] = []
        for task in self.snapshot():
            with task._lock:
                if task._outcome is None or not (task._registered or task._refused):
                    continue
            if task._refused:
                self._over(task)
            else:
                batch.append(task)
        for first in range(0, len(batch), _BATCH):
            self._end_batch(batch[first:first + _BATCH])

    def _end_batch(self, batch: List[Task]) -> None:
        ends = []
        for task in batch:
            with task._lock:
                ends.append({"id": task._id, "outcome": task._outcome, "resources": task._figures_now()})
        status, answer = self._post("/v1/tasks/finish", ends)
        if status != 200:
            raise _Away()
        for task, end in zip(batch, answer["tasks"]):
            if _is_away(end.get("status", 200)):  # Its disk is full, say: once more.
                due = time.monotonic() + _BACKOFF_MAX_S
                self._due = due if self._due is None else min(due, self._due)
            else:
                self._over(task)

    def _over(self, task: Task) -> None:
        task._told_end = True
        self._forget(task)

    def _forget(self, task: Task) -> None:
        with self._condition:
            if task in self._tasks:
                self._tasks.remove(task)

    def arrived(self, cancel: Dict[str, Any]) -> None:
        for task in self.snapshot():
            if task._id and task._id == cancel.get("task"):
                with task._lock:
                    task._cancel = cancel
                task._deliver()
                self.wake()
                return

    def _disconnect(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._session = ""  # A daemon that was restarted does not know it.
        self._resources_refused = False
        self._backoff = min(max(self._backoff * 2, _BACKOFF_MIN_S), _BACKOFF_MAX_S)
        self._retry_at = self._due = time.monotonic() + self._backoff
        ended = []
        for task in self.snapshot():
            task._registered = False
            if task._outcome is not None and not task._id:
                ended.append(task)
        for task in ended[:-_ENDED_UNTRACKED]:
            self._forget(task)


class _Listener(threading.Thread):
    def __init__(self, engine: _Engine, path: str, session: str):
        super().__init__(name="quell-commands", daemon=True)
        self.broken = False
        self._engine = engine
        self._session = session
        self._connection = _DoorConnection(path, _CALL_S)
        self._closed = False

    def run(self) -> None:
        try:
            self._connection.request("GET", f"/v1/sessions/{self._session}/commands",
                                     headers={"Quell-Session": self._session})
            self._connection.sock.settimeout(None)
            response = self._connection.getresponse()
            while response.status == 200:
                line = response.readline()
                if not line:
                    break
                command = json.loads(line) if line.strip() else {}
                if command.get("cancel"):
                    self._engine.arrived(command["cancel"])
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            pass
        if not self._closed:
            self.broken = True
            self._engine.wake()

    def close(self) -> None:
        self._closed = True
        sock = self._connection.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


_engine_lock = threading.Lock()
_the_engine: Optional[_Engine] = None


def _engine() -> _Engine:
    global _the_engine
    with _engine_lock:
        if _the_engine is None:
            _the_engine = _Engine()
        return _the_engine


def _after_fork() -> None:
    """The child's copies of its parent's tasks go nowhere; what it starts itself gets a new engine."""
    global _the_engine, _engine_lock
    _engine_lock = threading.Lock()
    _the_engine = None


os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _at_exit() -> None:
    if _the_engine is not None:
        _the_engine.flush(_EXIT_S)


def start(action: str, description: str = "", *, context: Optional[Context] = None,
          cancellable: bool = True, cancel_on_parent_lost: bool = False) -> Task:
    """Begins a task: a child of `context`, else of the current task, else of the environment's."""
    parent = _current.get() if context is None else None
    if parent is not None and parent._outcome is None:
        return parent.child(action, description, cancellable=cancellable,
                            cancel_on_parent_lost=cancel_on_parent_lost)
    task = Task(action, description, context or Context.from_environment(), None, cancellable,
                cancel_on_parent_lost)
    _engine().add(task)
    return task


def current_task() -> Optional[Task]:
    """The task whose block this code runs in."""
    return _current.get()


def flush(timeout: float = 5.0) -> bool:
    """Waits until all that was said is told, `timeout` seconds at most."""
    return _engine().flush(timeout)
