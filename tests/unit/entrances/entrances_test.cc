// Goal: a value is valid at every entrance or at none, so that nothing is taken in one place that
// the next one refuses.
// Method: a table of entrances for each kind of value, and the boundary cases of its rule; each
// entrance is asked with each case. A new entrance is a line of the table.
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "cli/arguments.h"
#include "cli/task_ref.h"
#include "core/failure.h"
#include "core/limits.h"
#include "core/validity.h"
#include "host/sqlite.h"
#include "node/journal/journal_rows.h"
#include "node/local_api/local_messages.h"
#include "sdk/src/context.h"
#include "tests/unit/coordinator/api_fixtures.h"
#include "tests/unit/node/fixtures.h"
#include "transport/grpc/convert.h"

namespace quell {
namespace {

using namespace std::string_literals;

using Entrance = std::function<bool(const std::string& value)>;

struct NamedEntrance {
  const char* name;
  Entrance takes;
};

struct Case {
  std::string value;
  bool valid;
};

std::string last_skipped;  // Why the journal left out a row, shown if it disagrees.

void ExpectAgreement(const std::vector<NamedEntrance>& entrances, const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    for (const NamedEntrance& entrance : entrances) {
      EXPECT_EQ(entrance.takes(one.value), one.valid)
          << entrance.name << ": [" << one.value.substr(0, 60) << "], " << one.value.size()
          << " bytes " << last_skipped;
    }
  }
}

const std::string kNode = "oTUltX4IQMOUUVeiohTt8A";

// ---- The local API

// Bytes stay as they are, also those that are no text.
std::string Quoted(const std::string& text) {
  constexpr const char* kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20) {
      out += "\\u00"s + kHex[byte >> 4] + kHex[byte & 15];
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

bool Registers(const std::string& members) {
  const Result<RegisterRequest> request = ParseRegister("{" + members + "}");
  if (!request) return false;
  NodeWorld world;
  return world.Register(*request).has_value();
}

Entrance InRegistration(const std::string& member) {
  return [member](const std::string& value) {
    return Registers(R"("action":"a",)" + member + ":" + Quoted(value));
  };
}

// ---- gRPC

template <typename Message>
bool Arrives(const Message& message, Message& received) {
  return received.ParseFromString(message.SerializeAsString());
}

bool PageTakes(const std::function<void(v1::Task&)>& spoil) {
  v1::NodeReply page;
  v1::Task& task = *page.add_tasks();
  task.set_number(1);
  task.set_action("a");
  task.set_state(v1::TASK_STATE_RUNNING);
  spoil(task);
  v1::NodeReply received;
  if (!Arrives(page, received)) return false;
  TaskPage reader;
  const auto read = reader.Read(*NodeId::Parse(kNode), received.tasks());
  return read && read->size() == 1;
}

bool RequestTakes(const std::function<void(v1::RequestTask&)>& spoil) {
  v1::NodeRequest request;
  v1::RequestTask& task = *request.mutable_list()->mutable_as_task();
  task.set_action("a");
  spoil(task);
  v1::NodeRequest received;
  return Arrives(request, received) && FromProto(received).has_value();
}

bool IntentTakes(const std::function<void(v1::Intent&)>& spoil) {
  v1::Intent intent;
  intent.set_id(kNode);
  intent.mutable_task()->set_node(kNode);
  intent.mutable_task()->set_number(1);
  intent.set_requested_micros(1);
  spoil(intent);
  v1::Intent received;
  return Arrives(intent, received) && FromProto(received).has_value();
}

void SetId(const std::string& text, v1::TaskId& id) {
  const std::size_t colon = text.find(':');
  id.set_node(text.substr(0, colon));
  id.set_number(std::strtoull(text.c_str() + colon + 1, nullptr, 10));
}

// ---- The journal

Task Journaled(std::uint64_t number) {
  Task task;
  task.id = {*NodeId::Parse(kNode), number};
  task.action = "a";
  task.state = TaskState::kSucceeded;
  task.end_mono = task.start_mono;
  task.end_wall = task.start_wall;
  return task;
}

// A journal with one row of each kind, into which `sql` writes `value`.
bool JournalTakesIn(sqlite::Database& database, const std::string& sql, const std::string& value) {
  LiveTaskRecord live;
  live.task = Journaled(1);
  AppliedIntent applied;
  applied.intent.id = *IntentId::Parse(kNode);
  applied.intent.target = TaskFilter{};
  applied.arrival.at.boot_id = "boot";
  applied.tombstones = {{3, {applied.intent.id, {}, "me", "", {}, false}}};
  const Task ended = Journaled(2);
  EXPECT_TRUE(BeginLife(database, *LifeId::Parse(kNode)));
  EXPECT_TRUE(KeepLive(database, {&live, 1}));
  EXPECT_TRUE(KeepEnded(database, {&ended, 1}, {}));
  EXPECT_TRUE(KeepApplied(database, applied, 10));
  EXPECT_TRUE(database.Run(sql, value)) << sql;
  const NodeId node = *NodeId::Parse(kNode);
  const auto state = LoadJournal(database, node);
  if (!state) ADD_FAILURE() << state.error();
  last_skipped = state && !state->skipped.empty() ? state->skipped.front().why : "";
  return state && state->skipped_total == 0 && LoadEnded(database, node, 2);
}

bool JournalTakes(const std::string& sql, const std::string& value) {
  std::string directory = testing::TempDir() + "/quell-entrances-XXXXXX";
  EXPECT_NE(::mkdtemp(directory.data()), nullptr);
  bool taken = false;
  if (auto database = sqlite::Database::Open(directory + "/node.db", JournalMigrations())) {
    taken = JournalTakesIn(*database, sql, value);
  } else {
    ADD_FAILURE() << database.error();
  }
  std::filesystem::remove_all(directory);
  return taken;
}

Entrance InJournal(const char* sql) {
  return [sql](const std::string& value) { return JournalTakes(sql, value); };
}

// ---- The command line

template <typename Command>
Entrance OnCommandLine(std::vector<std::string> before, std::vector<std::string> after = {}) {
  return [before, after](const std::string& value) {
    std::vector<std::string> words = before;
    words.push_back(value);
    words.insert(words.end(), after.begin(), after.end());
    return std::holds_alternative<Command>(cli::ParseArguments(words, cli::Environment{}));
  };
}

// ---- HTTP

class Api final : public opensearch::ApiTest {
 public:
  int StatusOf(const std::string& target) { return Post(target).status; }
  Result<JoinReply> Join(NodeInfo node) {
    Result<JoinReply> joined = Error{ErrorCode::kInternal, "no answer"};
    coordinator_.OnJoin({std::move(node), 1}, who_,
                        [&joined](Result<JoinReply> reply) { joined = std::move(reply); });
    scheduler_.Advance(std::chrono::seconds(5));
    return joined;
  }

 private:
  void TestBody() override {}
};

std::string Escaped(const std::string& text) {
  constexpr const char* kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out += "%"s + kHex[byte >> 4] + kHex[byte & 15];
  }
  return out;
}

bool CancelTakes(const std::string& query) {
  return Api().StatusOf("/_tasks/_cancel?actions=nothing&" + query) == 200;
}

// ---- The table

// Of valid ones first the longest, then what may stand in it; then what may not.
std::vector<Case> TextCases(std::size_t max, bool control_characters) {
  std::string two_bytes;
  while (two_bytes.size() + 2 <= max)
    two_bytes += "\xC3\xA9";
  return {{std::string(max, 'x'), true},
          {std::string(max + 1, 'x'), false},
          {two_bytes, true},
          {"caf\xC3\xA9", true},
          {"a\xE2\x80\xAEz", true},
          {"caf\xE9", false},
          {"\xED\xA0\x80", false},
          {"a\nb", control_characters},
          {"a\x1B[2Jb", control_characters},
          {"a\x7F", control_characters},
          {"a\xC2\x9Bz", control_characters}};
}

TEST(EntrancesTest, AgreeOnTaskIds) {
  const std::vector<NamedEntrance> entrances = {
      {"TaskId::Parse", [](const std::string& id) { return TaskId::Parse(id).has_value(); }},
      {"OpenSearch",
       [](const std::string& id) {
         const auto text = TaskIdText::Parse(id);
         return text && text->Resolve().has_value();
       }},
      {"local API: parent", InRegistration("\"parent\"")},
      {"local API: ancestors",
       [](const std::string& id) {
         return Registers(R"("action":"a","parent":")" + kNode + R"(:9","ancestors":[")" + id +
                          "\"]");
       }},
      {"local API: finish",
       [](const std::string& id) {
         return ParseFinishMany(R"([{"outcome":"success","id":")" + id + "\"}]").has_value();
       }},
      {"gRPC: a task's parent",
       [](const std::string& id) {
         return PageTakes([&](v1::Task& task) { SetId(id, *task.mutable_parent()); });
       }},
      {"gRPC: an intent's target",
       [](const std::string& id) {
         return IntentTakes([&](v1::Intent& intent) { SetId(id, *intent.mutable_task()); });
       }},
      {"gRPC: a filter's parent",
       [](const std::string& id) {
         return IntentTakes(
             [&](v1::Intent& intent) { SetId(id, *intent.mutable_filter()->mutable_parent()); });
       }},
      {"journal: live", InJournal("UPDATE live SET ancestors = ?1")},
      {"journal: ended", InJournal("UPDATE ended SET ancestors = ?1")},
      {"journal: filter", InJournal("UPDATE intents SET parent = ?1")},
      {"quell: an id",
       [](const std::string& id) {
         const auto ref = cli::TaskRef::Parse(id);
         return ref && ref->is_id;
       }},
      {"quell run --parent", OnCommandLine<cli::RunArguments>({"run", "--parent"}, {"--", "true"})},
      {"QUELL_ANCESTORS",
       [](const std::string& id) {
         ::setenv("QUELL_ANCESTORS", id.c_str(), 1);
         const bool taken = cli::Environment::Read().ancestors.size() == 1;
         ::unsetenv("QUELL_ANCESTORS");
         return taken;
       }},
      {"library", [](const std::string& id) { return sdk::IsTaskId(id); }},
  };
  ExpectAgreement(entrances, {
                                 {kNode + ":1", true},
                                 {kNode + ":9007199254740991", true},
                                 {kNode + ":9007199254740992", false},
                                 {kNode + ":9999999999999999", false},
                                 {kNode + ":0", false},
                                 {std::string(22, 'A') + ":3", false},
                                 {"AAAAAAAAAAAAAAAAAAAAAQ:3", true},
                                 {"-TUltX4IQMOUUVeiohTt8A:1", false},
                                 {"oTUltX4IQMOUUVeiohTt8B:1", false},
                                 {"oTUltX4IQMO+UVeiohTt8A:1", false},
                                 {"oTUltX4IQMOUUVeiohTt8:1", false},
                             });
}

