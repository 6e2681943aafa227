#include "node/tasks/task_queries.h"

#include <limits>
#include <unordered_set>
#include <utility>

#include "core/limits.h"

namespace quell {
namespace {

// Views for one message.
class Page {
 public:
  void Add(const TaskView& view) {
    views_.push_back(view);
    constexpr std::size_t kFixed = 200;  // Numbers, ids and what holds them together.
    bytes_ += kFixed + view.action.size() + view.description.size() + view.status_json.size() +
              view.cancelled_by.size() + view.cancel_reason.size();
    for (const Header& header : view.headers)
      bytes_ += header.name.size() + header.value.size();
  }
  std::size_t bytes() const { return bytes_; }
  bool full() const { return views_.size() >= limits::kPageTasks || bytes_ >= limits::kPageBytes; }
  const std::vector<TaskView>& views() const { return views_; }

 private:
  std::vector<TaskView> views_;
  std::size_t bytes_ = 0;
};

}  // namespace

struct TaskQueries::Listing {
  ListRequest request;
  MonoTime deadline;
  std::shared_ptr<ReplyWriter> writer;
  RequestTasks::Held own;    // This request, if it is shown.
  std::uint64_t cursor = 0;  // The last task that was looked at.
  std::size_t bytes = 0;     // Of all pages.
  ListReply reply;
  std::unordered_set<std::uint64_t> shown;  // Live ones, if ended ones are to follow.
};

TaskQueries::TaskQueries(const NodeContext& context, Journal& journal, Registry& registry,
                         TaskIdAllocator& numbers, const TaskLifecycle& lifecycle,
                         std::uint64_t first_number)
    : context_(context),
      journal_(journal),
      registry_(registry),
      numbers_(numbers),
      lifecycle_(lifecycle),
      first_number_(first_number),
      come_back_until_(context.now() + limits::kComeBack) {}

RequestTasks::Held TaskQueries::Begin(const std::optional<RequestTask>& request) {
  if (!request) return nullptr;
  return requests_.Begin(context_.info.id, numbers_, *request, context_.executor.clock());
}

// An earlier start gave its number out, and this one is young.
bool TaskQueries::MayComeBack(std::uint64_t number) const {
  return number != 0 && number < first_number_ && context_.now() < come_back_until_;
}

void TaskQueries::List(ListRequest request, MonoTime deadline,
                       std::shared_ptr<ReplyWriter> writer) {
  const auto listing = std::make_shared<Listing>();
  listing->request = std::move(request);
  listing->deadline = deadline;
  listing->writer = std::move(writer);
  listing->cursor = listing->request.after;
  listing->own = Begin(listing->request.as_task);
  Continue(listing);
}

void TaskQueries::Continue(const std::shared_ptr<Listing>& listing) {
  Listing& l = *listing;
  if (IsLate(l)) return;
  Page page;
  std::size_t looks = l.request.filter.LooksPerTurn();
  const std::uint64_t wanted = l.request.limit == 0 ? std::numeric_limits<std::uint64_t>::max()
                                                    : l.request.limit - l.reply.count;
  const auto room = [&] { return !page.full() && page.views().size() < wanted; };
  const auto requests_before = [&](std::uint64_t number) {
    if (!l.request.as_task) return true;
    return requests_.Scan(l.cursor, number, [&](const Task& request) {
      l.cursor = request.id.number;
      if (!l.request.filter.Matches(request)) return true;
      page.Add(View(request, context_.now()));
      return room();
    });
  };
  const auto look = [&](const LiveTask& live) {
    if (!requests_before(live.task.id.number)) return false;
    l.cursor = live.task.id.number;
    if (l.request.filter.Matches(live.task)) {
      TaskView view = lifecycle_.ViewOf(live);
      if (!l.request.detailed) view.description = view.status_json = {};
      page.Add(view);
      if (l.request.ended_since) l.shown.insert(l.cursor);
    }
    return --looks > 0 && room();
  };
  const bool all =
      (l.request.filter.parent ? registry_.ScanBelow(*l.request.filter.parent, l.cursor, look)
                               : registry_.Scan(l.cursor, look)) &&
      requests_before(std::numeric_limits<std::uint64_t>::max());
  l.reply.count += page.views().size();
  l.bytes += page.bytes();
  const bool enough =
      page.views().size() == wanted || (l.request.limit > 0 && l.bytes >= limits::kListPartBytes);
  l.reply.more = !all && enough;
  auto next = context_.lifetime.Guard([this, listing] { Continue(listing); });
  if (page.views().empty()) {
    if (!all) return context_.executor.Post(std::move(next));
  } else if (!all && !l.reply.more) {
    return l.writer->Tasks(page.views(), std::move(next));
  } else {
    l.writer->Tasks(page.views(), [] {});
  }
  if (!l.request.ended_since || l.reply.more) return l.writer->Finish(l.reply);
  l.cursor = 0;
  ContinueWithEnded(listing);
}

// The journal knows them all, also of earlier lives.
void TaskQueries::ContinueWithEnded(const std::shared_ptr<Listing>& listing) {
  Listing& l = *listing;
  if (IsLate(l)) return;
  journal_.ListEnded(
      *l.request.ended_since, l.cursor,
      context_.lifetime.Guard(
          [this, listing](const Result<std::vector<Task>>& found) { ListEnded(listing, found); }));
}

void TaskQueries::ListEnded(const std::shared_ptr<Listing>& listing,
                            const Result<std::vector<Task>>& found) {
  Listing& l = *listing;
  if (!found) return l.writer->Finish(found.error());
  Page page;
  bool full = false;
  for (const Task& task : *found) {
    if (full = page.full(); full) break;
    l.cursor = task.id.number;
    // It ended while the live ones were listed, or was resumed before its end was known.
    if (l.shown.contains(l.cursor) || !l.request.filter.Matches(task)) continue;
    TaskView view = View(task, context_.now());
    if (!l.request.detailed) view.description = view.status_json = {};
    page.Add(view);
  }
  l.reply.count += page.views().size();
  const bool more = full || found->size() == limits::kPageTasks;
  auto next = context_.lifetime.Guard([this, listing] { ContinueWithEnded(listing); });
  if (page.views().empty()) {
    if (more) return context_.executor.Post(std::move(next));
  } else if (more) {
    return l.writer->Tasks(page.views(), std::move(next));
  } else {
    l.writer->Tasks(page.views(), [] {});
  }
  l.writer->Finish(l.reply);
}

bool TaskQueries::IsLate(Listing& listing) const {
  if (context_.now() < listing.deadline) return false;
  listing.writer->Finish(
      Error{ErrorCode::kDeadlineExceeded, "the list was not complete by its deadline"});
  return true;
}

void TaskQueries::Get(std::uint64_t number, std::shared_ptr<ReplyWriter> writer) {
  if (const LiveTask* live = registry_.Find(number)) {
    const TaskView view = lifecycle_.ViewOf(*live);
    writer->Tasks({&view, 1}, [] {});
    return writer->Finish(GetReply{false, lifecycle_.ReceiptOf(*live), context_.info.life});
  }
  if (const EndedTask* ended = registry_.FindEnded(number)) {
    const TaskView view = View(ended->task, context_.now());
    writer->Tasks({&view, 1}, [] {});
    return writer->Finish(GetReply{true, ended->receipt, context_.info.life});
  }
  if (const Task* request = requests_.Find(number)) {
    const TaskView view = View(*request, context_.now());
    writer->Tasks({&view, 1}, [] {});
    return writer->Finish(GetReply{});
  }
  if (number == 0 || number >= numbers_.next()) {
    return ShowFound(Error{ErrorCode::kNotFound,
                           "task [" + context_.IdOf(number).ToString() + "] was never registered"},
                     writer);
  }
  journal_.FindEnded(
      number, context_.lifetime.Guard([this, number, writer](const Result<Task>& found) {
        // It may have been resumed meanwhile.
        if (!found && registry_.Find(number) != nullptr) return Get(number, writer);
        if (!found && found.error().code == ErrorCode::kNotFound && MayComeBack(number))
          return GetLater(number, writer);
        ShowFound(found, writer);
      }));
}

void TaskQueries::GetLater(std::uint64_t number, std::shared_ptr<ReplyWriter> writer) {
  context_.executor.At(
      come_back_until_,
      context_.lifetime.Guard([this, number, writer = std::move(writer)] { Get(number, writer); }));
}

void TaskQueries::ShowFound(const Result<Task>& found,
                            const std::shared_ptr<ReplyWriter>& writer) const {
  if (!found) return writer->Finish(found.error());
  const TaskView view = View(*found, context_.now());
  writer->Tasks({&view, 1}, [] {});
  GetReply reply;
  reply.ended = true;
  reply.receipt = lifecycle_.ReceiptOfEnded(*found);
  writer->Finish(std::move(reply));
}

struct TaskQueries::Showing {
  Selection selection;
  std::size_t next = 0;
  std::uint64_t request = 0;  // The last one that was looked at.
  std::uint64_t shown = 0;
  std::function<NodeReply(std::uint64_t)> reply;
  std::shared_ptr<ReplyWriter> writer;

