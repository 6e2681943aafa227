// Reads an answer from the bytes of a connection, in whatever pieces they arrive. No I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/result.h"
#include "transport/http/message.h"

namespace quell::http {

// Not thread-safe. After an error it is of no more use.
class ResponseReader {
 public:
  // An answer to HEAD has no body. More than `body_max` bytes of body at once are an error.
  ResponseReader(bool to_head, std::size_t body_max) : to_head_(to_head), body_max_(body_max) {}

  // Appends what it finds of the body to response().body; the caller may take it from there at any
  // time. Returns how many of the bytes belong to the answer: fewer only when it is complete.
  // Interim answers (1xx) are skipped. Errors: kInternal (not HTTP/1.1), kResourceExhausted
  // (body_max).
  Result<std::size_t> Feed(std::string_view bytes);
  // The connection has ended. Errors: kOutcomeUnknown if the answer is not whole.
  Status End();

  bool has_head() const { return state_ > State::kHead; }
  bool complete() const { return state_ == State::kDone; }
  Response& response() { return response_; }

 private:
  enum class State : std::uint8_t {
    kHead,
    kSized,     // `left_` bytes of body follow.
    kUntilEnd,  // The end of the connection is the end of the body.
    kChunkSize,
    kChunk,  // `left_` bytes of the chunk follow.
    kChunkEnd,
    kTrailers,
    kDone,
  };

  // True: `line_` is a whole line, without its end.
  bool TakeLine(std::string_view& bytes);
  Status OnLine();
  Status OnHeadLine(std::string_view line);
  Status OnStatusLine(std::string_view line);
  Status OnHeadEnd();
  Status OnChunkSize(std::string_view line);
  Status TakeBody(std::string_view& bytes);

  const bool to_head_;
  const std::size_t body_max_;
  State state_ = State::kHead;
  std::string line_;
  std::size_t head_bytes_ = 0;
  bool has_status_ = false;
  bool chunked_ = false;
  bool sized_ = false;
  std::uint64_t left_ = 0;
  Response response_;
};

}  // namespace quell::http
