// Which handler answers what. A route without a permission does not compile.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/principal.h"
#include "transport/http/exchange.h"

namespace quell::http {

struct Route {
  Method method;
  std::string pattern;  // "/_tasks/{id}/_cancel": literal segments, {...} for exactly one segment.
  Permission permission;
  Handler handler;
};

class Router {
 public:
  // Literal segments win over captures, whatever the method: "/_tasks/_cancel" never reaches
  // "/_tasks/{id}". A capture is not empty. A HEAD without a route of its own is no GET.
  void Add(Method method, std::string pattern, Permission permission, Handler handler);

  // Who answers what no route takes, instead of the server's own 404 and 405. `allowed`: what the
  // path would take; empty: the path is unknown. It is asked before any permission.
  using Unrouted =
      std::function<void(std::shared_ptr<Exchange>, const std::vector<Method>& allowed)>;
  void SetUnrouted(Unrouted unrouted) { unrouted_ = std::move(unrouted); }
  const Unrouted& unrouted() const { return unrouted_; }

  // Answers what no route takes: a known path with another method gets 405 and `Allow`, an unknown
  // path 404, a principal without the permission 403. `error_body(status, type, reason)` renders
  // the body, so that each API keeps its own error shape.
  using ErrorBody = std::function<std::string(int, std::string_view, std::string_view)>;
  void SetErrorBody(ErrorBody body) { error_body_ = std::move(body); }

  struct Match {
    const Route* route = nullptr;  // Null: nothing, see allowed.
    std::vector<std::string> captures;
    std::vector<Method> allowed;  // What the path would take; empty: the path is unknown.
  };
  // Valid until the next Add().
  Match Find(Method method, const std::vector<std::string>& segments) const;

  // The body of an error answer; without SetErrorBody()
  // {"error":{"type":TYPE,"reason":REASON},"status":STATUS}.
  std::string RenderError(int status, std::string_view type, std::string_view reason) const;

 private:
  std::vector<Route> routes_;
  std::vector<std::vector<std::string>> segments_;  // Of routes_, split.
  ErrorBody error_body_;
  Unrouted unrouted_;
};

}  // namespace quell::http
