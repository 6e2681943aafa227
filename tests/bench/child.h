// A child process whose standard output is read here. It does not outlive this process.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace quell::bench {

// To be called first in main(): the exit code, if this process is such a child and not the bench.
std::optional<int> RunAsChild(int argc, char** argv);

class Child {
 public:
  // Its standard error goes to the file `log`, or is ours. Fails the bench if it cannot be started.
  explicit Child(const std::vector<std::string>& argv, const std::string& log = {});
  // Asks it to end, and waits until it has.
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Blocks for a line, without its end. Fails the bench if the child ends before.
  std::string ReadLine();
  int pid() const { return pid_; }

 private:
  std::string name_;
  std::string log_;
  int pid_ = -1;
  int output_ = -1;
  std::string read_;
};

// A child that does nothing: tasks can be registered for it, and all end with it.
class IdleProcess {
 public:
  IdleProcess();
  ~IdleProcess();
  IdleProcess(const IdleProcess&) = delete;
  IdleProcess& operator=(const IdleProcess&) = delete;
  int pid() const { return pid_; }

 private:
  int pid_ = -1;
};

// Of this program's file.
std::string SelfPath();
// Resident memory of a process, in kilobytes; 0 if it is gone.
long ResidentKilobytes(int pid);

}  // namespace quell::bench
