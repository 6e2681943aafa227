#include "coordinator/members/selection.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <unordered_set>

#include "core/limits.h"
#include "core/wildcard.h"

namespace quell {
namespace {

class Selector {
 public:
  explicit Selector(const MemberTable& members) : members_(members) {}

  Status AddAll() {
    if (Status counted = CountWalk(); !counted) return counted;
    for (const Member* member : members_.present())
      Add(member);
    return {};
  }

  // An id or a name. False: nobody has it.
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
    return found || AddHost(token);
  }

  // False: there is none. Errors: too many such walks.
  template <typename Matches>
  Result<bool> AddMatching(Matches matches) {
    if (Status counted = CountWalk(); !counted) return counted.error();
    bool found = false;
    for (const Member* member : members_.present()) {
      if (!matches(member->info)) continue;
      Add(member);
      found = true;
    }
    return found;
  }

  Status RemoveMatching(const std::function<bool(const NodeInfo&)>& matches) {
    if (Status counted = CountWalk(); !counted) return counted;
    std::erase_if(chosen_, [&](const Selected& one) {
      if (one.member == nullptr || !matches(one.member->info)) return false;
      seen_.erase(one.member);
      return true;
    });
    return {};
  }

  void Add(const Member* member) {
    if (seen_.insert(member).second) chosen_.push_back({member, {}});
  }

  void AddUnknown(const std::string& token) {
    if (unknown_.insert(token).second) chosen_.push_back({nullptr, token});
  }

  std::vector<Selected> Take() { return std::move(chosen_); }

 private:
  // Each walks over all members.
  Status CountWalk() {
    if (++walks_ <= limits::kNodePatternsMax) return {};
    return Error{ErrorCode::kInvalidArgument,
                 "more than " + std::to_string(limits::kNodePatternsMax) +
                     " patterns, roles and attributes of nodes in one request: use fewer, or "
                     "wider ones"};
  }

  bool AddHost(const std::string& host) {
    if (hosts_.empty()) {
      for (const Member* member : members_.present())
        hosts_.emplace(member->info.host, member);
    }
    const auto [begin, end] = hosts_.equal_range(host);
    for (auto it = begin; it != end; ++it)
      Add(it->second);
    return begin != end;
  }

  const MemberTable& members_;
  std::vector<Selected> chosen_;
  std::unordered_set<const Member*> seen_;
  std::set<std::string> unknown_;
  std::multimap<std::string_view, const Member*> hosts_;  // Made when it is first needed.
  std::size_t walks_ = 0;
};

bool HasRole(const NodeInfo& node, std::string_view role) {
  return std::find(node.roles.begin(), node.roles.end(), role) != node.roles.end();
}

using Role = std::function<bool(const NodeInfo&)>;

// Empty: this is no role that a filter knows, but an attribute.
Role RoleNamed(std::string_view name) {
  static constexpr auto kManager = [](const NodeInfo& node) {
    return HasRole(node, "cluster_manager") || HasRole(node, "master");
  };
  if (name == "cluster_manager" || name == "master") return kManager;
  if (name == "data" || name == "ingest") {
    return [role = std::string(name)](const NodeInfo& node) { return HasRole(node, role); };
  }
  if (name == "coordinating_only") {
    return [](const NodeInfo& node) {
      return !kManager(node) && !HasRole(node, "data") && !HasRole(node, "ingest");
    };
  }
  return {};
}

// "data:true", "rack:r*". False: it is none that names somebody.
Result<bool> ApplyPair(Selector& selector, std::string_view name, const std::string& value) {
  const Role role = RoleNamed(name);
  if (!role) {
    return selector.AddMatching([&](const NodeInfo& node) {
      return std::any_of(node.attributes.begin(), node.attributes.end(), [&](const Header& one) {
        return WildcardMatch(name, one.name) && WildcardMatch(value, one.value);
      });
    });
  }
  if (value == "false") {
    if (Status removed = selector.RemoveMatching(role); !removed) return removed.error();
    return true;
  }
  if (!value.empty() && value != "true") {
    return Error{ErrorCode::kInvalidArgument,
                 "Failed to parse value [" + value + "] as only [true] or [false] are allowed."};
  }
  if (Result<bool> added = selector.AddMatching(role); !added) return added;
  return true;
}

// False: it names nobody, and should have.
Result<bool> Apply(Selector& selector, const MemberTable& members, const std::string& token) {
  if (token == "_local" || token == "_cluster_manager" || token == "_master") {
    selector.Add(members.FindPresent(members.self().id.view()));
    return true;
  }
  if (token == "_all") {
    if (Status added = selector.AddAll(); !added) return added.error();
    return true;
  }
  const bool pattern = token.find('*') != std::string::npos;
  bool found = pattern;
  if (pattern) {
    Result<bool> added = selector.AddMatching([&](const NodeInfo& node) {
      return WildcardMatch(token, node.name) || WildcardMatch(token, node.host);
    });
    if (!added) return added;
  } else {
    found = selector.AddExact(token);
  }
  const std::size_t colon = token.find(':');
  if (colon == std::string::npos) return found;
  Result<bool> paired =
      ApplyPair(selector, std::string_view(token).substr(0, colon), token.substr(colon + 1));
  if (!paired) return paired;
  return found || *paired;
}

}  // namespace

Result<std::vector<Selected>> SelectNodes(const NodeSelection& selection,
                                          const MemberTable& members) {
  Selector selector(members);
  if (selection.tokens.empty()) {
    if (Status added = selector.AddAll(); !added) return added.error();
  }
  for (const std::string& token : selection.tokens) {
    Result<bool> found = Apply(selector, members, token);
    if (!found) return found.error();
    if (*found || !selection.unknown_token_fails) continue;
    if (token.starts_with('-') || token.starts_with('!')) {
      return Error{ErrorCode::kInvalidArgument,
                   "node filter [" + token +
                       "] takes no node away: name those that are meant; only roles take away, as "
                       "in [_all,data:false]"};
    }
    selector.AddUnknown(token);
  }
  return selector.Take();
}

}  // namespace quell
