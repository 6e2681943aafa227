// The three groupings of an answer's tasks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/api/opensearch/tasks/forest.h"
#include "coordinator/api/opensearch/tasks/render.h"

namespace quell::opensearch {

enum class Grouping : std::uint8_t { kNodes, kParents, kNone };
std::optional<Grouping> GroupingFromString(std::string_view text);

// How many tasks one answer holds that are put in order over all nodes. Thread-safe.
class TreeBudget {
 public:
  // False: these are too many.
  bool Take(std::size_t tasks);
  bool met() const;
  std::size_t tasks() const { return tasks_; }

 private:
  std::atomic<std::size_t> tasks_{0};
};

// One node's tasks, each rendered as it arrives, with what says where it stands.
class RenderedTasks final : public HeldSink {
 public:
  // With a budget: what is beyond it is dropped if `drop`.
  RenderedTasks(TaskLook look, std::shared_ptr<TreeBudget> budget, bool drop,
                std::shared_ptr<http::HeldBytes> held = nullptr)
      : HeldSink(std::move(held)), look_(look), budget_(std::move(budget)), drop_(drop) {}
  void OnTasks(std::span<const TaskView> page) override;

  struct Part {
    TreeKey keys;
    std::size_t begin;
    std::size_t end;
  };
  const std::vector<Part>& parts() const { return parts_; }
  std::string_view Text(const Part& part) const {
    return std::string_view(text_).substr(part.begin, part.end - part.begin);
  }
  std::size_t size() const { return text_.size(); }

 private:
  const TaskLook look_;
  const std::shared_ptr<TreeBudget> budget_;
  const bool drop_;
  std::string text_;
  std::vector<Part> parts_;
};

// {"node_failures":[...],"tasks":{id:{...,"children":[...]}}} or, with kNone, "tasks":[...]; the
// sinks of the slots are RenderedTasks. `flat`: kParents without looking for parents.
std::string RenderGrouped(const Gathered& gathered, Profile profile, Grouping grouping, bool flat);

}  // namespace quell::opensearch
