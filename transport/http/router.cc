#include "transport/http/router.h"

#include <algorithm>
#include <cassert>

#include "transport/http/json_writer.h"

namespace quell::http {
namespace {

bool IsCapture(std::string_view segment) {
  return segment.size() >= 2 && segment.front() == '{' && segment.back() == '}';
}

std::vector<std::string> SplitPattern(std::string_view pattern) {
  assert(!pattern.empty() && pattern.front() == '/');
  std::vector<std::string> segments;
  std::size_t start = 1;
  while (start < pattern.size()) {
    const std::size_t end = std::min(pattern.find('/', start), pattern.size());
    segments.emplace_back(pattern.substr(start, end - start));
    start = end + 1;
  }
  return segments;
}

bool Matches(const std::vector<std::string>& pattern, const std::vector<std::string>& segments) {
  if (pattern.size() != segments.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (IsCapture(pattern[i]) ? segments[i].empty() : pattern[i] != segments[i]) return false;
  }
  return true;
}

// Of two patterns that match the same path: negative if `a` is literal where `b` first differs in
// kind, 0 if they are the same except for the names of captures.
int CompareSpecificity(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (IsCapture(a[i]) != IsCapture(b[i])) return IsCapture(a[i]) ? 1 : -1;
  }
  return 0;
}

}  // namespace

void Router::Add(Method method, std::string pattern, Permission permission, Handler handler) {
  segments_.push_back(SplitPattern(pattern));
  routes_.push_back({method, std::move(pattern), permission, std::move(handler)});
}

Router::Match Router::Find(Method method, const std::vector<std::string>& segments) const {
  Match match;
  const std::vector<std::string>* best = nullptr;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    if (!Matches(segments_[i], segments)) continue;
    const int order = best == nullptr ? -1 : CompareSpecificity(segments_[i], *best);
    if (order > 0) continue;
    if (order < 0) {
      best = &segments_[i];
      match.route = nullptr;
      match.allowed.clear();
    }
    match.allowed.push_back(routes_[i].method);
    if (routes_[i].method == method && match.route == nullptr) match.route = &routes_[i];
  }
  if (match.route != nullptr) {
    for (std::size_t i = 0; i < segments.size(); ++i) {
      if (IsCapture((*best)[i])) match.captures.push_back(segments[i]);
    }
  }
  std::sort(match.allowed.begin(), match.allowed.end());
  return match;
}

std::string Router::RenderError(int status, std::string_view type, std::string_view reason) const {
  if (error_body_) return error_body_(status, type, reason);
  std::string body;
  JsonWriter json(body);
  json.BeginObject().Key("error").BeginObject();
  json.Field("type", type).Field("reason", reason).EndObject();
  json.Field("status", status).EndObject();
  return body;
}

}  // namespace quell::http
