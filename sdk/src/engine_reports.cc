// What programs say of their tasks while they run. See engine.h.
#include <algorithm>
#include <utility>

#include "bodies.h"
#include "engine.h"
#include "notices.h"

namespace quell::sdk {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCoalesce{100};
// When the program last looked for a cancel travels with other reports; alone, only so often.
constexpr milliseconds kLook{10'000};
constexpr milliseconds kLookCancelled{1000};  // Somebody waits for it.
constexpr std::size_t kLooksASecond = 100;
constexpr milliseconds kMeasure{1000};  // Figures that travel alone.

// When a coarse moment was, in milliseconds since 1970.
std::int64_t WallMillisOf(std::int64_t coarse) {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(wall -
                                                  std::chrono::nanoseconds(CoarseNow() - coarse))
      .count();
}

std::string Quoted(const std::string& text) {
  std::string out;
  AppendQuoted(out, text);
  return out;
}

}  // namespace

Engine::Told Engine::TellReports() {
  const Steady now = Now();
  for (const auto& record : Snapshot()) {
    const Told told = TellReport(record, now);
    if (told != Told::kYes) return told;
  }
  return Told::kYes;
}

Engine::Told Engine::TellReport(const RecordPtr& record, Steady now) {
  Members report;
  std::string id;
  bool status = false;
  bool stopping = false;
  bool deferred = false;
  {
    std::lock_guard lock(record->mutex);
    if (!record->registered || record->told_end) return Told::kYes;
    id = record->id;
    if (record->fields_dirty) {
      const Steady due = record->fields_told + kCoalesce;
      if (due <= now || record->outcome) {
        report.emplace_back("status", ObjectJson(record->fields));
        record->fields_dirty = false;
        record->fields_told = now;
        status = true;
      } else {
        DueAt(due);
      }
    }
    deferred = std::exchange(record->tell_deferred, false) && record->shields > 0;
    if (deferred) report.emplace_back("deferred", Quoted(record->shield_why));
    stopping = record->knows.load() && !record->told_stopping;
    if (stopping) {
      report.emplace_back("stopping", "true");
      record->told_stopping = true;
    }
    const std::int64_t checked = record->checked_ns.load(std::memory_order_relaxed);
    if (IsLookDue(*record, now, checked != record->checked_told_ns, !report.empty())) {
      report.emplace_back("last_check_millis", std::to_string(WallMillisOf(checked)));
      record->checked_told_ns = checked;
      record->check_told = now;
    }
    if (record->engine_measures) {
      std::string figures = NewFigures(*record, now, !report.empty());
      if (!figures.empty() && !resources_refused_) {
        report.emplace_back("resources", std::move(figures));
      }
    }
  }
  if (report.empty()) return Told::kYes;
  std::optional<std::string> refused;
  Told told = Post(id, report, refused);
  if (refused) told = PostApart(record, id, std::move(report));
  if (told == Told::kBusy) {  // All of it once more.
    std::lock_guard lock(record->mutex);
    record->fields_dirty = record->fields_dirty || status;
    record->tell_deferred = record->tell_deferred || deferred;
    if (stopping) record->told_stopping = false;
  }
  return told;
}

Engine::Told Engine::Post(const std::string& id, const Members& report,
                          std::optional<std::string>& refused) {
  refused.reset();
  std::string body = "{";
  for (const auto& [name, json] : report)
    body += (body.size() > 1 ? ",\"" : "\"") + name + "\":" + json;
  const auto reply = api_.Post("/v1/tasks/" + id + "/report", session_, body + "}", Now() + kCall);
  if (!reply) return Told::kAway;
  if (IsBusy(reply->status)) return Told::kBusy;
  if (reply->status == 400 || reply->status == 413) refused = ParseRefusal(reply->body).reason;
  return reply->status < 500 && reply->status != 408 ? Told::kYes : Told::kAway;
}

// Something of the report is bad: that must cost itself and nothing else.
Engine::Told Engine::PostApart(const RecordPtr& record, const std::string& id, Members report) {
  // What is said of a cancel comes first.
  std::stable_partition(report.begin(), report.end(), [](const auto& member) {
    return member.first != "status" && member.first != "resources";
  });
  for (const auto& member : report) {
    std::optional<std::string> refused;
    const Told told =
        member.first == "status" ? PostMembers(record, id) : Post(id, {member}, refused);
    if (told != Told::kYes) return told;
    if (refused && member.first == "resources") resources_refused_ = true;
  }
  return Told::kYes;
}

// The members of the status one by one: those that the node does not take leave it.
Engine::Told Engine::PostMembers(const RecordPtr& record, const std::string& id) {
  std::map<std::string, std::string> members;
  {
    std::lock_guard lock(record->mutex);
    members = record->fields;
  }
  std::map<std::string, std::string> kept;
  std::optional<std::string> refused;
  for (const auto& [name, json] : members) {
    kept[name] = json;
    const Told told = Post(id, {{"status", ObjectJson(kept)}}, refused);
    if (told != Told::kYes) return told;
    if (!refused) continue;
    kept.erase(name);
    {
      std::lock_guard lock(record->mutex);
      const auto found = record->fields.find(name);
      if (found != record->fields.end() && found->second == json) record->fields.erase(found);
    }
    WarnOfMember(record->action, name, *refused);
  }
  return Post(id, {{"status", ObjectJson(kept)}}, refused);
}

// What is to be told now of the CPU time that is counted to the task, if anything: `together` with
// something else, or for its own sake; the last figures go with the end. The caller holds the
// record's mutex.
std::string Engine::NewFigures(Record& record, Steady now, bool together) {
  const Steady due = record.figures_told_at + kMeasure;
  if (record.outcome) return {};
  if (due > now && !together) {
    if (!next_look_ || due < *next_look_) next_look_ = due;
    return {};
  }
  const CpuFigures figures = record.meter.Read();
  record.engine_measures = figures.active > 0;
  if (record.engine_measures && (!next_look_ || now + kMeasure < *next_look_)) {
    next_look_ = now + kMeasure;
  }
  record.figures_told_at = now;
  if (figures == record.figures_told) return {};
  record.figures_told = figures;
  return ResourcesJson(figures);
}

// Whether the last look, if it `is_new`, is to be told now: `together` with something else, or for
// its own sake. The caller holds the record's mutex.
bool Engine::IsLookDue(const Record& record, Steady now, bool is_new, bool together) {
  const bool awaited = record.cancel.has_value();
  const milliseconds pause = awaited ? kLookCancelled : kLook;
  if (now - looks_since_ >= std::chrono::seconds(1)) {
    looks_since_ = now;
    looks_ = 0;
  }
  Steady again = now + pause;
  bool tell = is_new && together;
  if (is_new && !together) {
    const bool crowded = !awaited && looks_ >= kLooksASecond;
    tell = record.check_told + pause <= now && !crowded;
    if (tell) ++looks_;
    if (!tell) again = crowded ? looks_since_ + std::chrono::seconds(1) : record.check_told + pause;
  }
  if (!next_look_ || again < *next_look_) next_look_ = again;
  return tell;
}

}  // namespace quell::sdk
