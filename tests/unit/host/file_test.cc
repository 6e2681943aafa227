// Goal: small files are replaced whole or not at all, and each failure names path and remedy.
// Method: real files; the disk fails by a limit of file size, by /dev/full, and by failing syncs.
#include "host/file.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"
#include "tests/unit/host/fixtures.h"

namespace quell {
namespace {

TEST(StandardDescriptorsTest, AreTakenWhenTheyAreClosedAndCannotBeUsed) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (int fd = 0; fd <= 2; ++fd)
      ::close(fd);
    HoldStandardDescriptors();
    int wrong = ::open("/", O_RDONLY) <= 2 ? 1 : 0;
    char byte = 0;
    for (int fd = 0; fd <= 2; ++fd) {
      if (::fcntl(fd, F_GETFD) != FD_CLOEXEC) wrong |= 2;
      if (::read(fd, &byte, 1) != -1 || errno != EBADF) wrong |= 4;
      if (::write(fd, &byte, 1) != -1 || errno != EBADF) wrong |= 8;
    }
    ::_exit(wrong);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

TEST(StandardDescriptorsTest, AreLeftAsTheyAreWhenTheyAreOpen) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(1);
    const int flags[] = {::fcntl(0, F_GETFD), ::fcntl(2, F_GETFD)};
    HoldStandardDescriptors();
    const bool same = ::fcntl(0, F_GETFD) == flags[0] && ::fcntl(2, F_GETFD) == flags[1];
    ::_exit(same ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

bool IsOpen(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(FileDescriptorTest, ClosesWhatItOwnsOnce) {
  const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  {
    FileDescriptor first(fd);
    FileDescriptor second(std::move(first));
    EXPECT_EQ(first.get(), -1);
    EXPECT_EQ(second.get(), fd);
    FileDescriptor third;
    third = std::move(second);
    EXPECT_TRUE(IsOpen(fd));
  }
  EXPECT_FALSE(IsOpen(fd));
}

TEST(FileDescriptorTest, LetsGoOfItsFile) {
  FileDescriptor owner(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int fd = owner.Release();
  EXPECT_FALSE(owner);
  EXPECT_TRUE(IsOpen(fd));
  ::close(fd);
}

TEST(ErrnoErrorTest, NamesActionPathCauseAndRemedy) {
  EXPECT_EQ(ErrnoError(ENOSPC, "write", "/x/y"),
            (Error{ErrorCode::kResourceExhausted,
                   "cannot write /x/y: No space left on device; free some space there",
                   ErrorCause::kStorage}));
  EXPECT_EQ(ErrnoError(EACCES, "open", "/x").code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(ErrnoError(EROFS, "open", "/x").code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(ErrnoError(ENOENT, "open", "/x").code, ErrorCode::kNotFound);
  EXPECT_EQ(ErrnoError(EMFILE, "open", "/x").code, ErrorCode::kResourceExhausted);
  EXPECT_EQ(ErrnoError(ENOTDIR, "open", "/x").code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(ErrnoError(EIO, "open", "/x").code, ErrorCode::kInternal);
}

class FileTest : public testing::Test {
 protected:
  ~FileTest() override { Disk::Heal(); }

  std::size_t FilesInDir() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(dir_.path()), {}));
  }

  TempDir dir_;
  const std::string path_ = dir_.File("a");
};

TEST_F(FileTest, ReadsBackWhatItWrote) {
  ASSERT_THAT(WriteFileDurably(path_, "first"), IsOk());
  ASSERT_THAT(WriteFileDurably(path_, std::string("se\0cond", 7)), IsOk());
  EXPECT_THAT(ReadSmallFile(path_), IsOkAnd(std::string("se\0cond", 7)));
  EXPECT_EQ(FilesInDir(), 1U) << "the new file must have taken the place of the old";
}

TEST_F(FileTest, IsReadableByItsOwnerOnly) {
  ASSERT_THAT(WriteFileDurably(path_, "x"), IsOk());
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
}

TEST_F(FileTest, SyncsTheFileAndItsDirectory) {
  const int before = Disk::syncs;
  ASSERT_THAT(WriteFileDurably(path_, "x"), IsOk());
  EXPECT_EQ(Disk::syncs - before, 2);
}

TEST_F(FileTest, KeepsTheOldContentWhenTheDiskIsFull) {
  ASSERT_THAT(WriteFileDurably(path_, "old"), IsOk());
  {
    const FileSizeLimit limit(8);
    EXPECT_THAT(WriteFileDurably(path_, "longer than the limit"),
                FailsWith(ErrorCode::kResourceExhausted, path_));
  }
  EXPECT_THAT(ReadSmallFile(path_), IsOkAnd(std::string("old")));
  EXPECT_EQ(FilesInDir(), 1U) << "the part that was written must be gone";
}

TEST_F(FileTest, KeepsTheOldContentWhenTheSyncFails) {
  ASSERT_THAT(WriteFileDurably(path_, "old"), IsOk());
  Disk::sync_error = EIO;
  EXPECT_THAT(WriteFileDurably(path_, "new"), FailsWith(ErrorCode::kInternal, path_));
  EXPECT_THAT(ReadSmallFile(path_), IsOkAnd(std::string("old")));
}

TEST_F(FileTest, SaysWhereItCannotWrite) {
  EXPECT_THAT(WriteFileDurably(dir_.File("no/such"), "x"),
              FailsWith(ErrorCode::kNotFound, dir_.File("no/such")));
}

TEST_F(FileTest, RefusesToReadMoreThanItsBound) {
  std::ofstream(path_) << std::string(100, 'x');
  EXPECT_THAT(ReadSmallFile(path_, 100), IsOk());
  EXPECT_THAT(ReadSmallFile(path_, 99), FailsWith(ErrorCode::kResourceExhausted, path_));
}

TEST_F(FileTest, SaysWhatItCannotRead) {
  EXPECT_THAT(ReadSmallFile(path_), FailsWith(ErrorCode::kNotFound, path_));
  EXPECT_THAT(ReadSmallFile(dir_.path()), FailsWith(ErrorCode::kInvalidArgument, dir_.path()));
}

TEST(OpenFileLimitTest, GoesUpToTheHardLimit) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{std::min<rlim_t>(before.rlim_max, 64), before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
  EXPECT_EQ(RaiseOpenFileLimit(), before.rlim_max);
  rlimit after{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_max);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

// Puts another file in the place of standard output.
class Redirect {
 public:
  explicit Redirect(int fd) : saved_(::dup(STDOUT_FILENO)) {
    std::fflush(stdout);  // What others wrote before does not belong there.
    ::dup2(fd, STDOUT_FILENO);
  }
  ~Redirect() {
    ::dup2(saved_, STDOUT_FILENO);
    ::close(saved_);
  }
  Redirect(const Redirect&) = delete;
  Redirect& operator=(const Redirect&) = delete;

 private:
  int saved_;
};

TEST_F(FileTest, WritesALineToStandardOutputAtOnce) {
  {
    const FileDescriptor out(::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const Redirect redirect(out.get());
    EXPECT_THAT(WriteStdoutLine("{\"ready\":true}"), IsOk());
    EXPECT_THAT(ReadSmallFile(path_), IsOkAnd(std::string("{\"ready\":true}\n")));
  }
}

TEST_F(FileTest, SaysThatNobodyReadsStandardOutput) {
  Status status;
  {
    const FileDescriptor full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    const Redirect redirect(full.get());
    status = WriteStdoutLine("x");
  }
  EXPECT_THAT(status, FailsWith(ErrorCode::kResourceExhausted, "standard output"));
}

}  // namespace
}  // namespace quell
