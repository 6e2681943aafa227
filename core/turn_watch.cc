#include "core/turn_watch.h"

#include <algorithm>
#include <cstdlib>
#include <cxxabi.h>
#include <memory>

namespace quell {
namespace {

thread_local TurnWatch* current = nullptr;

std::string NameOf(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), std::free);
  return name ? name.get() : type.name();
}

constexpr auto kCpuSampled = std::chrono::milliseconds(10);
constexpr std::size_t kNameMax = 240;

}  // namespace

void TurnWatch::WatchThisThread(TurnWatch* watch) {
  current = watch;
}

void TurnWatch::Begin(std::string_view what, const std::type_info* type) {
  if (depth_++ > 0) return;
  began_ = clock_.Now();
  name_ = what;
  type_ = type;
  if (cpu_known_ && began_ - cpu_at_ < kCpuSampled) return;
  cpu_known_ = true;
  cpu_at_ = began_;
  cpu_then_ = cpu_();
}

void TurnWatch::End() {
  if (--depth_ > 0) return;
  const MonoTime now = clock_.Now();
  if (now - began_ <= limits::kTurnMax) return;
  const std::uint64_t count = ++count_;
  const auto kept_back = reports_.Happens(now);
  if (!kept_back) return;
  LongTurn turn;
  turn.what = !name_.empty() || type_ == nullptr ? std::string(name_) : NameOf(*type_);
  if (turn.what.size() > kNameMax) turn.what.resize(kNameMax);
  turn.took = now - began_;
  turn.on_cpu = std::min(cpu_() - cpu_then_, turn.took);
  turn.count = count;
  turn.not_reported = *kept_back;
  report_(turn);
}

Turn::Turn(std::string_view what, const std::type_info* type) : watch_(current) {
  if (watch_ != nullptr) watch_->Begin(what, type);
}

Turn::~Turn() {
  // A turn in which the watch was set has not begun for it.
  if (watch_ != nullptr) watch_->End();
}

void Turn::Name(std::string_view what) {
  if (current != nullptr) current->name_ = what;
}

}  // namespace quell
