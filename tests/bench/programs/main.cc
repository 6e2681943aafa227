// quell-bench-programs: what Quell costs a program and its node. tests/bench/README.md explains the
// figures.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include "quell/quell.h"
#include "tests/bench/child.h"
#include "tests/bench/cluster.h"
#include "tests/bench/measure.h"
#include "tests/bench/programs/local_api_client.h"

namespace quell::bench {
namespace {

namespace fs = std::filesystem;

struct Sizes {
  int requests = 200;     // In each of six rounds.
  int many = 20'000;      // Tasks of one user: limits::kTasksPerUidMax.
  int own = 10'000;       // Tasks of one program.
  int programs = 1000;    // On one node.
  int calls = 5'000'000;  // Of the library's cheap functions.
};

constexpr Sizes kSmoke{2, 500, 100, 20, 10'000};

std::string OneTask(int pid) {
  return R"({"action":"bench/one","description":"a task of the bench","pid":)" +
         std::to_string(pid) + "}";
}

std::string ManyTasks(int pid, int count) {
  std::string body = "[";
  for (int i = 0; i < count; ++i)
    body += (i > 0 ? "," : "") + OneTask(pid);
  return body + "]";
}

std::string SessionOf(std::string_view answer) {
  constexpr std::string_view kKey = "\"session\":\"";
  const std::size_t at = answer.find(kKey);
  if (at == std::string_view::npos) Fail("no session: " + std::string(answer.substr(0, 200)));
  return std::string(answer.substr(at + kKey.size(), 22));
}

double MillisSince(Nanos start) {
  return static_cast<double>((Now() - start).count()) / 1e6;
}

void Say(const char* what, double value, const char* unit) {
  std::printf("%-58s %12.2f %s\n", what, value, unit);
  std::fflush(stdout);
}

class Run {
 public:
  Run(const Sizes& sizes, const std::string& quell, const fs::path& folder)
      : sizes_(sizes),
        cluster_(quell, 1, (folder / "data").string()),
        node_(cluster_.nodes().front()),
        echo_path_((folder / "echo.sock").string()),
        echo_({SelfPath(), "--echo", echo_path_}) {
    echo_.ReadLine();
    ::setenv("QUELL_SOCKET", node_.socket.c_str(), 1);
  }

  void Measure() {
    Memory();  // Before the node has grown for anything else.
    WaitUntilQuiet();
    std::vector<Row> rows = Registration("registration of one task", 1);
    for (Row& row : Registration("registration of 250 tasks at once", 250))
      rows.push_back(std::move(row));
    std::fputs((Table(rows) + "\n").c_str(), stdout);
    Programs();
    Calls();
    OwnTasks();
  }

 private:
  // Each call's tasks end with the process that they name, before the next block begins.
  std::vector<Row> Registration(const std::string& what, int tasks) {
    LocalApiConnection local_api(node_.socket);
    EchoClient echo(echo_path_);
    std::size_t there = 0;
    std::size_t back = 0;
    std::string session;
    std::string body;
    std::unique_ptr<IdleProcess> process;
    int left = 0;
    const auto begin = [&] {
      if (--left > 0) return;
      left = sizes_.many / 2 / tasks;  // Stay below the limit of one user.
      process.reset();
      WaitUntilQuiet();
      process = std::make_unique<IdleProcess>();
      body = tasks == 1 ? OneTask(process->pid()) : ManyTasks(process->pid(), tasks);
      session = SessionOf(local_api.Post("/v1/tasks", {}, OneTask(process->pid())));
    };
    const Plan plan{6, tasks == 1 ? sizes_.requests : sizes_.requests / 10 + 1, {Nanos(0)}};
    begin();
    local_api.Post("/v1/tasks", session, body);
    there = local_api.sent();
    back = local_api.received();
    return Compare(
        what, plan, begin, [&] { local_api.Post("/v1/tasks", session, body); },
        [&] { echo.Call(there, back); });
  }

  void Memory() {
    const IdleProcess process;
    const long before = ResidentKilobytes(node_.pid);
    LocalApiConnection local_api(node_.socket);
    std::string session;
    for (int done = 0; done < sizes_.many; done += 250) {
      const std::string_view answer = local_api.Post(
          "/v1/tasks", session, ManyTasks(process.pid(), std::min(250, sizes_.many - done)));
      if (session.empty()) session = SessionOf(answer);
      if (done + 250 == sizes_.many / 2)
        Grown("memory of a node for each of the first half", before, done + 250);
    }
    Grown("memory of a node for each task of all", before, sizes_.many);
    Say("  tasks registered for that", sizes_.many, "tasks");
  }

  void Grown(const char* what, long before, int tasks) const {
    Say(what, static_cast<double>(ResidentKilobytes(node_.pid) - before) * 1024 / tasks, "bytes");
  }

  // Each with a session, a task and an open stream.
  void Programs() {
    const IdleProcess process;
    WaitUntilQuiet();
    const long before = ResidentKilobytes(node_.pid);
    std::vector<LocalApiConnection> streams;
    streams.reserve(static_cast<std::size_t>(sizes_.programs));
    const Nanos start = Now();
    for (int i = 0; i < sizes_.programs; ++i) {
      LocalApiConnection local_api(node_.socket);
      const std::string session =
          SessionOf(local_api.Post("/v1/tasks", {}, OneTask(process.pid())));
      streams.emplace_back(node_.socket).Listen(session);
    }
    Say("programs that register and listen, each", MillisSince(start) / sizes_.programs, "ms");
    Grown("memory of a node for each such program", before, sizes_.programs);
    HttpClient client(cluster_.http());
    const Nanos cancel = Now();
    client.Ask("POST", "/_tasks/_cancel?actions=bench/one");
    Say("cancel of all of them, until its answer", MillisSince(cancel), "ms");
    for (LocalApiConnection& stream : streams)
      stream.Hear(1);
    Say("  and until each of them has heard", MillisSince(cancel), "ms");
    Say("  programs", sizes_.programs, "programs");
  }

  // Tasks whose process has ended are lost within two seconds, and gone.
  void WaitUntilQuiet() {
    HttpClient client(cluster_.http());
    while (client.Ask("GET", "/_tasks?actions=bench/*&size=1").find("bench/one") !=
           std::string::npos) {
      SleepUntil(Now() + std::chrono::milliseconds(50));
    }
  }

  static quell_task* Start(const char* action) {
    quell_task_options options{};
    options.size = sizeof(options);
    options.action = action;
    return quell_task_start(&options);
  }

  void Calls() const {
    quell_task* task = Start("bench/calls");
    quell_flush(10'000);
    const auto each = [this](const char* what, auto call) {
      const Nanos start = Now();
      for (int i = 0; i < sizes_.calls; ++i)
        call(i);
      Say(what, MillisSince(start) * 1e6 / sizes_.calls, "ns");
    };
    each("check for a cancel", [task](int) { (void)quell_task_cancelled(task); });
    each("progress, ever the same", [task](int) { quell_task_progress(task, 1, 2, "rows"); });
    each("progress, ever another", [task](int i) {
      quell_task_progress(task, static_cast<std::uint64_t>(i), 1'000'000'000, "rows");
    });
    quell_task_release(task);
    quell_flush(10'000);
  }

  void OwnTasks() {
    std::vector<quell_task*> tasks;
    rusage before{};
    ::getrusage(RUSAGE_SELF, &before);
    const long resident = ResidentKilobytes(::getpid());
    const Nanos start = Now();
    for (int i = 0; i < sizes_.own; ++i)
      tasks.push_back(Start("bench/own"));
    Say("a program starts its tasks, each", MillisSince(start) * 1000 / sizes_.own, "us");
    if (quell_flush(600'000) != 1) Fail("its tasks are not registered");
    Say("  until all are registered", MillisSince(start), "ms");
    Say("  memory in the program for each",
        static_cast<double>(ResidentKilobytes(::getpid()) - resident) * 1024 / sizes_.own, "bytes");
    HttpClient client(cluster_.http());
    const Nanos cancel = Now();
    client.Ask("POST", "/_tasks/_cancel?actions=bench/own");
    Say("cancel of all of them, until its answer", MillisSince(cancel), "ms");
    for (quell_task* task : tasks) {
      while (quell_task_cancelled(task) == 0)
        SleepUntil(Now() + std::chrono::milliseconds(1));
    }
    Say("  and until the program has seen each", MillisSince(cancel), "ms");
    const Nanos finish = Now();
    for (quell_task* task : tasks)
      quell_task_release(task);
    if (quell_flush(600'000) != 1) Fail("the ends are not told");
    Say("  and then until all their ends are told", MillisSince(finish), "ms");
    rusage after{};
    ::getrusage(RUSAGE_SELF, &after);
    const auto seconds = [](const rusage& usage) {
      return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
             static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    };
    Say("  time on the program's processors for all that", seconds(after) - seconds(before), "s");
    Say("  tasks", sizes_.own, "tasks");
  }

  const Sizes sizes_;
  const Cluster cluster_;
  const Daemon node_;
  const std::string echo_path_;
  Child echo_;
};

int Main(int argc, char** argv) {
  if (const std::optional<int> code = RunAsChild(argc, argv)) return *code;
  if (argc == 3 && std::strcmp(argv[1], "--echo") == 0) return ServeEcho(argv[2]);
  const bool smoke = argc == 2 && std::strcmp(argv[1], "--smoke") == 0;
  if (argc > 1 && !smoke) Fail("usage: quell-bench-programs [--smoke]");
  const fs::path bin = fs::path(SelfPath()).parent_path();
  std::string name = (fs::temp_directory_path() / "quell-bench-XXXXXX").string();
  if (!::mkdtemp(name.data())) Fail("cannot make a folder for its files");
  try {
    Run(smoke ? kSmoke : Sizes{}, (bin / "quell").string(), name).Measure();
  } catch (...) {
    fs::remove_all(name);
    throw;
  }
  fs::remove_all(name);
  return 0;
}

}  // namespace
}  // namespace quell::bench

int main(int argc, char** argv) {
  try {
    return quell::bench::Main(argc, argv);
  } catch (const quell::bench::Failure& failure) {
    std::fprintf(stderr, "quell-bench-programs: %s\n", failure.message.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quell-bench-programs: %s\n", error.what());
  }
  return 1;
}
