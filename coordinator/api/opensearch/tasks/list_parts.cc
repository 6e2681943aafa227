#include "coordinator/api/opensearch/tasks/list_parts.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <variant>
#include <vector>

namespace quell::opensearch {
namespace {

// Which part of each slot stands on the page.
struct Page {
  std::vector<ListPart> parts;  // One for each slot.
  std::optional<TaskId> next;   // Set if there may be more.
};

Page TakePage(const Gathered& gathered, Grouping grouping, std::size_t size) {
  Page page;
  std::optional<TaskId> last;
  bool full = false;  // Nothing that comes now is shown.
  for (const Slot& slot : gathered.slots) {
    ListPart& part = page.parts.emplace_back();
    if (slot.failure) continue;
    const auto& tasks = SinkAs<RenderedTasks>(*slot.sink);
    const bool any = !tasks.parts().empty();
    if (full) {
      if (any || HasMore(slot)) page.next = last;
      continue;
    }
    part = PartOf(tasks, grouping, size);
    size -= part.tasks;
    if (part.last != 0) last = TaskId{slot.node->id, part.last};
    // Tasks of the nodes behind must not stand before the rest of this one's.
    if (!part.all || HasMore(slot)) {
      page.next = last;
      full = true;
    }
    if (size == 0) full = true;
  }
  return page;
}

}  // namespace

ListPart PartOf(const RenderedTasks& tasks, Grouping grouping, std::size_t most) {
  ListPart part;
  part.tasks = std::min(most, tasks.parts().size());
  part.all = part.tasks == tasks.parts().size();
  part.text.reserve(part.all ? tasks.size() + part.tasks * 48 : 0);
  for (std::size_t i = 0; i < part.tasks; ++i) {
    const RenderedTasks::Part& task = tasks.parts()[i];
    if (i > 0) part.text += ',';
    if (grouping == Grouping::kNodes) part.text += "\"" + task.keys.id.ToString() + "\":";
    part.text += tasks.Text(task);
    part.last = task.keys.id.number;
  }
  return part;
}

ListPart PartOf(TasksObject& tasks) {
  const std::string& object = tasks.Close();
  return {object.substr(1, object.size() - 2), tasks.count(), tasks.last(), true};
}

bool HasMore(const Slot& slot) {
  const ListReply* reply = slot.reply ? std::get_if<ListReply>(&*slot.reply) : nullptr;
  return reply != nullptr && (reply->more || Omitted(slot) > 0);
}

std::size_t Omitted(const Slot& slot) {
  return slot.sink && !slot.failure ? SinkAs<HeldSink>(*slot.sink).omitted() : 0;
}

std::string RenderPage(const Gathered& gathered, Profile profile, Grouping grouping,
                       std::size_t size) {
  const Page page = TakePage(gathered, grouping, size);
  std::string body;
  http::JsonWriter json(body);
  json.BeginObject();
  RenderFailures(json, gathered, profile);
  if (grouping == Grouping::kNodes) {
    json.Key("nodes").BeginObject();
    for (std::size_t i = 0; i < page.parts.size(); ++i) {
      const Slot& slot = gathered.slots[i];
      if (slot.failure) continue;
      json.Key(slot.node->id.view()).BeginObject();
      RenderNodeFields(json, *slot.node, profile);
      json.Key("tasks").Raw("{" + page.parts[i].text + "}").EndObject();
    }
    json.EndObject();
  } else {
    std::string tasks;
    for (const ListPart& part : page.parts) {
      if (part.tasks == 0) continue;
      if (!tasks.empty()) tasks += ',';
      tasks += part.text;
    }
    json.Key("tasks").Raw("[" + tasks + "]");
  }
  if (page.next) json.Field("next", page.next->ToString());
  json.EndObject();
  return body;
}

}  // namespace quell::opensearch
