// Errors of ours as statuses of gRPC and back. Private to this folder.
#pragma once

#include <grpcpp/support/status.h>

#include "core/error.h"

namespace quell::rpc {

// Each code has a status of its own, so that FromStatus(ToStatus(e)) == e.
grpc::Status ToStatus(const Error& error);

// Total: a status that ToStatus() never makes says that the other end is not what it should be, and
// becomes kInternal. UNKNOWN is kOutcomeUnknown only with our own mark. Not for OK.
Error FromStatus(const grpc::Status& status);

}  // namespace quell::rpc
