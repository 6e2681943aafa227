// `filter_path`: which parts of an answer are wanted.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace quell::opensearch {

// Paths of keys, separated by commas: "nodes.*.name". '*' stands for any text within a key, "**"
// for one key or more, "\." for a dot within a key; arrays do not count as a step. A path that
// begins with '-' takes parts out; what stands for both is taken out.
class FilterPath {
 public:
  // A path that stands twice counts once. Errors: kInvalidArgument, more than
  // limits::kFilterPathsMax paths, or limits::kFilterPathStepsMax steps in all of them.
  static Result<FilterPath> Parse(std::string_view text);

  // Keeps everything.
  bool empty() const { return wanted_.empty() && unwanted_.empty(); }
  // Of one valid JSON value. Objects and arrays of which nothing is left go too, except for the
  // outermost object; of an outermost array with nothing left, the text is empty.
  std::string Apply(std::string_view json) const;

  using Path = std::vector<std::string>;  // Its steps.

 private:
  std::vector<Path> wanted_;
  std::vector<Path> unwanted_;
};

}  // namespace quell::opensearch
