// Checks that the conversions share. Private to convert*.cc.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "core/result.h"

namespace quell::fields {

inline Error Garbage(std::string_view field, std::string_view what) {
  return {ErrorCode::kInternal,
          "garbage on the wire: " + std::string(field) + ' ' + std::string(what)};
}

// With U+FFFD for what is no UTF-8.
void SetText(std::string_view from, std::string* to);

// A text for people from a peer, UTF-8: cut at limits::kPeerTextMax, and marked.
std::string PeerText(std::string_view text);

// What a check of core/validity.h says of a value, as garbage on the wire.
Status Valid(Status status);
template <typename T>
Result<T> Valid(Result<T> value) {
  if (value) return value;
  return Valid(Status(value.error())).error();
}

// `field` is its name without an article, as the checks of core/validity.h take it.
Result<WallTime> Wall(std::string_view field, std::int64_t micros);
Result<std::uint64_t> TaskNumber(std::string_view field, std::uint64_t number);
Result<Incarnation> Life(std::string_view field, std::uint64_t incarnation);

// A time that has not come is 0 on the wire.
inline std::int64_t Micros(const std::optional<WallTime>& time) {
  return time ? MicrosSinceEpoch(*time) : 0;
}
Result<std::optional<WallTime>> MaybeWall(std::string_view field, std::int64_t micros);

template <typename Id>
Result<Id> ParseId(std::string_view field, std::string_view text) {
  const std::optional<Id> id = Id::Parse(text);
  if (!id) return Garbage(field, "is no id");
  return *id;
}

// Takes a field out of its Result. False if it holds an error, which is kept: the first one wins,
// so that a conversion reads as a list of its fields.
class Reader {
 public:
  template <typename T>
  void Take(Result<T> from, T* to) {
    if (from) {
      *to = std::move(*from);
    } else {
      Fail(std::move(from).error());
    }
  }
  void Check(Status status) {
    if (!status) Fail(std::move(status).error());
  }
  void Fail(Error error) {
    if (!error_) error_ = std::move(error);
  }
  bool ok() const { return !error_.has_value(); }

  Status Finish() {
    if (error_) return std::move(*error_);
    return {};
  }
  // `value`, or the first error.
  template <typename T>
  Result<T> Finish(T value) {
    if (error_) return std::move(*error_);
    return value;
  }

 private:
  std::optional<Error> error_;
};

}  // namespace quell::fields
