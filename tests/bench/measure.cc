#include "tests/bench/measure.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <thread>

#include "transport/http/json_writer.h"

namespace quell::bench {
namespace {

std::string Milliseconds(double micros) {
  char text[32];
  std::snprintf(text, sizeof text, micros < 10'000 ? "%.2f" : "%.1f", micros / 1000);
  return text;
}

std::string Pair(const Samples& samples) {
  return Milliseconds(samples.Micros(0.5)) + " / " + Milliseconds(samples.Micros(0.99));
}

std::string Ratio(const Row& row, double p) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", row.quell.Micros(p) / row.floor.Micros(p));
  return text;
}

std::string Pace(Nanos pace) {
  if (pace == Nanos(0)) return "back to back";
  return "each " +
         std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(pace).count()) +
         " ms";
}

std::string Padded(const std::string& text, std::size_t width, bool right = false) {
  const std::string blanks(text.size() < width ? width - text.size() : 1, ' ');
  return right ? blanks + text : text + blanks;
}

}  // namespace

void Fail(const std::string& message) {
  throw Failure{message};
}

Nanos Now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

void SleepUntil(Nanos when) {
  std::this_thread::sleep_until(std::chrono::steady_clock::time_point(when));
}

double Samples::Micros(double p) const {
  if (values_.empty()) return 0;
  std::vector<Nanos> sorted = values_;
  std::sort(sorted.begin(), sorted.end());
  const auto rank = static_cast<std::size_t>(std::ceil(p * static_cast<double>(sorted.size())));
  return static_cast<double>(sorted[std::max<std::size_t>(rank, 1) - 1].count()) / 1000;
}

std::vector<Row> Compare(const std::string& what, const Plan& plan,
                         const std::function<void()>& before, const std::function<void()>& quell,
                         const std::function<void()>& floor) {
  std::vector<Row> rows;
  for (const Nanos pace : plan.paces) {
    Row row;
    row.what = what;
    row.pace = pace;
    const auto block = [&](bool ours) {
      Nanos next = Now();
      // The first call of a block pays for what the other side has put out of the caches.
      for (int i = -1; i < plan.requests; ++i) {
        if (ours && before) before();
        next = std::max(next + pace, Now());
        if (pace > Nanos(0)) SleepUntil(next);
        const Nanos start = Now();
        if (ours) {
          quell();
        } else {
          floor();
        }
        const Nanos taken = Now() - start;
        if (i >= 0) (ours ? row.quell : row.floor).Add(taken);
      }
    };
    for (int round = 0; round < plan.rounds; ++round) {
      block(round % 2 == 0);
      block(round % 2 != 0);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::string Table(const std::vector<Row>& rows) {
  std::string text = Padded("", 44) + Padded("pace", 14) + Padded("quell p50/p99 ms", 20, true) +
                     Padded("floor p50/p99 ms", 20, true) + Padded("ratio p50/p99", 16, true) +
                     "\n";
  for (const Row& row : rows) {
    text += Padded(row.what, 44) + Padded(Pace(row.pace), 14) + Padded(Pair(row.quell), 20, true) +
            Padded(Pair(row.floor), 20, true) +
            Padded(Ratio(row, 0.5) + " / " + Ratio(row, 0.99), 16, true) + "\n";
  }
  return text;
}

std::string RowsAsJson(const std::vector<Row>& rows) {
  std::string text;
  http::JsonWriter json(text);
  const auto side = [&json](std::string_view name, const Samples& samples) {
    json.Key(name).BeginObject();
    json.Field("samples", std::uint64_t{samples.size()});
    json.Field("p50_micros", static_cast<std::int64_t>(std::llround(samples.Micros(0.5))));
    json.Field("p99_micros", static_cast<std::int64_t>(std::llround(samples.Micros(0.99))));
    json.EndObject();
  };
  json.BeginArray();
  for (const Row& row : rows) {
    json.BeginObject().Field("what", row.what);
    json.Field("pace_millis",
               std::chrono::duration_cast<std::chrono::milliseconds>(row.pace).count());
    side("quell", row.quell);
    side("floor", row.floor);
    json.EndObject();
  }
  json.EndArray();
  return text;
}

}  // namespace quell::bench
