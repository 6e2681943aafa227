#include "core/ids.h"

#include <charconv>

namespace quell {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// The value of each character in the alphabet, or -1.
constexpr auto kValues = [] {
  std::array<signed char, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<signed char>(i);
  }
  return values;
}();

constexpr int kLastCharBits = 2;  // 21 characters carry 126 of the 128 bits.

Error Malformed(std::string_view text) {
  return {ErrorCode::kInvalidArgument, "malformed task id " + std::string(text)};
}

// Decimal digits and an optional minus, all of `text`.
template <typename Int>
std::optional<Int> ParseDecimal(std::string_view text) {
  Int value{};
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value);
  if (text.empty() || code != std::errc() || stop != end) return std::nullopt;
  return value;
}

}  // namespace

template <typename Tag>
Id128<Tag> Id128<Tag>::Make(Random& random) {
  for (;;) {
    std::uint64_t high = random.Next();
    std::uint64_t low = random.Next();
    Id128 id;
    for (std::size_t i = 0; i + 1 < kLength; ++i) {
      id.text_[i] = kAlphabet[high >> 58];
      high = high << 6 | low >> 58;
      low <<= 6;
    }
    id.text_[kLength - 1] = kAlphabet[high >> (64 - kLastCharBits) << (6 - kLastCharBits)];
    if (id.text_[0] != '-' && !id.is_null()) return id;
  }
}

template <typename Tag>
std::optional<Id128<Tag>> Id128<Tag>::Parse(std::string_view text) {
  if (text.size() != kLength || text.front() == '-') return std::nullopt;
  Id128 id;
  for (std::size_t i = 0; i < kLength; ++i) {
    if (kValues[static_cast<unsigned char>(text[i])] < 0) return std::nullopt;
    id.text_[i] = text[i];
  }
  const int last = kValues[static_cast<unsigned char>(text.back())];
  if (last % (1 << (6 - kLastCharBits)) != 0 || id.is_null()) return std::nullopt;
  return id;
}

template class Id128<NodeTag>;
template class Id128<IntentTag>;
template class Id128<SessionTag>;
template class Id128<LifeTag>;

Result<TaskId> TaskId::Parse(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return Malformed(text);
  const auto node = NodeId::Parse(text.substr(0, colon));
  const std::string_view digits = text.substr(colon + 1);
  const auto number = ParseDecimal<std::uint64_t>(digits);
  if (!node || !number || digits.front() == '0' || *number > kNumberMax) return Malformed(text);
  return TaskId{*node, *number};
}

std::string TaskId::ToString() const {
  std::string text(node.view());
  text += ':';
  text += std::to_string(number);
  return text;
}

std::ostream& operator<<(std::ostream& out, const TaskId& id) {
  return out << id.node << ':' << id.number;
}

Result<TaskIdText> TaskIdText::Parse(std::string_view text) {
  if (text.empty() || text == "unset") return TaskIdText{};
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return Malformed(text);
  std::string_view digits = text.substr(colon + 1);
  if (digits.size() > 1 && digits.front() == '+' && digits[1] != '-') digits.remove_prefix(1);
  const auto number = ParseDecimal<std::int64_t>(digits);
  if (!number) return Malformed(text);
  if (*number == -1) return TaskIdText{};
  return TaskIdText{std::string(text.substr(0, colon)), *number, false};
}

std::optional<TaskId> TaskIdText::Resolve() const {
  const auto id = NodeId::Parse(node);
  if (unset || !id || number < 1 || number > static_cast<std::int64_t>(TaskId::kNumberMax)) {
    return std::nullopt;
  }
  return TaskId{*id, static_cast<std::uint64_t>(number)};
}

std::string TaskIdText::ToString() const {
  return unset ? "unset" : node + ':' + std::to_string(number);
}

}  // namespace quell
