// Who is who. NodeId names a daemon for as long as its data directory lives; TaskId names a task
// for ever: numbers are never used again (architecture, section 4).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

#include "core/random.h"
#include "core/result.h"

namespace quell {

// 128 random bits, spelled as 22 characters of URL-safe base64 without padding. Tag makes ids of
// different things different types.
template <typename Tag>
class Id128 {
 public:
  static constexpr std::size_t kLength = 22;

  // The null id, spelled as 22 times 'A'; no daemon ever has it.
  constexpr Id128() { text_.fill('A'); }

  // A new id. Never begins with '-', so that it can stand on a command line.
  static Id128 Make(Random& random);
  // Exactly 22 characters of the alphabet, the last one with its four low bits zero (A, Q, g or w),
  // not beginning with '-', and not the null id. Anything else is nullopt.
  static std::optional<Id128> Parse(std::string_view text);

  std::string_view view() const { return {text_.data(), text_.size()}; }
  std::string ToString() const { return std::string(view()); }
  bool is_null() const { return *this == Id128(); }

  friend auto operator<=>(const Id128&, const Id128&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Id128& id) { return out << id.view(); }

 private:
  std::array<char, kLength> text_;
};

using NodeId = Id128<struct NodeTag>;
using IntentId = Id128<struct IntentTag>;
using SessionToken = Id128<struct SessionTag>;
// One start of a node's daemon. Unlike an incarnation it differs also between copies of one data
// directory.
using LifeId = Id128<struct LifeTag>;

// One life of a daemon: grows by one with each start on the same data directory, from 1.
enum class Incarnation : std::uint64_t { kNone = 0 };

// `node:number`. The number is positive and below 2^53 (exact as a JSON number).
struct TaskId {
  static constexpr std::uint64_t kNumberMax = (std::uint64_t{1} << 53) - 1;

  NodeId node;
  std::uint64_t number = 0;

  // Errors: kInvalidArgument "malformed task id TEXT" unless TEXT is a NodeId, a colon and a number
  // in [1, kNumberMax] without sign or leading zero.
  static Result<TaskId> Parse(std::string_view text);
  std::string ToString() const;

  friend auto operator<=>(const TaskId&, const TaskId&) = default;
};
std::ostream& operator<<(std::ostream& out, const TaskId& id);

// A task id as a client wrote it: its node part may name nobody. Split at the first colon as
// OpenSearch does; "unset" is the empty text, "unset", or any id whose number is -1.
struct TaskIdText {
  std::string node;
  std::int64_t number = -1;
  bool unset = true;

  // Errors: kInvalidArgument "malformed task id TEXT" (no colon, or the rest is no 64-bit number).
  static Result<TaskIdText> Parse(std::string_view text);
  // The id, if the node part is a well-formed NodeId and the number can have been issued.
  std::optional<TaskId> Resolve() const;
  std::string ToString() const;
};

extern template class Id128<NodeTag>;
extern template class Id128<IntentTag>;
extern template class Id128<SessionTag>;
extern template class Id128<LifeTag>;

}  // namespace quell

template <typename Tag>
struct std::hash<quell::Id128<Tag>> {
  std::size_t operator()(const quell::Id128<Tag>& id) const noexcept {
    return std::hash<std::string_view>{}(id.view());
  }
};

template <>
struct std::hash<quell::TaskId> {
  std::size_t operator()(const quell::TaskId& id) const noexcept {
    return std::hash<quell::NodeId>{}(id.node) ^ (id.number * 0x9E3779B97F4A7C15ULL);
  }
};