TEST(EntrancesTest, AgreeOnActions) {
  const std::vector<NamedEntrance> entrances = {
      {"local API",
       [](const std::string& text) { return Registers("\"action\":" + Quoted(text)); }},
      {"gRPC: a task",
       [](const std::string& text) {
         return PageTakes([&](v1::Task& task) { task.set_action(text); });
       }},
      {"gRPC: a request",
       [](const std::string& text) {
         return RequestTakes([&](v1::RequestTask& task) { task.set_action(text); });
       }},
      {"journal: live", InJournal("UPDATE live SET action = ?1")},
      {"journal: ended", InJournal("UPDATE ended SET action = ?1")},
      {"quell run --action", OnCommandLine<cli::RunArguments>({"run", "--action"}, {"--", "true"})},
  };
  std::vector<Case> cases = TextCases(limits::kActionMax, false);
  cases.push_back({"a\0b"s, false});
  ExpectAgreement(entrances, cases);
}

TEST(EntrancesTest, AgreeOnDescriptions) {
  ExpectAgreement({{"local API", InRegistration("\"description\"")},
                   {"gRPC",
                    [](const std::string& text) {
                      return PageTakes([&](v1::Task& task) { task.set_description(text); });
                    }},
                   {"journal: live", InJournal("UPDATE live SET description = ?1")},
                   {"journal: ended", InJournal("UPDATE ended SET description = ?1")},
                   {"quell run --description",
                    OnCommandLine<cli::RunArguments>({"run", "--description"}, {"--", "true"})}},
                  TextCases(limits::kDescriptionMax, true));
}

