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
inline constexpr std::size_t kHeaderNameMax = 128;
inline constexpr std::size_t kHeaderValueMax = 1024;
inline constexpr std::size_t kAncestorsMax = 16;
inline constexpr std::size_t kKeyMax = 128;  // Of a registration.

// Tables of a node.
inline constexpr std::size_t kTasksPerNodeMax = 200'000;
inline constexpr std::size_t kTasksPerUidMax = 20'000;
inline constexpr std::size_t kSessionsMax = 4096;
inline constexpr std::size_t kEndedKept =
    10'000;  // Ended tasks kept readable, oldest forgotten first.
inline constexpr std::size_t kEndedBytesKept = 64 * 1024 * 1024;   // As above.
inline constexpr auto kEndedAgeKept = std::chrono::hours(24 * 7);  // As above.
inline constexpr std::size_t kTombstonesKept =
    100'000;  // Of cancelled tasks that do not live, the first that ended forgotten first; each
              // live task can have one besides.
inline constexpr std::size_t kSkippedRowsNamed =
    100;  // Rows of a journal that cannot be read and are named at the start; all are counted.
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
inline constexpr std::size_t kLivesKept =
    64;  // Starts of a node that it remembers: what shows that its data directory was restored.
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
inline constexpr std::size_t kPatternsPerLook =
    8;  // Patterns that are tried for the price of one look; more patterns, fewer looks a turn.
// A turn of an executor that takes longer is counted and logged (core/turn_watch.h).
inline constexpr auto kTurnMax = 50ms;
inline constexpr auto kTurnLogInterval = 10s;  // Between two lines about such turns.

// The thread that owns a database file.
inline constexpr std::size_t kDiskQueueMax = 10'000;    // Writes that somebody waits for.
inline constexpr std::size_t kDiskBehindMax = 100'000;  // Writes behind.
inline constexpr std::size_t kDiskGroup = 1000;         // Writes in one commit.
inline constexpr auto kDiskTurn = 10ms;    // After that a commit takes in nothing more.
inline constexpr auto kDiskDelay = 200ms;  // What is written behind waits so long for company.

// Tables of a coordinator.
inline constexpr std::size_t kNodesMax = 10'000;
inline constexpr std::size_t kNodeInfoMax = 16 * 1024;  // All texts that a node says of itself.
inline constexpr std::uint64_t kNumbersSkipped =
    1'000'000;  // When a node's data directory was restored: more than it can have given out since
                // its last heartbeat.
inline constexpr std::size_t kIntentsMax = 1'000'000;
inline constexpr std::size_t kReceiptsKept = 1'000'000;  // In the store; oldest forgotten first.
inline constexpr std::size_t kIntentsPerReply =
    256;  // Pending intents in one answer to a heartbeat.
// Requests in flight, each sort with places of its own: more of one are refused with 429, and never
// take the place of another.
inline constexpr std::size_t kFanOutsMax = 256;  // Lists and looks at one task.
inline constexpr std::size_t kWaitsMax = 512;    // Those that wait for tasks to end.
inline constexpr std::size_t kCancelsMax = 192;
inline constexpr std::size_t kDrainsMax = 16;
inline constexpr auto kUnansweredAfter =
    1s;  // A node that has answered nothing for so long, though asked, does not respond.
inline constexpr std::size_t kAsksWhileUnanswered =
    4;  // Of each sort, to a node that does not respond; more fail at once, without asking.
inline constexpr std::size_t kOwedCommitsMax =
    1024;  // Born at nodes, on their way into the store; more come with the next heartbeat.
inline constexpr std::size_t kDrainShown = 100;  // Tasks that are named when a node drains.
inline constexpr std::size_t kAwaitIdsMax =
    100;  // Tasks in one GET /quell/v1/wait; a request line holds about 130.
inline constexpr std::size_t kGroupParentsMax =
    100'000;  // Tasks in one answer that are put in order over all nodes: by parents, or as a
              // table.
// A list: what is held of it, and from where on it is streamed.
inline constexpr std::size_t kListHeld = 20'000;   // Tasks, in even shares of the nodes.
inline constexpr std::size_t kListShareMin = 100;  // Of one node, however many there are.
inline constexpr std::size_t kListPart = 5'000;    // Tasks of one node that are streamed at a time.
inline constexpr std::size_t kListPartBytes =
    4 * 1024 * 1024;  // A node that was given a limit brings no more, and says so.
