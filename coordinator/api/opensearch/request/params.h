// What a request says, as strict as OpenSearch takes it: values first, in the order in which they
// are read, then what nobody has read: names, earlier values of a name, the body. Input that was
// not read would count as a filter that was not given.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/api/opensearch/request/problem.h"
#include "core/ids.h"
#include "transport/http/message.h"

namespace quell::opensearch {

// Over one request, which must outlive it. The first problem is kept; what is read after it gives
// defaults. Values that are read are UTF-8.
class Params {
 public:
  explicit Params(const http::Request& request) : request_(request) {}

  // As a real server: of a parameter that is given twice the last one counts, filters may be empty,
  // text need not be UTF-8, and the body of a request that changes nothing is not looked at.
  void AsRecorded() { as_recorded_ = true; }
  bool as_recorded() const { return as_recorded_; }

  // In the query. Reading is what makes a name known.
  bool Has(std::string_view name);
  // "true", "false", or nothing after the name: true.
  bool Bool(std::string_view name, bool otherwise);
  std::string Text(std::string_view name);
  // Split at commas, not trimmed; empty ones are dropped.
  std::vector<std::string> List(std::string_view name);
  // "5s"; nullopt if it is not there. Bare "0" and "-1" are durations.
  std::optional<std::chrono::nanoseconds> Duration(std::string_view name);
  // nullopt if it is not there.
  std::optional<std::uint64_t> Number(std::string_view name, std::uint64_t least,
                                      std::uint64_t most);
  TaskIdText TaskId(std::string_view name);
  TaskIdText ParseTaskId(std::string_view text);

  void Fail(Problem problem);
  void Fail(std::string reason);

  // After everything was read: the first problem; or what was not read.
  std::optional<Problem> Finish();

 private:
  const http::QueryParam* Find(std::string_view name);
  void CheckUtf8(const http::QueryParam& param);
  std::optional<Problem> UnknownNames() const;
  std::optional<Problem> UnreadValues() const;
  std::optional<Problem> UnreadBody() const;

  const http::Request& request_;
  bool as_recorded_ = false;
  std::vector<std::string_view> known_;
  std::optional<Problem> problem_;
};

// Split at commas, not trimmed; empty ones are dropped.
std::vector<std::string> SplitList(std::string_view text);

// The text after "contains unrecognized parameter..." for one name: "[detaild] -> did you mean
// [detailed]?".
std::string SuggestFor(std::string_view unknown, const std::vector<std::string_view>& known);

// "request [/_nodes/stats/x] contains unrecognized metric: [x]", with what is near to each; `what`
// is in the singular, `unknown` is not empty.
std::string Unrecognized(const std::string& path, const std::string& what,
                         const std::set<std::string_view>& unknown,
                         const std::vector<std::string_view>& known);

// Of "nanos", "micros", "ms", "s", "m", "h" and "d"; 0: it is none of them.
std::int64_t NanosOfUnit(std::string_view unit);

// Errors: a Problem that speaks of the setting `name`.
std::optional<Problem> ParseDuration(std::string_view name, std::string_view text,
                                     std::chrono::nanoseconds& out);

}  // namespace quell::opensearch