TEST(EntrancesTest, AgreeOnNamesOfHeaders) {
  ExpectAgreement(
      {{"local API",
        [](const std::string& text) {
          return Registers(R"("action":"a","headers":{)" + Quoted(text) + R"(:"v"})");
        }},
       {"gRPC: a task",
        [](const std::string& text) {
          return PageTakes([&](v1::Task& task) { task.add_headers()->set_name(text); });
        }},
       {"gRPC: a request",
        [](const std::string& text) {
          return RequestTakes([&](v1::RequestTask& task) { task.add_headers()->set_name(text); });
        }},
       {"journal: live", InJournal("UPDATE live SET headers = json_array(?1, 'v')")},
       {"journal: ended", InJournal("UPDATE ended SET headers = json_array(?1, 'v')")}},
      {{"X-Opaque-Id", true},
       {std::string(limits::kHeaderNameMax, 'x'), true},
       {std::string(limits::kHeaderNameMax + 1, 'x'), false},
       {"", false},
       {"a\nb", false}});
}

TEST(EntrancesTest, AgreeOnValuesOfHeaders) {
  ExpectAgreement({{"local API",
                    [](const std::string& text) {
                      return Registers(R"("action":"a","headers":{"h":)" + Quoted(text) + "}");
                    }},
                   {"gRPC: a task",
                    [](const std::string& text) {
                      return PageTakes([&](v1::Task& task) {
                        task.add_headers()->set_name("h");
                        task.mutable_headers(0)->set_value(text);
                      });
                    }},
                   {"gRPC: a request",
                    [](const std::string& text) {
                      return RequestTakes([&](v1::RequestTask& task) {
                        task.add_headers()->set_name("h");
                        task.mutable_headers(0)->set_value(text);
                      });
                    }},
                   {"journal: live", InJournal("UPDATE live SET headers = json_array('h', ?1)")},
                   {"journal: ended", InJournal("UPDATE ended SET headers = json_array('h', ?1)")}},
                  {{"", true},
                   {"a\tb", true},
                   {"caf\xC3\xA9", true},
                   {std::string(limits::kHeaderValueMax, 'x'), true},
                   {std::string(limits::kHeaderValueMax + 1, 'x'), false},
                   {"a\r\nb", false},
                   {"a\x7F", false}});
}

