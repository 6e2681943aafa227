// quell-bench: what an operator waits for, beside what gRPC and SQLite alone cost for the same
// bytes and the same commits in the same run. tests/bench/README.md explains the figures.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <unistd.h>

#include "quell/v1/node.pb.h"
#include "tests/bench/child.h"
#include "tests/bench/cluster.h"
#include "tests/bench/floor.h"
#include "tests/bench/measure.h"
#include "transport/http/json_writer.h"

namespace quell::bench {
namespace {

namespace fs = std::filesystem;

constexpr char kUsage[] =
    "usage: quell-bench [--smoke] [--json] [--nodes N]... [--rounds N] [--requests N]\n"
    "  --nodes     cluster sizes, each a run of its own; 3 and 100 if not given\n"
    "  --rounds    alternations between Quell and the floor; 6\n"
    "  --requests  requests in each round, at each pace, to each side; 100\n"
    "  --json      prints JSON instead of the table\n"
    "  --smoke     a few requests of each kind: shows that the bench works, measures nothing\n";

constexpr int kPageTasks = 500;  // As limits::kPageTasks.

struct Options {
  std::vector<int> nodes;
  Plan plan;
  bool smoke = false;
  bool json = false;
};

int ReadNumber(int argc, char** argv, int& at) {
  const int number = at + 1 < argc ? std::atoi(argv[++at]) : 0;
  if (number <= 0) Fail(std::string(argv[at]) + ": not a positive number\n" + kUsage);
  return number;
}

Options ReadOptions(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--smoke") {
      options.smoke = true;
    } else if (word == "--json") {
      options.json = true;
    } else if (word == "--nodes") {
      options.nodes.push_back(ReadNumber(argc, argv, i));
    } else if (word == "--rounds") {
      options.plan.rounds = ReadNumber(argc, argv, i);
    } else if (word == "--requests") {
      options.plan.requests = ReadNumber(argc, argv, i);
    } else {
      std::fputs(kUsage, stderr);
      std::exit(word == "--help" ? 0 : 64);
    }
  }
  if (options.nodes.empty()) options.nodes = {3, 100};
  if (options.smoke) {
    options.nodes = {3};
    options.plan.rounds = 2;
    options.plan.requests = 3;
  }
  return options;
}

