#include "core/receipt.h"

#include <array>
#include <ostream>

namespace quell {
namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, 9> kReceiptStates = {
    "cancel_requested", "delivered", "stopping",    "deferred", "ignoring",
    "killed",           "detached",  "unreachable", "ended"};

}  // namespace

std::string_view ToString(ReceiptState state) {
  return kReceiptStates[static_cast<std::size_t>(state)];
}

std::optional<ReceiptState> ReceiptStateFromString(std::string_view text) {
  for (std::size_t i = 0; i < kReceiptStates.size(); ++i) {
    if (kReceiptStates[i] == text) return static_cast<ReceiptState>(i);
  }
  return std::nullopt;
}

std::ostream& operator<<(std::ostream& out, ReceiptState state) {
  return out << ToString(state);
}

}  // namespace quell
