#include "coordinator/api/opensearch/cluster/health.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/executor.h"
#include "core/limits.h"
#include "transport/http/ascii.h"
#include "transport/http/json_writer.h"

namespace quell::opensearch {
namespace {

constexpr std::chrono::seconds kWaitDefault{30};

// Better ones first.
enum class Color : std::uint8_t { kGreen, kYellow, kRed };
constexpr std::array<std::string_view, 3> kColors = {"green", "yellow", "red"};

std::string Upper(std::string text) {
  for (char& c : text)
    c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

// "3", ">=3", "ge(3)", ...
class NodeCount {
 public:
  // nullopt: it is none.
  static std::optional<NodeCount> Parse(std::string_view text) {
    struct Spelling {
      std::string_view start;
      std::string_view end;
      Relation relation;
    };
    // Tested in this order: ">" begins ">=" too.
    static constexpr std::array<Spelling, 9> kSpellings = {{{">=", "", Relation::kAtLeast},
                                                            {"<=", "", Relation::kAtMost},
                                                            {">", "", Relation::kMore},
                                                            {"<", "", Relation::kLess},
                                                            {"ge(", ")", Relation::kAtLeast},
                                                            {"le(", ")", Relation::kAtMost},
                                                            {"gt(", ")", Relation::kMore},
                                                            {"lt(", ")", Relation::kLess},
                                                            {"", "", Relation::kExactly}}};
    for (const Spelling& one : kSpellings) {
      if (!text.starts_with(one.start) || !text.ends_with(one.end)) continue;
      text.remove_prefix(one.start.size());
      text.remove_suffix(one.end.size());
      const std::optional<std::uint64_t> number = http::ParseDigits(text);
      if (!number) return std::nullopt;
      return NodeCount(one.relation, *number);
    }
    return std::nullopt;
  }

  bool Holds(std::uint64_t nodes) const {
    switch (relation_) {
      case Relation::kAtLeast:
        return nodes >= number_;
      case Relation::kAtMost:
        return nodes <= number_;
      case Relation::kMore:
        return nodes > number_;
      case Relation::kLess:
        return nodes < number_;
      case Relation::kExactly:
        break;
    }
    return nodes == number_;
  }

 private:
  enum class Relation : std::uint8_t { kExactly, kAtLeast, kAtMost, kMore, kLess };
  NodeCount(Relation relation, std::uint64_t number) : relation_(relation), number_(number) {}

  Relation relation_;
  std::uint64_t number_;
};

struct Wishes {
  Color worst = Color::kRed;
  std::optional<NodeCount> nodes;
  std::chrono::nanoseconds timeout = kWaitDefault;
};

struct Health {
  Color color = Color::kGreen;
  std::uint64_t nodes = 0;
  std::uint64_t data_nodes = 0;
};

Health Check(const Coordinator& coordinator) {
  Health health;
  for (const MemberStatus& member : coordinator.Members()) {
    if (!member.alive) {
      health.color = Color::kYellow;
      continue;
    }
    ++health.nodes;
    const std::vector<std::string>& roles = member.info.roles;
    if (std::find(roles.begin(), roles.end(), "data") != roles.end()) ++health.data_nodes;
  }
  return health;
}

bool Meets(const Health& health, const Wishes& wishes) {
  return health.color <= wishes.worst && (!wishes.nodes || wishes.nodes->Holds(health.nodes));
}

Wishes ReadWishes(Params& params) {
  Wishes wishes;
  // Of shards and of the manager's queue, both of which are never there.
  for (const char* without_effect :
       {"awareness_attribute", "cluster_manager_timeout", "ensure_node_commissioned",
        "expand_wildcards", "level", "local", "master_timeout", "wait_for_active_shards",
        "wait_for_events", "wait_for_no_initializing_shards", "wait_for_no_relocating_shards"}) {
    params.Has(without_effect);
  }
  if (const std::optional<std::chrono::nanoseconds> timeout = params.Duration("timeout")) {
    wishes.timeout = std::clamp<std::chrono::nanoseconds>(*timeout, std::chrono::nanoseconds(0),
                                                          limits::kNodeDeadlineMax);
  }
  if (params.Has("wait_for_status")) {
    const std::string name = params.Text("wait_for_status");
    const auto color = std::find(kColors.begin(), kColors.end(), name);
    if (color == kColors.end()) {
      params.Fail("No enum constant org.opensearch.cluster.health.ClusterHealthStatus." +
                  Upper(name));
    } else {
      wishes.worst = static_cast<Color>(color - kColors.begin());
    }
  }
  if (params.Has("wait_for_nodes")) {
    const std::string text = params.Text("wait_for_nodes");
    wishes.nodes = NodeCount::Parse(text);
    if (!wishes.nodes)
      params.Fail(
          "[wait_for_nodes] must be a number, or >=N, <=N, >N, <N, but "
          "was [" +
          text + "]");
  }
  return wishes;
}

std::string Render(const Health& health, const Identity& identity, bool timed_out) {
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject().Field("cluster_name", identity.cluster_name);
  json.Field("status", kColors[static_cast<std::size_t>(health.color)]);
  json.Field("timed_out", timed_out);
  json.Field("number_of_nodes", health.nodes).Field("number_of_data_nodes", health.data_nodes);
  json.Field("discovered_master", true).Field("discovered_cluster_manager", true);
  for (const char* none :
       {"active_primary_shards", "active_shards", "relocating_shards", "initializing_shards",
        "unassigned_shards", "delayed_unassigned_shards", "number_of_pending_tasks",
        "number_of_in_flight_fetch", "task_max_waiting_in_queue_millis"}) {
    json.Field(none, 0);
  }
  json.Key("active_shards_percent_as_number").Raw("100.0").EndObject();
  return body;
}

// One request. That a node falls silent is nothing that happens: time alone makes it so. So this
// looks again as often as nodes are heard.
class HealthWait : public std::enable_shared_from_this<HealthWait> {
 public:
  HealthWait(Coordinator& coordinator, const Identity& identity, ExchangePtr exchange, Style style,
             Wishes wishes)
      : coordinator_(coordinator),
        identity_(identity),
        exchange_(std::move(exchange)),
        style_(std::move(style)),
        wishes_(std::move(wishes)),
        deadline_(coordinator.executor().clock().Now() + wishes_.timeout) {}

  void Start() {
    exchange_->OnGone([waiting = weak_from_this()] {
      if (const std::shared_ptr<HealthWait> self = waiting.lock()) self->Stop();
    });
    Check();
  }

 private:
  void Stop() { coordinator_.executor().Cancel(timer_); }

  void Check() {
    const Health health = opensearch::Check(coordinator_);
    const bool met = Meets(health, wishes_);
    const MonoTime now = coordinator_.executor().clock().Now();
    if (met || now >= deadline_) {
      return Send(exchange_, style_, met ? 200 : 408, Render(health, identity_, !met));
    }
    const MonoTime next = now + limits::kHeartbeatInterval;
    timer_ = coordinator_.executor().At(std::min(next, deadline_),
                                        [self = shared_from_this()] { self->Check(); });
  }

  Coordinator& coordinator_;
  const Identity& identity_;
  const ExchangePtr exchange_;
  const Style style_;
  const Wishes wishes_;
  const MonoTime deadline_;
  TimerId timer_ = TimerId::kNone;
};

}  // namespace

void AnswerHealth(Coordinator& coordinator, const Identity& identity, const ExchangePtr& exchange,
                  Profile profile) {
  const http::Request& request = exchange->request();
  Params params(request);
  const Style style = ReadStyle(request, params, profile, {});
  Wishes wishes = ReadWishes(params);
  if (std::optional<Problem> problem = params.Finish()) {
    return SendProblem(exchange, style, *problem);
  }
  std::make_shared<HealthWait>(coordinator, identity, exchange, style, std::move(wishes))->Start();
}

}  // namespace quell::opensearch
