#include "coordinator/api/opensearch/tasks/list_stream.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "coordinator/api/opensearch/format/pretty.h"
#include "coordinator/api/opensearch/tasks/list_parts.h"
#include "coordinator/api/opensearch/tasks/render.h"
#include "coordinator/fan_out/failures.h"
#include "core/limits.h"

namespace quell::opensearch {
namespace {

// Held by the callback of whatever it waits for, and by nothing else: it is gone when the client
// is.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(Coordinator& coordinator, ExchangePtr exchange, const Style& style, StreamedList list,
         Gathered first)
      : coordinator_(coordinator),
        exchange_(std::move(exchange)),
        profile_(style.profile),
        pretty_(style.pretty),
        list_(std::move(list)),
        gathered_(std::move(first)) {}

  void Begin(std::vector<Header> headers) {
    exchange_->OnGone([weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->gone_ = true;
    });
    StartStream(exchange_, std::move(headers));
    text_ = by_node() ? R"({"nodes":{)" : R"({"tasks":[)";
    Continue();
  }

 private:
  bool by_node() const { return list_.grouping == Grouping::kNodes; }
  Slot& slot() { return gathered_.slots[index_]; }

  // Slot after slot, until there is something to wait for.
  void Continue() {
    while (index_ < gathered_.slots.size()) {
      if (slot().failure || (CountOf(slot()) == 0 && !ShowsEmpty())) {
        ++index_;
        continue;
      }
      BeginNode();
      if (!TakePart()) return;
    }
    End();
  }

  static std::uint64_t CountOf(const Slot& slot) { return std::get<ListReply>(*slot.reply).count; }
  bool ShowsEmpty() const { return by_node() && profile_ == Profile::kDocumented; }

  void BeginNode() {
    if (!by_node()) return;
    if (std::exchange(any_node_, true)) text_ += ',';
    std::string fields;
    http::JsonWriter json(fields);
    json.BeginObject();
    RenderNodeFields(json, *slot().node, profile_);
    json.EndObject();
    fields.back() = ',';
    text_ += "\"" + slot().node->id.ToString() + "\":" + fields + R"("tasks":{)";
    any_task_ = false;
  }

  // The slot holds a part, which goes out; then it holds nothing. False: somebody has to be waited
  // for, and it goes on by itself.
  bool TakePart() {
    const bool more = HasMore(slot());
    const bool no_room = Omitted(slot()) > 0;
    std::shared_ptr<TaskSink> sink = std::exchange(slot().sink, nullptr);
    const ListPart part =
        by_node() ? PartOf(SinkAs<TasksObject>(*sink))
                  : PartOf(SinkAs<RenderedTasks>(*sink), list_.grouping, limits::kTasksPerNodeMax);
    sink = nullptr;  // It is held by the connection from here on.
    if (part.tasks > 0) {
      if (std::exchange(any_task_, true)) text_ += ',';
      text_ += part.text;
      last_ = part.last;
      tried_since_.reset();
    }
    if (part.tasks == 0 && no_room) return WaitForRoom();
    if (part.tasks > 0 && more) {
      Flush([self = shared_from_this()] { self->AskOn(); });
      return false;
    }
    EndNode(true);
    if (text_.size() < limits::kPageBytes) return true;
    Flush([self = shared_from_this()] { self->Continue(); });
    return false;
  }

  // Others hold so much that nothing of the part could be kept. True: it goes on without.
  bool WaitForRoom() {
    Executor& executor = coordinator_.executor();
    const MonoTime now = executor.clock().Now();
    if (!tried_since_) tried_since_ = now;
    if (now - *tried_since_ >= limits::kHeldWait) {
      slot().failure =
          NoRoom(*slot().node, http::Describe(http::HeldRefusal::kBusy, *list_.held->budget()));
      EndNode(false);
      return true;
    }
    executor.After(limits::kHeldAgain, [self = shared_from_this()] { self->AskOn(); });
    return false;
  }

