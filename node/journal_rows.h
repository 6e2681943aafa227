// The tables of the journal and how values become rows. Used by sqlite_journal.cc alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "host/sqlite.h"
#include "node/journal.h"

namespace quell {

std::span<const std::string_view> JournalMigrations();

// A new incarnation, durable when this returns.
Status BeginLife(sqlite::Database& database);
// Everything that the node needs to go on in the life that has begun.
Result<JournalState> LoadJournal(sqlite::Database& database, const NodeId& node);

// Within the transaction of the caller.
Status KeepReserved(sqlite::Database& database, std::uint64_t end);
Status KeepApplied(sqlite::Database& database, const AppliedIntent& applied, std::size_t max);
Status KeepReceipt(sqlite::Database& database, const Receipt& receipt);
Status KeepEnded(sqlite::Database& database, const Task& task, std::size_t max);
// Errors: kNotFound.
Result<Task> LoadEnded(sqlite::Database& database, const NodeId& node, std::uint64_t number);

}  // namespace quell
