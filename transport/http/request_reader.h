// Request validation (docs/http.md): decides from the raw bytes of a request's head whether it is a
// request at all, and where its body ends. What two parsers could read in two ways is refused,
// never repaired. No I/O, no clock; a refused connection is closed after the answer.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/system/result.hpp>

#include "transport/http/message.h"

namespace quell::http {

struct RequestRules {
  std::size_t request_line_max = 4096;   // 414
  std::size_t header_bytes_max = 16384;  // 431, all fields together
  std::size_t header_fields_max = 64;    // 431
  std::size_t field_name_max = 128;      // 431
  std::size_t field_value_max = 12288;   // 431
  std::size_t query_params_max = 32;     // 400
  std::size_t body_max = 64 * 1024;      // 413
  // A browser on this machine can be made to send requests by any web page. So on TCP the Host is
  // an IP address, localhost or one of `host_names` (421: DNS rebinding), and a request that
  // changes something must not come from a page of another origin (403).
  bool browsers_may_reach = true;
  std::vector<std::string> host_names;

  // Bytes that the longest head can have.
  std::size_t head_max() const { return request_line_max + header_bytes_max + 4; }
};

struct Refusal {
  Refusal() = default;
  Refusal(int status_code, std::string why, std::string allowed = {})
      : status(status_code), reason(std::move(why)), allow(std::move(allowed)) {}

  int status = 400;
  std::string reason;  // Names what is wrong, and the remedy.
  std::string allow;   // With 405: the Allow header.
};

template <typename T>
using Checked = boost::system::result<T, Refusal>;

struct Head {
  Request request;                 // Without body, principal and captures.
  std::size_t content_length = 0;  // Exactly so many bytes of body follow the head.
  bool http_1_0 = false;           // No keep-alive and no chunks.
  bool close = false;              // The connection ends after the answer.
  bool expects_continue = false;   // The client waits for "100 Continue" before it sends the body.
};

// Finds the end of a head that arrives in any pieces, and refuses it as soon as it cannot become
// one. Looks at each byte once.
class HeadScanner {
 public:
  explicit HeadScanner(const RequestRules& rules) : rules_(rules) {}

  // `bytes` is all that has arrived since the head's first byte. Returns the length of the head
  // with its empty line, 0 if it is not all there.
  Checked<std::size_t> Scan(std::string_view bytes);
  void Reset();

 private:
  Checked<bool> EndLine();  // True: it was the empty line.

  const RequestRules& rules_;
  std::size_t at_ = 0;  // The next byte to look at.
  std::size_t line_start_ = 0;
  std::size_t fields_start_ = 0;  // 0 while the request line has not ended.
  std::size_t fields_ = 0;
};

// Reads a whole head as HeadScanner found it.
Checked<Head> ReadHead(std::string_view head, const RequestRules& rules);

}  // namespace quell::http
