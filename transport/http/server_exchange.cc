#include "transport/http/server_exchange.h"

#include <boost/asio/post.hpp>

#include "core/limits.h"
#include "core/turn_watch.h"
#include "transport/http/gzip.h"

namespace quell::http {

template <typename Work>
void ServerExchange::Run(Work work) {
  boost::asio::io_context& context = connection_->context();
  if (posted_ == 0 && context.get_executor().running_in_this_thread()) {
    work(*connection_);
    return;
  }
  ++posted_;
  boost::asio::post(context, [self = shared_from_this(), work = std::move(work)]() mutable {
    const Turn turn("an answer on its way");
    --self->posted_;
    work(*self->connection_);
  });
}

// What was posted holds the exchange, so nothing is on its way any more.
ServerExchange::~ServerExchange() {
  if (complete_) return;
  boost::asio::io_context& context = connection_->context();
  if (context.get_executor().running_in_this_thread()) {
    connection_->Abandon(call_);
  } else {
    boost::asio::post(context,
                      [connection = connection_, call = call_] { connection->Abandon(call); });
  }
}

// What leaves is booked from here on: until the client has taken it, it is held.
void ServerExchange::Book(Response& response) const {
  if (response.held || response.body.size() <= limits::kHeldFree) return;
  const auto held = std::make_shared<HeldBytes>(connection_->budget());
  if (response.promised) {
    held->Force(response.body.size());
  } else if (const std::optional<HeldRefusal> refused = held->Take(response.body.size())) {
    response = connection_->RefusalOf(*refused);
    return;
  }
  response.held = held;
}

void ServerExchange::Send(Response response) {
  Book(response);
  if (!complete_ && WantsGzip(request_, response)) {
    SendGzipped(shared_from_this(), std::move(response));
    return;
  }
  if (complete_.exchange(true)) return;
  Run([call = call_, response = std::move(response)](Connection& connection) mutable {
    connection.Answer(call, std::move(response));
  });
}

void ServerExchange::Start(Response head) {
  Run([call = call_, head = std::move(head)](Connection& connection) mutable {
    connection.StartStream(call, std::move(head));
  });
}

// The bytes are booked here, and not when they arrive at the connection: a thread that writes
// faster than the executor runs is bounded too.
void ServerExchange::Write(std::string chunk, std::function<void()> drained) {
  if (!connection_->AddQueued(chunk.size())) {
    Run([call = call_](Connection& connection) { connection.CutStream(call); });
    return;
  }
  Run([call = call_, chunk = std::move(chunk),
       drained = std::move(drained)](Connection& connection) mutable {
    connection.WriteStream(call, std::move(chunk), std::move(drained));
  });
}

void ServerExchange::End() {
  if (complete_.exchange(true)) return;
  Run([call = call_](Connection& connection) { connection.EndStream(call); });
}

void ServerExchange::OnGone(std::function<void()> gone) {
  Run([call = call_, gone = std::move(gone)](Connection& connection) mutable {
    connection.OnGone(call, std::move(gone));
  });
}

}  // namespace quell::http
