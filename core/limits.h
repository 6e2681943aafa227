// Every bound of the system, in one place, with its reason. Meeting one is tested.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace quell::limits {

using namespace std::chrono_literals;

// Time.
inline constexpr auto kNodeDeadline =
    5s;  // A fan-out waits so long for a node unless told otherwise.
inline constexpr auto kNodeDeadlineMax = 60s;
inline constexpr auto kWaitDefault = 30s;  // For the end of tasks, unless told otherwise.
inline constexpr auto kWaitMax = 3600s;
inline constexpr auto kWaitMargin =
    1s;  // Of a wait at most, or a quarter of it: kept for the answers to travel.
inline constexpr auto kHeartbeatInterval = 1s;
inline constexpr auto kHeartbeatDeadline = 3s;
inline constexpr auto kSilentAfter = 4s;    // Without a heartbeat a node counts as silent.
inline constexpr auto kProbeDeadline = 1s;  // Is the older holder of a node id still alive?
inline constexpr auto kJoinBackoffMin = 100ms;
inline constexpr auto kJoinBackoffMax = 2s;
inline constexpr auto kSessionLease =
    60s;  // A session without stream and pid; each call renews it.
inline constexpr auto kGraceDefault = 10s;
inline constexpr auto kGraceMax = 3600s;
inline constexpr auto kStopDeadline = 5s;  // A daemon that is told to stop has stopped by then.

// Names and texts, in bytes. OpenSearch sets none; these keep a task near a kilobyte.
inline constexpr std::size_t kActionMax = 128;
inline constexpr std::size_t kDescriptionMax = 4096;
inline constexpr std::size_t kStatusMax = 16 * 1024;
inline constexpr std::size_t kReasonMax = 256;
inline constexpr std::size_t kNodeNameMax = 128;
inline constexpr std::size_t kHeadersMax = 8;
inline constexpr std::size_t kHeaderValueMax = 1024;
inline constexpr std::size_t kAncestorsMax = 16;
inline constexpr std::size_t kKeyMax = 128;  // Of a registration.

// Tables of a node.
inline constexpr std::size_t kTasksPerNodeMax = 200'000;
inline constexpr std::size_t kTasksPerUidMax = 20'000;
inline constexpr std::size_t kSessionsMax = 4096;
inline constexpr std::size_t kEndedKept =
    10'000;  // Ended tasks kept readable, oldest forgotten first.
inline constexpr std::size_t kEndedBytesKept = 64 * 1024 * 1024;   // Likewise.
inline constexpr auto kEndedAgeKept = std::chrono::hours(24 * 7);  // Likewise.
inline constexpr std::size_t kTombstonesKept =
    100'000;  // Of cancelled tasks that do not live, the first that ended forgotten first; each
              // live task can have one besides.
inline constexpr std::uint64_t kIdBlock = 1000;  // Numbers reserved ahead in one durable write.
inline constexpr std::size_t kRegisterBatchMax = 10'000;
inline constexpr std::size_t kFinishBatchMax = 10'000;
inline constexpr std::size_t kCommandsQueuedMax = 10'000;  // Per session whose stream is not read.
inline constexpr std::size_t kLocalBodyMax = 2 * 1024 * 1024;  // A batch of registrations.
inline constexpr std::size_t kLocalConnectionsMax =
    kSessionsMax + 1024;                                // Each session may hold one open.
inline constexpr std::size_t kRegistrationsMax = 1024;  // Under way: waiting for the disk.
inline constexpr std::size_t kAppliedKept =
    200'000;  // Intents known as applied; those that hit nothing are forgotten, oldest first.
inline constexpr std::size_t kFiltersKept =
    1000;  // Applied filters that still catch tasks which register late, the newest ones.
inline constexpr std::size_t kWaitsPerNodeMax = 1024;  // Requests that wait for tasks to end.
inline constexpr std::size_t kAwaitedMax =
    2 * kTasksPerNodeMax;  // Tasks they wait for; one that two wait for counts twice.
inline constexpr std::size_t kOwedMax =
    10'000;  // Cancels born here that no store has yet; what is born then stays here.
inline constexpr std::size_t kReceiptsPerAck = 10'000;  // The rest can be asked for.
inline constexpr std::size_t kNoteMax = 1024;           // Of a receipt; longer ones are cut.
inline constexpr auto kStillRunsAfter =
    15s;  // A cancelled task counts as still running then: the default grace and time to force it.
