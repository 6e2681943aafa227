// What can be read of a damaged database, in a new file in its place. Used by sqlite.cc alone.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "host/sqlite.h"

namespace quell::sqlite {

// Copies each table of the new file row by row, from both ends up to the first page that is
// damaged. The damaged file and its log stay, as PATH.damaged-N.
class Rescue {
 public:
  Rescue(const std::string& path, std::span<const std::string_view> migrations,
         const OpenOptions& options)
      : path_(path), migrations_(migrations), options_(options) {}

  // The new file is whole and durable, and has the name of the old one. Errors as Database; the old
  // file is as it was.
  Status Run();

 private:
  struct Table {
    std::string name;
    std::string columns;  // That both have, separated by commas.
    bool by_row = true;   // It has row ids.
  };
  Status Keep() const;
  Result<std::vector<Table>> Tables(Database& from, Database& to) const;
  Result<std::string> Columns(Database& from, Database& to, const std::string& table) const;
  Status Copy(Database& from, Database& to, const Table& table) const;
  // Returns whether all rows could be read.
  Result<bool> CopyRows(Database& from, Database& to, const Table& table, bool backwards) const;
  void Tell(const std::string& text) const;

  const std::string path_;
  const std::span<const std::string_view> migrations_;
  const OpenOptions& options_;
};

}  // namespace quell::sqlite
