// From a stop token to an Asio cancellation slot. Only for programs that use Boost.Asio already.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

namespace quell::asio {

// While it lives, a stop of `token` emits a cancellation on `executor`, which must be the executor
// (or strand) of the operations that use slot(): cancellation signals are not thread-safe.
template <typename Executor>
class Cancellation {
 public:
  Cancellation(Executor executor, std::stop_token token,
               boost::asio::cancellation_type type = boost::asio::cancellation_type::all)
      : signal_(std::make_shared<boost::asio::cancellation_signal>()) {
    std::weak_ptr<boost::asio::cancellation_signal> weak = signal_;
    callback_.emplace(std::move(token), Emit{std::move(executor), std::move(weak), type});
  }
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  boost::asio::cancellation_slot slot() noexcept { return signal_->slot(); }

 private:
  struct Emit {
    Executor executor;
    std::weak_ptr<boost::asio::cancellation_signal> signal;
    boost::asio::cancellation_type type;
    void operator()() const {
      boost::asio::post(executor, [signal = signal, type = type] {
        if (auto living = signal.lock()) living->emit(type);
      });
    }
  };

  std::shared_ptr<boost::asio::cancellation_signal> signal_;
  std::optional<std::stop_callback<Emit>> callback_;
};

}  // namespace quell::asio
