// An indexing program: one task for the whole, one child for each shard, progress as it goes. A
// cancel of the whole reaches the shards; each stops between two documents and leaves its shard as
// it was.
//
//   index_rebuild [SHARDS] [DOCUMENTS_PER_SHARD]
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <quell/task.hpp>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace {

// Stands for the work on one document; a stop ends the wait at once.
void IndexOneDocument(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any wait;
  std::unique_lock lock(mutex);
  wait.wait_for(lock, stop, std::chrono::milliseconds(20), [] { return false; });
}

void RebuildShard(const quell::Task& whole, int shard, std::uint64_t documents) {
  quell::Task task = whole.child("index/rebuild[shard]", "shard " + std::to_string(shard));
  try {
    for (std::uint64_t done = 0; done < documents; ++done) {
      task.throw_if_cancelled();
      IndexOneDocument(task.stop_token());
      task.progress(done + 1, documents, "documents");
    }
    // Swapping the files must not be torn: a cancel waits for it, and everybody sees why.
    const auto shield = task.shield("swapping the files of shard " + std::to_string(shard));
    std::printf("shard %d rebuilt\n", shard);
  } catch (const quell::Cancelled& cancelled) {
    std::printf("shard %d left as it was: %s\n", shard, cancelled.what());
    task.finish(quell::Outcome::cancelled);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int shards = argc > 1 ? std::atoi(argv[1]) : 3;
  const std::uint64_t documents = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 100;
  setvbuf(stdout, nullptr, _IOLBF, 0);

  quell::Task whole("index/rebuild", std::to_string(shards) + " shards");
  std::vector<std::jthread> workers;
  for (int shard = 0; shard < shards; ++shard) {
    workers.emplace_back([&whole, shard, documents] { RebuildShard(whole, shard, documents); });
  }
  workers.clear();  // Joins them.
  if (whole.cancelled()) {
    whole.finish(quell::Outcome::cancelled);
    return 3;
  }
  std::puts("index rebuilt");
  return 0;
}
