// The tables of the store and how values become rows. Used by sqlite_store.cc alone.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "coordinator/store/store.h"
#include "host/sqlite.h"

namespace quell {

std::span<const std::string_view> StoreMigrations();
// Brings in order what depends on rows that may be lost: sqlite::OpenOptions::repair.
std::string_view StoreRepair();
// Numbers that were given out in commits which are lost are not given out again.
Status SkipLostNumbers(sqlite::Database& database);

// Everything that a coordinator needs to go on.
Result<StoreState> LoadState(sqlite::Database& database);

struct IntentLimits {
  std::size_t intents = 0;
  std::size_t receipts = 0;
};

// As Store::CommitIntent(), within the transaction of the caller.
Result<StoredIntent> KeepIntent(sqlite::Database& database, const Intent& intent,
                                const std::vector<PendingAt>& pending, WallTime now,
                                const IntentLimits& limits);
Status DropPending(sqlite::Database& database, const NodeId& node, const IntentId& intent);
Status KeepReceipts(sqlite::Database& database, std::span<const Receipt> receipts,
                    const IntentLimits& limits);
// Never less than what was kept before.
Status ReserveRequestNumbers(sqlite::Database& database, std::uint64_t end);
Status KeepNode(sqlite::Database& database, const KnownNode& node);
Status DropNode(sqlite::Database& database, const NodeId& node);

}  // namespace quell
