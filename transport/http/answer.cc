#include "transport/http/answer.h"

#include <algorithm>
#include <charconv>

#include "transport/http/ascii.h"

namespace quell::http {
namespace {

template <int kBase>
void AppendNumber(std::string& out, std::size_t value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof(text), value, kBase).ptr;
  out.append(text, static_cast<std::size_t>(end - text));
}

void AppendField(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ");
  for (const char c : value)
    out += (c >= 0 && c < ' ' && c != '\t') || c == 0x7f ? ' ' : c;
  out += "\r\n";
}

}  // namespace

bool HasBody(int status) {
  return status >= 200 && status != 204 && status != 304;
}

std::string RenderHead(const Response& response, const Framing& framing) {
  std::string out;
  out.reserve(192 + response.headers.size() * 64);
  out += "HTTP/1.1 ";
  AppendNumber<10>(out, static_cast<std::size_t>(response.status));
  out.append(" ").append(ReasonPhrase(response.status)).append("\r\n");
  for (const Header& header : response.headers) {
    if (!header.name.empty() && std::all_of(header.name.begin(), header.name.end(), IsTokenChar)) {
      AppendField(out, header.name, header.value);
    }
  }
  if (HasBody(response.status)) {
    if (!response.content_type.empty()) AppendField(out, "content-type", response.content_type);
    if (framing.chunked) {
      out += "transfer-encoding: chunked\r\n";
    } else if (framing.content_length) {
      out += "content-length: ";
      AppendNumber<10>(out, *framing.content_length);
      out += "\r\n";
    }
  }
  if (framing.close) out += "connection: close\r\n";
  out += "\r\n";
  return out;
}

std::string RenderChunkSize(std::size_t size) {
  std::string out;
  AppendNumber<16>(out, size);
  out += "\r\n";
  return out;
}

}  // namespace quell::http
