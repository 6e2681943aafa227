#include "transport/grpc/init.h"

#include <mutex>

#include <absl/synchronization/mutex.h>
#include <grpc/grpc.h>

namespace quell {

void InitGrpc() {
  static std::once_flag once;
  std::call_once(once, [] {
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc_init();  // Never shut down: the last channel may go after main() has returned.
  });
}

}  // namespace quell
