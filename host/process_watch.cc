// PidProcessWatch of host/process/process.h: apart from the rest, since it alone needs Asio.
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include "host/process/process.h"

namespace quell {
namespace {

namespace asio = boost::asio;

// Shared by its handle and by Asio's handlers.
class Watched : public std::enable_shared_from_this<Watched> {
 public:
  Watched(asio::io_context& context, Executor& executor, FileDescriptor pidfd,
          std::function<void()> exited)
      : context_(context),
        executor_(executor),
        exited_(std::move(exited)),
        pidfd_(context, pidfd.Release()) {}

  void Start() {
    pidfd_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](boost::system::error_code dropped) {
                        if (dropped) return;
                        self->executor_.Post([self] {
                          if (auto exited = std::exchange(self->exited_, nullptr)) exited();
                        });
                      });
  }

  void Drop() {
    exited_ = nullptr;
    asio::post(context_, [self = shared_from_this()] {
      boost::system::error_code ignored;
      self->pidfd_.close(ignored);
    });
  }

 private:
  asio::io_context& context_;
  Executor& executor_;
  std::function<void()> exited_;          // Of the executor's thread.
  asio::posix::stream_descriptor pidfd_;  // Of the context's thread, once started.
};

struct Handle {
  explicit Handle(std::shared_ptr<Watched> w) : watched(std::move(w)) {}
  ~Handle() { watched->Drop(); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  std::shared_ptr<Watched> watched;
};

}  // namespace

Result<std::shared_ptr<void>> PidProcessWatch::Watch(std::int32_t pid, std::uint32_t uid,
                                                     std::function<void()> exited) {
  Result<FileDescriptor> pidfd = OpenPidfd(pid);
  if (!pidfd) return pidfd.error();
  const Result<std::uint32_t> owner = ProcessUid(pid);
  // Looked at last: if the process lives on, then what was read before was about it and not about
  // another that got its pid.
  if (!owner || HasEnded(*pidfd)) {
    return owner ? Error{ErrorCode::kNotFound, "process " + std::to_string(pid) + " has ended"}
                 : owner.error();
  }
  if (*owner != uid && uid != 0) {
    return Error{ErrorCode::kPermissionDenied, "process " + std::to_string(pid) +
                                                   " belongs to user " + std::to_string(*owner) +
                                                   ", not to user " + std::to_string(uid)};
  }
  auto watched =
      std::make_shared<Watched>(context_, executor_, std::move(*pidfd), std::move(exited));
  watched->Start();
  return std::shared_ptr<void>(std::make_shared<Handle>(std::move(watched)));
}

}  // namespace quell
