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
the work goes on untracked and is registered late, with its true start time. Two exceptions, each of at
most 250 ms: the end of a task in a worker of multiprocessing, which may be killed at any moment; and
start and end where no thread can be made, since nobody else can tell the node then.

What goes wrong is never an exception in the program: it is a warning of the logger "quell_task", once.
In a forked child the tasks of its parent are inert: untracked, and never cancelled.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import http.client
import json
import logging
import os
import re
import secrets
import signal
import socket
import sys
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, Tuple

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
_BUSY_S = 2.0  # The node has no room now.
_NO_ROOM = 429
_BATCH = 500
_BATCH_BYTES = 512 * 1024
_STATUS_BYTES = 16 * 1024
_STATUS_MEMBERS = 64
_ENDED_UNTRACKED = 1000

_TASK_ID = re.compile(r"(?!-|A{22})[A-Za-z0-9_-]{21}[AQgw]:[1-9][0-9]{0,15}\Z")
_TASK_NUMBER_MAX = 2**53 - 1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")

_log = logging.getLogger("quell_task")
_said: Set[Tuple[str, ...]] = set()
_generation = 0  # Of this process among those that were forked one from the other.
_exiting = False

_current: "contextvars.ContextVar[Optional[Task]]" = contextvars.ContextVar("quell_task", default=None)


def _warn_once(key: Tuple[str, ...], text: str, *args: Any, **more: Any) -> None:
    if key in _said or len(_said) >= 1000:
        return
    _said.add(key)
    _log.warning(text, *args, **more)


def _cut(text: Any, most: int) -> str:
    """At most so many bytes of UTF-8; what is no Unicode becomes "?"."""
    text = "" if text is None else str(text)
    return text.encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def _json(value: Any) -> str:
    """Raises what json.dumps() does; also for numbers that are none in JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace").decode()


def _object(members: Mapping[str, str]) -> str:
    """Of members that are JSON already."""
    return "{" + ",".join(f"{_json(name)}:{text}" for name, text in members.items()) + "}"


def _is_forked_worker() -> bool:
    """Of multiprocessing: it ends without atexit, or by a signal of its pool."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


class Cancelled(Exception):
    """Somebody wants the task stopped. `by`, `reason`, `grace_s` and `at_s` (since 1970) say more."""

    def __init__(self, cancel: Mapping[str, Any]):
        self.by = str(cancel.get("by", ""))
        self.reason = str(cancel.get("reason", ""))
        self.grace_s = float(cancel.get("grace_in_millis", 0)) / 1000
        self.at_s = float(cancel.get("at_millis", 0)) / 1000
        super().__init__(f"cancelled by {self.by}" + (f": {self.reason}" if self.reason else ""))


