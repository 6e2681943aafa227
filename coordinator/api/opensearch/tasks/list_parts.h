// A list's tasks as the parts of an answer: what one node brought, without the brackets around it,
// so that several answers of a node can follow one another in one JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "coordinator/api/opensearch/tasks/grouping.h"

namespace quell::opensearch {

// `"id":{...},"id":{...}` with Grouping::kNodes, `{...},{...}` with kNone.
struct ListPart {
  std::string text;
  std::size_t tasks = 0;   // In the text.
  std::uint64_t last = 0;  // The number of the last one; 0: there is none.
  bool all = true;         // Nothing that the sink got was left out.
};

// The first tasks, at most `most` of them.
ListPart PartOf(const RenderedTasks& tasks, Grouping grouping, std::size_t most);
// All of them, for Grouping::kNodes. Once.
ListPart PartOf(TasksObject& tasks);

// The node has tasks that it did not bring, since a limit was set, or that its sink omitted.
bool HasMore(const Slot& slot);
// How many tasks of a node that answered are not kept; its sink is a HeldSink.
std::size_t Omitted(const Slot& slot);

// A page of a list: {"node_failures":[...],"nodes":{...},"next":"ID"}, or "tasks":[...]. The first
// tasks in the order of nodes and numbers, at most `size`; `next`, which is there if there may be
// more, is what the next page comes after. A node whose tasks all stand on another page is shown
// without any. The sinks of the slots are RenderedTasks, and their replies ListReplies.
std::string RenderPage(const Gathered& gathered, Profile profile, Grouping grouping,
                       std::size_t size);

}  // namespace quell::opensearch
