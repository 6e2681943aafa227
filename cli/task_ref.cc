#include "cli/task_ref.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include "cli/exit_code.h"
#include "cli/output.h"
#include "core/ids.h"
#include "core/validity.h"

namespace quell::cli {
namespace {

std::string Known(const std::vector<NodeEntry>& nodes) {
  std::string text;
  for (const NodeEntry& node : nodes)
    text += (text.empty() ? "" : ", ") + node.name;
  return text.empty() ? "no node has joined" : "there are " + text;
}

}  // namespace

Result<TaskRef> TaskRef::Parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::uint64_t number = 0;
  if (colon != std::string_view::npos && colon > 0) {
    const std::string_view digits = text.substr(colon + 1);  // As TaskId::Parse() takes them.
    const char* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, number);
    if (error == std::errc() && stop == end && digits.front() != '0' &&
        CheckTaskNumber("task", number)) {
      const std::string_view node = text.substr(0, colon);
      return TaskRef{std::string(node), std::to_string(number), NodeId::Parse(node).has_value()};
    }
  }
  return Error{ErrorCode::kInvalidArgument, "malformed task id '" + std::string(text) +
                                                "': write NODE:NUMBER, as `quell ps` shows it"};
}

Result<std::string> ResolveNode(const std::string& node, const std::vector<NodeEntry>& nodes) {
  std::vector<const NodeEntry*> named;
  for (const NodeEntry& entry : nodes) {
    if (entry.id == node) return entry.id;
    if (entry.name == node) named.push_back(&entry);
  }
  if (named.size() == 1) return named.front()->id;
  if (named.empty()) {
    return Error{ErrorCode::kNotFound, "no node is called '" + node + "'; " + Known(nodes)};
  }
  std::string candidates;
  for (const NodeEntry* entry : named) {
    candidates += "\n  " + entry->id + "  " + entry->address + (entry->alive ? "" : "  (silent)");
  }
  return Error{ErrorCode::kInvalidArgument,
               "several nodes are called '" + node + "'; name one by its id:" + candidates};
}

Result<std::string> Resolve(const TaskRef& ref, const std::vector<NodeEntry>& nodes) {
  if (ref.is_id) return ref.node + ":" + ref.number;
  const auto node = ResolveNode(ref.node, nodes);
  if (!node) return node.error();
  return *node + ":" + ref.number;
}

Result<std::vector<std::string>> ResolveAll(const std::vector<std::string>& texts,
                                            const CoordinatorClient& client) {
  std::vector<TaskRef> refs;
  for (const std::string& text : texts) {
    auto ref = TaskRef::Parse(text);
    if (!ref) return ref.error();
    refs.push_back(std::move(*ref));
  }
  std::vector<NodeEntry> nodes;
  if (std::any_of(refs.begin(), refs.end(), [](const TaskRef& ref) { return !ref.is_id; })) {
    auto asked = client.Nodes();
    if (!asked) return asked.error();
    nodes = std::move(*asked);
  }
  std::vector<std::string> ids;
  for (const TaskRef& ref : refs) {
    auto id = Resolve(ref, nodes);
    if (!id) return id.error();
    ids.push_back(std::move(*id));
  }
  return ids;
}

int CheckParent(const CoordinatorClient& client, const std::string& id) {
  const auto parent = client.Get(id);
  if (parent || parent.error().code != ErrorCode::kNotFound) return kOk;
  Complain("there is no task " + id + " that could be a parent");
  return kNoSuchTask;
}

}  // namespace quell::cli
