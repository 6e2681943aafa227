// A journal for tests that are not about what is durable.
#pragma once

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "core/executor.h"
#include "node/journal/journal.h"

namespace quell {

// Takes everything at once, unless there is an `error`; remembers nothing.
class QuickJournal final : public Journal {
 public:
  explicit QuickJournal(Executor& executor) : executor_(executor) {}
  void ReserveNumbers(std::uint64_t, Done done) override { Answer(std::move(done)); }
  void RecordApplied(AppliedIntent, Done done) override { Answer(std::move(done)); }
  void RecordReceipt(const Receipt&) override {}
  void ForgetTombstones(std::vector<std::uint64_t>) override {}
  void RecordHandedOver(const IntentId&) override {}
  void RecordJoined(std::uint64_t) override {}
  void RecordLive(std::vector<LiveTaskRecord>, Done done) override { Answer(std::move(done)); }
  void RecordEnded(std::vector<Task>, Done done) override {
    if (done) Answer(std::move(done));
  }
  void FindEnded(std::uint64_t, std::function<void(Result<Task>)> done) override {
    executor_.Post([done] { done(Error{ErrorCode::kNotFound, "no such task"}); });
  }
  void ListEnded(WallTime, std::uint64_t,
                 std::function<void(Result<std::vector<Task>>)> done) override {
    executor_.Post([done] { done(std::vector<Task>()); });
  }

  std::optional<Error> error;

 private:
  void Answer(Done done) {
    executor_.Post([done, status = error ? Status(*error) : Status()] { done(status); });
  }
  Executor& executor_;
};

}  // namespace quell