def _is_task_id(text: str) -> bool:
    """As the node has it: whatever it would refuse must not cost the program its tasks."""
    return bool(_TASK_ID.match(text)) and int(text[23:]) <= _TASK_NUMBER_MAX


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
        task, opaque_id, traceparent = (str(text or "") for text in (task, opaque_id, traceparent))
        self.task = task if _is_task_id(task) else ""
        chain = [str(id) for id in ancestors or []][:16]
        self.ancestors = chain if self.task and all(_is_task_id(id) for id in chain) else []
        usable = len(opaque_id) <= 1024 and opaque_id.isascii() and opaque_id.isprintable()
        self.opaque_id = opaque_id if usable else ""
        self.traceparent = traceparent if _TRACEPARENT.match(traceparent) else ""

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
        task, ancestors, opaque_id, trace = (carrier.get(name, "") for name in names)
        return cls(task, [id for id in ancestors.split(",") if id], opaque_id, trace)

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
        self.action = _cut(_CONTROL.sub(" ", str(action or "unnamed")), 128)
        self.description = _cut(description, 4096)
        self.cancellable = cancellable
        self.cancel_on_parent_lost = cancel_on_parent_lost
        self._start_ms = int(time.time() * 1000)
        self._generation = _generation
        self._start_boot_us = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
        self._origin = context
        self._parent = parent
        self._lock = threading.RLock()
        self._cancelled = threading.Event()
        self._known: Tuple[str, List[str]] = ("", [])  # Id and ancestors: one value, read without the lock.
        self._registered = False
        self._refused = False
        self._outcome: Optional[str] = None
        self._told_end = False
        self._fields: Dict[str, str] = {}  # As JSON.
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
        self._async_cancel: Optional[_AsyncCancel] = None

    @property
    def _id(self) -> str:
        return self._known[0]

    @property
    def _inert(self) -> bool:
        """A forked child's copy of its parent's task. Its locks may be held by threads that are not there."""
        return self._generation != _generation

    @property
    def id(self) -> str:
        """"NODE:NUMBER", or "" while untracked."""
        return "" if self._inert else self._id

    @property
    def tracked(self) -> bool:
        return bool(self.id)

    @property
    def cancelled(self) -> bool:
        """Whether it is to stop, and no shield holds. The node hears that the program has looked."""
        if self._inert:
            return False
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
        if self._inert:
            return threading.Event().wait(timeout)
        self._looked = time.time()
        return self._cancelled.wait(timeout) and self.cancelled

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls `callback` once, on the library's thread; at once if it is cancelled already. Returns a
        function that takes it back. What it raises is logged, and holds up nobody."""
        if self._inert:
            return lambda: None
        with self._lock:
            if not self._cancelled.is_set():
                self._callbacks.append(callback)
                return lambda: self._drop(callback)
        self._call(callback)
        return lambda: None

    def _call(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception:  # pylint: disable=broad-except
            _log.warning("a callback of on_cancel() of the task %s has raised", self.action, exc_info=True)

    def _drop(self, callback: Callable[[], None]) -> None:
        if self._inert:
            return
        with self._lock:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def progress(self, done: int, total: int, unit: str = "") -> None:
        value: Dict[str, Any] = {"done": done, "total": total}
        if unit:
            value["unit"] = _cut(unit, 64)
        self.field("progress", value)

    def phase(self, text: str) -> None:
        self.field("phase", _cut(text, 1024))

    def field(self, name: str, value: Any) -> None:
        """One more member of the status; any JSON value. Only the last one within 100 ms travels. A value that
        is no JSON (NaN, say), and one for which the status has no room (64 members, 16 KiB in all), leaves the
        status without this member; a warning names it."""
        if self._inert:
            return
        name, text, why = str(name), None, ""
        try:
            text = _json(value)
        except Exception as error:  # pylint: disable=broad-except
            why = str(error) or type(error).__name__
        with self._lock:
            if self._outcome is not None:
                return
            before = self._fields.get(name)
            why = why or self._why_no_room(name, text)
            if why:
                self._fields.pop(name, None)
                text = None
            else:
                self._fields[name] = text
            wake = text != before and not self._fields_dirty
            self._fields_dirty = self._fields_dirty or text != before
        if why:
            self._warn_of_member(name, why)
        if wake:
            _engine().wake()

    def _why_no_room(self, name: str, text: str) -> str:
        if name not in self._fields and len(self._fields) >= _STATUS_MEMBERS:
            return f"a status has at most {_STATUS_MEMBERS} members"
        if sum(len(one) + len(value) + 4 for one, value in self._fields.items()) + len(name) + len(text) > 2000:
            if len(_object(dict(self._fields, **{name: text})).encode()) > _STATUS_BYTES:
                return f"the status would have more than {_STATUS_BYTES} bytes"
        return ""

    def _warn_of_member(self, name: str, why: str) -> None:
        _warn_once(("member", self.action, name), "the status of the task %s has no member %s: %s", self.action,
                   _cut(name, 128), why)

    def child(self, action: str, description: str = "", *, cancellable: bool = True,
              cancel_on_parent_lost: bool = False) -> "Task":
        parent = None if self._inert else self  # After a fork only its id counts.
        task = Task(action, description, self.context(), parent, cancellable, cancel_on_parent_lost)
        _engine().add(task)
        return task

    def context(self) -> Context:
        known, origin = self._known, self._origin
        return Context(known[0], known[1], origin.opaque_id, origin.traceparent) if known[0] else origin

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
        if self._inert:
            return
        with self._lock:
            if self._outcome is not None:
                return
            self._outcome = outcome
        _engine().wake(ended=True)

    def __enter__(self) -> "Task":
        self._token = _current.set(self)
        return self

    def __exit__(self, kind, error, trace) -> None:
        token, self._token = self._token, None
        if token is not None:
            try:
                _current.reset(token)
            except ValueError:
                pass  # Left in another context than it was entered in: a generator that is closed, say.
        self.finish(self._outcome_of(kind, error))

    def _outcome_of(self, kind, error) -> str:
        if kind is None or issubclass(kind, GeneratorExit):
            return "success"
        if issubclass(kind, SystemExit):
            return "success" if getattr(error, "code", None) in (None, 0) else "failure"
        by_cancel = issubclass(kind, Cancelled) or (
            self._cancelled.is_set() and issubclass(kind, (asyncio.CancelledError, KeyboardInterrupt)))
        return "cancelled" if by_cancel else "failure"

    async def __aenter__(self) -> "Task":
        self.__enter__()
        self._async_cancel = _AsyncCancel(self)
        return self

    async def __aexit__(self, kind, error, trace) -> None:
        if self._async_cancel is not None:
            self._async_cancel.end(kind)
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
            self._call(callback)

    def _is_settled(self) -> bool:
        """What is registered below it waits for nothing."""
        return self._registered or self._refused or self._told_end

    def _new_json(self) -> str:
        # The clock may have been set back since it began.
        start_ms = min(self._start_ms, int(time.time() * 1000))
        out: Dict[str, Any] = {"action": self.action, "description": self.description,
                               "pid": os.getpid(), "start_time_in_millis": start_ms,
                               "start_since_boot_in_micros": self._start_boot_us}
        out.update({"id": self._id} if self._id else {"key": self._key})
        if self.cancel_on_parent_lost:
            out["on_parent_lost"] = "cancel"
        if not self.cancellable:
            out["cancellable"] = False
        if self._parent is not None and self._parent._id:
            out["parent"] = self._parent._id
        elif _TASK_ID.match(self._origin.task):
            out["parent"] = self._origin.task
            if self._origin.ancestors:
                out["ancestors"] = self._origin.ancestors[:15]  # With the parent that is a whole chain.
        headers = {}
        if self._origin.opaque_id:
            headers["X-Opaque-Id"] = _cut(self._origin.opaque_id, 1024)
        if self._origin.traceparent:
            headers["traceparent"] = _cut(self._origin.traceparent, 1024)
        if headers:
            out["headers"] = headers
        return _json(out)

    def _begin_again(self, key: str) -> None:
        """Under a new id: the node does not give the old one back."""
        with self._lock:
            self._known, self._key = ("", []), key


class _AsyncCancel:
    """Hands the cancel of a task to the asyncio task in its block, and to nothing that comes after."""

    def __init__(self, task: Task):
        self._loop = asyncio.get_running_loop()
        self._running = asyncio.current_task()
        self._over = False  # On the loop's thread, as all but _arrived().
        self._cancelled = False
        self._take_back = task.on_cancel(self._arrived)

    def _arrived(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._cancel)
        except RuntimeError:
            pass  # The loop is closed: nothing is left to cancel.

    def _cancel(self) -> None:
        if not self._over and not self._running.done():
            self._cancelled = True
            self._running.cancel()

    def end(self, kind) -> None:
        self._over = True
        self._take_back()
        # A block that has dealt with its cancellation leaves none behind (from Python 3.11 on they count).
        dealt_with = kind is None or not issubclass(kind, asyncio.CancelledError)
        if self._cancelled and dealt_with and hasattr(self._running, "uncancel"):
            self._running.uncancel()


class _Shield:
    def __init__(self, task: Task, why: str):
        self._task = task
        self._why = _cut(why, 256)

    def __enter__(self) -> None:
        if self._task._inert:
            return
        with self._task._lock:
            self._task._shields.append(self._why)
            if self._task._cancel is not None and not self._task._cancelled.is_set():
                self._task._tell_deferred = True

    def __exit__(self, kind, error, trace) -> None:
        if self._task._inert:
            return
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
        if self._task._inert:
            return
        self._clock = time.pthread_getcpuclockid(threading.get_ident())  # Any thread can read it.
        self._start = time.clock_gettime_ns(self._clock)
        with self._task._lock:
            first = not self._task._running
            self._task._running.append(self)
        if first:
            _engine().wake()

    def __exit__(self, kind, error, trace) -> None:
        task = self._task
        if task._inert:
            return
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


# The library's sockets: a forked child closes its copies, or its parent's stream would outlive the parent. Held
# for a moment only; reentrant, since a signal handler may fork.
_sockets_lock = threading.RLock()
_sockets: "Set[socket.socket]" = set()


class _DoorConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float):
        super().__init__("quell", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        with _sockets_lock:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            _sockets.add(sock)
        self.sock = sock
        try:
            sock.settimeout(self.timeout)
            sock.connect(self._path)
        except BaseException:
            self.close()
            raise

    def send(self, data) -> None:
        if self.sock is None:
            self.connect()
        self.sock.sendall(data, socket.MSG_NOSIGNAL)  # The program may have SIGPIPE end it.

    def close(self) -> None:
        with _sockets_lock:
            _sockets.discard(self.sock)
        super().close()


class _Away(Exception):
    """The daemon did not answer, or does not know the session any more."""


class _Busy(Exception):
    """The daemon has no room for this now; all that it knows already it still knows."""


def _is_away(status: int) -> bool:
    """It may be another status the next time."""
    return status == 408 or (status >= 500 and not _is_busy(status))


def _is_busy(status: int) -> bool:
    return status in (429, 507)


def _error_of(answer: Any) -> Tuple[str, str]:
    """The type and the reason of an error."""
    error = answer.get("error") if isinstance(answer, dict) else None
    return (str(error.get("type")), str(error.get("reason"))) if isinstance(error, dict) else ("", "")


def _block_signals() -> None:
    """They are the program's, and its other threads'."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


