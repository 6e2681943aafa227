#include "node/programs/sessions.h"

#include <utility>

namespace quell {

Session* Sessions::Create(std::uint32_t uid) {
  return by_token_.size() >= max_ ? nullptr : &Restore(uid);
}

Session& Sessions::Restore(std::uint32_t uid) {
  Session session;
  session.token = SessionToken::Make(random_);
  session.uid = uid;
  const SessionToken token = session.token;
  return by_token_.emplace(token, std::move(session)).first->second;
}

Session* Sessions::Find(const SessionToken& token) {
  const auto found = by_token_.find(token);
  return found == by_token_.end() ? nullptr : &found->second;
}

void Sessions::Drop(const Session& session) {
  const SessionToken token = session.token;
  by_token_.erase(token);
}

}  // namespace quell
