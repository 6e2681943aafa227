// Requests as tasks: a list, a get or a cancel, and its parts on the nodes, are shown while they
// are served, as OpenSearch shows its own. They cannot be cancelled, and nobody remembers them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/task.h"
#include "core/task_id_allocator.h"

namespace quell {

inline constexpr std::string_view kListRequest = "cluster:monitor/tasks/lists";
inline constexpr std::string_view kGetRequest = "cluster:monitor/task/get";
inline constexpr std::string_view kCancelRequest = "cluster:admin/tasks/cancel";

// How a request shows as a task. A node that is asked with one shows its part of the request, and
// those of others, among its tasks.
struct RequestTask {
  std::string action;                 // At most limits::kActionMax bytes.
  std::string description = {};       // At most limits::kDescriptionMax bytes.
  std::optional<TaskId> parent = {};  // The request that this is a part of.
  // X-Opaque-Id, X-Request-Id; see limits::kHeadersMax and kHeaderValueMax.
  std::vector<Header> headers = {};
  std::string type = "transport";  // "direct": a part that was not sent anywhere.
};

// Those that one process serves now. Not thread-safe: on one executor.
class RequestTasks {
 public:
  // The request is shown until the last of these is gone, which may outlive the table.
  using Held = std::shared_ptr<const Task>;

  // Null, and then it is not shown: no number is reserved right now. A request never waits for the
  // disk that reserves them.
  Held Begin(const NodeId& node, TaskIdAllocator& numbers, RequestTask request, const Clock& clock);

  // Null: there is none with this number now.
  const Task* Find(std::uint64_t number) const;
  // Those whose number is above `after` and below `before`, ascending, until `see` returns false:
  // then false.
  bool Scan(std::uint64_t after, std::uint64_t before,
            const std::function<bool(const Task&)>& see) const;

 private:
  struct Entry;
  using Table = std::map<std::uint64_t, const Task*>;
  std::shared_ptr<Table> table_ = std::make_shared<Table>();
};

}  // namespace quell