// The messages that Quell sends for these requests, to weigh them.
class Weights {
 public:
  // A page of so many tasks, and the end of the answer to a list.
  static std::uint32_t Page(int tasks) {
    v1::NodeReply reply = Tasks(tasks);
    reply.mutable_list()->set_count(1'000'000);
    return Size(reply);
  }
  static std::uint32_t Got() {
    v1::NodeReply reply = Tasks(1);
    reply.mutable_get()->set_ended(false);
    return Size(reply);
  }
  static std::uint32_t Applied(int tasks) {
    v1::NodeReply reply = Tasks(tasks);
    v1::IntentAck& ack = *reply.mutable_apply()->add_acks();
    ack.set_intent(kId);
    for (int i = 0; i < tasks; ++i) {
      v1::Receipt& receipt = *ack.add_receipts();
      receipt.mutable_task()->set_node(kId);
      receipt.mutable_task()->set_number(100'000);
      receipt.set_intent(kId);
      receipt.set_state(v1::RECEIPT_STATE_CANCEL_REQUESTED);
      receipt.set_recorded_micros(kMicros);
    }
    return Size(reply);
  }
  static std::uint32_t List() {
    v1::NodeRequest request = Request();
    request.mutable_list()->mutable_filter()->add_actions("bench/nothing");
    return Size(request);
  }
  static std::uint32_t Get() {
    v1::NodeRequest request = Request();
    request.mutable_get()->set_number(100'000);
    return Size(request);
  }
  static std::uint32_t Apply() {
    v1::NodeRequest request = Request();
    v1::Intent& intent = *request.mutable_apply()->add_intents();
    intent.set_id(kId);
    intent.mutable_filter()->add_actions("bench/nothing");
    intent.set_requested_micros(kMicros);
    intent.set_by("loopback");
    intent.set_cascade(true);
    intent.set_grace_millis(10'000);
    return Size(request);
  }

 private:
  static constexpr char kId[] = "JzrCxdtFTCO_RaINw8ckNA";
  static constexpr std::int64_t kMicros = 1'700'000'000'000'000;

  static v1::NodeRequest Request() {
    v1::NodeRequest request;
    request.set_id(1'000'000);
    request.set_timeout_micros(5'000'000);
    return request;
  }
  static v1::NodeReply Tasks(int count) {
    v1::NodeReply reply;
    reply.set_id(1'000'000);
    for (int i = 0; i < count; ++i) {
      v1::Task& task = *reply.add_tasks();
      task.set_number(static_cast<std::uint64_t>(100'000 + i));
      task.set_type("transport");
      task.set_action("bench/listed");
      task.set_state(v1::TASK_STATE_RUNNING);
      task.set_cancellable(true);
      task.set_start_micros(kMicros);
      task.set_running_nanos(1'000'000'000);
      task.set_owner_uid(1000);
      task.set_pid(100'000);
    }
    return reply;
  }
  template <typename Message>
  static std::uint32_t Size(const Message& message) {
    return static_cast<std::uint32_t>(message.ByteSizeLong());
  }
};

// One cluster size: the cluster, its floor, and what is asked of both.
class Run {
 public:
  Run(const Options& options, int nodes, const std::string& quell, const fs::path& folder)
      : plan_(options.plan),
        smoke_(options.smoke),
        nodes_(nodes),
        cluster_(quell, nodes, (folder / "cluster").string()),
        floor_(nodes, folder.string()),
        commit_((folder / "commit.db").string()),
        client_(cluster_.http()) {
    for (int i = 0; i < plan_.requests; ++i) {
      const Nanos start = Now();
      commit_.Run();
      bare_commit_.Add(Now() - start);
    }
    fresh_node_ = ResidentKilobytes(cluster_.nodes().front().pid);
    fresh_coordinator_ = ResidentKilobytes(cluster_.coordinator().pid);
  }

  std::vector<Row> Measure() {
    EmptyList();
    EmptyCancel();
    if (nodes_ <= 10) {
      CancelById();
      LongList(smoke_ ? 30 : 999);
      if (!smoke_) LongList(9'999);
      BulkCancel(smoke_ ? 30 : 500);
    }
    return std::move(rows_);
  }

  std::string TaskLifecycle() const {
    char text[300];
    std::snprintf(text, sizeof text,
                  "%d nodes: ready after %.0f ms; resident: node %.1f MB fresh, %.1f MB now; "
                  "coordinator %.1f MB fresh, %.1f MB now; one bare commit %.2f / %.2f ms\n",
                  nodes_, cluster_.ready_millis(), Megabytes(fresh_node_),
                  Megabytes(ResidentKilobytes(cluster_.nodes().front().pid)),
                  Megabytes(fresh_coordinator_),
                  Megabytes(ResidentKilobytes(cluster_.coordinator().pid)),
                  bare_commit_.Micros(0.5) / 1000, bare_commit_.Micros(0.99) / 1000);
    return text;
  }

  std::string FactsAsJson() const {
    std::string text;
    http::JsonWriter json(text);
    json.BeginObject().Field("nodes", nodes_);
    json.Field("ready_millis", static_cast<std::int64_t>(cluster_.ready_millis()));
    json.Field("node_resident_kb_fresh", std::int64_t{fresh_node_});
    json.Field("node_resident_kb", std::int64_t{ResidentKilobytes(cluster_.nodes().front().pid)});
    json.Field("coordinator_resident_kb_fresh", std::int64_t{fresh_coordinator_});
    json.Field("coordinator_resident_kb",
               std::int64_t{ResidentKilobytes(cluster_.coordinator().pid)});
    json.Field("bare_commit_p50_micros", static_cast<std::int64_t>(bare_commit_.Micros(0.5)));
    json.Field("bare_commit_p99_micros", static_cast<std::int64_t>(bare_commit_.Micros(0.99)));
    json.EndObject();
    return text;
  }

 private:
  static double Megabytes(long kilobytes) { return static_cast<double>(kilobytes) / 1024; }

  std::string Over() const { return ", " + std::to_string(nodes_) + " nodes"; }

  void Add(const std::string& what, const Plan& plan, const std::function<void()>& before,
           const std::function<void()>& quell, const std::function<void()>& floor) {
    std::fprintf(stderr, "quell-bench: %s\n", what.c_str());
    for (Row& row : Compare(what, plan, before, quell, floor))
      rows_.push_back(std::move(row));
  }

  void EmptyList() {
    const Ask ask{Weights::List(), 1, Weights::Page(0), false};
    Add(
        "list of nothing" + Over(), plan_, {},
        [&] { client_.Ask("GET", "/_tasks?actions=bench/nothing"); },
        [&] { floor_.Run(ask, nodes_); });
  }

  void EmptyCancel() {
    const Ask ask{Weights::Apply(), 1, Weights::Applied(0), true};
    Add(
        "cancel of nothing, durable" + Over(), plan_, {},
        [&] { client_.Ask("POST", "/_tasks/_cancel?actions=bench/nothing"); },
        [&] {
          commit_.Run();
          floor_.Run(ask, nodes_);
        });
  }

  void CancelById() {
    const IdleProcess program;
    const int needed = (plan_.requests + 1) * plan_.rounds * static_cast<int>(plan_.paces.size());
    std::vector<std::string> targets;
    for (const std::string& id :
         cluster_.Register(cluster_.nodes().front(), needed, "bench/one", program.pid())) {
      targets.push_back("/_tasks/" + id + "/_cancel");
    }
    const Ask check{Weights::Get(), 1, Weights::Got(), false};
    const Ask apply{Weights::Apply(), 1, Weights::Applied(1), true};
    const auto by_id = [&] {
      const std::string_view answer = client_.Ask("POST", targets.back());
      if (answer.find("\"cancelled\":true") == std::string_view::npos) {
        Fail("not cancelled: " + std::string(answer));
      }
      targets.pop_back();
    };
    Add("cancel of one task by its id, durable", plan_, {}, by_id, [&] {
      floor_.Run(check, 1);
      commit_.Run();
      floor_.Run(apply, 1);
    });
  }

  void LongList(int tasks) {
    const IdleProcess program;
    const int each = tasks / nodes_;
    const std::string action = "bench/listed-" + std::to_string(tasks);
    for (const Daemon& node : cluster_.nodes())
      cluster_.Register(node, each, action, program.pid());
    Plan plan = plan_;
    if (tasks > 2'000) {
      plan.requests = std::max(1, plan.requests / 5);
      plan.paces = {Nanos(0)};
    }
    const auto pages = static_cast<std::uint32_t>((each + kPageTasks - 1) / kPageTasks);
    const Ask ask{Weights::List(), pages, Weights::Page(each / static_cast<int>(pages)), false};
    Add(
        "list of " + std::to_string(tasks) + " tasks" + Over(), plan, {},
        [&] {
          const std::string_view body = client_.Ask("GET", "/_tasks?actions=" + action);
          if (body.size() < static_cast<std::size_t>(tasks) * 100) Fail("the list is too short");
        },
        [&] { floor_.Run(ask, nodes_); });
  }

  void BulkCancel(int tasks) {
    const IdleProcess program;
    Plan plan = plan_;
    plan.requests = std::max(1, plan.requests / 20);
    plan.paces = {Nanos(0)};
    const int each = tasks / nodes_;
    int count = 0;
    std::string action;
    const auto before = [&] {
      action = "bench/bulk-" + std::to_string(count++);
      for (const Daemon& node : cluster_.nodes())
        cluster_.Register(node, each, action, program.pid());
    };
    const Ask ask{Weights::Apply(), 1, Weights::Applied(each), true};
    Add(
        "cancel of " + std::to_string(tasks) + " tasks, durable" + Over(), plan, before,
        [&] {
          const std::string_view body = client_.Ask("POST", "/_tasks/_cancel?actions=" + action);
          if (body.size() < static_cast<std::size_t>(tasks) * 100) Fail("too few were cancelled");
        },
        [&] {
          commit_.Run();
          floor_.Run(ask, nodes_);
        });
  }

  const Plan plan_;
  const bool smoke_;
  const int nodes_;
  const Cluster cluster_;
  BareFanOut floor_;
  BareCommit commit_;
  HttpClient client_;
  Samples bare_commit_;
  long fresh_node_ = 0;
  long fresh_coordinator_ = 0;
  std::vector<Row> rows_;
};

class TemporaryFolder {
 public:
  TemporaryFolder() : path_(fs::temp_directory_path() / "quell-bench-XXXXXX") {
    std::string name = path_.string();
    if (!::mkdtemp(name.data())) Fail("cannot make a folder in " + path_.parent_path().string());
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

int Main(int argc, char** argv) {
  if (const std::optional<int> code = RunAsChild(argc, argv)) return *code;
  if (argc == 3 && std::strcmp(argv[1], "--floor") == 0) return ServeFloor(argv[2]);
  const Options options = ReadOptions(argc, argv);
  const std::string quell = (fs::path(SelfPath()).parent_path() / "quell").string();
  std::vector<Row> rows;
  std::string facts;
  for (const int nodes : options.nodes) {
    const TemporaryFolder folder;
    Run run(options, nodes, quell, folder.path());
    for (Row& row : run.Measure())
      rows.push_back(std::move(row));
    facts += options.json ? (facts.empty() ? "" : ",") + run.FactsAsJson() : run.TaskLifecycle();
  }
  const std::string text =
      options.json ? "{\"clusters\":[" + facts + "],\"rows\":" + RowsAsJson(rows) + "}\n"
                   : Table(rows) + "\n" + facts;
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace
}  // namespace quell::bench

int main(int argc, char** argv) {
  try {
    return quell::bench::Main(argc, argv);
  } catch (const quell::bench::Failure& failure) {
    std::fprintf(stderr, "quell-bench: %s\n", failure.message.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "quell-bench: %s\n", error.what());
  }
  return 1;
}
