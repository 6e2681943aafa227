// Goal: one directory, one living daemon, one node id for ever; whatever is in the way is named.
// Method: real directories, a second process that holds the lock and is killed, a tiny file system
// that is full or read-only.
#include "host/data_directory.h"

#include <cerrno>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/support/result_matchers.h"
#include "tests/unit/host/fixtures.h"

namespace quell {
namespace {

class DataDirectoryTest : public testing::Test {
 protected:
  ~DataDirectoryTest() override { Disk::Heal(); }

  Result<DataDirectory> Open() { return DataDirectory::Open(path_, random_); }
  NodeId OpenAndClose() {
    const auto directory = Open();
    EXPECT_THAT(directory, IsOk());
    return directory ? directory->node_id() : NodeId();
  }
  void WriteNodeId(std::string_view content) const { std::ofstream(path_ + "/node-id") << content; }

  TempDir dir_;
  std::string path_ = dir_.File("data");
  SeededRandom random_{1};
};

TEST_F(DataDirectoryTest, IsMadeForItsOwnerOnlyWithItsParents) {
  path_ = dir_.File("a/b/c");
  ASSERT_THAT(Open(), IsOk());
  for (const char* part : {"a", "a/b", "a/b/c"}) {
    struct stat info {};
    ASSERT_EQ(::stat(dir_.File(part).c_str(), &info), 0) << part;
    EXPECT_EQ(info.st_mode & 0777U, 0700U) << part;
  }
}

TEST_F(DataDirectoryTest, WhatWasOpenToOthersIsClosed) {
  OpenAndClose();
  std::ofstream(path_ + "/node.db") << "secret";
  const auto mode = [this](const std::string& file) {
    struct stat info {};
    EXPECT_EQ(::stat((path_ + file).c_str(), &info), 0) << file;
    return info.st_mode & 0777U;
  };
  const auto open_to_all = [this] {
    ASSERT_EQ(::chmod(path_.c_str(), 0755), 0);
    ASSERT_EQ(::chmod((path_ + "/node.db").c_str(), 0644), 0);
  };
  open_to_all();
  {
    const auto directory = Open();
    ASSERT_THAT(directory, IsOk());
    EXPECT_EQ(mode(""), 0700U);
    EXPECT_EQ(mode("/node.db"), 0600U);
    EXPECT_EQ(directory->closed().size(), 2u);
  }
  open_to_all();
  const auto passable = DataDirectory::Open(path_, random_, true);
  ASSERT_THAT(passable, IsOk());
  EXPECT_EQ(mode(""), 0711U) << "the socket in it must stay within reach";
  EXPECT_EQ(mode("/node.db"), 0600U);
}

TEST_F(DataDirectoryTest, NamesTheFilesInIt) {
  const auto directory = Open();
  ASSERT_THAT(directory, IsOk());
  EXPECT_EQ(directory->path(), path_);
  EXPECT_EQ(directory->File("journal.db"), path_ + "/journal.db");
}

TEST_F(DataDirectoryTest, KeepsItsNodeIdForEver) {
  const NodeId first = OpenAndClose();
  EXPECT_FALSE(first.is_null());
  EXPECT_EQ(OpenAndClose(), first);
  path_ = dir_.File("other");
  EXPECT_NE(OpenAndClose(), first);
}

TEST_F(DataDirectoryTest, TakesANodeIdThatAnEditorSaved) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  for (const std::string_view content : {"oTUltX4IQMOUUVeiohTt8A", "oTUltX4IQMOUUVeiohTt8A\n"}) {
    WriteNodeId(content);
    EXPECT_EQ(OpenAndClose().view(), "oTUltX4IQMOUUVeiohTt8A");
  }
}

TEST_F(DataDirectoryTest, RefusesADamagedNodeIdAndLeavesItAlone) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  for (const std::string content : {"", "\n", "oTUltX4IQMOUUVeiohTt8", "oTUltX4IQMOUUVeiohTt8A\n\n",
                                    "oTUltX4IQMOUUVeiohTt8B\n", "AAAAAAAAAAAAAAAAAAAAAA\n"}) {
    WriteNodeId(content);
    const auto directory = Open();
    EXPECT_THAT(directory, FailsWith(ErrorCode::kInternal, path_ + "/node-id")) << content;
    EXPECT_THAT(directory, FailsWith(ErrorCode::kInternal, "restore it from a backup")) << content;
    EXPECT_THAT(ReadSmallFile(path_ + "/node-id"), IsOkAnd(content));
  }
}

TEST_F(DataDirectoryTest, BelongsToOneDaemonInAProcess) {
  const auto first = Open();
  ASSERT_THAT(first, IsOk());
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kAlreadyExists, path_));
}

TEST_F(DataDirectoryTest, BelongsToOneProcessUntilThatEndsInWhateverWay) {
  ChildProcess other([&] {
    auto held = Open();
    if (!held) return false;
    static const DataDirectory kept = std::move(*held);
    return true;
  });
  ASSERT_TRUE(other.ready());
  const auto refused = Open();
  EXPECT_THAT(refused, FailsWith(ErrorCode::kAlreadyExists, path_));
  EXPECT_THAT(refused, FailsWith(ErrorCode::kAlreadyExists,
                                 "(pid " + std::to_string(other.pid()) + "): stop it, or"));
  other.Kill();
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(DataDirectoryTest, IsFreeAgainAfterAFailedStart) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  WriteNodeId("garbage");
  ASSERT_THAT(Open(), FailsWith(ErrorCode::kInternal));
  ASSERT_EQ(::unlink((path_ + "/node-id").c_str()), 0);
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(DataDirectoryTest, StaysLockedWhileItMovesAbout) {
  auto first = Open();
  ASSERT_THAT(first, IsOk());
  const DataDirectory moved = std::move(*first);
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kAlreadyExists));
}

TEST_F(DataDirectoryTest, RefusesAFileInItsPlace) {
  std::ofstream(path_) << "x";
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInvalidArgument, path_ + " is not a directory"));
  path_ += "/below";
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInvalidArgument, "is not a directory"));
}

TEST_F(DataDirectoryTest, RefusesTheEmptyName) {
  path_ = "";
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInvalidArgument, "--data"));
}

TEST_F(DataDirectoryTest, HasNoNodeIdUntilItIsDurable) {
  Disk::sync_error = EIO;
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kInternal, path_ + "/node-id"));
  Disk::Heal();
  EXPECT_THAT(ReadSmallFile(path_ + "/node-id"), FailsWith(ErrorCode::kNotFound));
  EXPECT_THAT(Open(), IsOk());
}

TEST_F(DataDirectoryTest, SaysThatTheDiskIsFull) {
  const Tmpfs disk("size=64k");
  if (!disk.mounted()) GTEST_SKIP() << "mounting takes a privilege";
  disk.Fill(0);
  path_ = disk.dir().File("data");
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kResourceExhausted, "free some space"));
}

TEST_F(DataDirectoryTest, SaysThatItMayNotWrite) {
  const Tmpfs disk("size=64k");
  if (!disk.mounted()) GTEST_SKIP() << "mounting takes a privilege";
  path_ = disk.dir().File("data");
  ASSERT_THAT(Open(), IsOk());
  const std::string mount = disk.dir().path();
  disk.Remount("size=64k,ro");
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kPermissionDenied, path_));
  path_ = disk.dir().File("new");
  EXPECT_THAT(Open(), FailsWith(ErrorCode::kPermissionDenied, path_));
}

}  // namespace
}  // namespace quell
