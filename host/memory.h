// How this process takes memory from the system and gives it back.
#pragma once

namespace quell {

// Blocks of 256 KiB or more go back to the system as soon as they are freed, and grow without a
// copy; of smaller ones up to 1 MiB in a row stay with the process. Left to itself the C library
// keeps ever larger blocks, so that a bound on bytes is none on memory. With lower values a list of
// 10,000 tasks meets more page faults; with higher ones clients that do not read cost more than the
// budget of held bytes allows (tests/integration/load_test.py). To be called once, before there are
// threads.
void GiveLargeBlocksBack();

}  // namespace quell
