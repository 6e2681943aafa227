#include "core/node_info.h"

namespace quell {

Result<std::vector<Header>> ParseAttributes(const std::vector<std::string>& flags) {
  std::vector<Header> attributes;
  for (const std::string& text : flags) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      return Error{ErrorCode::kInvalidArgument,
                   "--attr " + text + ": write it as NAME=VALUE, such as rack=r1"};
    }
    attributes.push_back({text.substr(0, equals), text.substr(equals + 1)});
  }
  return attributes;
}

}  // namespace quell
