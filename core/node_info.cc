#include "core/node_info.h"

#include <utility>

#include "core/limits.h"
#include "core/validity.h"

namespace quell {

Result<std::vector<Header>> ParseAttributes(const std::vector<std::string>& flags) {
  std::vector<Header> attributes;
  for (const std::string& text : flags) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Error{ErrorCode::kInvalidArgument,
                   "--attr " + text + ": write it as NAME=VALUE, such as rack=r1"};
    }
    Header attribute{text.substr(0, equals), text.substr(equals + 1)};
    for (const std::string* part : {&attribute.name, &attribute.value}) {
      if (Status fine = CheckName("--attr", *part, limits::kNodeInfoMax); !fine) {
        return fine.error();
      }
    }
    attributes.push_back(std::move(attribute));
  }
  return attributes;
}

}  // namespace quell
