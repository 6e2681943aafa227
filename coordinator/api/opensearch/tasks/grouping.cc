#include "coordinator/api/opensearch/tasks/grouping.h"

#include "core/limits.h"

namespace quell::opensearch {
namespace {

// Every task of the nodes that answered.
struct Collected {
  std::vector<TreeKey> keys;
  std::vector<std::string_view> text;
  std::size_t bytes = 0;
};

Collected Collect(const Gathered& gathered) {
  Collected all;
  for (const Slot& slot : gathered.slots) {
    if (slot.failure) continue;
    const auto& tasks = SinkAs<RenderedTasks>(*slot.sink);
    all.bytes += tasks.size() + tasks.parts().size() * 64;
    for (const RenderedTasks::Part& part : tasks.parts()) {
      all.keys.push_back(part.keys);
      all.text.push_back(tasks.Text(part));
    }
  }
  return all;
}

void AppendList(std::string& out, const Collected& all) {
  out += '[';
  for (std::size_t i = 0; i < all.text.size(); ++i) {
    if (i > 0) out += ',';
    out += all.text[i];
  }
  out += ']';
}

// Children stand last within their parent, so each object is opened up before its bracket.
void AppendTree(std::string& out, const Collected& all, const std::vector<Placed>& placed) {
  out += '{';
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const std::size_t depth = placed[i].depth;
    if (i > 0 && placed[i - 1].depth >= depth) out += ',';
    if (depth == 0) out += "\"" + all.keys[placed[i].index].id.ToString() + "\":";
    std::string_view text = all.text[placed[i].index];
    text.remove_suffix(1);
    out += text;
    const std::size_t next = i + 1 < placed.size() ? placed[i + 1].depth : 0;
    if (next > depth) {
      out += ",\"children\":[";
      continue;
    }
    out += '}';
    for (std::size_t up = depth; up > next; --up)
      out += "]}";
  }
  out += '}';
}

std::vector<Placed> Flat(std::size_t tasks) {
  std::vector<Placed> placed;
  placed.reserve(tasks);
  for (std::size_t i = 0; i < tasks; ++i)
    placed.push_back({i, 0});
  return placed;
}

}  // namespace

std::optional<Grouping> GroupingFromString(std::string_view text) {
  if (text == "nodes") return Grouping::kNodes;
  if (text == "parents") return Grouping::kParents;
  if (text == "none") return Grouping::kNone;
  return std::nullopt;
}

bool TreeBudget::Take(std::size_t tasks) {
  return tasks_.fetch_add(tasks) + tasks <= limits::kGroupParentsMax;
}

bool TreeBudget::met() const {
  return tasks_ > limits::kGroupParentsMax;
}

void RenderedTasks::OnTasks(std::span<const TaskView> page) {
  if (budget_ && !budget_->Take(page.size()) && drop_) return;
  if (Omits(page.size())) return;
  const std::size_t bytes_before = text_.size();
  const std::size_t parts_before = parts_.size();
  for (const TaskView& task : page) {
    const std::size_t begin = text_.size();
    http::JsonWriter json(text_);
    RenderTask(json, task, look_);
    parts_.push_back({{task.id, task.parent, task.start_wall}, begin, text_.size()});
  }
  if (Keeps(text_.capacity() + parts_.capacity() * sizeof(Part), page.size())) return;
  text_.resize(bytes_before);
  text_.shrink_to_fit();
  parts_.erase(parts_.begin() + static_cast<std::ptrdiff_t>(parts_before), parts_.end());
  parts_.shrink_to_fit();
}

std::string RenderGrouped(const Gathered& gathered, Profile profile, Grouping grouping, bool flat) {
  const Collected all = Collect(gathered);
  std::string body;
  body.reserve(all.bytes + 1024);
  http::JsonWriter json(body);
  json.BeginObject();
  RenderFailures(json, gathered, profile);
  json.Key("tasks");  // The writer stops here: one copy of all tasks less.
  if (grouping == Grouping::kParents) {
    AppendTree(body, all, flat ? Flat(all.keys.size()) : DepthFirst(all.keys));
  } else {
    AppendList(body, all);
  }
  body += '}';
  return body;
}

}  // namespace quell::opensearch
