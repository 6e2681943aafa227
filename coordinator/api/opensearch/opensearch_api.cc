#include "coordinator/api/opensearch/opensearch_api.h"

#include <algorithm>
#include <utility>

#include "coordinator/api/opensearch/cat/cat.h"
#include "coordinator/api/opensearch/cluster/health.h"
#include "coordinator/api/opensearch/cluster/node_stats.h"
#include "coordinator/api/opensearch/cluster/nodes.h"
#include "coordinator/api/opensearch/cluster/root.h"
#include "coordinator/api/opensearch/cluster/state.h"
#include "coordinator/api/opensearch/request/answer.h"
#include "coordinator/api/opensearch/request/errors.h"
#include "coordinator/api/opensearch/request/params.h"
#include "coordinator/api/opensearch/request/request_checks.h"
#include "coordinator/api/opensearch/request/unrouted.h"
#include "coordinator/api/opensearch/request/waiting.h"
#include "coordinator/api/opensearch/tasks/grouping.h"
#include "coordinator/api/opensearch/tasks/list_parts.h"
#include "coordinator/api/opensearch/tasks/list_stream.h"
#include "coordinator/api/opensearch/tasks/render.h"
#include "core/limits.h"
#include "core/utf8.h"
#include "core/validity.h"
#include "transport/http/json_writer.h"

