// Goal: what is printed arrives whole, or its loss is known.
// Method: real pipes and devices.
#include "cli/stream_writer.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "host/file.h"

namespace quell::cli {
namespace {

std::string ReadAll(int fd) {
  std::string all;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(fd, buffer, sizeof buffer)) > 0;)
    all.append(buffer, static_cast<std::size_t>(got));
  return all;
}

TEST(StreamWriterTest, WaitsForTheReaderOfAPipeThatDoesNotBlock) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
  const std::string text(1 << 20, 'x');
  std::string seen;
  std::thread reader([&] { seen = ReadAll(ends[0]); });
  StreamWriter writer(ends[1]);
  writer.Write(text);
  writer.Close();
  reader.join();
  ::close(ends[0]);
  EXPECT_EQ(writer.error(), 0);
  EXPECT_EQ(seen, text);
}

TEST(StreamWriterTest, RemembersAFullDiskAndWritesNoMore) {
  StreamWriter writer(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  writer.Write("a");
  EXPECT_EQ(writer.error(), ENOSPC);
  writer.Write("b");
  writer.Close();
  EXPECT_EQ(writer.error(), ENOSPC);
}

TEST(StreamWriterTest, RemembersThatTheReaderHasGone) {
  ::signal(SIGPIPE, SIG_IGN);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ::close(ends[0]);
  StreamWriter writer(ends[1]);
  writer.Write("a");
  EXPECT_EQ(writer.error(), EPIPE);
  writer.Close();
  ::signal(SIGPIPE, SIG_DFL);
}

TEST(StreamWriterTest, RemembersThatItCouldNotBeClosed) {
  StreamWriter writer(-1);
  writer.Close();
  EXPECT_EQ(writer.error(), EBADF);
}

// In a child: its descriptors are its own.
TEST(StandardDescriptorsTest, AClosedOneIsNotTakenByTheNextFileAndWritingFails) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(STDIN_FILENO);
    ::close(STDOUT_FILENO);
    HoldStandardDescriptors();
    const bool taken = ::open("/dev/null", O_RDONLY) < 3;
    StreamWriter writer(STDOUT_FILENO);
    writer.Write("x");
    ::_exit(taken ? 1 : writer.error() == EBADF ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace quell::cli
