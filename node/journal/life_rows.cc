#include "node/journal/life_rows.h"

#include <optional>

#include "core/limits.h"

namespace quell {

Status InsertLife(sqlite::Database& database, const LifeId& life) {
  Status added = database.Run(
      "INSERT INTO lives(id, first_number) SELECT ?1, next_number FROM life", life.view());
  if (!added) return added;
  return database.Run("DELETE FROM lives WHERE seq <= (SELECT max(seq) FROM lives) - ?1",
                      static_cast<std::int64_t>(limits::kLivesKept));
}

Status KeepJoined(sqlite::Database& database, std::uint64_t next_number) {
  return database.Run(
      "UPDATE lives SET joined_number = ?1 WHERE seq = (SELECT max(seq) FROM lives) AND "
      "joined_number IS NULL",
      next_number);
}

Result<Life> ReadLife(const sqlite::Statement& row) {
  const std::optional<LifeId> id = LifeId::Parse(row.text(0));
  if (!id) return Error{ErrorCode::kInvalidArgument, "malformed id"};
  Life life{*id, row.number(1), {}};
  if (!row.null(2)) life.joined_number = row.number(2);
  return life;
}

}  // namespace quell
