#include "host/memory.h"

#include <malloc.h>

namespace quell {

void GiveLargeBlocksBack() {
  constexpr int kOwnMapping = 256 * 1024;
  constexpr int kFreeAtTop = 1024 * 1024;
  ::mallopt(M_MMAP_THRESHOLD, kOwnMapping);
  ::mallopt(M_TRIM_THRESHOLD, kFreeAtTop);
}

}  // namespace quell
