#include "node/journal/tombstone_rows.h"

#include <algorithm>
#include <string>

namespace quell {

Result<bool> KeepTombstone(sqlite::Database& database, const Tombstone& tombstone) {
  const CancelMark& mark = tombstone.mark;
  Status kept = database.Run(
      "INSERT INTO tombstones(number, intent, marked_at, requested_by, reason, grace_ms, "
      "inherited, cascade) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(number) DO NOTHING",
      tombstone.number, mark.intent.view(), MicrosSinceEpoch(mark.at), mark.by, mark.reason,
      mark.grace.count(), mark.inherited, tombstone.cascade);
  if (!kept) return kept.error();
  if (database.rows_changed() > 0) return true;
  kept = database.Run(
      "UPDATE tombstones SET cascade = max(cascade, ?2), grace_ms = min(grace_ms, ?3) "
      "WHERE number = ?1",
      tombstone.number, tombstone.cascade, mark.grace.count());
  if (!kept) return kept.error();
  return false;
}

Status CountMarks(sqlite::Database& database, std::string_view intent, int change) {
  // A mark that was written before its intent was is not counted.
  return database.Run("UPDATE intents SET marks = max(0, marks + ?2) WHERE id = ?1", intent,
                      change);
}

Status EndTombstone(sqlite::Database& database, std::uint64_t number) {
  return database.Run(
      "UPDATE tombstones SET ended = (SELECT coalesce(max(ended), 0) + 1 FROM tombstones) "
      "WHERE number = ?1 AND ended IS NULL",
      number);
}

Status DropTombstones(sqlite::Database& database, std::span<const std::uint64_t> numbers) {
  std::uint64_t below = 0;
  for (const std::uint64_t number : numbers) {
    below = std::max(below, number + 1);
    std::string intent;
    {
      Result<sqlite::Statement> row =
          database.Prepare("SELECT intent FROM tombstones WHERE number = ?1");
      if (!row) return row.error();
      row->Bind(number);
      const Result<bool> found = row->Step();
      if (!found) return found.error();
      if (!*found) continue;
      intent = row->text(0);
    }
    if (Status counted = CountMarks(database, intent, -1); !counted) return counted;
    Status gone = database.Run("DELETE FROM receipts WHERE number = ?1", number);
    if (gone) gone = database.Run("DELETE FROM tombstones WHERE number = ?1", number);
    if (!gone) return gone;
  }
  return database.Run("UPDATE life SET forgotten_below = max(forgotten_below, ?1)", below);
}

}  // namespace quell
