// One daemon as a child process that cannot outlive its parent.
#pragma once

#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "core/result.h"
#include "host/file.h"

namespace quell::cli {

// Not thread-safe. To be started from the main thread: the daemon gets a SIGTERM when the thread
// that made it ends.
class DaemonProcess {
 public:
  using OnLine = std::function<void(const std::string& line)>;

  // Starts `argv` in a process group of its own (so that Ctrl-C reaches only us), with the signal
  // mask `mask` and no standard input. Errors: kResourceExhausted; a program that cannot be
  // executed shows on its standard error and ends with 127.
  static Result<DaemonProcess> Start(std::vector<std::string> argv, const sigset_t& mask);
  DaemonProcess(DaemonProcess&&) noexcept = default;
  DaemonProcess& operator=(DaemonProcess&&) noexcept = default;
  ~DaemonProcess() = default;

  pid_t pid() const { return pid_; }
  const std::vector<std::string>& argv() const { return argv_; }
  // Its standard output and error; negative once closed.
  int out() const { return out_.file.get(); }
  int err() const { return err_.file.get(); }
  // Reads what is there, and hands out the whole lines (at the end also the rest).
  void ReadOut(const OnLine& on_line) { Read(out_, on_line); }
  void ReadErr(const OnLine& on_line) { Read(err_, on_line); }

  // The wait status, once it has ended; asks without blocking.
  const std::optional<int>& Poll();
  bool running() const { return !status_; }
  const std::optional<int>& status() const { return status_; }
  void Signal(int signal);

 private:
  struct Stream {
    FileDescriptor file;
    std::string rest;
  };

  DaemonProcess(pid_t pid, std::vector<std::string> argv, FileDescriptor out, FileDescriptor err);
  static void Read(Stream& stream, const OnLine& on_line);

  pid_t pid_;
  std::vector<std::string> argv_;
  Stream out_;
  Stream err_;
  std::optional<int> status_;
};

// "exit code 73", "signal 9 (Killed)".
std::string DescribeStatus(int status);

}  // namespace quell::cli