inline constexpr std::size_t kTaskFailuresMax =
    100;  // Tasks of one node that are named as unreadable in one answer; all are counted.
inline constexpr std::size_t kListSizeMax = 10'000;      // `size`: tasks on one page.
inline constexpr std::size_t kNodePatternsMax = 64;      // Patterns of node names in one request.
inline constexpr std::size_t kFilterPathsMax = 64;       // Paths in one `filter_path`.
inline constexpr std::size_t kFilterPathStepsMax = 256;  // Steps in all of its paths together.
inline constexpr std::size_t kFilterPathMemo =
    4096;  // Pairs of place and key whose outcome is remembered while one answer is filtered.
inline constexpr std::size_t kSortKeysMax = 64;          // Keys in the `s` of a table.
inline constexpr std::size_t kAnswerAside = 128 * 1024;  // An answer of more bytes is put together
                                                         // beside the executor.
inline constexpr auto kHeldWait =
    30s;  // A stream waits so long for room to hold its next part, then the node has failed.
inline constexpr auto kHeldAgain = 200ms;  // Between two tries.

// HTTP answers and requests.
inline constexpr std::size_t kGzipMin = 256;  // Bytes of a body below which gzip is no gain.
inline constexpr std::size_t kGzipSlice = 64 * 1024;  // Bytes packed in one turn: below 1 ms.
// Bytes that a daemon holds for its HTTP clients (transport/http/byte_budget.h): bodies that
// arrive, answers that are gathered, answers that are not read yet.
inline constexpr std::size_t kHeldMax = 512 * 1024 * 1024;  // All of them; one request half of it.
inline constexpr std::size_t kHeldFair =
    16 * 1024 * 1024;  // What one request holds beyond it must fit into half of kHeldMax.
inline constexpr std::size_t kHeldFree = 64 * 1024;  // Of each request: not counted, never refused.
inline constexpr std::size_t kWriteSlice =
    256 * 1024;  // Bytes of an answer that must leave within the write timeout.
inline constexpr std::size_t kConnectionsReserve =
    64;  // Beyond the limit: their request is read, and served if it is a cancel.
inline constexpr std::size_t kDescriptorsKept =
    64;  // Not for connections: databases, the log, and to refuse politely.
inline constexpr std::size_t kConnectionsMin = 16;        // However few descriptors there are.
inline constexpr std::size_t kWarningsRemembered = 1000;  // Texts by X-Opaque-Id; 8 MB at most.
inline constexpr std::size_t kRequestIdsMax =
    16 * 1024;  // X-Opaque-Id and X-Request-Id with their names, two bytes a character.

// The wire between node and coordinator.
inline constexpr std::size_t kPageTasks = 500;  // Tasks in one message, and in one turn of a loop.
inline constexpr std::size_t kPageBytes = 512 * 1024;
inline constexpr std::size_t kGrpcMessageMax = 4 * 1024 * 1024;
inline constexpr std::size_t kAsksPerNodeMax = 1024;  // Waiting for one node.
static_assert(kFanOutsMax + kWaitsMax + kCancelsMax + kDrainsMax < kAsksPerNodeMax,
              "a cancel always finds a place in the queue of its node");
inline constexpr std::size_t kPrincipalMax = 256;  // A principal's name.
inline constexpr std::size_t kPeerTextMax = 1024;  // An error's text from a peer; cut there.
inline constexpr std::size_t kActionPatternsMax =
    2048;  // In a filter; a request line holds no more.
inline constexpr std::size_t kActionPatternMax = 4096;  // As above.
inline constexpr std::size_t kLinksMax = 16;  // Coordinators that one node serves at a time.
inline constexpr std::size_t kLinkBytesMax =
    16 * 1024 * 1024;  // Answers that wait for one coordinator to read; then asks are refused.
inline constexpr std::size_t kLinkBytesForCancels =
    4 * 1024 * 1024;  // Beyond that, for intents and for what is looked up before one.
inline constexpr std::size_t kMembershipCallsMax = 4096;  // Joins and heartbeats under way.

}  // namespace quell::limits
