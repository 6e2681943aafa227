// The journal's tables of the node's lives and of what orders tasks and intents. Used by
// journal_rows.cc and sqlite_journal.cc alone.
#pragma once

#include <cstdint>
#include <string_view>

#include "host/sqlite.h"
#include "node/journal/journal.h"

namespace quell {

// What orders tasks and intents without a wall clock. Of filters that were applied before this
// there is nothing to compare: they catch nobody any more.
inline constexpr std::string_view kOrder = R"sql(
CREATE TABLE lives(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, first_number INTEGER NOT NULL,
  joined_number INTEGER);
ALTER TABLE intents ADD COLUMN moment_boot TEXT NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN moment INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN arrival_boot TEXT NOT NULL DEFAULT '';
ALTER TABLE intents ADD COLUMN arrival INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN before_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE intents ADD COLUMN after_number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE live ADD COLUMN start_boot TEXT NOT NULL DEFAULT '';
ALTER TABLE live ADD COLUMN start INTEGER NOT NULL DEFAULT 0;
)sql";

// A live task that was to be looked at once more when the node died.
inline constexpr std::string_view kUnchecked = R"sql(
ALTER TABLE live ADD COLUMN unchecked INTEGER NOT NULL DEFAULT 0;
)sql";

// Within the transaction of the caller. Only the last limits::kLivesKept stay.
Status InsertLife(sqlite::Database& database, const LifeId& life);
// The present life has joined; only the first time counts.
Status KeepJoined(sqlite::Database& database, std::uint64_t next_number);
// Columns: id, first_number, joined_number. Errors: kInvalidArgument for a row that cannot be read.
Result<Life> ReadLife(const sqlite::Statement& row);

}  // namespace quell
