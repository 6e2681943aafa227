// How many bytes a daemon holds for its clients: request bodies that arrive, answers that are
// gathered, answers that nobody has read yet. One budget for all of them, with shares.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace quell::http {

// Thread-safe.
class ByteBudget {
 public:
  explicit ByteBudget(std::size_t most) : most_(most) {}
  ByteBudget(const ByteBudget&) = delete;
  ByteBudget& operator=(const ByteBudget&) = delete;

  std::size_t most() const { return most_; }
  // Of one request.
  std::size_t share() const { return most_ / 2; }
  std::size_t held() const { return held_; }

 private:
  friend class HeldBytes;
  const std::size_t most_;
  std::atomic<std::size_t> held_{0};
};

enum class HeldRefusal {
  kBusy,     // Others hold too much: later there is room. 429
  kTooMuch,  // No request may hold so much: it has to ask for less. 400
};

// The refusal as a sentence with the remedy.
std::string Describe(HeldRefusal refusal, const ByteBudget& budget);

// What one request holds. Its first limits::kHeldFree bytes are free, so that whatever others hold,
// an error, a short list and the answer to a cancel always leave; what it holds beyond
// limits::kHeldFair must fit into the first half of the budget, so that a few large answers leave
// the other half to all others. Gives all back as it is destroyed. Thread-safe.
class HeldBytes {
 public:
  // Null: nothing is counted or refused.
  explicit HeldBytes(std::shared_ptr<ByteBudget> budget) : budget_(std::move(budget)) {}
  ~HeldBytes();
  HeldBytes(const HeldBytes&) = delete;
  HeldBytes& operator=(const HeldBytes&) = delete;

  // Books `bytes` more. A value: they are not booked. The first one is kept: see refusal().
  std::optional<HeldRefusal> Take(std::size_t bytes);
  // Books them whatever is held: for what has been promised.
  void Force(std::size_t bytes);
  void Give(std::size_t bytes);

  std::size_t held() const;
  std::optional<HeldRefusal> refusal() const;
  const std::shared_ptr<ByteBudget>& budget() const { return budget_; }

 private:
  const std::shared_ptr<ByteBudget> budget_;
  mutable std::mutex mutex_;  // Guards what follows.
  std::size_t held_ = 0;
  std::optional<HeldRefusal> refusal_;
};

}  // namespace quell::http
