#include "host/sqlite_checksums.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include <sqlite3.h>

namespace quell::sqlite {
namespace {

constexpr int kPageMax = 65'536;
constexpr int kReservedAt = 20;  // In the file's header: bytes reserved at the end of a page.
constexpr int kPageMin = 512;

// SQLite allocates it, with room for the layer below behind it.
struct File {
  sqlite3_file base;  // First: SQLite knows no more of it.
  bool checked;       // The file reserves room for checksums.

  sqlite3_file* below() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

File& Of(sqlite3_file* file) {
  return *reinterpret_cast<File*>(file);
}

bool IsPage(int size, sqlite3_int64 offset) {
  return size >= kPageMin && size <= kPageMax && (size & (size - 1)) == 0 && offset % size == 0;
}

// Each step maps different words to different sums, so no single changed word is missed. The place
// of the page is part of it: a page that was written elsewhere is none of this one.
std::uint64_t SumOf(const unsigned char* page, int size, sqlite3_int64 offset) {
  std::uint64_t sum = 0x9e3779b97f4a7c15U ^ static_cast<std::uint64_t>(offset);
  for (int at = 0; at + kChecksumBytes < size; at += kChecksumBytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, page + at, sizeof(word));
    sum = (sum ^ word) * 0xd6e8feb86659fd93U;
    sum ^= sum >> 32U;
  }
  return sum;
}

void LearnFrom(File& file, const void* bytes, int size, sqlite3_int64 offset) {
  if (offset != 0 || size <= kReservedAt) return;
  file.checked = static_cast<const unsigned char*>(bytes)[kReservedAt] == kChecksumBytes;
}

int Read(sqlite3_file* handle, void* bytes, int size, sqlite3_int64 offset) {
  File& file = Of(handle);
  const int code = file.below()->pMethods->xRead(file.below(), bytes, size, offset);
  if (code != SQLITE_OK) return code;
  LearnFrom(file, bytes, size, offset);
  if (!file.checked || !IsPage(size, offset)) return SQLITE_OK;
  const auto* page = static_cast<const unsigned char*>(bytes);
  std::uint64_t kept = 0;
  std::memcpy(&kept, page + size - kChecksumBytes, sizeof(kept));
  return kept == SumOf(page, size, offset) ? SQLITE_OK : SQLITE_IOERR_DATA;
}

int Write(sqlite3_file* handle, const void* bytes, int size, sqlite3_int64 offset) {
  File& file = Of(handle);
  sqlite3_file* below = file.below();
  LearnFrom(file, bytes, size, offset);
  if (!file.checked || !IsPage(size, offset)) {
    return below->pMethods->xWrite(below, bytes, size, offset);
  }
  std::array<unsigned char, kPageMax> page;
  std::memcpy(page.data(), bytes, static_cast<std::size_t>(size));
  const std::uint64_t sum = SumOf(page.data(), size, offset);
  std::memcpy(page.data() + size - kChecksumBytes, &sum, sizeof(sum));
  return below->pMethods->xWrite(below, page.data(), size, offset);
}

// The rest is the layer's below.
template <auto Method, typename... Args>
auto Pass(sqlite3_file* handle, Args... args) {
  sqlite3_file* below = Of(handle).below();
  return (below->pMethods->*Method)(below, args...);
}

int Close(sqlite3_file* handle) {
  return Pass<&sqlite3_io_methods::xClose>(handle);
}
int Truncate(sqlite3_file* handle, sqlite3_int64 size) {
  return Pass<&sqlite3_io_methods::xTruncate>(handle, size);
}
int Sync(sqlite3_file* handle, int flags) {
  return Pass<&sqlite3_io_methods::xSync>(handle, flags);
}
int FileSize(sqlite3_file* handle, sqlite3_int64* size) {
  return Pass<&sqlite3_io_methods::xFileSize>(handle, size);
}
int Lock(sqlite3_file* handle, int level) {
  return Pass<&sqlite3_io_methods::xLock>(handle, level);
}
int Unlock(sqlite3_file* handle, int level) {
  return Pass<&sqlite3_io_methods::xUnlock>(handle, level);
}
int CheckReservedLock(sqlite3_file* handle, int* held) {
  return Pass<&sqlite3_io_methods::xCheckReservedLock>(handle, held);
}
int FileControl(sqlite3_file* handle, int what, void* argument) {
  return Pass<&sqlite3_io_methods::xFileControl>(handle, what, argument);
}
int SectorSize(sqlite3_file* handle) {
  return Pass<&sqlite3_io_methods::xSectorSize>(handle);
}
int DeviceCharacteristics(sqlite3_file* handle) {
  return Pass<&sqlite3_io_methods::xDeviceCharacteristics>(handle);
}
int ShmMap(sqlite3_file* handle, int page, int size, int extend, void volatile** to) {
  return Pass<&sqlite3_io_methods::xShmMap>(handle, page, size, extend, to);
}
int ShmLock(sqlite3_file* handle, int offset, int count, int flags) {
  return Pass<&sqlite3_io_methods::xShmLock>(handle, offset, count, flags);
}
void ShmBarrier(sqlite3_file* handle) {
  Pass<&sqlite3_io_methods::xShmBarrier>(handle);
}
int ShmUnmap(sqlite3_file* handle, int remove) {
  return Pass<&sqlite3_io_methods::xShmUnmap>(handle, remove);
}

// Version 2: no page is mapped into memory, past Read().
constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         ShmMap,
                                         ShmLock,
                                         ShmBarrier,
                                         ShmUnmap,
                                         nullptr,
                                         nullptr};

sqlite3_vfs* Below(sqlite3_vfs* layer) {
  return static_cast<sqlite3_vfs*>(layer->pAppData);
}

int Open(sqlite3_vfs* layer, const char* name, sqlite3_file* handle, int flags, int* got) {
  sqlite3_vfs* below = Below(layer);
  if ((flags & SQLITE_OPEN_MAIN_DB) == 0) return below->xOpen(below, name, handle, flags, got);
  File* file = new (handle) File{};
  const int code = below->xOpen(below, name, file->below(), flags, got);
  file->base.pMethods = file->below()->pMethods != nullptr ? &kMethods : nullptr;
  return code;
}

struct Layer {
  sqlite3_vfs vfs{};
  Layer() {
    sqlite3_vfs* below = ::sqlite3_vfs_find(nullptr);
    vfs = *below;  // What takes no file is the layer's below, with its own data.
    vfs.pNext = nullptr;
    vfs.zName = "quell";
    vfs.szOsFile = static_cast<int>(sizeof(File)) + below->szOsFile;
    vfs.xOpen = Open;
    vfs.pAppData = below;
    PassTheRest();
    ::sqlite3_vfs_register(&vfs, 0);
  }
  void PassTheRest();
};

void Layer::PassTheRest() {
  vfs.xDelete = [](sqlite3_vfs* layer, const char* name, int sync) {
    return Below(layer)->xDelete(Below(layer), name, sync);
  };
  vfs.xAccess = [](sqlite3_vfs* layer, const char* name, int flags, int* result) {
    return Below(layer)->xAccess(Below(layer), name, flags, result);
  };
  vfs.xFullPathname = [](sqlite3_vfs* layer, const char* name, int size, char* full) {
    return Below(layer)->xFullPathname(Below(layer), name, size, full);
  };
  vfs.xDlOpen = nullptr;
  vfs.xDlError = nullptr;
  vfs.xDlSym = nullptr;
  vfs.xDlClose = nullptr;
  vfs.xRandomness = [](sqlite3_vfs* layer, int size, char* to) {
    return Below(layer)->xRandomness(Below(layer), size, to);
  };
  vfs.xSleep = [](sqlite3_vfs* layer, int micros) {
    return Below(layer)->xSleep(Below(layer), micros);
  };
  vfs.xCurrentTime = [](sqlite3_vfs* layer, double* time) {
    return Below(layer)->xCurrentTime(Below(layer), time);
  };
  vfs.xGetLastError = [](sqlite3_vfs* layer, int size, char* text) {
    return Below(layer)->xGetLastError(Below(layer), size, text);
  };
  vfs.xCurrentTimeInt64 = [](sqlite3_vfs* layer, sqlite3_int64* time) {
    return Below(layer)->xCurrentTimeInt64(Below(layer), time);
  };
  vfs.xSetSystemCall = nullptr;
  vfs.xGetSystemCall = nullptr;
  vfs.xNextSystemCall = nullptr;
}

}  // namespace

const char* ChecksumLayer() {
  static Layer layer;
  return layer.vfs.zName;
}

bool HasChecksums(sqlite3* database) {
  sqlite3_file* handle = nullptr;
  ::sqlite3_file_control(database, "main", SQLITE_FCNTL_FILE_POINTER, &handle);
  return handle != nullptr && handle->pMethods == &kMethods && Of(handle).checked;
}

}  // namespace quell::sqlite
