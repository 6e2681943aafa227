// What the tests of host/ share: a directory of their own, an event loop, child processes, and a
// disk that fails when it is told to.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include "core/result.h"
#include "host/asio_executor.h"
#include "host/file.h"
#include "host/system_clock.h"

namespace quell {

// An empty directory, removed with all that is in it at the end.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string File(std::string_view name) const { return path_ + '/' + std::string(name); }

 private:
  std::string path_;
};

// A file system of `options` (see tmpfs(5)) on a directory of its own; none without the privilege.
class Tmpfs {
 public:
  explicit Tmpfs(const std::string& options);
  ~Tmpfs();
  Tmpfs(const Tmpfs&) = delete;
  Tmpfs& operator=(const Tmpfs&) = delete;

  bool mounted() const { return mounted_; }
  const TempDir& dir() const { return dir_; }
  // Leaves `free` bytes.
  void Fill(std::size_t free) const;
  void Remount(const std::string& options) const;

 private:
  TempDir dir_;
  bool mounted_ = false;
};

// An Asio context with its executor, run by the test's own thread.
class Loop {
 public:
  Loop() : executor(context, clock) {}

  // Runs work until `done` says so. False if there is none for a minute: the test has failed.
  [[nodiscard]] bool RunUntil(const std::function<bool()>& done);
  // Runs all that is ready now.
  void RunReady();

  SystemClock clock;
  boost::asio::io_context context;
  AsioExecutor executor;

 private:
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_{
      context.get_executor()};
};

// A forked process that runs `body`, says that it is ready, and sleeps until it is killed, at the
// latest by its parent's end.
class ChildProcess {
 public:
  explicit ChildProcess(const std::function<bool()>& body = [] { return true; });
  ~ChildProcess() { Kill(); }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool ready() const { return ready_; }  // `body` returned true.
  // With SIGKILL; returns when it has ended, a zombie still.
  void End();
  // End(), and takes its status: the pid is free again.
  void Kill();

 private:
  pid_t pid_ = 0;
  bool ready_ = false;
};

// What the disk does, for all files of this process.
struct Disk {
  static std::atomic<int> sync_error;  // An errno for fsync and fdatasync; 0: they work.
  static std::atomic<int> syncs;       // So many have been asked for.
  // An errno for SQLite's writes; 0: they work. Call once in the program before it is used.
  static std::atomic<int> sqlite_write_error;
  static void InterceptSqliteWrites();
  static void Heal() { sync_error = sqlite_write_error = 0; }
};

// The soft limit of file size, while it lives.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::size_t bytes);
  ~FileSizeLimit();
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  std::size_t before_;
};

}  // namespace quell
