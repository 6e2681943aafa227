// What all tables of `_cat` share: what a request says of the table, and how it is sent.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/api/opensearch/cat/table.h"
#include "coordinator/api/opensearch/request/answer.h"

namespace quell::opensearch {

struct TableOptions {
  std::vector<Column> columns;
  std::vector<ShownColumn> shown;
  std::vector<SortKey> sort;
  std::optional<std::string> unknown_sort;
  std::int64_t time_unit = 0;  // In nanoseconds; 0: whichever fits.
  bool titles = false;
};

// `h`, `s`, `v`, `ts`, `time`; `bytes`, `pri` and `size` without effect. `s` has
// limits::kSortKeysMax keys at most; of those of one column the first one counts.
TableOptions ReadTableWishes(Params& params, std::vector<Column> columns);
std::optional<Problem> UnknownSortKey(const TableOptions& wishes, Profile profile);

// Everything about a request for a table that shows the cluster, and not tasks: `local` and the
// manager's timeouts are accepted without effect. nullopt: it was for help, or wrong, and is
// answered.
struct TableRequest {
  Style style;
  TableOptions wishes;
  bool full_id = false;
};
std::optional<TableRequest> ReadClusterTable(const ExchangePtr& exchange, Profile profile,
                                             std::vector<Column> columns, bool takes_full_id);

// As text or as JSON. `after_text`: lines that follow the text.
http::Response RenderedTable(const Style& style, const TableOptions& wishes, const Table& table,
                             const std::string& after_text, std::vector<Header> headers);
void SendTable(const ExchangePtr& exchange, const Style& style, const TableOptions& wishes,
               const Table& table, const std::string& after_text, std::vector<Header> headers);

// The port of "127.0.0.1:9300"; 0 if there is none.
std::int64_t PortOf(const std::string& address);
std::string OrDash(std::string text);

}  // namespace quell::opensearch
