"""Goal: the libraries fit the program that uses them: asyncio, multiprocessing, exit(), a process that may make
no thread, forks by other means. What the program sees is what it would have seen without the library.
Method: small programs in each language, as real processes beside a real cluster."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
import unittest

import quelltest
from quelltest import until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
LIBRARY = os.path.join(quelltest.BIN, "..", "lib", "libquell.so")
PYTHON_START = f"import sys; sys.path.insert(0, {os.path.join(ROOT, 'sdk', 'python')!r}); import quell_task as q\n"
NODE_START = f"import * as q from '{os.path.realpath(os.path.join(ROOT, 'sdk', 'node', 'quell-task.mjs'))}';\n"

# Before the work: this process may make no thread. Root may always, so it becomes somebody else.
NO_THREADS = """
import os, resource
resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
if os.getuid() == 0:
    os.setgid(65533)
    os.setuid(65533)
"""


class HostCase(quelltest.SharedClusterCase):
    NAMES = ["a"]

    def popen(self, command, script, **kwargs):
        process = subprocess.Popen([*command, textwrap.dedent(script)], env=self.shared.environment("a"), text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kwargs)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def python(self, script, interpreter=sys.executable):
        return self.popen([interpreter, "-c"], PYTHON_START + textwrap.dedent(script))

    def output(self, process, code=0):
        out, err = process.communicate(timeout=120)
        self.assertEqual(process.returncode, code, err)
        return out, err

    def states(self, *actions):
        """Of tasks that have ended or not, by their action."""
        listed = json.loads(self.shared.quell("ps", "--all", "--output", "json").stdout)["tasks"]
        return [task["state"] for task in sorted(listed, key=lambda one: one["description"])
                if task["action"] in actions]

    def ended(self, action, *wanted):
        until(lambda: self.states(action) == list(wanted), f"{action} has {wanted}")


class PythonTest(HostCase):
    def test_a_cancel_that_arrives_too_late_for_its_block_cancels_nothing_after_it(self):
        process = self.python("""
            import asyncio
            async def main():
                task = q.start("async/late")
                async with task:
                    print("begun", flush=True)
                    task.wait_cancelled(60)  # Computes; the cancel comes here, and waits for the loop.
                await asyncio.sleep(0)
                await asyncio.sleep(0.01)
                print("went on", flush=True)
            asyncio.run(main())
            """)
        self.assertEqual(process.stdout.readline(), "begun\n")
        self.shared.quell("cancel", "--actions", "async/late")
        self.assertEqual(self.output(process)[0], "went on\n")

    def test_a_cancel_within_its_block_is_a_cancellation_and_leaves_none_behind(self):
        process = self.python("""
            import asyncio
            async def main():
                me = asyncio.current_task()
                async with q.start("async/inner"):
                    print("begun", flush=True)
                    try:
                        await asyncio.sleep(1000)
                    except asyncio.CancelledError:
                        print("cancelled", flush=True)  # And the block goes on.
                print(me.cancelling() if hasattr(me, "cancelling") else 0)
                async with q.start("async/outer"):
                    print("begun", flush=True)
                    await asyncio.sleep(1000)
            try:
                asyncio.run(main())
            except asyncio.CancelledError:
                print("left")
            """)
        self.assertEqual(process.stdout.readline(), "begun\n")
        self.shared.quell("cancel", "--actions", "async/inner")
        self.assertEqual([process.stdout.readline() for _ in range(3)], ["cancelled\n", "0\n", "begun\n"])
        self.shared.quell("cancel", "--actions", "async/outer")
        self.assertEqual(self.output(process)[0], "left\n")
        self.ended("async/outer", "cancelled")
        self.ended("async/inner", "succeeded")

    def test_the_way_out_of_a_block_says_how_it_went(self):
        for action, script, code, state in (
                ("exit/zero", "with q.start('exit/zero'): sys.exit(0)", 0, "succeeded"),
                ("exit/none", "with q.start('exit/none'): sys.exit()", 0, "succeeded"),
                ("exit/three", "with q.start('exit/three'): sys.exit(3)", 3, "failed"),
                ("exit/words", "with q.start('exit/words'): sys.exit('no rows')", 1, "failed"),
                ("exit/generator", """
                    def rows():
                        with q.start('exit/generator'):
                            yield 1
                            yield 2
                    for row in rows():
                        break
                    """, 0, "succeeded")):
            with self.subTest(action):
                self.output(self.python(script), code)
                self.ended(action, state)

    def test_workers_of_multiprocessing_that_end_well_have_succeeded(self):
        self.output(self.python("""
            import multiprocessing as mp
            def work(n):
                with q.start("mp/process", str(n)):
                    pass
            def pooled(n):
                with q.start("mp/pool", str(n)):
                    pass
            workers = [mp.get_context("fork").Process(target=work, args=(n,)) for n in range(5)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            with mp.get_context("fork").Pool(2) as pool:  # Which kills its workers at the end of the block.
                pool.map(pooled, range(6))
            """))
        self.ended("mp/process", *["succeeded"] * 5)
        self.ended("mp/pool", *["succeeded"] * 6)

    def test_spawned_workers_too(self):
        path = os.path.join(self.directory, "spawns.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(PYTHON_START + textwrap.dedent("""
                import multiprocessing as mp
                def work(n):
                    with q.start("mp/spawn", str(n)):
                        pass
                if __name__ == "__main__":
                    workers = [mp.get_context("spawn").Process(target=work, args=(n,)) for n in range(2)]
                    for worker in workers:
                        worker.start()
                    for worker in workers:
                        worker.join()
                """))
        self.output(self.popen([sys.executable], path))
        self.ended("mp/spawn", "succeeded", "succeeded")

    def test_texts_that_are_no_unicode_harm_nobody(self):
        self.output(self.python(r"""
            with q.start("odd/\udc80", "file \udcff", context=q.Context(opaque_id="\udc80" * 2000)) as task:
                task.phase("\udc80" * 3000)
                task.field("\udc80", ["\udc80"])
                task.field("none", object())
                with task.shield("\udc80" * 1000):
                    pass
                assert q.flush(20) and task.tracked
            """))
        self.ended("odd/?", "succeeded")

    def test_a_program_that_lets_sigpipe_end_it_outlives_the_node(self):
        process = self.python("""
            import os, signal, socket, tempfile, threading
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            folder = tempfile.mkdtemp()
            path = os.environ["QUELL_SOCKET"] = os.path.join(folder, "node.sock")
            server = socket.socket(socket.AF_UNIX)
            server.bind(path)
            server.listen(8)
            def serve():  # A node that hangs up before it has read.
                for _ in range(3):
                    server.accept()[0].close()
                server.close()
            threading.Thread(target=serve).start()
            with q.start("pipe/one", "d" * 4000):
                for i in range(100):
                    q.start("pipe/child", "d" * 4000)
                q.flush(1)
            os.remove(path)
            os.rmdir(folder)
            """)
        self.output(process)


@unittest.skipUnless(hasattr(os, "fork"), "needs fork")
class WithoutThreadsTest(HostCase):
    def setUp(self):
        super().setUp()
        # The process that may make no thread is another user: the socket is opened for it.
        self.socket = self.shared.nodes["a"]["socket"]
        os.chmod(self.socket, 0o666)
        self.addCleanup(os.chmod, self.socket, 0o660)
        for folder in (self.shared_directory, self.shared.data, os.path.dirname(self.socket)):
            os.chmod(folder, 0o755)

    def test_python_tells_the_start_and_the_end_itself(self):
        out, err = self.output(self.python(NO_THREADS + """
with q.start("threads/none") as task:
    q.start("threads/child").finish("failure")
    task.phase("at work")
    print(task.tracked)
"""))
        self.assertEqual(out, "True\n")
        self.assertEqual(err.count("no thread can be made"), 2, err)
        self.ended("threads/none", "succeeded")
        self.ended("threads/child", "failed")

    def test_c_works_untracked(self):
        out, _ = self.output(self.popen([sys.executable, "-c"], f"""
import ctypes as C
library = C.CDLL({LIBRARY!r})
{NO_THREADS}
class Options(C.Structure):
    _fields_ = [("size", C.c_size_t), ("action", C.c_char_p), ("description", C.c_char_p),
                ("context", C.c_void_p), ("uncancellable", C.c_int), ("cancel_on_parent_lost", C.c_int)]
said = []
Heard = C.CFUNCTYPE(None, C.c_void_p, C.c_char_p)
heard = Heard(lambda arg, message: said.append(message.decode()))
library.quell_on_error(heard, None)
start = library.quell_task_start
start.restype = C.c_void_p
for _ in range(3000):
    task = C.c_void_p(start(C.byref(Options(C.sizeof(Options), b"threads/c"))))
    assert task and library.quell_task_cancelled(task) == 0
    assert library.quell_task_id(task, None, C.c_size_t(0)) == 0
    library.quell_task_release(task)
assert library.quell_flush(C.c_uint64(100)) == 0
print("the work runs;", "; ".join(said))
"""))
        self.assertRegex(out, "^the work runs; no thread can be made: [^;]*$")

    def test_python_3_12_starts_tasks_while_it_ends(self):
        interpreter = os.environ.get("PYTHON312") or shutil.which("python3.12")
        if interpreter is None or subprocess.run([interpreter, "--version"], capture_output=True, check=False).returncode:
            self.skipTest("there is no Python 3.12: $PYTHON312 names one")
        self.output(self.python("""
            import atexit, threading
            def late():
                threading.main_thread().join()
                with q.start("late/thread"):
                    pass
            def last():
                with q.start("late/exit"):
                    pass
            atexit.register(last)
            threading.Thread(target=late).start()
            """, interpreter))
        self.ended("late/thread", "succeeded")
        self.ended("late/exit", "succeeded")


@unittest.skipUnless(shutil.which("node"), "Node is not installed")
class NodeTest(HostCase):
    def node(self, script):
        path = os.path.join(self.directory, "program.mjs")
        with open(path, "w", encoding="utf-8") as file:
            file.write(NODE_START + textwrap.dedent(script))
        return self.popen(["node"], path)

    def test_process_exit_within_run_says_how_it_went(self):
        for action, code, state in (("node/zero", 0, "succeeded"), ("node/three", 3, "failed")):
            with self.subTest(action):
                self.output(self.node(f"""
                    await q.run('{action}/outer', async () => {{
                      await q.run('{action}', async () => process.exit({code}));
                    }});
                    """), code)
                self.ended(action, state)
                self.ended(action + "/outer", state)

    def test_only_what_exits_has_ended(self):
        self.output(self.node("""
            const open = await q.start('node/open');
            const other = q.run('node/other', () => new Promise(() => {}));
            await q.flush();
            await q.run('node/exits', async () => process.exit(0));
            """))
        self.ended("node/exits", "succeeded")
        self.ended("node/open", "lost")
        self.ended("node/other", "lost")

    def test_a_task_of_a_worker_thread_lives_by_its_stream(self):
        path = os.path.join(self.directory, "worker.mjs")
        with open(path, "w", encoding="utf-8") as file:
            file.write(NODE_START + "await q.start('node/worker'); q.run('node/listens', (task) => new Promise((done) => { task.signal.onabort = done; }));"
                       "\nsetInterval(() => {}, 1000);\n")
        process = self.node(f"""
            import {{ Worker }} from 'node:worker_threads';
            const worker = new Worker('{path}');
            process.stdin.once('data', async () => {{
              await worker.terminate();
              console.log('terminated');
            }});
            """)
        task = self.shared.task_of("node/worker")
        self.assertNotIn("pid", self.shared.record(task)["task"], "the process may outlive it")
        # A cancel arrives: its stream is open, and ends with the worker.
        listens = self.shared.task_of("node/listens")
        self.shared.quell("cancel", listens)
        until(lambda: self.shared.record(listens)["ended"], "the worker listens")
        process.stdin.write("\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "terminated\n")
        until(lambda: self.shared.record(task)["task"]["detached"], "nobody hears its cancel any more")

    def test_odd_members_harm_nobody(self):
        self.output(self.node("""
            await q.run('node/odd', async (task) => {
              task.field('__proto__', 1);
              task.field('half', '\\ud800');
              task.field('constructor', undefined);
              task.field('big', 1n);
              const circle = {};
              circle.circle = circle;
              task.field('circle', circle);
              task.field('well', 2);
              if (!await q.flush(20000)) throw new Error('not told');
            });
            """))
        self.ended("node/odd", "succeeded")


class InheritedStreamTest(HostCase):
    def test_a_stream_that_a_forked_child_holds_ends_with_its_program(self):
        """A program without the library, whose child knows nothing of the descriptor."""
        process = self.popen([sys.executable, "-c"], """
            import json, os, signal, socket
            def ask(text):
                link = socket.socket(socket.AF_UNIX)
                link.connect(os.environ["QUELL_SOCKET"])
                link.sendall(text.encode())
                return link
            body = json.dumps({"action": "held/one", "pid": os.getpid()})
            link = ask(f"POST /v1/tasks HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: {len(body)}\\r\\n\\r\\n{body}")
            answer = json.loads(link.recv(65536).partition(b"\\r\\n\\r\\n")[2])
            link.close()
            stream = ask(f"GET /v1/sessions/{answer['session']}/commands HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
            stream.recv(1)
            child = os.fork()
            if child == 0:
                signal.pause()
            print(answer["tasks"][0]["id"], child, flush=True)
            signal.pause()
            """)
        task, child = process.stdout.readline().split()
        self.addCleanup(quelltest.kill_quietly, int(child))
        self.assertFalse(self.shared.record(task)["task"]["detached"])
        process.kill()
        process.wait()
        until(lambda: self.shared.record(task)["task"]["state"] == "lost", "its program is gone")
        self.assertTrue(quelltest.alive(int(child)))
        quelltest.kill_quietly(int(child))


if __name__ == "__main__":
    quelltest.main()
