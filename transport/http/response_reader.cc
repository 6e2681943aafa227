#include "transport/http/response_reader.h"

#include <algorithm>
#include <optional>

#include "transport/http/ascii.h"

namespace quell::http {
namespace {

constexpr std::size_t kHeadBytesMax = 64 * 1024;

Error NotHttp(std::string_view what) {
  return {ErrorCode::kInternal, "the answer is not HTTP/1.1: " + std::string(what)};
}

// "1a" or "1A;name=value".
std::optional<std::uint64_t> ParseChunkSize(std::string_view line) {
  const std::string_view digits = TrimBlanks(line.substr(0, line.find(';')));
  if (digits.empty() || digits.size() > 15) return std::nullopt;
  std::uint64_t size = 0;
  for (const char c : digits) {
    if (HexDigit(c) < 0) return std::nullopt;
    size = size * 16 + static_cast<std::uint64_t>(HexDigit(c));
  }
  return size;
}

}  // namespace

Result<std::size_t> ResponseReader::Feed(std::string_view bytes) {
  const std::size_t given = bytes.size();
  while (!bytes.empty() && state_ != State::kDone) {
    if (state_ == State::kSized || state_ == State::kUntilEnd || state_ == State::kChunk) {
      if (Status status = TakeBody(bytes); !status) return status.error();
      continue;
    }
    const bool whole = TakeLine(bytes);
    if (head_bytes_ > kHeadBytesMax) return NotHttp("its head does not end");
    if (!whole) continue;
    if (Status status = OnLine(); !status) return status.error();
    line_.clear();
  }
  return given - bytes.size();
}

Status ResponseReader::End() {
  if (state_ == State::kUntilEnd) state_ = State::kDone;
  if (state_ == State::kDone) return {};
  return Error{ErrorCode::kOutcomeUnknown, "the connection ended before the answer did"};
}

bool ResponseReader::TakeLine(std::string_view& bytes) {
  const std::size_t end = bytes.find('\n');
  const std::size_t taken = std::min(end == std::string_view::npos ? end : end + 1, bytes.size());
  line_.append(bytes.substr(0, taken));
  head_bytes_ += taken;
  bytes.remove_prefix(taken);
  if (line_.empty() || line_.back() != '\n') return false;
  line_.pop_back();
  if (!line_.empty() && line_.back() == '\r') line_.pop_back();
  return true;
}

Status ResponseReader::OnLine() {
  switch (state_) {
    case State::kHead:
      return OnHeadLine(line_);
    case State::kChunkSize:
      return OnChunkSize(line_);
    case State::kChunkEnd:
      if (!line_.empty()) return NotHttp("a chunk is longer than its size");
      state_ = State::kChunkSize;
      return {};
    default:
      if (line_.empty()) state_ = State::kDone;  // The end of the trailers, which nobody reads.
      return {};
  }
}

Status ResponseReader::OnHeadLine(std::string_view line) {
  if (!has_status_) return OnStatusLine(line);
  if (line.empty()) return OnHeadEnd();
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return NotHttp("a header has no colon");
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = TrimBlanks(line.substr(colon + 1));
  if (EqualIgnoringCase(name, "content-type")) {
    response_.content_type = value;
  } else if (EqualIgnoringCase(name, "content-length")) {
    const std::optional<std::uint64_t> length = ParseDigits(value);
    if (!length || (sized_ && *length != left_)) return NotHttp("its Content-Length is malformed");
    sized_ = true;
    left_ = *length;
  } else if (EqualIgnoringCase(name, "transfer-encoding")) {
    if (!EqualIgnoringCase(value, "chunked")) return NotHttp("its transfer encoding is unknown");
    chunked_ = true;
  } else if (!EqualIgnoringCase(name, "connection")) {
    response_.headers.push_back({std::string(name), std::string(value)});
  }
  return {};
}

Status ResponseReader::OnStatusLine(std::string_view line) {
  const std::string_view code = line.substr(0, std::min<std::size_t>(line.size(), 12))
                                    .substr(std::min<std::size_t>(line.size(), 9));
  const std::optional<std::uint64_t> status = ParseDigits(code);
  if ((line.substr(0, 9) != "HTTP/1.1 " && line.substr(0, 9) != "HTTP/1.0 ") || !status ||
      code.size() != 3 || *status < 100) {
    return NotHttp("it starts with [" + std::string(line.substr(0, 64)) + "]");
  }
  has_status_ = true;
  response_ = {};
  response_.content_type.clear();
  response_.status = static_cast<int>(*status);
  return {};
}

Status ResponseReader::OnHeadEnd() {
  if (response_.status < 200) {
    has_status_ = chunked_ = sized_ = false;
    return {};
  }
  head_bytes_ = 0;
  if (to_head_ || response_.status == 204 || response_.status == 304) {
    state_ = State::kDone;
  } else if (chunked_) {
    state_ = State::kChunkSize;
  } else if (sized_) {
    state_ = left_ == 0 ? State::kDone : State::kSized;
  } else {
    state_ = State::kUntilEnd;
  }
  return {};
}

Status ResponseReader::OnChunkSize(std::string_view line) {
  const std::optional<std::uint64_t> size = ParseChunkSize(line);
  if (!size) return NotHttp("a chunk's size is malformed");
  head_bytes_ = 0;
  left_ = *size;
  state_ = *size == 0 ? State::kTrailers : State::kChunk;
  return {};
}

Status ResponseReader::TakeBody(std::string_view& bytes) {
  const std::size_t taken =
      state_ == State::kUntilEnd
          ? bytes.size()
          : static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
  if (response_.body.size() + taken > body_max_) {
    return Error{ErrorCode::kResourceExhausted,
                 "the answer is larger than " + std::to_string(body_max_) + " bytes: ask for less"};
  }
  response_.body.append(bytes.substr(0, taken));
  bytes.remove_prefix(taken);
  if (state_ == State::kUntilEnd) return {};
  left_ -= taken;
  if (left_ == 0) state_ = state_ == State::kChunk ? State::kChunkEnd : State::kDone;
  return {};
}

}  // namespace quell::http
