// Goal: a server listens only where it may, never beside another one, and says what to do when it
// cannot.
// Method: free ports and a temporary folder.
#include <arpa/inet.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/http/raw_client.h"
#include "tests/unit/http/server_fixture.h"

namespace quell::http {
namespace {

using testing::HasSubstr;

class ListenerTest : public ServerTest {
 protected:
  // A second server on the same context.
  Result<std::uint16_t> ListenTcp(const std::string& host, std::uint16_t port) {
    Result<std::uint16_t> result = std::uint16_t{0};
    OnServer([&] {
      if (!other_) other_ = std::make_unique<Server>(context_, router_, limits_);
      result = other_->ListenTcp(host, port);
    });
    return result;
  }
  Status ListenUnix(const std::string& path) {
    Status result;
    OnServer([&] {
      if (!other_) other_ = std::make_unique<Server>(context_, router_, limits_);
      result = other_->ListenUnix(path);
    });
    return result;
  }
  void DestroyOther() {
    OnServer([this] { other_.reset(); });
  }
  ~ListenerTest() override { DestroyOther(); }

  std::string Socket() const { return folder_ + "/node.sock"; }
  // A socket file as a killed server leaves it.
  void LeaveStaleSocket() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    Socket().copy(address.sun_path, sizeof(address.sun_path) - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(::listen(fd, 1), 0);
    ::close(fd);
  }
  std::string Hello(RawClient client) {
    client.Send("GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const auto answer = client.ReadAnswer();
    return answer ? answer->body : "";
  }

  std::unique_ptr<Server> other_;
};

TEST_F(ListenerTest, RefusesAPortThatIsTaken) {
  Start();
  const auto result = ListenTcp("127.0.0.1", port_);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(result.error().message, HasSubstr("127.0.0.1:" + std::to_string(port_)));
}

TEST_F(ListenerTest, RefusesEachAddressOffLoopbackWithTheRemedy) {
  for (const char* host : {"0.0.0.0", "::", "192.0.2.1", "example.org", "", "localhost.evil"}) {
    const auto result = ListenTcp(host, 0);
    ASSERT_FALSE(result) << host;
    EXPECT_EQ(result.error().code, ErrorCode::kPermissionDenied) << host;
    EXPECT_THAT(result.error().message, HasSubstr("127.0.0.1")) << host;
  }
}

TEST_F(ListenerTest, TakesEachSpellingOfLoopback) {
  for (const char* host : {"127.0.0.1", "localhost", "127.9.9.9"}) {
    const auto result = ListenTcp(host, 0);
    ASSERT_TRUE(result) << host << ": " << result.error();
    EXPECT_NE(*result, 0);
  }
  const auto v6 = ListenTcp("[::1]", 0);
  // There may be no IPv6 on this machine.
  EXPECT_NE(v6.error().code, ErrorCode::kPermissionDenied);
}

TEST_F(ListenerTest, TakesItsPortAgainWhileOldConnectionsLinger) {
  const auto port = ListenTcp("127.0.0.1", 0);
  ASSERT_TRUE(port);
  RawClient client = RawClient::Tcp(*port);
  client.Send("GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  client.ReadAll();  // The server closes first: its side is in TIME_WAIT.
  client.Close();
  DestroyOther();
  EXPECT_TRUE(ListenTcp("127.0.0.1", *port));
}

TEST_F(ListenerTest, ServesAUnixSocketWithThePeersCredentials) {
  ASSERT_TRUE(ListenUnix(Socket()));
  RawClient client = RawClient::Unix(Socket());
  client.Send("GET /held/1 HTTP/1.1\r\nHost: any.name\r\n\r\n");
  const auto exchange = held_.Take();
  const Principal& principal = exchange->request().principal;
  EXPECT_EQ(principal.transport, Principal::Transport::kUnixSocket);
  EXPECT_EQ(principal.uid, ::getuid());
  EXPECT_EQ(principal.pid, ::getpid());
  EXPECT_EQ(principal.address, "unix");
}

TEST_F(ListenerTest, GivesTheSocketMode0660WhateverTheUmask) {
  for (const mode_t mask : {mode_t{0}, mode_t{0077}}) {
    const mode_t before = ::umask(mask);
    ASSERT_TRUE(ListenUnix(Socket()));
    ::umask(before);
    struct stat info {};
    ASSERT_EQ(::stat(Socket().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0660U);
    DestroyOther();
  }
}

TEST_F(ListenerTest, ReplacesASocketThatNobodyListensOn) {
  LeaveStaleSocket();
  const Status listening = ListenUnix(Socket());
  ASSERT_TRUE(listening) << listening.error();
  EXPECT_EQ(Hello(RawClient::Unix(Socket())), "hello");
}

TEST_F(ListenerTest, RefusesASocketThatSomebodyListensOn) {
  Start();
  OnServer([this] { ASSERT_TRUE(server_->ListenUnix(Socket())); });
  const Status result = ListenUnix(Socket());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(result.error().message, HasSubstr(Socket()));
  EXPECT_EQ(Hello(RawClient::Unix(Socket())), "hello");
}

TEST_F(ListenerTest, LeavesAFileThatIsNoSocketAlone) {
  std::ofstream(Socket()) << "precious";
  const Status result = ListenUnix(Socket());
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kAlreadyExists);
  EXPECT_THAT(result.error().message, HasSubstr("no socket"));
  EXPECT_EQ(std::filesystem::file_size(Socket()), 8U);
}

TEST_F(ListenerTest, RefusesAPathThatIsTooLongWithItsLength) {
  const std::string longest = folder_ + "/" + std::string(107 - folder_.size() - 1, 's');
  ASSERT_EQ(longest.size(), 107U);
  EXPECT_TRUE(ListenUnix(longest));
  const Status result = ListenUnix(longest + "s");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(result.error().message, HasSubstr("108 bytes"));
  EXPECT_THAT(result.error().message, HasSubstr("shorter"));
}

TEST_F(ListenerTest, NamesAFolderThatIsNotThere) {
  const Status result = ListenUnix(folder_ + "/none/node.sock");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().message, HasSubstr("none/node.sock"));
}

TEST_F(ListenerTest, RemovesItsSocketFileWhenItStops) {
  ASSERT_TRUE(ListenUnix(Socket()));
  Counter done;
  OnServer([&] { other_->Stop(std::chrono::hours(1), [&] { done.Add(); }); });
  EXPECT_TRUE(done.Reaches(1));
  EXPECT_FALSE(std::filesystem::exists(Socket()));
}

TEST_F(ListenerTest, LeavesASuccessorsSocketFileAlone) {
  ASSERT_TRUE(ListenUnix(Socket()));
  std::filesystem::rename(Socket(), Socket() + ".old");
  Start();
  OnServer([this] { ASSERT_TRUE(server_->ListenUnix(Socket())); });
  DestroyOther();
  EXPECT_EQ(Hello(RawClient::Unix(Socket())), "hello");
}

}  // namespace
}  // namespace quell::http