  bool more() const { return next < selection.numbers.size(); }
};

void TaskQueries::Show(Selection selection, std::function<NodeReply(std::uint64_t)> reply,
                       std::shared_ptr<ReplyWriter> writer) {
  const auto showing = std::make_shared<Showing>();
  showing->selection = std::move(selection);
  showing->reply = std::move(reply);
  showing->writer = std::move(writer);
  Continue(showing);
}

void TaskQueries::Continue(const std::shared_ptr<Showing>& showing) {
  Showing& s = *showing;
  Page page;
  const auto add = [&](TaskView view) {
    if (!s.selection.detailed) view.description = view.status_json = {};
    page.Add(view);
  };
  bool look_up = false;
  for (std::size_t looks = limits::kLooksPerTurn; s.more() && looks > 0 && !page.full(); --looks) {
    const std::uint64_t number = s.selection.numbers[s.next];
    if (const LiveTask* live = registry_.Find(number)) {
      add(lifecycle_.ViewOf(*live));
    } else if (const EndedTask* ended = registry_.FindEnded(number)) {
      add(View(ended->task, context_.now()));
    } else if (s.selection.journal && number < numbers_.next()) {
      look_up = true;
      break;
    }
    ++s.next;
  }
  bool more = s.more();
  if (!more && s.selection.requests) {
    constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max();
    more = !requests_.Scan(s.request, kLast, [&](const Task& request) {
      s.request = request.id.number;
      if (s.selection.requests->Matches(request)) add(View(request, context_.now()));
      return !page.full();
    });
  }
  s.shown += page.views().size();
  auto next = context_.lifetime.Guard([this, showing] { Continue(showing); });
  if (!page.views().empty()) {
    if (more) return s.writer->Tasks(page.views(), std::move(next));
    s.writer->Tasks(page.views(), [] {});
  } else if (look_up) {
    return LookUp(showing);
  } else if (more) {
    return context_.executor.Post(std::move(next));
  }
  s.writer->Finish(s.reply(s.shown));
}

// One that memory has let go.
void TaskQueries::LookUp(const std::shared_ptr<Showing>& showing) {
  const std::uint64_t number = showing->selection.numbers[showing->next++];
  journal_.FindEnded(number, context_.lifetime.Guard([this, showing](const Result<Task>& found) {
    if (!found) return Continue(showing);
    TaskView view = View(*found, context_.now());
    if (!showing->selection.detailed) view.description = view.status_json = {};
    ++showing->shown;
    showing->writer->Tasks({&view, 1},
                           context_.lifetime.Guard([this, showing] { Continue(showing); }));
  }));
}

}  // namespace quell