TEST(EntrancesTest, AgreeOnStatuses) {
  const auto registers = [](const std::string& json) {
    return Registers(R"("action":"a","status":)" + json);
  };
  const std::string frame = R"({"s":""})";
  const auto sized = [&](std::size_t size) {
    return R"({"s":")" + std::string(size - frame.size(), 'x') + "\"}";
  };
  ExpectAgreement({{"local API", registers},
                   {"gRPC",
                    [](const std::string& text) {
                      return PageTakes([&](v1::Task& task) { task.set_status_json(text); });
                    }},
                   {"journal", InJournal("UPDATE ended SET status = ?1")}},
                  {{"{}", true},
                   {R"({"a":[1,{"b":null}]})", true},
                   {"[]", false},
                   {"7", false},
                   {"{", false},
                   {R"({"a":1,})", false},
                   {sized(limits::kStatusMax), true},
                   {sized(limits::kStatusMax + 1), false}});
}

TEST(EntrancesTest, AgreeOnReasons) {
  ExpectAgreement(
      {{"OpenSearch",
        [](const std::string& text) { return CancelTakes("reason=" + Escaped(text)); }},
       {"gRPC: an intent",
        [](const std::string& text) {
          return IntentTakes([&](v1::Intent& intent) { intent.set_reason(text); });
        }},
       {"gRPC: a task's cancel",
        [](const std::string& text) {
          return PageTakes([&](v1::Task& task) { task.mutable_cancel()->set_reason(text); });
        }},
       {"journal: tombstone", InJournal("UPDATE tombstones SET reason = ?1")},
       {"journal: intent", InJournal("UPDATE intents SET reason = ?1")},
       {"quell cancel --reason",
        OnCommandLine<cli::CancelArguments>({"cancel", "n:1", "--reason"})}},
      TextCases(limits::kReasonMax, true));
}

TEST(EntrancesTest, AgreeOnGraces) {
  ExpectAgreement(
      {{"OpenSearch", [](const std::string& ms) { return CancelTakes("grace=" + ms + "ms"); }},
       {"gRPC",
        [](const std::string& ms) {
          return IntentTakes([&](v1::Intent& intent) { intent.set_grace_millis(std::stoll(ms)); });
        }},
       {"journal: tombstone", InJournal("UPDATE tombstones SET grace_ms = CAST(?1 AS INTEGER)")},
       {"journal: intent", InJournal("UPDATE intents SET grace_ms = CAST(?1 AS INTEGER)")},
       {"quell cancel --grace",
        [](const std::string& ms) {
          return OnCommandLine<cli::CancelArguments>({"cancel", "n:1", "--grace"})(ms + "ms");
        }}},
      {{"1", true}, {"3600000", true}, {"3600001", false}, {"-2", false}});
}

