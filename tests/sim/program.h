// A program on a simulated machine: it registers tasks (early, late, below others), obeys cancels
// or not, finishes, dies; and brings its tasks back when its node's daemon was restarted.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/sim/truth.h"

namespace quell::sim {

class Program final : public std::enable_shared_from_this<Program> {
 public:
  Program(World& world, Truth& truth, NodeHost& host, std::size_t host_index, std::uint64_t number);
  ~Program();

  void Start();
  bool alive() const { return alive_; }
  // It lives, has not finished this task, and the present life of its node has it.
  bool Runs(const TaskId& task) const;
  // Why its tasks are not known to its node's present life; empty: they are.
  std::string Estranged() const;
  // It obeys, was told of a cancel of this task, and still has not finished it.
  bool Dawdles() const;

 private:
  class Stream;
  enum class Temper : std::uint8_t { kObeys, kDefers, kIgnores };
  struct OwnTask {
    NewTask spec;
    WallTime start_wall;
    BootTime start_boot;
    std::optional<MonoTime> finish_at;  // By itself.
    bool finishing = false;
    bool finished = false;
    std::optional<TaskState> outcome;  // As it was said first.
    std::uint64_t life = 0;            // Of the node, in which it was registered last.
    std::optional<CancelCommand> told;
    std::optional<MonoTime> stop_at;
  };

  void Tick();
  void Act();
  void Later(MonoClock::duration delay, std::function<void()> work);
  bool OnNode(std::function<void(Node&)> call);

  std::vector<NewTask> Think();
  // A live task on this host, often the one that was cancelled last; null: none was found.
  const TrueTask* Relative();
  NewTask ThinkOne(const std::vector<TaskId>& own);
  void Register(RegisterRequest request, std::vector<std::optional<MonoTime>> began);
  void Registered(const Truth::Registration& registration, const Result<RegisterReply>& reply);
  void Resume();
  void ResumeRefused(const RegisterRequest& request, const Error& error);
  void ResumeSoon();

  void OpenStream();
  void BreakStream();
  void Report(const TaskId& id, const OwnTask& task);
  void Finish(const TaskId& id, OwnTask& task, TaskState outcome);
  void Finished(const TaskId& id, const Status& status);
  void Hear(const CancelCommand& command);
  void Die();
  std::vector<TaskId> Unfinished() const;
  // Those of them that the node's present life does not know.
  std::vector<TaskId> Strangers() const;

  World& world_;
  Truth& truth_;
  NodeHost& host_;
  const std::size_t host_index_;
  const std::uint64_t number_;
  Dice dice_;
  Principal who_;
  Temper temper_ = Temper::kObeys;
  bool streams_ = false;    // It keeps a stream open.
  bool names_pid_ = false;  // Its tasks name its pid.
  bool mortal_ = false;
  bool alive_ = true;
  bool busy_ = false;             // A registration is under way.
  std::uint64_t asked_life_ = 0;  // Of the node, when it began.
  std::uint64_t life_ = 0;        // Of the node that knows its tasks.
  std::size_t refusals_ = 0;      // Of its attempts to resume, in a row.
  std::string last_refusal_;
  std::optional<SessionToken> session_;
  std::shared_ptr<Stream> stream_;
  std::map<TaskId, OwnTask, ByNumber> tasks_;
};

}  // namespace quell::sim
