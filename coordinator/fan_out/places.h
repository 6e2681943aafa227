// Places for requests in flight: each sort has its own, so that reads and waits keep no cancel out.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "core/limits.h"

namespace quell {

// Not thread-safe: on the executor.
class Places {
 public:
  enum class Sort : std::uint8_t { kRead, kWait, kCancel, kDrain };
  static constexpr std::array<std::size_t, 4> kMost = {limits::kFanOutsMax, limits::kWaitsMax,
                                                       limits::kCancelsMax, limits::kDrainsMax};

  // One place. It may outlive the table.
  class Held {
   public:
    explicit Held(std::shared_ptr<std::size_t> taken) : taken_(std::move(taken)) { ++*taken_; }
    ~Held() { GiveBack(); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    // Again, it does nothing.
    void GiveBack() {
      if (const auto taken = std::exchange(taken_, nullptr)) --*taken;
    }

   private:
    std::shared_ptr<std::size_t> taken_;
  };

  static constexpr std::size_t MostOf(Sort sort) { return kMost[static_cast<std::size_t>(sort)]; }
  bool full(Sort sort) const { return *taken_[static_cast<std::size_t>(sort)] >= MostOf(sort); }
  // Null: all are taken.
  std::shared_ptr<Held> Take(Sort sort) {
    if (full(sort)) return nullptr;
    return std::make_shared<Held>(taken_[static_cast<std::size_t>(sort)]);
  }

 private:
  const std::array<std::shared_ptr<std::size_t>, 4> taken_ = {
      std::make_shared<std::size_t>(0), std::make_shared<std::size_t>(0),
      std::make_shared<std::size_t>(0), std::make_shared<std::size_t>(0)};
};

}  // namespace quell
