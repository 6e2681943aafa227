// A sink that books what it keeps of a node's tasks, and keeps no more than may be held.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "coordinator/gathered.h"
#include "transport/http/byte_budget.h"

namespace quell {

class HeldSink : public TaskSink {
 public:
  // Null: everything may be held.
  explicit HeldSink(std::shared_ptr<http::HeldBytes> held) : held_(std::move(held)) {}
  ~HeldSink() override {
    if (held_) held_->Give(booked_);
  }

  // Tasks that came after there was no room any more, and are not kept.
  std::size_t omitted() const { return omitted_; }

 protected:
  // True: this page is not kept, since one before it was not.
  bool Omits(std::size_t page) {
    if (omitted_ == 0) return false;
    omitted_ += page;
    return true;
  }
  // A page has been added, and the sink has `bytes` now. False: it must let the page go again.
  bool Keeps(std::size_t bytes, std::size_t page) {
    if (!held_ || bytes <= booked_) return true;
    if (held_->Take(bytes - booked_)) {
      omitted_ += page;
      return false;
    }
    booked_ = bytes;
    return true;
  }

 private:
  const std::shared_ptr<http::HeldBytes> held_;
  std::size_t booked_ = 0;
  std::size_t omitted_ = 0;
};

}  // namespace quell
