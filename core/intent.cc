#include "core/intent.h"

namespace quell {

bool Strengthen(Intent& kept, const Intent& second) {
  bool changed = false;
  if (second.moment.known()) kept.moment = second.moment;
  if (second.cascade && !kept.cascade) {
    kept.cascade = true;
    changed = true;
  }
  if (second.grace < kept.grace) {
    kept.grace = second.grace;
    changed = true;
  }
  return changed;
}

}  // namespace quell
