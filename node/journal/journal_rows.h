// The tables of the journal and how values become rows. Used by sqlite_journal alone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/limits.h"
#include "host/sqlite.h"
#include "node/journal/journal.h"

namespace quell {

// How much of what has ended is kept.
struct EndedLimits {
  std::size_t count = limits::kEndedKept;
  std::size_t bytes = limits::kEndedBytesKept;
  std::chrono::seconds age = limits::kEndedAgeKept;
};

std::span<const std::string_view> JournalMigrations();

// A new incarnation, durable when this returns. `life` is its name. Numbers that were given out in
// commits which are lost are not given out again.
Status BeginLife(sqlite::Database& database, const LifeId& life);
// Everything that the node needs to go on in the life that has begun. Rows that cannot be read are
// left out, and named.
Result<JournalState> LoadJournal(sqlite::Database& database, const NodeId& node);

// Within the transaction of the caller.
Status ReserveTaskNumbers(sqlite::Database& database, std::uint64_t end);
Status KeepApplied(sqlite::Database& database, const AppliedIntent& applied, std::size_t max);
Status KeepHandedOver(sqlite::Database& database, const IntentId& intent);
Status KeepReceipt(sqlite::Database& database, const Receipt& receipt);
Status KeepLive(sqlite::Database& database, std::span<const LiveTaskRecord> tasks);
// They live no longer.
Status KeepEnded(sqlite::Database& database, std::span<const Task> tasks,
                 const EndedLimits& limits);
// As Journal::ListEnded().
Result<std::vector<Task>> LoadEndedSince(sqlite::Database& database, const NodeId& node,
                                         WallTime since, std::uint64_t after);
// Errors: kNotFound.
Result<Task> LoadEnded(sqlite::Database& database, const NodeId& node, std::uint64_t number);

}  // namespace quell
