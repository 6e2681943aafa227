#include "tests/unit/host/fixtures.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "host/signals.h"

namespace quell {

std::atomic<int> Disk::sync_error = 0;
std::atomic<int> Disk::syncs = 0;
std::atomic<int> Disk::sqlite_write_error = 0;

namespace {

int Sync(long call, int fd) {
  ++Disk::syncs;
  if (const int error = Disk::sync_error; error != 0) {
    errno = error;
    return -1;
  }
  return static_cast<int>(::syscall(call, fd));
}

ssize_t Write(int fd, const void* data, size_t size) {
  if (const int error = Disk::sqlite_write_error; error != 0) {
    errno = error;
    return -1;
  }
  return ::write(fd, data, size);
}

ssize_t PWrite(int fd, const void* data, size_t size, off_t offset) {
  if (const int error = Disk::sqlite_write_error; error != 0) {
    errno = error;
    return -1;
  }
  return ::pwrite(fd, data, size, offset);
}

}  // namespace

TempDir::TempDir() {
  std::string pattern = (std::filesystem::temp_directory_path() / "quell-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Tmpfs::Tmpfs(const std::string& options) {
  mounted_ = ::mount("tmpfs", dir_.path().c_str(), "tmpfs", 0, options.c_str()) == 0;
}

Tmpfs::~Tmpfs() {
  if (mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
}

void Tmpfs::Fill(std::size_t free) const {
  struct statfs info {};
  ASSERT_EQ(::statfs(dir_.path().c_str(), &info), 0);
  const auto size =
      static_cast<std::size_t>(info.f_bavail * static_cast<unsigned long>(info.f_bsize));
  std::ofstream(dir_.File("ballast")) << std::string(size - free, 'x');
}

void Tmpfs::Remount(const std::string& options) const {
  ASSERT_EQ(::mount("tmpfs", dir_.path().c_str(), "tmpfs", MS_REMOUNT, options.c_str()), 0);
}

bool Loop::RunUntil(const std::function<bool()>& done) {
  while (!done()) {
    if (context.run_one_for(std::chrono::minutes(1)) == 0) return false;
  }
  return true;
}

void Loop::RunReady() {
  while (context.poll() != 0) {
  }
}

ChildProcess::ChildProcess(const std::function<bool()>& body) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) std::abort();
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    const char answer = body() ? 'y' : 'n';
    if (::write(pipe[1], &answer, 1) != 1) ::_exit(1);
    for (;;)
      ::pause();
  }
  ::close(pipe[1]);
  char answer = 0;
  ready_ = ::read(pipe[0], &answer, 1) == 1 && answer == 'y';
  ::close(pipe[0]);
}

void ChildProcess::End() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  siginfo_t info;
  ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT);
}

void ChildProcess::Kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void Disk::InterceptSqliteWrites() {
  sqlite3_vfs* vfs = ::sqlite3_vfs_find(nullptr);
  const auto set = [vfs](const char* name, auto* function) {
    vfs->xSetSystemCall(vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(function));
  };
  set("write", &Write);
  set("pwrite", &PWrite);
  set("pwrite64", &PWrite);
}

FileSizeLimit::FileSizeLimit(std::size_t bytes) {
  IgnoreWriteSignals();
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  before_ = limit.rlim_cur;
  limit.rlim_cur = bytes;
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

FileSizeLimit::~FileSizeLimit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = before_;
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

}  // namespace quell

// These take the place of the C library's in the whole program, SQLite included.
extern "C" int fsync(int fd) {
  return quell::Sync(SYS_fsync, fd);
}
extern "C" int fdatasync(int fd) {
  return quell::Sync(SYS_fdatasync, fd);
}
