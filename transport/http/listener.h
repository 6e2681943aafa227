// Opens the sockets that a server listens on. Private to this folder.
#pragma once

#include <cstdint>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "core/result.h"

namespace quell::http {

// Errors as Server::ListenTcp().
Result<boost::asio::ip::tcp::acceptor> OpenTcp(boost::asio::io_context& context, std::string host,
                                               std::uint16_t port);

// Errors as Server::ListenUnix(). May wait up to a second for another process that is about to
// listen in the same directory.
Result<boost::asio::local::stream_protocol::acceptor> OpenUnix(boost::asio::io_context& context,
                                                               const std::string& path);

}  // namespace quell::http
