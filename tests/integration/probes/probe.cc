// The C++ probe: see README.md.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <quell/task.hpp>
#include <sstream>
#include <stop_token>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <time.h>
#include <unistd.h>
#include <vector>

namespace {

std::string Said();

struct Entry {
  std::unique_ptr<quell::Task> task;
  std::vector<quell::Task::Shield> shields;
};

class Probe {
 public:
  std::string Answer(const std::string& line) {
    std::istringstream words(line);
    std::string command;
    std::string name;
    words >> command >> name;
    if (command == "said") return Said();
    if (command == "flush") return quell_flush(10'000) != 0 ? "1" : "0";
    if (command == "start" || command == "child" || command == "extract")
      return Start(command, name, words);
    const auto found = tasks_.find(name);
    if (found == tasks_.end()) return "unknown task " + name;
    return OnTask(found->second, command, words);
  }

 private:
  std::string Start(const std::string& command, const std::string& name,
                    std::istringstream& words) {
    std::string parent;
    std::string action;
    if (command == "child") words >> parent;
    words >> action;
    if (command == "child") {
      tasks_[name].task = std::make_unique<quell::Task>(tasks_.at(parent).task->child(action));
    } else if (command == "extract") {
      std::map<std::string, std::string> headers;
      for (std::string pair; words >> pair;) {
        const std::size_t equals = pair.find('=');
        headers[pair.substr(0, equals)] = pair.substr(equals + 1);
      }
      const auto context =
          quell::Context::Extract([&](std::string_view key) -> std::optional<std::string> {
            const auto header = headers.find(std::string(key));
            if (header == headers.end()) return std::nullopt;
            return header->second;
          });
      tasks_[name].task = std::make_unique<quell::Task>(
          quell::TaskOptions{.action = action,
                             .context = &context,
                             .cancel_on_parent_lost = headers.contains("on_parent_lost")});
    } else {
      tasks_[name].task = std::make_unique<quell::Task>(action, "of the probe");
    }
    return "ok";
  }

  static std::string OnTask(Entry& entry, const std::string& command, std::istringstream& words) {
    quell::Task& task = *entry.task;
    std::string first;
    if (command == "id") return task.tracked() ? task.id() : "-";
    if (command == "cancelled") return task.cancelled() ? "1" : "0";
    if (command == "wait") return Wait(task);
    if (command == "fork") return Fork(task);
    if (command == "linger") return Linger();
    if (command == "forks") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
      return "the sanitizer has locks of its own that a forked child waits for";
#endif
      int count = 0;
      words >> count;
      return std::to_string(Forks(task, count));
    }
    if (command == "field") {
      std::string value;
      words >> first >> value;
      task.field(first, value == "long" ? "\"" + std::string(20'000, 'x') + "\"" : value);
      return "ok";
    }
    if (command == "progress") {
      std::uint64_t done = 0;
      std::uint64_t total = 0;
      words >> done >> total >> first;
      task.progress(done, total, first);
      return "ok";
    }
    std::getline(words >> std::ws, first);
    if (command == "phase") {
      task.phase(first);
    } else if (command == "shield") {
      entry.shields.push_back(task.shield(first));
    } else if (command == "unshield") {
      entry.shields.pop_back();
    } else if (command == "burn") {
      Burn(task, std::chrono::milliseconds(std::stoi(first)));
    } else if (command == "finish") {
      task.finish(first == "success"     ? quell::Outcome::success
                  : first == "cancelled" ? quell::Outcome::cancelled
                  : first == "timeout"   ? quell::Outcome::timeout
                                         : quell::Outcome::failure);
    } else if (command == "inject") {
      std::string out;
      task.context().Inject(first == "environment" ? quell::Carrier::environment
                            : first == "grpc"      ? quell::Carrier::grpc
                                                   : quell::Carrier::http,
                            [&](std::string_view key, std::string_view value) {
                              out += (out.empty() ? "" : " ") + std::string(key) + "=" +
                                     std::string(value);
                            });
      return out;
    } else {
      return "unknown command " + command;
    }
    return "ok";
  }

  static void Burn(quell::Task& task, std::chrono::nanoseconds time) {
    const auto measure = task.measure_this_thread();
    const auto used = [] {
      timespec now{};
      // lint: allow(clock): an amount that was used, no moment.
      clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
      return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
    };
    for (const auto start = used(); used() - start < time;) {
    }
  }

  static std::string Wait(quell::Task& task) {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::unique_lock lock(mutex);
    const std::stop_token token = task.stop_token();
    changed.wait_for(lock, token, std::chrono::seconds(20), [] { return false; });
    if (!token.stop_requested()) return "no";
    const auto request = task.cancel_request();
    return request ? "cancelled " + request->by + " " + request->reason
                   : "cancelled without a request";
  }

  static std::string Fork(quell::Task& task) {
    int pipe_fds[2];
    if (pipe(pipe_fds) != 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
      const std::string seen =
          (task.tracked() ? task.id() : "-") + " " + (task.cancelled() ? "1" : "0");
      const ssize_t written = write(pipe_fds[1], seen.data(), seen.size());
      _exit(written == static_cast<ssize_t>(seen.size()) ? 0 : 1);
    }
    close(pipe_fds[1]);
    char buffer[128];
    const ssize_t got = read(pipe_fds[0], buffer, sizeof(buffer));
    close(pipe_fds[0]);
    waitpid(child, nullptr, 0);
    return std::string(buffer, got > 0 ? static_cast<std::size_t>(got) : 0);
  }

  static std::string Linger() {
    const pid_t child = fork();
    if (child != 0) return std::to_string(child);
    close(0);
    close(1);
    for (;;)
      pause();
  }

  // Children that did not end well, while threads report without a pause.
  static int Forks(quell::Task& task, int count) {
    std::atomic<bool> enough{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        for (std::uint64_t done = 0; !enough; ++done)
          task.progress(done, 1'000'000'000);
      });
    }
    int hung = 0;
    for (int i = 0; i < count; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        alarm(20);  // For one that hangs.
        task.progress(1, 2);
        task.finish(quell::Outcome::failure);
        task.child("sdk/forked").finish(quell::Outcome::success);
        _exit(quell_flush(20'000) != 0 ? 0 : 1);
      }
      int status = 0;
      waitpid(child, &status, 0);
      if (status != 0) ++hung;
    }
    enough = true;
    for (std::thread& thread : threads)
      thread.join();
    return hung;
  }

  std::map<std::string, Entry> tasks_;
};

std::mutex said_mutex;
std::vector<std::string> said;

std::string Said() {
  const std::lock_guard lock(said_mutex);
  std::string all;
  for (const std::string& one : said)
    all += (all.empty() ? "" : "; ") + one;
  return all;
}

}  // namespace

int main() {
  quell_on_error(
      [](void*, const char* message) {
        const std::lock_guard lock(said_mutex);
        said.emplace_back(message);
      },
      nullptr);
  Probe probe;
  for (std::string line; std::getline(std::cin, line);)
    std::cout << probe.Answer(line) << std::endl;
  return 0;
}
