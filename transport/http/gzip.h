// Answers packed with gzip, for clients that ask for it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "transport/http/exchange.h"

namespace quell::http {

// As an `Accept-Encoding` says it: "gzip", "x-gzip" or "*", unless with "q=0".
bool TakesGzip(std::string_view accept_encoding);

// One gzip file, in pieces. Not thread-safe.
class GzipWriter {
 public:
  GzipWriter();
  GzipWriter(GzipWriter&& other) noexcept;
  GzipWriter& operator=(GzipWriter&&) = delete;
  ~GzipWriter();

  // False: there was no memory for it, and it packs nothing.
  bool ready() const;
  // What is ready of the file; may be empty. `last`: nothing follows.
  std::string Pack(std::string_view piece, bool last);

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

// Should the answer leave packed? Not if it is short, or encoded by its handler.
bool WantsGzip(const Request& request, const Response& response);

// Sends it packed. A long body is packed a slice a turn and leaves as a stream, so that other
// requests are served between, and a slow reader costs no memory. On the server's executor.
void SendGzipped(std::shared_ptr<Exchange> exchange, Response response);

}  // namespace quell::http
