#include "tests/unit/grpc/random_values.h"

#include "core/limits.h"
#include "core/utf8.h"

namespace quell {
namespace {

constexpr ReceiptState kReceiptStates[] = {
    ReceiptState::kCancelRequested, ReceiptState::kDelivered,   ReceiptState::kStopping,
    ReceiptState::kDeferred,        ReceiptState::kIgnoring,    ReceiptState::kKilled,
    ReceiptState::kOrphaned,        ReceiptState::kUnreachable, ReceiptState::kEnded};

}  // namespace

std::uint64_t RandomValues::Number() {
  // Small ones, and the largest.
  return Coin() ? 1 + Below(1000) : TaskId::kNumberMax - Below(1000);
}

std::string RandomValues::Text(std::size_t max) {
  constexpr const char* kPieces[] = {
      "a", "Z", "\"",   "\\", "\n", "{", "\xC3\xA9", " ", "\xE2\x82\xAC", "\xF0\x9F\x98\x80",
      "*", ":", "\x01", "0"};
  std::string text;
  const std::size_t wanted = Below(max + 1);
  for (;;) {
    const char* const piece = kPieces[Below(std::size(kPieces))];
    if (text.size() + std::char_traits<char>::length(piece) > wanted) return text;
    text += piece;
  }
}

std::string RandomValues::Name(std::size_t max) {
  return "n" + WithoutControlCharacters(Text(max - 1));
}

WallTime RandomValues::Time() {
  return WallFromMicros(1 + static_cast<std::int64_t>(Below(2'000'000'000'000'000)));
}

std::optional<WallTime> RandomValues::MaybeTime() {
  return Coin() ? std::optional(Time()) : std::nullopt;
}

TaskState RandomValues::State() {
  return static_cast<TaskState>(Below(static_cast<std::uint64_t>(TaskState::kRejected) + 1));
}

std::vector<Header> RandomValues::Headers(std::uint64_t max) {
  std::vector<Header> headers(Below(max + 1));
  for (Header& header : headers)
    header = {Name(40), WithoutControlCharacters(Text(200))};
  return headers;
}

SeenTask RandomValues::Shown(const NodeId& node) {
  SeenTask task;
  task.id = {node, Number()};
  task.type = Name(20);
  task.action = Name(limits::kActionMax);
  task.description = Text(300);
  if (Coin()) task.status_json = R"({"phase": "x", "n": [1, -2.5e+3, true, null, {}]})";
  task.state = State();
  task.cancellable = Coin();
  task.detached = Coin();
  task.cancelled = Coin();
  if (task.cancelled) {
    task.cancelled_at = Time();
    task.cancelled_by = Text(30);
    task.cancel_reason = Text(limits::kReasonMax);
  }
  task.start_wall = Time();
  task.running = std::chrono::nanoseconds(static_cast<std::int64_t>(Below(std::uint64_t{1} << 62)));
  if (Coin()) task.parent = Task();
  task.headers = Headers(limits::kHeadersMax);
  task.owner_uid = static_cast<std::uint32_t>(Below(std::uint64_t{1} << 32));
  task.pid = static_cast<std::int32_t>(Below(std::uint64_t{1} << 31));
  if (Coin()) task.on_parent_lost = OnParentLost::kCancel;
  if (Coin()) task.last_check = Time();
  task.resources = Resources();
  return task;
}

ResourceUse RandomValues::Resources() {
  ResourceUse use;
  if (Coin()) {
    CpuUse& cpu = use.cpu.emplace();
    cpu.least = std::chrono::nanoseconds(Below(1000));
    cpu.most = cpu.least + std::chrono::nanoseconds(Below(std::uint64_t{1} << 40));
    cpu.executions = static_cast<std::uint32_t>(1 + Below(1000));
    cpu.total = cpu.least * (cpu.executions - 1) + cpu.most;
    cpu.active = static_cast<std::uint32_t>(Below(cpu.executions + 1));
  }
  for (std::uint64_t reports = Below(5); reports > 0; --reports)
    use.Take({{}, Below(std::uint64_t{1} << 62)});
  return use;
}

TaskFilter RandomValues::Filter() {
  TaskFilter filter;
  filter.actions.resize(Below(4));
  for (std::string& pattern : filter.actions)
    pattern = Text(50);
  if (Coin()) filter.parent = Task();
  return filter;
}

Intent RandomValues::AnIntent() {
  Intent intent;
  intent.id = IntentKey();
  if (Coin()) {
    intent.target = Task();
  } else {
    intent.target = Filter();
  }
  intent.requested_at = Time();
  if (Coin()) intent.moment = Moment();
  if (Coin()) intent.horizon = {Life(), Number()};
  intent.by = Text(30);
  intent.reason = Text(limits::kReasonMax);
  intent.cascade = Coin();
  intent.grace = std::chrono::milliseconds(Below(3'600'001));
  return intent;
}

Receipt RandomValues::AReceipt() {
  Receipt receipt;
  receipt.task = Task();
  receipt.intent = IntentKey();
  receipt.state = kReceiptStates[Below(std::size(kReceiptStates))];
  receipt.recorded_at = Time();
  receipt.delivered_at = MaybeTime();
  receipt.acknowledged_at = MaybeTime();
  receipt.escalated_at = MaybeTime();
  receipt.ended_at = MaybeTime();
  if (Coin()) receipt.outcome = State();
  receipt.note = Text(100);
  return receipt;
}

IntentAck RandomValues::Ack() {
  IntentAck ack;
  ack.intent = IntentKey();
  ack.receipts.resize(Below(4));
  for (Receipt& receipt : ack.receipts)
    receipt = AReceipt();
  ack.doubtful.resize(Below(4));
  for (TaskId& task : ack.doubtful)
    task = Task();
  return ack;
}

BootMoment RandomValues::Moment() {
  return {"b" + Text(35), BootTime(std::chrono::nanoseconds(Below(std::uint64_t{1} << 60)))};
}

HostLoad RandomValues::Load() {
  const auto average = [this] { return static_cast<double>(Below(10'000)) / 100; };
  const auto percent = [this] { return static_cast<unsigned>(Below(101)); };
  HostLoad load;
  if (Coin()) load.averages = LoadAverages{average(), average(), average()};
  if (Coin()) load.cpu_percent = percent();
  if (Coin()) load.memory_percent = percent();
  if (Coin()) load.daemon_percent = percent();
  return load;
}

NodeInfo RandomValues::Info() {
  NodeInfo info;
  info.id = Node();
  info.incarnation = Incarnation{1 + Below(std::uint64_t{1} << 40)};
  info.name = Text(limits::kNodeNameMax);
  info.address = Text(30);
  info.host = Text(30);
  info.roles.resize(Below(5));
  for (std::string& role : info.roles)
    role = Text(20);
  info.attributes = Headers(5);
  info.version = Text(20);
  info.boot_id = Text(36);
  if (Coin()) info.life = Life();
  return info;
}

Error RandomValues::AnError() {
  const auto last = static_cast<std::uint64_t>(ErrorCode::kOutcomeUnknown);
  const auto code = static_cast<ErrorCode>(Below(last + 1));
  // What is draining never travels: it is for programs.
  return {code == ErrorCode::kDraining ? ErrorCode::kUnavailable : code, Text(100)};
}

}  // namespace quell
