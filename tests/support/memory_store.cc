#include "tests/support/memory_store.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

namespace quell {
namespace {

StoredIntent Stored(const StoreFile::Kept& kept) {
  StoredIntent stored;
  stored.intent = kept.intent;
  stored.durable_at = kept.durable_at;
  for (const auto& [node, horizon] : kept.pending)
    stored.pending.push_back({node, horizon});
  return stored;
}

}  // namespace

StoreState StoreFile::Open() const {
  StoreState state;
  state.next_number = next_number;
  for (const auto& [id, node] : nodes)
    state.nodes.push_back(node);
  std::vector<const Kept*> waiting;
  for (const auto& [id, kept] : intents) {
    if (!kept.pending.empty()) waiting.push_back(&kept);
  }
  std::sort(waiting.begin(), waiting.end(),
            [](const Kept* a, const Kept* b) { return a->order < b->order; });
  for (const Kept* kept : waiting)
    state.intents.push_back(Stored(*kept));
  return state;
}

StoredIntent MemoryStore::Keep(const Intent& intent, const std::vector<PendingAt>& pending) {
  IntentId id = intent.id;
  if (const TaskId* task = intent.task()) {
    const auto [of_task, fresh] = file_.by_task.emplace(*task, id);
    if (!fresh) id = of_task->second;
  }
  const auto [place, fresh] = file_.intents.try_emplace(id);
  StoreFile::Kept& kept = place->second;
  bool stronger = fresh;
  if (fresh) {
    kept.intent = intent;
    kept.durable_at = executor_.clock().Wall();
    kept.durable_true = executor_.clock().Now();
    kept.order = file_.intents.size();
  } else if (id != intent.id) {
    stronger = Strengthen(kept.intent, intent);
  }
  // What the node has acknowledged already, unchanged, need not reach it again.
  if (stronger) {
    for (const PendingAt& at : pending) {
      kept.asked.insert(at.node);
      kept.pending.emplace(at.node, at.horizon);
    }
  }
  return Stored(kept);
}

void MemoryStore::CommitIntent(Intent intent, std::vector<PendingAt> pending,
                               std::function<void(Result<StoredIntent>)> done) {
  auto stored = std::make_shared<std::optional<StoredIntent>>();
  Commit([this, stored, intent = std::move(intent),
          pending = std::move(pending)] { *stored = Keep(intent, pending); },
         [stored, done = std::move(done)](Status status) {
           if (!status) return done(status.error());
           done(**stored);
         });
}

void MemoryStore::Acknowledge(const NodeId& node, const IntentId& intent,
                              const std::vector<Receipt>& receipts) {
  queue_.Behind([this, node, intent, receipts] {
    const auto kept = file_.intents.find(intent);
    if (kept == file_.intents.end()) return;
    kept->second.pending.erase(node);
    for (const Receipt& receipt : receipts)
      kept->second.receipts[receipt.task] = receipt;
  });
}

void MemoryStore::ReserveNumbers(std::uint64_t end, std::function<void(Status)> done) {
  Commit([this, end] { file_.next_number = std::max(file_.next_number, end); }, std::move(done));
}

void MemoryStore::PutNode(KnownNode node, std::function<void(Status)> done) {
  Commit(
      [this, node = std::move(node)] {
        file_.forgotten.erase(node.info.id);
        file_.nodes[node.info.id] = node;
        if (!node.left) return;
        GiveUp(node.info.id);
      },
      std::move(done));
}

void MemoryStore::ForgetNode(const NodeId& node, std::function<void(Status)> done) {
  Commit(
      [this, node] {
        file_.nodes.erase(node);
        file_.forgotten.insert(node);
        GiveUp(node);
      },
      std::move(done));
}

void MemoryStore::GiveUp(const NodeId& node) {
  for (auto& [id, kept] : file_.intents) {
    if (kept.pending.erase(node) > 0) kept.given_up.insert(node);
  }
}

MemoryStore::Fate MemoryStore::PickFate() {
  if (file_.unknown_next > 0) {
    --file_.unknown_next;
    return file_.unknown_is_durable ? Fate::kUnknownDurable : Fate::kUnknownLost;
  }
  if (!queue_.Chance(file_.unknown_per_thousand)) return Fate::kPlain;
  return random_->Below(2) == 0 ? Fate::kUnknownDurable : Fate::kUnknownLost;
}

void MemoryStore::Commit(std::function<void()> durable, std::function<void(Status)> done) {
  const Fate fate = PickFate();
  if (fate == Fate::kPlain) return queue_.Commit(std::move(durable), std::move(done));
  if (fate == Fate::kUnknownLost) durable = [] {};
  queue_.Commit(std::move(durable), [done = std::move(done)](const Status&) {
    done(Error{ErrorCode::kOutcomeUnknown,
               "simulated store did not say whether it committed: repeat with the same id"});
  });
}

}  // namespace quell
