#include "transport/http/gzip.h"

#include <algorithm>
#include <array>
#include <utility>

#define ZLIB_CONST  // Then it takes its input as const.
#include <zlib.h>

#include "core/limits.h"
#include "transport/http/answer.h"
#include "transport/http/ascii.h"

namespace quell::http {
namespace {

// A window of 8 KiB, many tasks long, and 64 KiB of memory in all: each slow reader of a long
// answer holds that. 16 more mean gzip, and not zlib.
constexpr int kGzipWindow = 13 + 16;
constexpr int kMemory = 6;
constexpr int kLevel = Z_BEST_SPEED;

bool RefusesAll(std::string_view parameters) {
  const std::size_t q = parameters.find("q=");
  if (q == std::string_view::npos) return false;
  const std::string_view weight = TrimBlanks(parameters.substr(q + 2));
  return !weight.empty() && weight.find_first_not_of("0.") == std::string_view::npos;
}

// The rest of a body on its way, one slice after the other.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  Stream(std::shared_ptr<Exchange> exchange, std::string body, std::shared_ptr<const void> held,
         GzipWriter writer)
      : exchange_(std::move(exchange)),
        body_(std::move(body)),
        held_(std::move(held)),
        writer_(std::move(writer)) {}

  void Next() {
    if (at_ == body_.size()) {
      exchange_->End();
      return;
    }
    const std::string_view slice = std::string_view(body_).substr(at_, limits::kGzipSlice);
    at_ += slice.size();
    exchange_->Write(writer_.Pack(slice, at_ == body_.size()),
                     [self = shared_from_this()] { self->Next(); });
  }

 private:
  const std::shared_ptr<Exchange> exchange_;
  const std::string body_;
  const std::shared_ptr<const void> held_;  // Books the body.
  GzipWriter writer_;
  std::size_t at_ = 0;
};

}  // namespace

bool TakesGzip(std::string_view accept_encoding) {
  while (!accept_encoding.empty()) {
    const std::size_t comma = std::min(accept_encoding.find(','), accept_encoding.size());
    const std::string_view one = accept_encoding.substr(0, comma);
    accept_encoding.remove_prefix(std::min(comma + 1, accept_encoding.size()));
    const std::size_t semicolon = std::min(one.find(';'), one.size());
    const std::string_view name = TrimBlanks(one.substr(0, semicolon));
    const bool gzip =
        EqualIgnoringCase(name, "gzip") || EqualIgnoringCase(name, "x-gzip") || name == "*";
    if (gzip) return !RefusesAll(one.substr(semicolon));
  }
  return false;
}

struct GzipWriter::Stream {
  z_stream zlib = {};
  bool ready = false;
};

GzipWriter::GzipWriter() : stream_(std::make_unique<Stream>()) {
  stream_->ready = deflateInit2(&stream_->zlib, kLevel, Z_DEFLATED, kGzipWindow, kMemory,
                                Z_DEFAULT_STRATEGY) == Z_OK;
}

GzipWriter::GzipWriter(GzipWriter&&) noexcept = default;

bool GzipWriter::ready() const {
  return stream_->ready;
}

GzipWriter::~GzipWriter() {
  if (stream_ && stream_->ready) deflateEnd(&stream_->zlib);
}

std::string GzipWriter::Pack(std::string_view piece, bool last) {
  std::string out;
  z_stream& zlib = stream_->zlib;
  zlib.next_in = reinterpret_cast<const Bytef*>(piece.data());
  zlib.avail_in = static_cast<uInt>(piece.size());
  std::array<char, 16 * 1024> room;
  do {
    zlib.next_out = reinterpret_cast<Bytef*>(room.data());
    zlib.avail_out = static_cast<uInt>(room.size());
    deflate(&zlib, last ? Z_FINISH : Z_NO_FLUSH);
    out.append(room.data(), room.size() - zlib.avail_out);
  } while (zlib.avail_out == 0);
  return out;
}

bool WantsGzip(const Request& request, const Response& response) {
  if (response.body.size() < limits::kGzipMin || !HasBody(response.status)) return false;
  if (request.method == Method::kHead) return false;
  const bool encoded = std::any_of(
      response.headers.begin(), response.headers.end(),
      [](const Header& header) { return EqualIgnoringCase(header.name, "content-encoding"); });
  return !encoded && TakesGzip(request.HeaderValue("Accept-Encoding").value_or(""));
}

void SendGzipped(std::shared_ptr<Exchange> exchange, Response response) {
  GzipWriter writer;
  if (!writer.ready()) {
    response.headers.push_back({"content-encoding", "identity"});  // Do not try again.
    exchange->Send(std::move(response));
    return;
  }
  response.headers.push_back({"content-encoding", "gzip"});
  if (response.body.size() <= limits::kGzipSlice) {
    response.body = writer.Pack(response.body, true);
    exchange->Send(std::move(response));
    return;
  }
  std::string body = std::exchange(response.body, {});
  std::shared_ptr<const void> held = std::exchange(response.held, nullptr);
  exchange->Start(std::move(response));
  std::make_shared<Stream>(std::move(exchange), std::move(body), std::move(held), std::move(writer))
      ->Next();
}

}  // namespace quell::http
