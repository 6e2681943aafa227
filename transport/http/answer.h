// How an answer's head looks on the wire.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "transport/http/message.h"

namespace quell::http {

struct Framing {
  std::optional<std::size_t> content_length;  // Nullopt: chunked, or until the connection ends.
  bool chunked = false;
  bool close = false;
};

// 1xx, 204 and 304 never have one.
bool HasBody(int status);

// Header names are spelt as OpenSearch spells them. A line break in a handler's header becomes a
// blank: no handler can split an answer.
std::string RenderHead(const Response& response, const Framing& framing);

// The line before a chunk of `size` bytes, which is not 0.
std::string RenderChunkSize(std::size_t size);

}  // namespace quell::http
