// What a bench measures and how it compares: blocks of requests to Quell and to the floor, taken in
// turn, so that both meet the same machine.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace quell::bench {

using Nanos = std::chrono::nanoseconds;

// Ends the bench: one that measures errors is worth nothing. Thrown, so that no process and no file
// stays behind.
struct Failure {
  std::string message;
};
[[noreturn]] void Fail(const std::string& message);

Nanos Now();
// Blocks until then.
void SleepUntil(Nanos when);

class Samples {
 public:
  void Add(Nanos value) { values_.push_back(value); }
  // In microseconds, by nearest rank; p in (0, 1].
  double Micros(double p) const;
  std::size_t size() const { return values_.size(); }

 private:
  std::vector<Nanos> values_;
};

struct Plan {
  int rounds = 6;
  int requests = 100;  // In each round, at each pace, to each side.
  std::vector<Nanos> paces{Nanos(0), std::chrono::milliseconds(10)};
};

struct Row {
  std::string what;
  Nanos pace{0};
  Samples quell;
  Samples floor;
};

// Runs `quell` and `floor` in alternating blocks, one row for each pace. `before` (may be empty)
// prepares one call of `quell` and is not measured.
std::vector<Row> Compare(const std::string& what, const Plan& plan,
                         const std::function<void()>& before, const std::function<void()>& quell,
                         const std::function<void()>& floor);

std::string Table(const std::vector<Row>& rows);
std::string RowsAsJson(const std::vector<Row>& rows);

}  // namespace quell::bench
