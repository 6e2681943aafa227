// What is set once in a program that uses gRPC.
#pragma once

namespace quell {

// Turns abseil's deadlock detector off (it costs about a tenth of the CPU and grows with the number
// of channels), protobuf's log off, and gRPC on, for the life of the program. Everything in this
// folder that needs it calls it; more calls do nothing. Thread-safe.
void InitGrpc();

}  // namespace quell
