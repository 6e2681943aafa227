#include "coordinator/selection.h"

#include <algorithm>
#include <set>

#include "core/limits.h"
#include "core/wildcard.h"

namespace quell {
namespace {

class Selector {
 public:
  explicit Selector(const Membership& members) : members_(members) {}

  void AddAll() {
    for (const Member* member : members_.present())
      Add(member);
  }

  bool AddExact(const std::string& token) {
    if (const Member* member = members_.FindPresent(token)) {
      Add(member);
      return true;
    }
    // Ordered by name: those that bear it stand together.
    const auto& all = members_.present();
    auto it = std::lower_bound(
        all.begin(), all.end(), token,
        [](const Member* member, const std::string& name) { return member->info.name < name; });
    bool found = false;
    for (; it != all.end() && (*it)->info.name == token; ++it) {
      Add(*it);
      found = true;
    }
    return found;
  }

  void AddPattern(const std::string& pattern) {
    for (const Member* member : members_.present()) {
      if (WildcardMatch(pattern, member->info.name)) Add(member);
    }
  }

  void Add(const Member* member) {
    if (seen_.insert(member).second) chosen_.push_back({member, {}});
  }

  void AddUnknown(const std::string& token) {
    if (unknown_.insert(token).second) chosen_.push_back({nullptr, token});
  }

  std::vector<Selected> Take() { return std::move(chosen_); }

 private:
  const Membership& members_;
  std::vector<Selected> chosen_;
  std::set<const Member*> seen_;
  std::set<std::string> unknown_;
};

}  // namespace

Result<std::vector<Selected>> SelectNodes(const NodeSelection& selection,
                                          const Membership& members) {
  Selector selector(members);
  if (selection.tokens.empty()) selector.AddAll();
  std::size_t patterns = 0;
  for (const std::string& token : selection.tokens) {
    if (token.find(':') != std::string::npos) {
      // Ignoring one of these could select more than was asked for: "_all,data:false".
      return Error{ErrorCode::kInvalidArgument,
                   "node filter [" + token +
                       "]: nodes are selected by id, name or pattern of names, not by role or "
                       "attribute"};
    }
    if (token == "_local") {
      selector.Add(members.FindPresent(members.self().id.view()));
    } else if (token == "_all") {
      selector.AddAll();
    } else if (token.find('*') != std::string::npos) {
      if (++patterns > limits::kNodePatternsMax) {
        return Error{ErrorCode::kInvalidArgument,
                     "more than " + std::to_string(limits::kNodePatternsMax) +
                         " patterns of node names in one request: use fewer, or wider ones"};
      }
      selector.AddPattern(token);
    } else if (!selector.AddExact(token) && selection.unknown_token_fails) {
      selector.AddUnknown(token);
    }
  }
  return selector.Take();
}

}  // namespace quell
