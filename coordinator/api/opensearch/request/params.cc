#include "coordinator/api/opensearch/request/params.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <set>

#include <boost/json.hpp>

#include "core/edit_distance.h"
#include "core/utf8.h"

namespace quell::opensearch {
namespace {

Problem NotANumber(std::string reason, std::string_view text) {
  Problem problem;
  problem.reason = std::move(reason);
  problem.caused_by =
      Cause{"number_format_exception", "For input string: \"" + std::string(text) + "\""};
  return problem;
}

std::string_view Trim(std::string_view text) {
  auto blank = [](char c) { return static_cast<unsigned char>(c) <= ' '; };
  while (!text.empty() && blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && blank(text.back()))
    text.remove_suffix(1);
  return text;
}

struct Unit {
  std::string_view suffix;
  std::int64_t nanos;
};
// Tested in this order: "ms" ends with "s".
constexpr std::array<Unit, 7> kUnits = {{{"nanos", 1},
                                         {"micros", 1'000},
                                         {"ms", 1'000'000},
                                         {"s", 1'000'000'000},
                                         {"m", 60'000'000'000},
                                         {"h", 3'600'000'000'000},
                                         {"d", 86'400'000'000'000}}};

bool All(std::string_view text, char wanted) {
  return !text.empty() && text.find_first_not_of(wanted) == std::string_view::npos;
}

// Nothing can have been meant by it: blanks, {}, [] or null.
bool IsEmptyBody(std::string_view body) {
  if (Trim(body).empty()) return true;
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(body, error);
  if (error) return false;
  return value.is_null() || (value.is_object() && value.get_object().empty()) ||
         (value.is_array() && value.get_array().empty());
}

// The members of a body that is a JSON object.
std::vector<std::string> NamesIn(std::string_view body) {
  std::vector<std::string> names;
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(body, error);
  if (error || !value.is_object()) return names;
  for (const auto& member : value.get_object())
    names.emplace_back(member.key());
  return names;
}

bool IsFraction(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  return !text.empty() && code != std::errc::invalid_argument && stop == end;
}

}  // namespace

std::int64_t NanosOfUnit(std::string_view unit) {
  const auto found = std::find_if(kUnits.begin(), kUnits.end(),
                                  [unit](const Unit& one) { return one.suffix == unit; });
  return found == kUnits.end() ? 0 : found->nanos;
}

std::optional<Problem> ParseDuration(std::string_view name, std::string_view text,
                                     std::chrono::nanoseconds& out) {
  auto refuse = [&](std::string_view why) {
    Problem problem;
    problem.reason = "failed to parse setting [" + std::string(name) + "] with value [" +
                     std::string(text) + "] as a time value: " + std::string(why);
    return problem;
  };
  std::string normal(Trim(text));
  for (char& c : normal) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  const Unit* unit = nullptr;
  for (const Unit& one : kUnits) {
    // A capital M could be a month.
    if (one.suffix == "m" ? text.ends_with('m') : std::string_view(normal).ends_with(one.suffix)) {
      unit = &one;
      break;
    }
  }
  if (unit == nullptr) {
    std::string_view digits = normal;
    if (All(digits, '0')) {
      out = std::chrono::nanoseconds(0);
      return std::nullopt;
    }
    if (digits.starts_with('-') && digits.ends_with('1') &&
        (digits.size() == 2 || All(digits.substr(1, digits.size() - 2), '0'))) {
      out = std::chrono::nanoseconds(-1);
      return std::nullopt;
    }
    return refuse("unit is missing or unrecognized");
  }
  const std::string_view number =
      Trim(std::string_view(normal).substr(0, normal.size() - unit->suffix.size()));
  std::string_view digits = number;
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.remove_prefix(1);
  std::int64_t value = 0;
  const auto [stop, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || code != std::errc() || stop != digits.data() + digits.size()) {
    const std::string start = "failed to parse [" + std::string(text) + "]";
    return NotANumber(
        IsFraction(number) ? start + ", fractional time values are not supported" : start, number);
  }
  if (value < -1) return refuse("negative durations are not supported");
  const std::int64_t most = std::numeric_limits<std::int64_t>::max() / unit->nanos;
  out = std::chrono::nanoseconds(value > most ? std::numeric_limits<std::int64_t>::max()
                                              : value * unit->nanos);
  return std::nullopt;
}

std::string SuggestFor(std::string_view unknown, const std::vector<std::string_view>& known) {
  struct Candidate {
    double likeness;
    std::string_view name;
  };
  const std::set<std::string_view> names(known.begin(), known.end());
  std::vector<Candidate> near;
  for (std::string_view name : names) {
    const auto longest = static_cast<double>(std::max(unknown.size(), name.size()));
    const double likeness =
        1.0 - static_cast<double>(EditDistance(unknown, name, Swaps::kNone)) / longest;
    if (likeness > 0.5) near.push_back({likeness, name});
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const Candidate& a, const Candidate& b) { return a.likeness > b.likeness; });
  std::string text = "[" + std::string(unknown) + "]";
  if (near.empty()) return text;
  text += near.size() == 1 ? " -> did you mean [" : " -> did you mean any of [";
  for (std::size_t i = 0; i < near.size(); ++i) {
    if (i > 0) text += ", ";
    text += near[i].name;
  }
  return text + "]?";
}

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

const http::QueryParam* Params::Find(std::string_view name) {
  known_.push_back(name);
  return request_.Param(name);
}

bool Params::Has(std::string_view name) {
  return Find(name) != nullptr;
}

bool Params::Bool(std::string_view name, bool otherwise) {
  const http::QueryParam* param = Find(name);
  if (param == nullptr) return otherwise;
  if (param->value.empty() || param->value == "true") return true;
  if (param->value == "false") return false;
  Fail("Failed to parse value [" + param->value + "] as only [true] or [false] are allowed.");
  return otherwise;
}

std::string Params::Text(std::string_view name) {
  const http::QueryParam* param = Find(name);
  if (param == nullptr) return {};
  CheckUtf8(*param);
  return ToUtf8(param->value);
}

std::vector<std::string> Params::List(std::string_view name) {
  return SplitList(Text(name));
}

std::optional<std::chrono::nanoseconds> Params::Duration(std::string_view name) {
  const http::QueryParam* param = Find(name);
  if (param == nullptr) return std::nullopt;
  std::chrono::nanoseconds value{0};
  if (std::optional<Problem> wrong = ParseDuration(name, param->value, value)) {
    Fail(std::move(*wrong));
    return std::nullopt;
  }
  return value;
}

std::optional<std::uint64_t> Params::Number(std::string_view name, std::uint64_t least,
                                            std::uint64_t most) {
  const http::QueryParam* param = Find(name);
  if (param == nullptr) return std::nullopt;
  const std::string& text = param->value;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most) {
    return value;
  }
  Fail("[" + std::string(name) + "] must be a number from [" + std::to_string(least) + "] to [" +
       std::to_string(most) + "] but was [" + text + "]");
  return std::nullopt;
}

TaskIdText Params::TaskId(std::string_view name) {
  const http::QueryParam* param = Find(name);
  return param == nullptr ? TaskIdText{} : ParseTaskId(param->value);
}

TaskIdText Params::ParseTaskId(std::string_view text) {
  Result<TaskIdText> id = TaskIdText::Parse(text);
  if (id) return std::move(*id);
  Problem problem;
  problem.reason = id.error().message;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    problem = NotANumber(std::move(problem.reason), text.substr(colon + 1));
  }
  Fail(std::move(problem));
  return {};
}

// Before anybody measures it: what replaces a byte is longer.
void Params::CheckUtf8(const http::QueryParam& param) {
  if (as_recorded_ || IsUtf8(param.value)) return;
  Fail("[" + param.name + "] is not UTF-8: percent-encode the characters of its value as UTF-8");
}

void Params::Fail(Problem problem) {
  if (!problem_) problem_ = std::move(problem);
}

void Params::Fail(std::string reason) {
  Problem problem;
  problem.reason = std::move(reason);
  Fail(std::move(problem));
}

std::optional<Problem> Params::Finish() {
  if (problem_) return problem_;
  if (std::optional<Problem> problem = UnknownNames()) return problem;
  if (std::optional<Problem> problem = UnreadValues()) return problem;
  return UnreadBody();
}

std::optional<Problem> Params::UnknownNames() const {
  std::set<std::string_view> unknown;
  for (const http::QueryParam& param : request_.query) {
    if (std::find(known_.begin(), known_.end(), param.name) == known_.end()) {
      unknown.insert(param.name);
    }
  }
  if (unknown.empty()) return std::nullopt;
  Problem problem;
  problem.reason = Unrecognized(request_.path, "parameter", unknown, known_);
  return problem;
}

std::optional<Problem> Params::UnreadValues() const {
  if (as_recorded_) return std::nullopt;
  Problem problem;
  for (const http::QueryParam& param : request_.query) {
    if (param.value != request_.Param(param.name)->value) {
      problem.reason =
          "[" + param.name + "] is given twice: give it once, with commas if it may name several";
      return problem;
    }
  }
  return std::nullopt;
}

std::optional<Problem> Params::UnreadBody() const {
  using http::Method;
  const bool changes = request_.method != Method::kGet && request_.method != Method::kHead;
  if ((as_recorded_ && !changes) || IsEmptyBody(request_.body)) return std::nullopt;
  std::string names;
  for (const std::string& name : NamesIn(request_.body)) {
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) continue;
    names += (names.empty() ? "[" : ", [") + name + "]";
  }
  Problem problem;
  problem.reason = "request [" + request_.path + "] does not support having a body" +
                   (changes ? ", and nothing was changed" : "");
  if (!names.empty()) {
    problem.reason += ": " + names + " must stand in the query, as in [" + request_.path + "?" +
                      names.substr(1, names.find(']') - 1) + "=...]";
  } else if (!known_.empty()) {
    problem.reason += ": what it reads must stand in the query, after [" + request_.path + "?]";
  }
  return problem;
}

std::string Unrecognized(const std::string& path, const std::string& what,
                         const std::set<std::string_view>& unknown,
                         const std::vector<std::string_view>& known) {
  std::string names;
  for (std::string_view name : unknown)
    names += (names.empty() ? "" : ", ") + SuggestFor(name, known);
  return "request [" + path + "] contains unrecognized " + what +
         (unknown.size() > 1 ? "s: " : ": ") + names;
}

}  // namespace quell::opensearch
