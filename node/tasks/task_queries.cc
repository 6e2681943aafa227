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

void TaskQueries::List(ListRequest request, MonoTime deadline,
                       std::shared_ptr<ReplyWriter> writer) {
  const auto listing = std::make_shared<Listing>();
  listing->request = std::move(request);
  listing->deadline = deadline;
  listing->writer = std::move(writer);
  listing->cursor = listing->request.after;
  listing->own = state_.Begin(listing->request.as_task);
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
    return state_.requests.Scan(l.cursor, number, [&](const Task& request) {
      l.cursor = request.id.number;
      if (!l.request.filter.Matches(request)) return true;
      page.Add(View(request, state_.now()));
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
      (l.request.filter.parent ? state_.registry.ScanBelow(*l.request.filter.parent, l.cursor, look)
                               : state_.registry.Scan(l.cursor, look)) &&
      requests_before(std::numeric_limits<std::uint64_t>::max());
  l.reply.count += page.views().size();
  l.bytes += page.bytes();
  const bool enough =
      page.views().size() == wanted || (l.request.limit > 0 && l.bytes >= limits::kListPartBytes);
  l.reply.more = !all && enough;
  auto next = state_.lifetime.Guard([this, listing] { Continue(listing); });
  if (page.views().empty()) {
    if (!all) return state_.executor.Post(std::move(next));
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
  state_.journal.ListEnded(
      *l.request.ended_since, l.cursor,
      state_.lifetime.Guard(
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
    TaskView view = View(task, state_.now());
    if (!l.request.detailed) view.description = view.status_json = {};
    page.Add(view);
  }
  l.reply.count += page.views().size();
  const bool more = full || found->size() == limits::kPageTasks;
  auto next = state_.lifetime.Guard([this, listing] { ContinueWithEnded(listing); });
  if (page.views().empty()) {
    if (more) return state_.executor.Post(std::move(next));
  } else if (more) {
    return l.writer->Tasks(page.views(), std::move(next));
  } else {
    l.writer->Tasks(page.views(), [] {});
  }
  l.writer->Finish(l.reply);
}

bool TaskQueries::IsLate(Listing& listing) const {
  if (state_.now() < listing.deadline) return false;
  listing.writer->Finish(
      Error{ErrorCode::kDeadlineExceeded, "the list was not complete by its deadline"});
  return true;
}

void TaskQueries::Get(std::uint64_t number, std::shared_ptr<ReplyWriter> writer) {
  if (const LiveTask* live = state_.registry.Find(number)) {
    const TaskView view = lifecycle_.ViewOf(*live);
    writer->Tasks({&view, 1}, [] {});
    return writer->Finish(GetReply{false, lifecycle_.ReceiptOf(*live), state_.info.life});
  }
  if (const EndedTask* ended = state_.registry.FindEnded(number)) {
    const TaskView view = View(ended->task, state_.now());
    writer->Tasks({&view, 1}, [] {});
    return writer->Finish(GetReply{true, ended->receipt, state_.info.life});
  }
  if (const Task* request = state_.requests.Find(number)) {
    const TaskView view = View(*request, state_.now());
    writer->Tasks({&view, 1}, [] {});
    return writer->Finish(GetReply{});
  }
  if (number == 0 || number >= state_.numbers.next()) {
    return ShowFound(Error{ErrorCode::kNotFound,
                           "task [" + state_.IdOf(number).ToString() + "] was never registered"},
                     writer);
  }
  state_.journal.FindEnded(
      number, state_.lifetime.Guard([this, number, writer](const Result<Task>& found) {
        // It may have been resumed meanwhile.
        if (!found && state_.registry.Find(number) != nullptr) return Get(number, writer);
        if (!found && found.error().code == ErrorCode::kNotFound && state_.MayComeBack(number))
          return GetLater(number, writer);
        ShowFound(found, writer);
      }));
}

void TaskQueries::GetLater(std::uint64_t number, std::shared_ptr<ReplyWriter> writer) {
  state_.executor.At(
      state_.come_back_until(),
      state_.lifetime.Guard([this, number, writer = std::move(writer)] { Get(number, writer); }));
}

void TaskQueries::ShowFound(const Result<Task>& found,
                            const std::shared_ptr<ReplyWriter>& writer) const {
  if (!found) return writer->Finish(found.error());
  const TaskView view = View(*found, state_.now());
  writer->Tasks({&view, 1}, [] {});
  GetReply reply;
  reply.ended = true;
  const Tombstone* tombstone = state_.tombstones.Find(found->id.number);
  if (found->cancel && tombstone != nullptr) {
    reply.receipt = lifecycle_.ReceiptOf(*tombstone);
    reply.receipt->state = ReceiptState::kEnded;
    reply.receipt->ended_at = found->end_wall;
    reply.receipt->outcome = found->state;
  }
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
    if (const LiveTask* live = state_.registry.Find(number)) {
      add(lifecycle_.ViewOf(*live));
    } else if (const EndedTask* ended = state_.registry.FindEnded(number)) {
      add(View(ended->task, state_.now()));
    } else if (s.selection.journal && number < state_.numbers.next()) {
      look_up = true;
      break;
    }
    ++s.next;
  }
  bool more = s.more();
  if (!more && s.selection.requests) {
    constexpr std::uint64_t kLast = std::numeric_limits<std::uint64_t>::max();
    more = !state_.requests.Scan(s.request, kLast, [&](const Task& request) {
      s.request = request.id.number;
      if (s.selection.requests->Matches(request)) add(View(request, state_.now()));
      return !page.full();
    });
  }
  s.shown += page.views().size();
  auto next = state_.lifetime.Guard([this, showing] { Continue(showing); });
  if (!page.views().empty()) {
    if (more) return s.writer->Tasks(page.views(), std::move(next));
    s.writer->Tasks(page.views(), [] {});
  } else if (look_up) {
    return LookUp(showing);
  } else if (more) {
    return state_.executor.Post(std::move(next));
  }
  s.writer->Finish(s.reply(s.shown));
}

// One that memory has let go.
void TaskQueries::LookUp(const std::shared_ptr<Showing>& showing) {
  const std::uint64_t number = showing->selection.numbers[showing->next++];
  state_.journal.FindEnded(
      number, state_.lifetime.Guard([this, showing](const Result<Task>& found) {
        if (!found) return Continue(showing);
        TaskView view = View(*found, state_.now());
        if (!showing->selection.detailed) view.description = view.status_json = {};
        ++showing->shown;
        showing->writer->Tasks({&view, 1},
                               state_.lifetime.Guard([this, showing] { Continue(showing); }));
      }));
}

}  // namespace quell
