#include "node/life_rows.h"

#include <optional>
#include <utility>

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

Result<std::vector<Life>> LoadLives(sqlite::Database& database) {
  Result<sqlite::Statement> rows =
      database.Prepare("SELECT id, first_number, joined_number FROM lives ORDER BY seq");
  if (!rows) return rows.error();
  rows->Bind();
  std::vector<Life> lives;
  bool sound = true;
  Status read = rows->ForEach([&](const sqlite::Statement& row) {
    const std::optional<LifeId> id = LifeId::Parse(row.text(0));
    sound = sound && id.has_value();
    if (!id) return;
    Life& life = lives.emplace_back(Life{*id, row.number(1), {}});
    if (!row.null(2)) life.joined_number = row.number(2);
  });
  if (!read) return read.error();
  if (sound) return lives;
  return Error{ErrorCode::kInternal,
               database.path() +
                   ": unreadable lives; restore the file from a backup, or start the node on an "
                   "empty data directory"};
}

}  // namespace quell
