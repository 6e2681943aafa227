// The rows of tombstones, in the order in which their tasks have ended, and how many an intent has.
// Used by sqlite_journal and journal_rows alone.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "host/sqlite.h"
#include "node/journal/journal.h"

namespace quell {

// `ended` puts the tombstones in their order; null: not known to have ended.
inline constexpr std::string_view kForgettingRows = R"sql(
ALTER TABLE life ADD COLUMN forgotten_below INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tombstones ADD COLUMN ended INTEGER;
CREATE INDEX ended_tombstones ON tombstones(ended);
)sql";

// A migration: `marks` counted a tombstone again each time it was written again. And what brings
// the counts in order when rows are lost: sqlite::OpenOptions::repair.
inline constexpr std::string_view kCountMarks = R"sql(
UPDATE intents SET marks = 0;
UPDATE intents SET marks = counted.n FROM
  (SELECT intent, count(*) AS n FROM tombstones GROUP BY intent) AS counted
  WHERE counted.intent = intents.id;
)sql";

// Within the transaction of the caller. Returns whether there was none yet; the first mark stays,
// and only becomes stronger.
Result<bool> KeepTombstone(sqlite::Database& database, const Tombstone& tombstone);
// The intent has so many more.
Status CountMarks(sqlite::Database& database, std::string_view intent, int change);
Status EndTombstone(sqlite::Database& database, std::uint64_t number);
Status DropTombstones(sqlite::Database& database, std::span<const std::uint64_t> numbers);

}  // namespace quell
