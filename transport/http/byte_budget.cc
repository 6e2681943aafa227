#include "transport/http/byte_budget.h"

#include <algorithm>

#include "core/limits.h"

namespace quell::http {
namespace {

std::size_t Counted(std::size_t held) {
  return held - std::min(held, limits::kHeldFree);
}

}  // namespace

std::string Describe(HeldRefusal refusal, const ByteBudget& budget) {
  if (refusal == HeldRefusal::kTooMuch) {
    return "this takes more than " + std::to_string(budget.share()) +
           " bytes, which is the most that one request may hold here: ask for less";
  }
  return "what clients have not read yet takes too much of the " + std::to_string(budget.most()) +
         " bytes that may be held for them: come back later";
}

HeldBytes::~HeldBytes() {
  if (budget_) budget_->held_ -= Counted(held_);
}

std::optional<HeldRefusal> HeldBytes::Take(std::size_t bytes) {
  if (!budget_) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const std::size_t after = held_ + bytes;
  const std::size_t more = Counted(after) - Counted(held_);
  std::optional<HeldRefusal> refused;
  if (more > 0 && after > budget_->share()) {
    refused = HeldRefusal::kTooMuch;
  } else if (more > 0) {
    const std::size_t most = after > limits::kHeldFair ? budget_->share() : budget_->most();
    std::size_t before = budget_->held_;
    do {
      if (before + more > most) {
        refused = HeldRefusal::kBusy;
        break;
      }
    } while (!budget_->held_.compare_exchange_weak(before, before + more));
  }
  if (!refused) {
    held_ = after;
  } else if (!refusal_) {
    refusal_ = refused;
  }
  return refused;
}

void HeldBytes::Force(std::size_t bytes) {
  if (!budget_) return;
  const std::lock_guard lock(mutex_);
  budget_->held_ += Counted(held_ + bytes) - Counted(held_);
  held_ += bytes;
}

void HeldBytes::Give(std::size_t bytes) {
  if (!budget_) return;
  const std::lock_guard lock(mutex_);
  const std::size_t after = held_ - std::min(held_, bytes);
  budget_->held_ -= Counted(held_) - Counted(after);
  held_ = after;
}

std::size_t HeldBytes::held() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

std::optional<HeldRefusal> HeldBytes::refusal() const {
  const std::lock_guard lock(mutex_);
  return refusal_;
}

}  // namespace quell::http
