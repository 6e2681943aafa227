#include "transport/grpc/init.h"

#include <mutex>

#include <absl/synchronization/mutex.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>

namespace quell {

void InitGrpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    // What cannot be parsed is refused where it is read; a peer must not write to our stderr.
    google::protobuf::SetLogHandler(nullptr);
    grpc_init();  // Never shut down: the last channel may go after main() has returned.
  });
}

}  // namespace quell