  void EndNode(bool complete) {
    ++index_;
    last_ = 0;
    tried_since_.reset();
    if (!by_node()) return;
    text_ += complete || profile_ == Profile::kStrict ? "}}" : R"(},"incomplete":true})";
  }

  void AskOn() {
    if (gone_) return;
    const NodeId node = slot().node->id;
    ListQuery query = list_.query;
    query.nodes.tokens = {node.ToString()};
    query.after = std::nullopt;
    if (last_ > 0) query.after = TaskId{node, last_};
    query.share = {limits::kListPart, limits::kListPart};
    // One node, so one slot.
    coordinator_.List(std::move(query), list_.timeout, list_.sinks,
                      [self = shared_from_this()](Result<Gathered> gathered) {
                        self->Take(std::move(gathered));
                      });
  }

  void Take(Result<Gathered> gathered) {
    if (gone_) return;
    Slot& mine = slot();
    if (gathered && !gathered->slots.front().failure) {
      mine.sink = std::move(gathered->slots.front().sink);
      mine.reply = std::move(gathered->slots.front().reply);
      AddTaskFailures(mine, gathered->slots.front().task_failures);
      if (TakePart()) Continue();
      return;
    }
    if (gathered) {
      mine.failure = std::move(gathered->slots.front().failure);
    } else if (const std::string id = mine.node->id.ToString(); !coordinator_.Knows(id)) {
      mine.failure = NoSuchNode(id);  // It has left meanwhile.
    } else {
      mine.failure = FailureOf(*mine.node, {}, kListAction, gathered.error());
    }
    EndNode(false);
    Continue();
  }

  static void AddTaskFailures(Slot& to, const std::vector<TaskFailure>& from) {
    for (const TaskFailure& failure : from) {
      if (to.task_failures.size() <= limits::kTaskFailuresMax) to.task_failures.push_back(failure);
    }
  }

  void End() {
    text_ += by_node() ? '}' : ']';
    if (profile_ == Profile::kDocumented || gathered_.failed() > 0 || gathered_.misses_tasks()) {
      std::string failures;
      http::JsonWriter json(failures);
      RenderFailures(json, gathered_, profile_);
      text_ += "," + failures;
    }
    text_ += '}';
    std::string last = LaidOut();
    if (pretty_) Prettifier::End(last);
    exchange_->Write(std::move(last), nullptr);
    exchange_->End();
  }

  void Flush(std::function<void()> then) { exchange_->Write(LaidOut(), std::move(then)); }

  std::string LaidOut() {
    std::string text = std::exchange(text_, {});
    if (!pretty_) return text;
    std::string pretty;
    prettifier_.Feed(text, pretty);
    return pretty;
  }

  Coordinator& coordinator_;
  const ExchangePtr exchange_;
  const Profile profile_;
  const bool pretty_;
  Prettifier prettifier_;
  const StreamedList list_;
  Gathered gathered_;
  std::size_t index_ = 0;                // Of the slot whose turn it is.
  std::uint64_t last_ = 0;               // The number of its last task so far.
  std::optional<MonoTime> tried_since_;  // There is no room for its next part since then.
  std::string text_;                     // Not yet written.
  bool any_node_ = false;
  bool any_task_ = false;
  bool gone_ = false;
};

}  // namespace

bool NeedsStream(const Gathered& first) {
  return std::any_of(first.slots.begin(), first.slots.end(), HasMore);
}

void StreamList(Coordinator& coordinator, const ExchangePtr& exchange, const Style& style,
                StreamedList list, Gathered first) {
  std::vector<Header> headers;
  headers.push_back({"Quell-Nodes", Coverage(first.selected(), first.failed())});
  std::make_shared<Stream>(coordinator, exchange, style, std::move(list), std::move(first))
      ->Begin(std::move(headers));
}

}  // namespace quell::opensearch