// In milliseconds since 1970. What lies in the future is refused where a task begins, and there
// alone: a clock may have been set back since.
TEST(EntrancesTest, AgreeOnMoments) {
  ExpectAgreement(
      {{"local API: start",
        [](const std::string& ms) {
          return Registers(R"("action":"a","start_time_in_millis":)" + ms);
        }},
       {"local API: last check",
        [](const std::string& ms) {
          return ParseReport(R"({"last_check_millis":)" + ms + "}").has_value();
        }},
       {"gRPC: start",
        [](const std::string& ms) {
          return PageTakes([&](v1::Task& task) { task.set_start_micros(std::stoll(ms) * 1000); });
        }},
       {"gRPC: intent",
        [](const std::string& ms) {
          return IntentTakes(
              [&](v1::Intent& intent) { intent.set_requested_micros(std::stoll(ms) * 1000); });
        }},
       {"journal: live", InJournal("UPDATE live SET started_at = CAST(?1 AS INTEGER) * 1000")},
       {"journal: ended", InJournal("UPDATE ended SET started_at = CAST(?1 AS INTEGER) * 1000")},
       {"journal: tombstone",
        InJournal("UPDATE tombstones SET marked_at = CAST(?1 AS INTEGER) * 1000")},
       {"journal: intent",
        InJournal("UPDATE intents SET requested_at = CAST(?1 AS INTEGER) * 1000")}},
      {{"1", true},
       {"1600000000000", true},
       {"-1", false},
       {std::to_string(MillisSinceEpoch(kLastMoment) + 1), false},
       {"9007199254740991", false}});
}

TEST(EntrancesTest, AgreeOnPids) {
  ExpectAgreement({{"gRPC",
                    [](const std::string& pid) {
                      return PageTakes([&](v1::Task& task) { task.set_pid(std::stoi(pid)); });
                    }},
                   {"journal: live", InJournal("UPDATE live SET pid = CAST(?1 AS INTEGER)")},
                   {"journal: ended", InJournal("UPDATE ended SET pid = CAST(?1 AS INTEGER)")},
                   {"local API",
                    [](const std::string& pid) {
                      return ParseRegister(R"({"action":"a","pid":)" + pid + "}").has_value();
                    }}},
                  {{"0", true}, {"2147483647", true}, {"-1", false}});
}

TEST(EntrancesTest, AgreeOnChains) {
  const auto ids = [](const std::string& count, const std::string& separator) {
    std::string text;
    for (int i = 1; i <= std::stoi(count); ++i)
      text += (text.empty() ? "" : separator) + kNode + ":" + std::to_string(i);
    return text;
  };
  ExpectAgreement({{"local API",
                    [&](const std::string& count) {
                      const std::string above = ids(std::to_string(std::stoi(count) - 1), R"(",")");
                      return Registers(R"("action":"a","parent":")" + kNode +
                                       R"(:99","ancestors":[")" + above + "\"]");
                    }},
                   {"journal: live",
                    [&](const std::string& count) {
                      return JournalTakes("UPDATE live SET ancestors = ?1", ids(count, " "));
                    }},
                   {"journal: ended",
                    [&](const std::string& count) {
                      return JournalTakes("UPDATE ended SET ancestors = ?1", ids(count, " "));
                    }}},
                  {{"2", true}, {"16", true}, {"17", false}});
}

TEST(EntrancesTest, AgreeOnNamesOfNodes) {
  ExpectAgreement(
      {{"rule", [](const std::string& name) { return CheckNodeName(name).has_value(); }},
       {"join",
        [](const std::string& name) {
          NodeInfo node = Info(1);
          node.name = name;
          v1::JoinRequest message;
          ToProto(JoinRequest{node, 1}, &message);
          const auto request = FromProto(message);
          return request && Api().Join(request->node).has_value();
        }}},
      {{"web1", true},
       {std::string(limits::kNodeNameMax, 'x'), true},
       {std::string(limits::kNodeNameMax + 1, 'x'), false},
       {"", false},
       {"_web", false},
       {"a:b", false},
       {"a,b", false},
       {"a*", false},
       {"a\nb", false}});
}

}  // namespace
}  // namespace quell
