#include "host/commit_count.h"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace quell {
namespace {

// Two slots, written in turn: of a torn write the other is left.
constexpr std::size_t kSlot = 64;

std::uint64_t SumOf(std::string_view text) {
  std::uint64_t sum = 0xcbf29ce484222325U;
  for (const char c : text) {
    sum ^= static_cast<unsigned char>(c);
    sum *= 0x100000001b3U;  // FNV-1a.
  }
  return sum;
}

// One line.
std::string SlotOf(std::uint64_t count) {
  std::array<char, kSlot + 1> text{};
  const int head = std::snprintf(text.data(), text.size(), "commits %020llu ",
                                 static_cast<long long unsigned>(count));
  const std::uint64_t sum = SumOf({text.data(), static_cast<std::size_t>(head)});
  std::snprintf(text.data() + head, text.size() - static_cast<std::size_t>(head), "%016llx",
                static_cast<long long unsigned>(sum));
  std::string slot(text.data());
  slot.resize(kSlot - 1, ' ');
  return slot + '\n';
}

std::optional<std::uint64_t> ReadSlot(std::string_view slot) {
  constexpr std::size_t kAt = std::string_view("commits ").size();
  if (slot.size() != kSlot) return std::nullopt;
  const std::uint64_t count = std::strtoull(std::string(slot.substr(kAt, 20)).c_str(), nullptr, 10);
  return slot == SlotOf(count) ? std::optional(count) : std::nullopt;
}

}  // namespace

Result<CommitCount> CommitCount::Open(const std::string& path) {
  const Result<std::string> text = ReadSmallFile(path);
  if (!text) return text.error();
  std::optional<std::uint64_t> count;
  for (const std::size_t at : {std::size_t{0}, kSlot}) {
    const auto slot = ReadSlot(std::string_view(*text).substr(std::min(at, text->size()), kSlot));
    if (slot && (!count || *slot > *count)) count = slot;
  }
  if (!count) return Error{ErrorCode::kInternal, path + " is damaged"};
  FileDescriptor fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return ErrnoError(errno, "open", path);
  return CommitCount(std::move(fd), *count);
}

Result<CommitCount> CommitCount::Make(const std::string& path, std::uint64_t count) {
  const std::string slot = SlotOf(count);
  if (Status written = WriteFileDurably(path, slot + slot); !written) return written.error();
  return Open(path);
}

void CommitCount::Write(std::uint64_t count) {
  count_ = count;
  const std::string slot = SlotOf(count);
  (void)!::pwrite(fd_.get(), slot.data(), slot.size(), static_cast<off_t>(count % 2 * kSlot));
}

bool FileIdentity::Unchanged() {
  struct stat now {};
  const bool there = ::stat(path_.c_str(), &now) == 0;
  if (inode_ == 0 && there) {
    device_ = now.st_dev;
    inode_ = now.st_ino;
  }
  return inode_ == 0 || (there && now.st_dev == device_ && now.st_ino == inode_);
}

}  // namespace quell
