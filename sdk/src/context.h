// Where work comes from, as values. What is malformed on the way in is dropped, never an error.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quell/quell.h"

namespace quell::sdk {

inline constexpr std::size_t kAncestorsMax = 16;

struct Context {
  std::string task;                    // "NODE:NUMBER" or empty.
  std::vector<std::string> ancestors;  // Of `task`, nearest first.
  std::string traceparent;
  std::string opaque_id;

  using Get = std::function<std::optional<std::string>(const char* name)>;
  static Context Extract(const Get& get);
  static Context FromEnvironment();

  using Set = std::function<void(const char* name, const std::string& value)>;
  void Inject(quell_carrier carrier, const Set& set) const;
};

bool IsTaskId(std::string_view text);
// Printable ASCII, 1024 bytes at most: it can be a header anywhere.
bool IsOpaqueId(std::string_view text);

}  // namespace quell::sdk
