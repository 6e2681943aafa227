#include "host/sqlite_rescue.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <sqlite3.h>

namespace quell::sqlite {
namespace {

// The first column of all rows.
Result<std::vector<std::string>> Texts(Database& database, const std::string& sql) {
  Result<Statement> rows = database.Prepare(sql);
  if (!rows) return rows.error();
  std::vector<std::string> texts;
  const Status read = rows->ForEach([&](const Statement& row) { texts.emplace_back(row.text(0)); });
  if (!read) return read.error();
  return texts;
}

}  // namespace

void Rescue::Tell(const std::string& text) const {
  if (options_.damage) options_.damage(path_ + ": " + text);
}

Status Rescue::Run() {
  if (Status kept = Keep(); !kept) return kept;
  const std::string next = path_ + ".rescued";
  for (const char* suffix : {"", "-wal", "-commits"})
    ::unlink((next + suffix).c_str());
  {
    Database::Damage ignored = Database::Damage::kNone;
    Result<Database> to = Database::OpenWhole(next, migrations_, ignored);
    if (!to) return to.error();
    Database from(path_);
    Status done = from.Connect();
    // So that it opens when its length does not fit; nothing is written.
    if (done) {
      done = from.RunScript(
          "PRAGMA locking_mode = EXCLUSIVE;"
          "PRAGMA writable_schema = ON;"
          "PRAGMA query_only = ON;");
    }
    if (!done) return done;
    ::sqlite3_db_config(to->handle_.get(), SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
    ::sqlite3_db_config(to->handle_.get(), SQLITE_DBCONFIG_ENABLE_FKEY, 0, nullptr);
    const Result<std::vector<Table>> tables = Tables(from, *to);
    if (!tables) return tables.error();
    done = to->Begin();
    for (std::size_t i = 0; done && i < tables->size(); ++i)
      done = Copy(from, *to, (*tables)[i]);
    if (done && !options_.repair.empty()) done = to->RunScript(options_.repair);
    if (done) done = to->Commit();
    if (done) done = to->RunScript("PRAGMA wal_checkpoint(TRUNCATE)");
    if (!done) return done;
  }
  // The log of the old file must be gone before the new one has its name.
  ::unlink((path_ + "-wal").c_str());
  ::unlink((next + "-commits").c_str());
  if (std::rename(next.c_str(), path_.c_str()) != 0) {
    return ErrnoError(errno, "replace", path_);
  }
  return {};
}

Status Rescue::Keep() const {
  std::error_code error;
  std::string kept;
  for (int number = 1; kept.empty(); ++number) {
    const std::string name = path_ + ".damaged-" + std::to_string(number);
    if (!std::filesystem::exists(name, error)) kept = name;
  }
  for (const char* suffix : {"", "-wal"}) {
    if (!std::filesystem::exists(path_ + suffix, error)) continue;
    std::filesystem::copy_file(path_ + suffix, kept + suffix, error);
    if (error) return ErrnoError(error.value(), "write", kept + suffix);
  }
  Tell("kept as " + kept);
  return {};
}

Result<std::vector<Rescue::Table>> Rescue::Tables(Database& from, Database& to) const {
  const auto names = Texts(to,
                           "SELECT name FROM sqlite_master WHERE type = 'table' AND "
                           "name NOT LIKE 'sqlite_%' AND name <> 'commits'");
  if (!names) return names.error();
  std::vector<Table> tables;
  for (const std::string& name : *names) {
    Result<std::string> columns = Columns(from, to, name);
    if (!columns) return columns.error();
    if (columns->empty()) continue;
    const bool by_row = to.Prepare("SELECT rowid FROM " + name).has_value();
    tables.push_back({name, std::move(*columns), by_row});
  }
  return tables;
}

Result<std::string> Rescue::Columns(Database& from, Database& to, const std::string& table) const {
  const std::string sql = "SELECT name FROM pragma_table_info('" + table + "')";
  const auto old = Texts(from, sql);
  if (!old) return old.error();
  const auto now = Texts(to, sql);
  if (!now) return now.error();
  std::string columns;
  for (const std::string& one : *now) {
    if (std::find(old->begin(), old->end(), one) == old->end()) continue;
    columns += (columns.empty() ? "" : ", ") + one;
  }
  return columns;
}

Status Rescue::Copy(Database& from, Database& to, const Table& table) const {
  if (Status emptied = to.Run("DELETE FROM " + table.name); !emptied) return emptied;
  Result<bool> all = CopyRows(from, to, table, false);
  if (all && !*all && table.by_row) {
    all = CopyRows(from, to, table, true);
    if (all) *all = false;
  }
  if (!all) return all.error();
  const auto count = Texts(to, "SELECT count(*) FROM " + table.name);
  if (!count) return count.error();
  Tell("table " + table.name + ": " + count->front() + " rows" +
       (*all ? ", all of them" : "; others cannot be read"));
  return {};
}

Result<bool> Rescue::CopyRows(Database& from, Database& to, const Table& table,
                              bool backwards) const {
  const std::string columns = (table.by_row ? "rowid, " : "") + table.columns;
  const std::string order =
      table.by_row ? std::string(" ORDER BY rowid") + (backwards ? " DESC" : "") : std::string();
  Result<Statement> read =
      from.Prepare("SELECT " + columns + " FROM " + table.name + " NOT INDEXED" + order);
  if (!read) return false;
  std::string values = "?1";
  const int count = ::sqlite3_column_count(read->handle_);
  for (int i = 2; i <= count; ++i)
    values += ", ?" + std::to_string(i);
  Result<Statement> write = to.Prepare("INSERT OR IGNORE INTO " + table.name + "(" + columns +
                                       ") VALUES(" + values + ")");
  if (!write) return write.error();
  for (;;) {
    const Result<bool> more = read->Step();
    if (!more) return false;
    if (!*more) return true;
    write->Reset();
    for (int i = 0; i < count; ++i)
      ::sqlite3_bind_value(write->handle_, i + 1, ::sqlite3_column_value(read->handle_, i));
    if (Status wrote = write->Finish(); !wrote) return wrote.error();
  }
}

}  // namespace quell::sqlite