namespace quell::opensearch {
namespace {

using http::Method;

// How the tasks of one answer are to stand. The budget is there for kParents alone.
struct Groups {
  Grouping grouping = Grouping::kNodes;
  std::shared_ptr<TreeBudget> budget;
};

Groups ReadGroups(Params& params, std::optional<Problem>& problem) {
  Groups groups;
  if (!params.Has("group_by")) return groups;
  const std::string text = params.Text("group_by");
  if (const std::optional<Grouping> grouping = GroupingFromString(text)) {
    groups.grouping = *grouping;
    if (*grouping == Grouping::kParents) groups.budget = std::make_shared<TreeBudget>();
  } else {
    problem =
        Invalid("[group_by] must be one of [nodes], [parents] or [none] but was [" + text + "]");
  }
  return groups;
}

Problem TooManyForParents(std::size_t tasks) {
  return Invalid("[group_by=parents] is served for at most [" +
                 std::to_string(limits::kGroupParentsMax) + "] tasks and [" +
                 std::to_string(tasks) +
                 "] match: use [group_by=nodes], or a filter ([nodes], [actions], "
                 "[parent_task_id])");
}

// A list that is streamed is never in one place: it leaves as it is.
Problem TooManyForFormat() {
  return Invalid("[filter_path] and formats other than [json] are served for at most [" +
                 std::to_string(limits::kListHeld) +
                 "] tasks and more match: use [size], or a filter ([nodes], [actions], "
                 "[parent_task_id])");
}

using Held = std::shared_ptr<http::HeldBytes>;

// `drop`: what is beyond the budget will not be shown. `parts`: by nodes, too, each task can be
// taken alone.
TaskSinkFactory Sinks(TaskShape shape, const Style& style, const Groups& groups, const Held& held,
                      bool drop, bool parts = false) {
  const TaskLook look{shape, style.human, style.profile};
  return [look, groups, held, drop, parts](const NodeInfo&) -> std::shared_ptr<TaskSink> {
    if (groups.grouping == Grouping::kNodes && !parts) {
      return std::make_shared<TasksObject>(look, held);
    }
    return std::make_shared<RenderedTasks>(look, groups.budget, drop, held);
  };
}

struct Totals {
  std::size_t bytes = 0;
  std::size_t omitted = 0;  // Tasks.
};

Totals TotalsOf(const Gathered& gathered, const Groups& groups, bool parts) {
  Totals totals;
  for (const Slot& slot : gathered.slots) {
    if (slot.failure || !slot.sink) continue;
    totals.omitted += Omitted(slot);
    totals.bytes += groups.grouping == Grouping::kNodes && !parts
                        ? SinkAs<TasksObject>(*slot.sink).size()
                        : SinkAs<RenderedTasks>(*slot.sink).size();
  }
  return totals;
}

// What was omitted is missing in the answer, and said in a header: that is for cancels, whose
// answer says what has been done.
void SendGathered(const ExchangePtr& exchange, const Aside& aside, const Style& style,
                  const Groups& groups, const Wait& wait, Gathered gathered) {
  std::vector<Header> headers;
  const std::uint64_t running = gathered.running;
  if (style.profile == Profile::kStrict) FailWhatRanOut(gathered, wait);
  const Totals totals = TotalsOf(gathered, groups, false);
  headers.push_back({"Quell-Nodes", Coverage(gathered.selected(), gathered.failed())});
  if (gathered.intent) headers.push_back({"Quell-Operation", gathered.intent->ToString()});
  if (gathered.known) headers.push_back({"Quell-Operation-Known", "true"});
  AddWaitHeader(headers, wait, running);
  const bool flat = groups.budget && groups.budget->met();
  if (flat) headers.push_back({"Quell-Grouping", "flat"});
  if (totals.omitted > 0) {
    headers.push_back({"Quell-Shortened", "omitted=" + std::to_string(totals.omitted)});
  }
  const auto shared = std::make_shared<Gathered>(std::move(gathered));
  SendLong(exchange, aside, totals.bytes,
           [style, grouping = groups.grouping, flat, shared, headers = std::move(headers)] {
             const Gathered all = std::move(*shared);  // Goes when it is rendered.
             const bool promised = all.intent.has_value();
             http::Response response = Rendered(
                 style, 200,
                 grouping == Grouping::kNodes ? RenderGathered(all, style.profile)
                                              : RenderGrouped(all, style.profile, grouping, flat),
                 headers);
             response.promised = promised;
             return response;
           });
}

void SendPage(const ExchangePtr& exchange, const Aside& aside, const Style& style,
              const Groups& groups, std::size_t size, Gathered gathered) {
  const Totals totals = TotalsOf(gathered, groups, true);
  const auto shared = std::make_shared<Gathered>(std::move(gathered));
  SendLong(exchange, aside, totals.bytes, [style, grouping = groups.grouping, size, shared] {
    const Gathered all = std::move(*shared);
    return Rendered(style, 200, RenderPage(all, style.profile, grouping, size),
                    {{"Quell-Nodes", Coverage(all.selected(), all.failed())}});
  });
}

// `size` and `after`, which only the documented profile has. 0: the list is not paged.
std::size_t ReadPage(Params& params, const Style& style, ListQuery& query) {
  if (style.profile == Profile::kStrict) return 0;
  if (const TaskIdText after = params.TaskId("after"); !after.unset) {
    query.after = after.Resolve();
    if (!query.after) params.Fail("[after] must be the [next] of a page before");
  }
  const std::optional<std::uint64_t> size = params.Number("size", 1, limits::kListSizeMax);
  if (query.after && !size) params.Fail("[after] needs [size]: how many tasks the page may hold");
  return size.value_or(0);
}

std::optional<Problem> WhyNoPages(const Groups& groups, const Wait& wait) {
  if (groups.grouping == Grouping::kParents) {
    return Invalid(
        "[size] cannot be used with [group_by=parents]: a child may stand on another page than its "
        "parent");
  }
  if (wait.wanted) return Invalid("[size] cannot be used with [wait_for_completion]");
  return std::nullopt;
}

// A task is named once: in the path, or as a parameter.
void RefuseSecondId(const http::Request& request, Params& params, bool path_id) {
  if (path_id && params.Has("task_id") && params.Text("task_id") != request.captures.front()) {
    params.Fail("[task_id] and the path name different tasks: leave [task_id] out");
  }
}

// What a cancel says about which tasks.
struct CancelParams {
  TaskIdText id;
  std::vector<std::string> nodes;
  TaskFilter filter;
  std::string reason;
  Wait wait;
  std::chrono::nanoseconds grace{0};
};

// Only the documented profile: a real server takes an id that names no task for none, and the path
// for the better one of two.
void CheckCancelledId(const http::Request& request, Params& params, const TaskIdText& id,
                      bool path_id) {
  if (path_id && id.unset) {
    params.Fail("the task id [" + request.captures.front() +
                "] names no task: name one, or use POST /_tasks/_cancel without filters to cancel "
                "everything");
  }
  if (!path_id && id.unset && params.Has("task_id")) {
    params.Fail("[task_id] names no task: name one, or leave it out to cancel everything");
  }
  RefuseSecondId(request, params, path_id);
}

// As a real server describes the task that a cancel is.
std::string Describe(const CancelParams& words) {
  const auto list = [](const std::vector<std::string>& texts) {
    std::string text;
    for (const std::string& one : texts)
      text += (text.empty() ? "" : ", ") + one;
    return "[" + text + "]";
  };
  const std::optional<TaskId>& parent = words.filter.parent;
  std::string text = "reason[" + (words.reason.empty() ? "by user request" : words.reason) +
                     "], waitForCompletion[" + (words.wait.wanted ? "true" : "false") +
                     "], taskId[" + (words.id.unset ? "unset" : words.id.ToString()) +
                     "], parentTaskId[" + (parent ? parent->ToString() : "unset") + "], nodes" +
                     list(words.nodes) + ", actions" + list(words.filter.actions);
  return CutUtf8(std::move(text), limits::kDescriptionMax);
}

CancelParams ReadCancel(const http::Request& request, Params& params, const Style& style,
                        bool path_id) {
  CancelParams words;
  words.id = params.TaskId("task_id");
  if (path_id) words.id = params.ParseTaskId(request.captures.front());
  TaskSelection selection = ReadSelection(params);
  words.nodes = std::move(selection.nodes);
  words.filter = std::move(selection.filter);
  if (style.profile == Profile::kStrict) {
    words.wait = ReadWaitOnly(params);
    return words;
  }

  words.wait = ReadWait(params, style.profile);
  words.reason = params.Text("reason");
  if (const Status fine = CheckReason(words.reason); !fine) params.Fail(fine.error().message);
  if (const std::optional<std::chrono::nanoseconds> grace = params.Duration("grace")) {
    const auto whole = std::chrono::ceil<std::chrono::milliseconds>(*grace);
    if (*grace < std::chrono::nanoseconds(0) || !CheckGrace(whole)) {
      const auto most = std::chrono::seconds(limits::kGraceMax).count();
      params.Fail("[grace] must be at least [0] and at most [" + std::to_string(most) +
                  "s] but was [" + params.Text("grace") + "]");
    }
    words.grace = std::max<std::chrono::nanoseconds>(*grace, std::chrono::milliseconds(1));
  }
  CheckCancelledId(request, params, words.id, path_id);
  return words;
}

}  // namespace

// The request's headers and body are looked at before its handler is.
void OpenSearchApi::Add(http::Router& router, Method method, std::string pattern,
                        Permission permission, http::Handler handler) {
  auto checked = [this, handler = std::move(handler),
                  profile = options_.profile](const ExchangePtr& exchange) {
    const http::Request& request = exchange->request();
    if (const std::optional<Problem> problem = CheckRequest(request)) {
      Params params(request);
      return SendProblem(exchange, ReadStyle(request, params, profile, {}), *problem);
    }
    const bool strict = ProfileOf(request, profile) == Profile::kStrict;
    handler(strict ? deprecations_.Watch(exchange) : exchange);
  };
  router.Add(method, std::move(pattern), permission, std::move(checked));
}

OpenSearchApi::OpenSearchApi(Coordinator& coordinator, OpenSearchOptions options)
    : coordinator_(coordinator), options_(std::move(options)) {}

void OpenSearchApi::AddRoutes(http::Router& router) {
  const Profile profile = options_.profile;
  Add(router, Method::kGet, "/_tasks", Permission::kTaskList,
      [this](const ExchangePtr& exchange) { List(exchange); });
  Add(router, Method::kGet, "/_tasks/{id}", Permission::kTaskGet,
      [this](const ExchangePtr& exchange) { Get(exchange); });
  Add(router, Method::kPost, "/_tasks/_cancel", Permission::kTaskCancel,
      [this](const ExchangePtr& exchange) { Cancel(exchange, false); });
  Add(router, Method::kPost, "/_tasks/{id}/_cancel", Permission::kTaskCancel,
      [this](const ExchangePtr& exchange) { Cancel(exchange, true); });
  Add(router, Method::kGet, "/_cat", Permission::kTaskList,
      [profile](const ExchangePtr& exchange) { CatIndex(exchange, profile); });
  Add(router, Method::kGet, "/_cat/tasks", Permission::kTaskList,
      [this](const ExchangePtr& exchange) {
        CatTasks(coordinator_, options_.rendering, exchange, options_.profile);
      });
  AddClusterRoutes(router);
  router.SetUnrouted([profile](const ExchangePtr& exchange, const std::vector<Method>& allowed) {
    AnswerUnrouted(exchange, allowed, profile);
  });
  router.SetErrorBody(&OpenSearchApi::ErrorBody);
}

// Who is there: what clients look at before they ask for tasks.
void OpenSearchApi::AddClusterRoutes(http::Router& router) {
  auto add = [&](Method method, const char* pattern, http::Handler handler) {
    Add(router, method, pattern, Permission::kTaskList, std::move(handler));
  };
  for (Method method : {Method::kGet, Method::kHead}) {
    add(method, "/", [this](const ExchangePtr& exchange) {
      AnswerRoot(coordinator_, options_.identity, exchange, options_.profile);
    });
  }
  add(Method::kGet, "/_cluster/health", [this](const ExchangePtr& exchange) {
    AnswerHealth(coordinator_, options_.identity, exchange, options_.profile);
  });
  for (const char* pattern :
       {"/_cluster/state", "/_cluster/state/{metric}", "/_cluster/state/{metric}/{indices}"}) {
    add(Method::kGet, pattern, [this](const ExchangePtr& exchange) {
      AnswerState(coordinator_, options_.identity, exchange, options_.profile);
    });
  }
  add(Method::kGet, "/_cluster/pending_tasks",
      [this](const ExchangePtr& exchange) { AnswerPendingTasks(exchange, options_.profile); });
  for (const char* pattern : {"/_nodes", "/_nodes/{nodes}", "/_nodes/{nodes}/{metrics}"}) {
    add(Method::kGet, pattern, [this](const ExchangePtr& exchange) {
      AnswerNodes(coordinator_, options_.identity, http_address_, exchange, options_.profile);
    });
  }
  for (const char* pattern : {"/_nodes/stats", "/_nodes/stats/{metrics}", "/_nodes/{nodes}/stats",
                              "/_nodes/{nodes}/stats/{metrics}"}) {
    add(Method::kGet, pattern, [this](const ExchangePtr& exchange) {
      AnswerNodeStats(coordinator_, options_.identity, exchange, options_.profile);
    });
  }
  for (const char* pattern : {"/_cat/cluster_manager", "/_cat/master"}) {
    add(Method::kGet, pattern, [this](const ExchangePtr& exchange) {
      CatManager(coordinator_, exchange, options_.profile);
    });
  }
  add(Method::kGet, "/_cat/pending_tasks",
      [this](const ExchangePtr& exchange) { CatPendingTasks(exchange, options_.profile); });
  add(Method::kGet, "/_cat/nodes", [this](const ExchangePtr& exchange) {
    CatNodes(coordinator_, http_address_, exchange, options_.profile);
  });
}

std::string OpenSearchApi::ErrorBody(int status, std::string_view type, std::string_view reason) {
  if (status == 405) {
    std::string body;
    http::JsonWriter json(body);
    json.BeginObject().Field("error", reason).Field("status", status).EndObject();
    return body;
  }
  Problem problem;
  problem.status = status;
  problem.type = status == 403   ? "security_exception"
                 : status == 429 ? "circuit_breaking_exception"
                 : status == 400 ? "illegal_argument_exception"
                                 : std::string(type) + "_exception";
  problem.reason = reason;
  return RenderProblem(problem);
}

void OpenSearchApi::List(const ExchangePtr& exchange) {
  const http::Request& request = exchange->request();
  Params params(request);
  const Style style = ReadStyle(request, params, options_.profile, {});
  ListQuery query;
  query.detailed = params.Bool("detailed", false);
  TaskSelection selection = ReadSelection(params);
  query.nodes = {std::move(selection.nodes), style.profile == Profile::kDocumented};
  query.filter = std::move(selection.filter);
  const Wait wait = ReadWait(params, style.profile);
  std::optional<Problem> wrong_groups;
  const Groups groups = ReadGroups(params, wrong_groups);
  const std::size_t size = ReadPage(params, style, query);
  std::optional<Problem> problem = params.Finish();
  if (!problem) problem = wrong_groups;
  if (!problem && size > 0) problem = WhyNoPages(groups, wait);
  if (!problem && coordinator_.AtCapacity(wait.wanted)) problem = Busy(wait.wanted);
  if (problem) return SendProblem(exchange, style, *problem);

  const TaskShape shape = query.detailed ? TaskShape::kDetailed : TaskShape::kPlain;
  const auto held = std::make_shared<http::HeldBytes>(options_.rendering.held);
  const TaskSinkFactory sinks = Sinks(shape, style, groups, held, true, size > 0);
  query.share = {groups.grouping == Grouping::kParents ? 0 : limits::kListHeld, size};
  query.wait = wait.wanted;
  query.context = ContextOf(exchange, wait);
  // A page holds tasks of programs alone: a new request would be the last task of its node on each
  // page anew, and the next node's turn would never come.
  if (size == 0) query.as_task = AsTask(request);
  StreamedList rest{groups.grouping, query, wait.timeout, sinks, held};
  coordinator_.List(
      std::move(query), wait.timeout, sinks,
      [this, exchange, style, groups, size, wait, held,
       rest = std::move(rest)](Result<Gathered> gathered) {
        if (!gathered) {
          return SendProblem(exchange, style, ToProblem(gathered.error(), ErrorSource::kService));
        }
        const Aside& aside = options_.rendering.aside;
        const bool whole = size > 0 || wait.wanted || groups.grouping == Grouping::kParents;
        if (whole && held->refusal()) return SendProblem(exchange, style, HeldTooMuch(*held));
        if (size > 0) return SendPage(exchange, aside, style, groups, size, std::move(*gathered));
        if (NeedsStream(*gathered)) {
          if (style.format != Format::kJson || style.filter) {
            return SendProblem(exchange, style, TooManyForFormat());
          }
          return StreamList(coordinator_, exchange, style, rest, std::move(*gathered));
        }
        if (groups.budget && groups.budget->met()) {
          return SendProblem(exchange, style, TooManyForParents(groups.budget->tasks()));
        }
        SendGathered(exchange, aside, style, groups, wait, std::move(*gathered));
      });
}

void OpenSearchApi::Get(const ExchangePtr& exchange) {
  const http::Request& request = exchange->request();
  Params params(request);
  const Style style = ReadStyle(request, params, options_.profile, {});
  params.Has("task_id");  // The path wins over it, as recorded.
  if (!params.as_recorded()) RefuseSecondId(request, params, true);
  const TaskIdText id = params.ParseTaskId(request.captures.front());
  const Wait wait = ReadWait(params, style.profile);
  std::optional<Problem> problem = params.Finish();
  if (!problem && id.unset) problem = ValidationFailed("task id is required");
  if (!problem && coordinator_.AtCapacity(wait.wanted)) problem = Busy(wait.wanted);
  if (problem) return SendProblem(exchange, style, *problem);

  auto sinks = [look = TaskLook{TaskShape::kDetailed, style.human, style.profile}](
                   const NodeInfo&) { return std::make_shared<OneTask>(look); };
  const auto done = [this, exchange, style, id, wait](Result<GetAnswer> answer) {
    if (!answer) {
      Problem missing = ToProblem(answer.error(), ErrorSource::kService);
      // As a real server has it: what failed on the way to the node is its own failure.
      if (style.profile == Profile::kStrict && missing.status == 503) missing.status = 500;
      if (missing.status == 404 && !coordinator_.Knows(id.node)) {
        missing.caused_by =
            Cause{missing.type,
                  "task [" + id.ToString() + "] isn't running and hasn't stored its results"};
        missing.caused_by_is_root = true;
      }
      return SendProblem(exchange, style, missing);
    }
    const bool ran_out = wait.wanted && !answer->ended;
    if (ran_out && style.profile == Profile::kStrict) {
      return SendProblem(exchange, style, RanOut(id));
    }
    const auto& task = SinkAs<OneTask>(*answer->sink);
    std::string body;
    http::JsonWriter json(body);
    json.BeginObject().Field("completed", answer->ended);
    const bool documented = style.profile == Profile::kDocumented;
    if (answer->ended && documented) json.Field("state", ToString(task.end().state));
    if (ran_out) json.Field("timed_out", true);
    json.Key("task").Raw(answer->ended ? task.ended() : task.live());
    if (answer->ended) RenderEnd(json, task.end(), style.profile);
    json.EndObject();
    std::vector<Header> headers;
    AddWaitHeader(headers, wait, ran_out ? 1 : 0);
    Send(exchange, style, 200, std::move(body), std::move(headers));
  };
  coordinator_.Get({id, wait.wanted, ContextOf(exchange, wait), AsTask(request)}, wait.timeout,
                   sinks, done);
}

void OpenSearchApi::Cancel(const ExchangePtr& exchange, bool path_id) {
  const http::Request& request = exchange->request();
  Params params(request);
  const Style style = ReadStyle(request, params, options_.profile, {});
  CancelParams words = ReadCancel(request, params, style, path_id);
  std::optional<Problem> wrong_groups;
  const Groups groups = ReadGroups(params, wrong_groups);
  std::optional<Problem> problem = params.Finish();
  if (!problem) problem = wrong_groups;
  if (!problem && !words.id.unset && !words.nodes.empty()) {
    problem = ValidationFailed("task id cannot be used together with node ids");
  }
  const Wait wait = words.wait;
  if (!problem && coordinator_.CancelsAtCapacity()) problem = BusyWithCancels();
  if (problem) return SendProblem(exchange, style, *problem);

  const bool documented = style.profile == Profile::kDocumented;
  CancelQuery query;
  query.as_task = AsTask(request, Describe(words));
  if (words.id.unset) {
    query.where = NodeSelection{std::move(words.nodes), documented};
  } else {
    query.where = words.id;
  }
  query.filter = std::move(words.filter);
  query.tell_ended = documented;
  query.reason = std::move(words.reason);
  query.grace = std::chrono::ceil<std::chrono::milliseconds>(words.grace);
  query.wait = wait.wanted;
  query.context = ContextOf(exchange, wait);
  // A cancel that has committed is answered as such however many tasks it hit: an error would say
  // that nothing was done. Beyond the limit its tasks all stand at the top; what may not be held is
  // omitted.
  const auto held = std::make_shared<http::HeldBytes>(options_.rendering.held);
  coordinator_.Cancel(
      std::move(query), request.principal, wait.timeout,
      Sinks(documented ? TaskShape::kCancelAnswer : TaskShape::kPlain, style, groups, held, false),
      [this, exchange, style, groups, wait](Result<Gathered> gathered) {
        if (!gathered) {
          return SendProblem(exchange, style, ToProblem(gathered.error(), ErrorSource::kStore));
        }
        SendGathered(exchange, options_.rendering.aside, style, groups, wait, std::move(*gathered));
      });
}

}  // namespace quell::opensearch