class _Engine:
    """The one thread that tells the node what the program said; a second one hears the commands."""

    def __init__(self) -> None:
        self._path = os.environ.get("QUELL_SOCKET") or "/run/quell/node.sock"
        self._condition = threading.Condition()
        self._tasks: List[Task] = []
        self._started = False
        self._start_at = 0.0  # The next try to make the thread...
        self._no_thread = ""  # ...and why the last one failed.
        self._here = threading.Lock()  # A turn without the thread...
        self._own = 0  # ...and the thread that takes it; else the engine's own.
        self._tried = False
        self._asked = 0
        self._served = 0
        self._door: Optional[_DoorConnection] = None
        self._session = ""
        self._listener: Optional[_Listener] = None
        self._listen_at = 0.0
        self._call_s = _CALL_S
        self._backoff = 0.0
        self._retry_at = 0.0
        self._full_until = 0.0  # No room for more tasks.
        self._due: Optional[float] = None
        self._look_at: Optional[float] = None  # Looks that are told for their own sake.
        self._looks_since = 0.0  # The present second of them...
        self._looks = 0  # ...and how many it has had.
        self._resources_refused = False  # By a node that does not know them.
        self._key_prefix = secrets.token_hex(12)
        self._added = 0
        util = sys.modules.get("multiprocessing.util")
        if util is not None:  # Its workers end without atexit.
            util.Finalize(None, _at_exit, exitpriority=-100)

    def add(self, task: Task) -> None:
        with self._condition:
            task._key = self._new_key()
            self._tasks.append(task)
            self._asked += 1
            first = not self._started
            if first and self._start():
                self._condition.wait_for(lambda: self._tried, _FIRST_START_S)
            self._condition.notify_all()
        if not self._started:
            self._turn_here()

    def _new_key(self) -> str:
        self._added += 1
        return f"{self._key_prefix}-{self._added}"

    def _start(self) -> bool:
        """Makes the thread, if that is possible. The caller holds the condition."""
        if self._started or time.monotonic() < self._start_at:
            return self._started
        try:
            threading.Thread(target=self._run, name="quell", daemon=True).start()
            self._started = True
        except (RuntimeError, MemoryError) as error:
            self._start_at, self._no_thread = time.monotonic() + 1.0, str(error)
        return self._started

    def _turn_here(self) -> None:
        """On the caller's thread, since there is no other."""
        _warn_once(("thread",), "no thread can be made (%s): tasks are told at their start and end only, and hear of "
                   "no cancel", self._no_thread)
        if self._own == threading.get_ident() or not self._here.acquire(timeout=_FIRST_START_S):
            return
        try:
            if not self._started:
                self._own, self._call_s = threading.get_ident(), _FIRST_START_S
                self._turn()
        finally:
            self._own, self._call_s = 0, _CALL_S
            self._here.release()

    def wake(self, ended: bool = False) -> None:
        with self._condition:
            self._asked += 1
            self._start()
            self._condition.notify_all()
        if not ended:
            return
        if not self._started:
            self._turn_here()
        elif (_exiting or _is_forked_worker()) and not self._is_away() and self._own != threading.get_ident():
            self.flush(_EXIT_S)

    def _is_away(self) -> bool:
        return time.monotonic() < self._retry_at

    def flush(self, timeout: float) -> bool:
        with self._condition:
            if not self._tasks:
                return True
            until = self._asked
            if self._start():
                return self._condition.wait_for(lambda: self._served >= until, timeout)
        self._turn_here()
        return self._served >= until

    def snapshot(self) -> List[Task]:
        with self._condition:
            return list(self._tasks)

    def _run(self) -> None:
        _block_signals()
        with self._here:  # A turn on another thread may be under way.
            self._own = threading.get_ident()
            if self._door is not None:
                self._door.close()  # It has little patience.
                self._door = None
        while True:
            asked = self._turn()
            with self._condition:
                if self._asked == asked:
                    next_ones = [due for due in (self._due, self._look_at) if due is not None]
                    wait = max(0.0, min(next_ones) - time.monotonic()) if next_ones else None
                    self._condition.wait(wait)

    def _turn(self) -> int:
        """Tells what is to be told. Returns until when it has looked."""
        with self._condition:
            asked = self._asked
        self._due = self._look_at = None
        told = False
        try:
            told = self._step()
        except _Busy:
            self._due_at(time.monotonic() + _BUSY_S)
        except (_Away, OSError, http.client.HTTPException, ValueError):
            self._disconnect()
        except Exception:  # pylint: disable=broad-except
            _warn_once(("turn",), "an answer of the node could not be parsed", exc_info=True)
            self._disconnect()
        with self._condition:
            self._tried = True
            if told and self._due is None:
                self._served = asked
            self._condition.notify_all()
        return asked

    def _due_at(self, moment: float) -> None:
        self._due = moment if self._due is None else min(moment, self._due)

    def _step(self) -> bool:
        if not self.snapshot():
            return True
        if self._is_away():
            self._due = self._retry_at
            return False
        if self._listener is not None and self._listener.broken:
            raise _Away()
        self._register()
        self._listen()
        for task in self.snapshot():
            self._report(task)
        self._end()
        if self._listener is None and not self.snapshot():
            self._session = ""  # Without a stream it ends with its last task.
        return True

    def _post(self, target: str, body: str) -> "tuple[int, Any]":
        headers = {"Content-Type": "application/json"}
        if self._session:
            headers["Quell-Session"] = self._session
        if self._door is None:
            self._door = _DoorConnection(self._path, self._call_s)
        self._door.request("POST", target, body=body.encode(), headers=headers)
        response = self._door.getresponse()
        text = response.read()
        if not _is_away(response.status):
            return response.status, json.loads(text or b"{}")
        answer = json.loads(text) if text.lstrip().startswith(b"{") else {}
        if _error_of(answer)[0] != "draining":
            raise _Away()
        return _NO_ROOM, answer  # For new tasks alone.

    def _register(self) -> None:
        while True:
            if time.monotonic() < self._full_until:
                self._due_at(self._full_until)
                return
            batch = self._next_batch()
            if not batch:
                return
            self._register_batch(batch)

    def _next_batch(self) -> "List[Tuple[Task, str]]":
        waiting = [task for task in self.snapshot()
                   if not task._registered and not task._refused and not task._told_end
                   and (task._parent is None or task._parent._is_settled())]
        batch: "List[Tuple[Task, str]]" = []
        size = 0
        # What the node knows, or should know, comes back first.
        for task in sorted(waiting, key=lambda one: not one._id):
            text = task._new_json()
            size += len(text)
            if batch and (size > _BATCH_BYTES or len(batch) == _BATCH or bool(task._id) != bool(batch[0][0]._id)):
                break
            batch.append((task, text))
        return batch

    def _register_batch(self, batch: "List[Tuple[Task, str]]") -> None:
        status, answer = self._post("/v1/tasks", "[" + ",".join(text for _, text in batch) + "]")
        kind, reason = _error_of(answer)
        if kind == "session_not_found":
            raise _Away()  # Begin anew.
        if status != 200 and len(batch) > 1:
            # One bad task makes its whole batch fail; some may have room where all have none.
            half = len(batch) // 2
            self._register_batch(batch[:half])
            if time.monotonic() >= self._full_until:
                self._register_batch(batch[half:])
            return
        if _is_busy(status):
            self._full_until = time.monotonic() + _BUSY_S
            _warn_once(("full", reason), "the node takes no more tasks now: %s", reason)
            return
        if status != 200:
            self._refuse(batch[0][0], reason or f"status {status}")
            return
        self._session = answer["session"]
        self._backoff = 0.0
        for (task, _), registered in zip(batch, answer["tasks"]):
            self._take(task, registered)

    def _take(self, task: Task, registered: Dict[str, Any]) -> None:
        with task._lock:
            task._known = (registered["id"], list(registered.get("ancestors") or []))
            task._registered = True
            task._fields_dirty = bool(task._fields)
            task._fields_told = 0.0
            task._told_stopping = False
            task._figures_told, task._figures_told_at = None, time.monotonic()
            task._look_told, task._look_told_at = 0.0, time.monotonic()
            if registered.get("cancel"):
                task._cancel = registered["cancel"]
        warning = registered.get("warning")
        if isinstance(warning, dict):
            _warn_once(("warning", str(warning.get("type")), task.action), "task %s: %s", task.action,
                       warning.get("reason"))
        task._deliver()

    def _refuse(self, task: Task, reason: str) -> None:
        """What it does not take: a context from elsewhere, an id of before. Else the task stays untracked."""
        if task._id and task._outcome is not None:
            task._refused = True  # It has heard of the end, and its answer was lost.
            return
        if task._id:
            what = f"the node does not give the task {task.action} its id back, it gets another one"
            with self._condition:
                task._begin_again(self._new_key())
        elif task._origin.task or task._origin.opaque_id or task._origin.traceparent:
            what = f"the task {task.action} is registered without its context"
            task._origin = Context()
        else:
            what = f"the node refuses the task {task.action}, it stays untracked"
            task._refused = True
        _warn_once(("refused", task.action, what), "%s: %s", what, reason)

    def _listen(self) -> None:
        if self._listener is not None or not self._session or time.monotonic() < self._listen_at:
            return
        listener = _Listener(self, self._path, self._session)
        try:
            listener.start()
            self._listener = listener
        except (RuntimeError, MemoryError) as error:
            self._listen_at = time.monotonic() + 1.0
            _warn_once(("listener",), "no thread can be made (%s): tasks hear of a cancel only when they report",
                       error)

    def _report(self, task: Task) -> None:
        body: Dict[str, str] = {}
        with task._lock:
            if not task._registered or task._told_end:
                return
            if task._fields_dirty:
                due = task._fields_told + _COALESCE_S
                now = time.monotonic()
                if due <= now or task._outcome is not None:
                    body["status"] = _object(task._fields)
                    task._fields_dirty = False
                    task._fields_told = now
                else:
                    self._due_at(due)
            if task._tell_deferred and task._shields:
                body["deferred"] = _json(task._shields[-1])
            deferred, task._tell_deferred = task._tell_deferred, False
            stopping = task._knows and not task._told_stopping
            if stopping:
                body["stopping"] = "true"
                task._told_stopping = True
            if self._is_look_due(task, bool(body)):
                body["last_check_millis"] = str(int(task._looked * 1000))
                task._look_told, task._look_told_at = task._looked, time.monotonic()
            resources = self._new_figures(task, bool(body))
            if resources and not self._resources_refused:
                body["resources"] = _json(resources)
        try:
            self._send_report(task, body)
        except _Busy:
            with task._lock:  # All of it once more.
                task._fields_dirty = task._fields_dirty or "status" in body
                task._tell_deferred = task._tell_deferred or deferred
                if stopping:
                    task._told_stopping = False
            raise

    def _send_report(self, task: Task, body: Dict[str, str]) -> None:
        if not body or self._report_of(task, body):
            return
        # Something of it is bad: that must cost itself and nothing else.
        status, resources = body.pop("status", ""), body.pop("resources", "")
        for name, text in body.items():
            self._report_of(task, {name: text})
        if status:
            self._send_members(task)
        if resources and not self._report_of(task, {"resources": resources}):
            self._resources_refused = True

    def _send_members(self, task: Task) -> None:
        """One by one: those that the node does not take leave the status."""
        with task._lock:
            members = list(task._fields.items())
        kept: Dict[str, str] = {}
        for name, text in members:
            reason = self._report_refused(task, {"status": _object(dict(kept, **{name: text}))})
            if reason is None:
                kept[name] = text
                continue
            with task._lock:
                if task._fields.get(name) == text:
                    del task._fields[name]
            task._warn_of_member(name, reason)
        self._report_of(task, {"status": _object(kept)})

    def _report_of(self, task: Task, body: Dict[str, str]) -> bool:
        return self._report_refused(task, body) is None

    def _report_refused(self, task: Task, body: Dict[str, str]) -> Optional[str]:
        """Why the node does not take it, if it is malformed."""
        status, answer = self._post(f"/v1/tasks/{task._id}/report", _object(body))
        if _is_busy(status):
            raise _Busy()
        cancel = answer.get("cancel") if status == 200 else None
        if cancel and task._cancel is None:
            self._take_cancel(task, cancel)
        return _error_of(answer)[1] if status in (400, 413) else None

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
        batch: "List[Tuple[Task, Dict[str, Any]]]" = []
        for task in self.snapshot():
            with task._lock:
                if task._outcome is None or not (task._registered or task._refused):
                    continue
                if not task._refused:
                    end = {"id": task._id, "outcome": task._outcome, "resources": task._figures_now()}
                    batch.append((task, end))
            if task._refused:
                self._over(task)
        for first in range(0, len(batch), _BATCH):
            self._end_batch(batch[first:first + _BATCH])

    def _end_batch(self, batch: "List[Tuple[Task, Dict[str, Any]]]") -> None:
        if self._resources_refused:
            for _, end in batch:
                end.pop("resources", None)
        status, answer = self._post("/v1/tasks/finish", _json([end for _, end in batch]))
        if _is_busy(status):
            raise _Busy()
        if status != 200 and len(batch) > 1:  # One bad end makes its whole batch fail.
            for one in batch:
                self._end_batch([one])
        elif status != 200:
            task, end = batch[0]
            if end.pop("resources", None):  # Of an older node, say.
                self._end_batch([(task, end)])
            else:
                _warn_once(("end", task.action), "the node does not take the end of the task %s: %s", task.action,
                           _error_of(answer)[1])
                self._over(task)
        else:
            for (task, _), end in zip(batch, answer["tasks"]):
                again = end.get("status", 200)
                if _is_busy(again) or _is_away(again):  # Its disk is full, say: once more.
                    self._due_at(time.monotonic() + _BUSY_S)
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
                self._take_cancel(task, cancel)
                self.wake()
                return

    @staticmethod
    def _take_cancel(task: Task, cancel: Dict[str, Any]) -> None:
        with task._lock:
            task._cancel = cancel
        task._deliver()

    def _disconnect(self) -> None:
        if self._door is not None:
            self._door.close()
            self._door = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._session = ""  # A daemon that was restarted does not know it.
        self._resources_refused = False
        self._full_until = self._listen_at = 0.0
        self._backoff = min(max(self._backoff * 2, _BACKOFF_MIN_S), _BACKOFF_MAX_S)
        self._retry_at = self._due = time.monotonic() + self._backoff
        ended = []
        for task in self.snapshot():
            task._registered = False
            if task._outcome is not None and not task._id:
                ended.append(task)
        for task in ended[:-_ENDED_UNTRACKED]:
            task._refused = True  # Its children wait for it no longer.
            self._forget(task)


