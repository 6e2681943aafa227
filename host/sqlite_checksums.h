// A checksum at the end of each page of a database file: written with it, verified when it is read.
// SQLite has them in its log only; a bit that flips in the file itself would pass for data.
#pragma once

struct sqlite3;

namespace quell::sqlite {

// Bytes that a file must reserve at the end of each page (SQLITE_FCNTL_RESERVE_BYTES). A file that
// reserves none is read and written without checksums.
inline constexpr int kChecksumBytes = 8;

// The name of SQLite's file layer (VFS) that does it, made known to SQLite by the first call. A
// page that does not have its checksum is SQLITE_IOERR_DATA. Thread-safe.
const char* ChecksumLayer();

// Whether the open file reserves room for checksums.
bool HasChecksums(sqlite3* database);

}  // namespace quell::sqlite
