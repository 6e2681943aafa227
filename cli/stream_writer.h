// Writes to a descriptor and remembers whether all of it arrived.
#pragma once

#include <string_view>

#include "core/result.h"

namespace quell::cli {

// Not thread-safe. After the first failure nothing more is written.
class StreamWriter {
 public:
  explicit StreamWriter(int fd) : fd_(fd) {}

  // Writes all of `bytes`; waits where the descriptor does not block and takes no more yet.
  void Write(std::string_view bytes);
  // Closes the descriptor: some file systems report a failed write only now.
  void Close();

  // 0, or the errno of the first failure.
  int error() const { return error_; }

 private:
  const int fd_;
  int error_ = 0;
};

}  // namespace quell::cli
