#include "coordinator/api/opensearch/cat/cat_table.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"

namespace quell::opensearch {

TableOptions ReadTableWishes(Params& params, std::vector<Column> columns) {
  TableOptions wishes;
  wishes.columns = std::move(columns);
  std::optional<std::vector<std::string>> h;
  if (params.Has("h")) h = params.List("h");
  wishes.shown = ChooseColumns(wishes.columns, h);
  if (!params.Bool("ts", true)) {
    std::erase_if(wishes.shown, [&](const ShownColumn& one) {
      return wishes.columns[one.column].name == "timestamp";
    });
  }
  const std::vector<std::string> keys = params.List("s");
  if (keys.size() > limits::kSortKeysMax) {
    params.Fail("[s] has more than [" + std::to_string(limits::kSortKeysMax) +
                "] sort keys: use fewer");
    return wishes;
  }
  for (const std::string& text : keys) {
    if (const std::optional<SortKey> key = ParseSortKey(wishes.columns, text)) {
      // What a column has decided it does not decide again.
      const bool there = std::any_of(wishes.sort.begin(), wishes.sort.end(),
                                     [&](const SortKey& one) { return one.column == key->column; });
      if (!there) wishes.sort.push_back(*key);
    } else if (!wishes.unknown_sort) {
      wishes.unknown_sort = text;
    }
  }
  wishes.time_unit = NanosOfUnit(params.Text("time"));
  wishes.titles = params.Bool("v", false);
  for (const char* without_effect : {"bytes", "pri", "size"})
    params.Has(without_effect);
  return wishes;
}

std::optional<Problem> UnknownSortKey(const TableOptions& wishes, Profile profile) {
  if (!wishes.unknown_sort) return std::nullopt;
  Problem problem;
  if (profile == Profile::kStrict) {
    problem.status = 500;
    problem.type = "unsupported_operation_exception";
  }
  problem.reason = "Unable to sort by unknown sort key `" + *wishes.unknown_sort + "`";
  return problem;
}

std::optional<TableRequest> ReadClusterTable(const ExchangePtr& exchange, Profile profile,
                                             std::vector<Column> columns, bool takes_full_id) {
  const http::Request& request = exchange->request();
  Params params(request);
  TableRequest table;
  table.style = ReadStyle(request, params, profile, {true});
  const bool help = params.Bool("help", false);
  if (!help) {
    params.Bool("local", false);
    params.Duration("cluster_manager_timeout");
    params.Duration("master_timeout");
    params.Duration("timeout");
    if (takes_full_id) table.full_id = params.Bool("full_id", false);
  }
  table.wishes = ReadTableWishes(params, std::move(columns));
  std::optional<Problem> problem = params.Finish();
  if (!problem && help) {
    SendText(exchange, RenderHelp(table.wishes.columns));
    return std::nullopt;
  }
  if (!problem) problem = UnknownSortKey(table.wishes, table.style.profile);
  if (!problem) return table;
  SendProblem(exchange, table.style, *problem);
  return std::nullopt;
}

http::Response RenderedTable(const Style& style, const TableOptions& wishes, const Table& table,
                             const std::string& after_text, std::vector<Header> headers) {
  if (style.format != Format::kText) {
    return Rendered(style, 200, RenderJson(table, wishes.shown), std::move(headers));
  }
  const bool documented = style.profile == Profile::kDocumented;
  return RenderedText(RenderText(table, wishes.shown, wishes.titles, documented) + after_text,
                      std::move(headers));
}

void SendTable(const ExchangePtr& exchange, const Style& style, const TableOptions& wishes,
               const Table& table, const std::string& after_text, std::vector<Header> headers) {
  SendLong(exchange, {}, 0,
           [&] { return RenderedTable(style, wishes, table, after_text, std::move(headers)); });
}

std::int64_t PortOf(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  std::int64_t port = 0;
  for (std::size_t i = colon == std::string::npos ? address.size() : colon + 1; i < address.size();
       ++i) {
    if (address[i] < '0' || address[i] > '9' || port > 65535) return 0;
    port = port * 10 + (address[i] - '0');
  }
  return port;
}

std::string OrDash(std::string text) {
  return text.empty() ? "-" : std::move(text);
}

}  // namespace quell::opensearch