inline constexpr auto kMeasureInterval = 1s;  // Between two looks at what a task uses.
inline constexpr auto kLostAfter = 1s;        // A named process has ended and nobody says how.
inline constexpr auto kComeBack =
    3s;  // After a restart of the node, before that: programs try again each 2 s.

// Pieces of work between which a node's executor serves others; each takes less than 1 ms.
inline constexpr std::size_t kLooksPerTurn = 2000;   // Tasks looked at.
inline constexpr std::size_t kChangesPerTurn = 250;  // Tasks registered, marked, told or ended.

// The thread that owns a database file.
inline constexpr std::size_t kDiskQueueMax = 10'000;    // Writes that somebody waits for.
inline constexpr std::size_t kDiskBehindMax = 100'000;  // Writes behind.
inline constexpr std::size_t kDiskGroup = 1000;         // Writes in one commit.
inline constexpr auto kDiskTurn = 10ms;    // After that a commit takes in nothing more.
inline constexpr auto kDiskDelay = 200ms;  // What is written behind waits so long for company.

// Tables of a coordinator.
inline constexpr std::size_t kNodesMax = 10'000;
inline constexpr std::size_t kNodeInfoMax = 16 * 1024;  // All texts that a node says of itself.
inline constexpr std::size_t kIntentsMax = 1'000'000;
inline constexpr std::size_t kReceiptsKept = 1'000'000;  // In the store; oldest forgotten first.
inline constexpr std::size_t kIntentsPerReply =
    256;                                         // Pending intents in one answer to a heartbeat.
inline constexpr std::size_t kFanOutsMax = 256;  // In flight; more are refused with 429.
inline constexpr std::size_t kWaitsMax =
    512;  // Requests that wait for tasks to end; beside kFanOutsMax, which they do not use up.
inline constexpr std::size_t kGroupParentsMax =
    100'000;  // Tasks in one answer that are put in order over all nodes: by parents, or as a
              // table.
// A list: what is held of it, and from where on it is streamed.
inline constexpr std::size_t kListHeld = 20'000;   // Tasks, in even shares of the nodes.
inline constexpr std::size_t kListShareMin = 100;  // Of one node, however many there are.
inline constexpr std::size_t kListPart = 5'000;    // Tasks of one node that are streamed at a time.
inline constexpr std::size_t kListPartBytes =
    4 * 1024 * 1024;  // A node that was given a limit brings no more, and says so.
inline constexpr std::size_t kListSizeMax = 10'000;  // `size`: tasks on one page.
inline constexpr std::size_t kNodePatternsMax = 64;  // Patterns of node names in one request.
inline constexpr std::size_t kFilterPathsMax = 64;   // Paths in one `filter_path`.

// HTTP answers and requests.
inline constexpr std::size_t kGzipMin = 256;  // Bytes of a body below which gzip is no gain.
inline constexpr std::size_t kGzipSlice = 64 * 1024;      // Bytes packed in one turn: below 1 ms.
inline constexpr std::size_t kWarningsRemembered = 1000;  // Texts by X-Opaque-Id; 8 MB at most.
inline constexpr std::size_t kRequestIdsMax =
    16 * 1024;  // X-Opaque-Id and X-Request-Id with their names, two bytes a character.

// The wire between node and coordinator.
inline constexpr std::size_t kPageTasks = 500;  // Tasks in one message, and in one turn of a loop.
inline constexpr std::size_t kPageBytes = 512 * 1024;
inline constexpr std::size_t kGrpcMessageMax = 4 * 1024 * 1024;
inline constexpr std::size_t kAsksPerNodeMax = 1024;  // Waiting for one node.
inline constexpr std::size_t kPrincipalMax = 256;     // A principal's name.
inline constexpr std::size_t kActionPatternsMax =
    2048;  // In a filter; a request line holds no more.
inline constexpr std::size_t kActionPatternMax = 4096;  // Likewise.
inline constexpr std::size_t kLinksMax = 16;  // Coordinators that one node serves at a time.
inline constexpr std::size_t kLinkBytesMax =
    16 * 1024 * 1024;  // Answers that wait for one coordinator to read; then asks are refused.
inline constexpr std::size_t kMembershipCallsMax = 4096;  // Joins and heartbeats under way.

}  // namespace quell::limits
