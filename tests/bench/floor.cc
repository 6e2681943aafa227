#include "tests/bench/floor.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <absl/synchronization/mutex.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sqlite3.h>

#include "tests/bench/child.h"
#include "tests/bench/measure.h"

namespace quell::bench {
namespace {

constexpr char kMethod[] = "/floor/Link";

grpc::ByteBuffer Bytes(std::size_t size, const Ask* ask) {
  std::string text(std::max(size, sizeof(Ask)), 'x');
  if (ask) std::memcpy(text.data(), ask, sizeof *ask);
  const grpc::Slice slice(text);
  return {&slice, 1};
}

Ask ReadAsk(const grpc::ByteBuffer& bytes) {
  grpc::Slice slice;
  Ask ask;
  if (!bytes.DumpToSingleSlice(&slice).ok() || slice.size() < sizeof ask) Fail("floor: short ask");
  std::memcpy(&ask, slice.begin(), sizeof ask);
  return ask;
}

void Check(int code, sqlite3* database, const char* what) {
  if (code != SQLITE_OK && code != SQLITE_DONE) {
    Fail(std::string("floor: ") + what + ": " + sqlite3_errmsg(database));
  }
}

}  // namespace

class BareCommit::Impl {
 public:
  explicit Impl(const std::string& path) {
    Check(sqlite3_open(path.c_str(), &database_), database_, "open");
    Check(sqlite3_exec(database_,
                       "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                       "CREATE TABLE row (id INTEGER PRIMARY KEY, bytes BLOB);",
                       nullptr, nullptr, nullptr),
          database_, "set up");
    Check(sqlite3_prepare_v2(database_, "INSERT INTO row (bytes) VALUES (zeroblob(300))", -1,
                             &insert_, nullptr),
          database_, "prepare");
  }
  ~Impl() {
    sqlite3_finalize(insert_);
    sqlite3_close(database_);
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void Run() {
    Check(sqlite3_step(insert_), database_, "commit");
    sqlite3_reset(insert_);
  }

 private:
  sqlite3* database_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

BareCommit::BareCommit(const std::string& path) : impl_(std::make_unique<Impl>(path)) {}
BareCommit::~BareCommit() = default;
void BareCommit::Run() {
  impl_->Run();
}

class BareFanOut::Impl {
 public:
  Impl(int servers, const std::string& folder) {
    for (int i = 0; i < servers; ++i) {
      children_.push_back(std::make_unique<Child>(std::vector<std::string>{
          SelfPath(), "--floor", folder + "/floor-" + std::to_string(i) + ".db"}));
    }
    for (const auto& child : children_) {
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      auto channel = grpc::CreateCustomChannel("ipv4:127.0.0.1:" + child->ReadLine(),
                                               // lint: allow(grpc_channel): the floor is gRPC alone
                                               grpc::InsecureChannelCredentials(), arguments);
      links_.push_back(std::make_unique<Link>(channel, queue_));
    }
    for (auto& link : links_)
      link->stream->StartCall(link.get());
    void* tag = nullptr;
    bool ok = false;
    for (std::size_t i = 0; i < links_.size(); ++i) {
      if (!queue_.Next(&tag, &ok) || !ok) Fail("floor: no connection to a server");
    }
  }

  ~Impl() {
    for (auto& link : links_)
      link->context.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  void Run(const Ask& ask, int servers) {
    int open = servers;
    for (int i = 0; i < servers; ++i) {
      Link& link = *links_[static_cast<std::size_t>(i)];
      link.pages_left = ask.pages;
      link.written = false;
      link.stream->Write(Bytes(ask.request_bytes, &ask), &link.write_tag);
      link.stream->Read(&link.page, &link.read_tag);
    }
    void* tag = nullptr;
    bool ok = false;
    while (open > 0) {
      if (!queue_.Next(&tag, &ok) || !ok) Fail("floor: a stream broke");
      const Tag& done = *static_cast<Tag*>(tag);
      Link& link = *done.link;
      if (done.is_write) {
        link.written = true;
      } else if (--link.pages_left > 0) {
        link.stream->Read(&link.page, &link.read_tag);
      }
      if (link.written && link.pages_left == 0) --open;
    }
  }

  int size() const { return static_cast<int>(links_.size()); }

 private:
  struct Link;
  struct Tag {
    Link* link;
    bool is_write;
  };
  struct Link {
    Link(const std::shared_ptr<grpc::Channel>& channel, grpc::CompletionQueue& queue)
        : stub(channel), stream(stub.PrepareCall(&context, kMethod, &queue)) {}
    Tag write_tag{this, true};
    Tag read_tag{this, false};
    grpc::GenericStub stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
    grpc::ByteBuffer page;
    std::uint32_t pages_left = 0;
    bool written = false;
  };

  std::vector<std::unique_ptr<Child>> children_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Link>> links_;
};

BareFanOut::BareFanOut(int servers, const std::string& folder)
    : impl_(std::make_unique<Impl>(servers, folder)) {}
BareFanOut::~BareFanOut() = default;
void BareFanOut::Run(const Ask& ask, int servers) {
  impl_->Run(ask, servers);
}
int BareFanOut::size() const {
  return impl_->size();
}

int ServeFloor(const std::string& database_path) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  BareCommit commit(database_path);
  grpc::AsyncGenericService service;
  // lint: allow(grpc_server): the floor must be gRPC alone, without our server
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterAsyncGenericService(&service);
  const std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) Fail("floor: no server");
  std::printf("%d\n", port);
  std::fflush(stdout);

  grpc::GenericServerContext context;
  grpc::GenericServerAsyncReaderWriter stream(&context);
  grpc::ByteBuffer request;
  enum : std::uintptr_t { kCall = 1, kRead, kWrite };
  const auto tag_of = [](std::uintptr_t tag) { return reinterpret_cast<void*>(tag); };
  service.RequestCall(&context, &stream, queue.get(), queue.get(), tag_of(kCall));
  Ask ask;
  std::uint32_t pages_left = 0;
  grpc::ByteBuffer page;
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok) && ok) {
    const auto what = reinterpret_cast<std::uintptr_t>(tag);
    if (what == kRead) {
      ask = ReadAsk(request);
      pages_left = ask.pages;
      if (page.Length() != std::max<std::size_t>(ask.page_bytes, sizeof(Ask))) {
        page = Bytes(ask.page_bytes, nullptr);
      }
      if (ask.commit) commit.Run();
    } else if (what == kWrite) {
      --pages_left;
    }
    if (pages_left > 0) {
      stream.Write(page, tag_of(kWrite));
    } else {
      stream.Read(&request, tag_of(kRead));
    }
  }
  std::_Exit(0);  // The other end has gone; nothing here is worth an orderly end.
}

}  // namespace quell::bench
