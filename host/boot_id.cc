#include "host/boot_id.h"

#include "host/file.h"

namespace quell {

Result<std::string> BootId() {
  auto text = ReadSmallFile("/proc/sys/kernel/random/boot_id");
  if (!text) return text.error();
  while (!text->empty() && text->back() == '\n')
    text->pop_back();
  return text;
}

}  // namespace quell