class _Listener(threading.Thread):
    def __init__(self, engine: _Engine, path: str, session: str):
        super().__init__(name="quell-commands", daemon=True)
        self.broken = False
        self._engine = engine
        self._path = path
        self._session = session
        self._lock = threading.Lock()
        self._connection: Optional[_DoorConnection] = None
        self._closed = threading.Event()

    def run(self) -> None:
        _block_signals()
        pause = _BACKOFF_MIN_S
        while self._hear():
            if self._closed.wait(pause):
                return
            pause = min(pause * 2, _BACKOFF_MAX_S)
        if not self._closed.is_set():
            self.broken = True
            self._engine.wake()

    def _hear(self) -> bool:
        """Until the stream ends. Returns whether the session is not over: only this request was refused."""
        connection = _DoorConnection(self._path, _CALL_S)
        with self._lock:
            if self._closed.is_set():
                return False
            self._connection = connection
        try:
            connection.request("GET", f"/v1/sessions/{self._session}/commands",
                               headers={"Quell-Session": self._session})
            response = connection.getresponse()
            if response.status != 200:
                return _error_of(json.loads(response.read()))[0] != "session_not_found"
            connection.sock.settimeout(None)
            while True:
                line = response.readline()
                if not line:
                    return False
                self._take(line)
        except (OSError, ValueError, http.client.HTTPException, AttributeError):
            return False
        finally:
            connection.close()

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        command = json.loads(line)
        cancel = command.get("cancel") if isinstance(command, dict) else None
        if isinstance(cancel, dict):
            self._engine.arrived(cancel)

    def close(self) -> None:
        with self._lock:
            self._closed.set()
            sock = self._connection.sock if self._connection is not None else None
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
    global _the_engine, _engine_lock, _generation, _exiting
    _generation += 1
    _engine_lock = threading.Lock()
    _the_engine = None
    _exiting = False
    for sock in list(_sockets):
        try:
            os.close(sock.detach())
        except OSError:
            pass
    _sockets.clear()
    _sockets_lock.release()


os.register_at_fork(before=_sockets_lock.acquire, after_in_parent=_sockets_lock.release, after_in_child=_after_fork)


@atexit.register
def _at_exit() -> None:
    global _exiting
    _exiting = True
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
