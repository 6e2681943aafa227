#include "coordinator/api/opensearch/format/filter_path.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "coordinator/api/opensearch/format/json_events.h"
#include "core/limits.h"
#include "core/wildcard.h"

namespace quell::opensearch {
namespace {

using Path = FilterPath::Path;

Path Split(std::string_view text) {
  Path path;
  std::string step;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == '.') {
      step += text[++i];
    } else if (text[i] == '.') {
      path.push_back(std::exchange(step, {}));
    } else {
      step += text[i];
    }
  }
  path.push_back(std::move(step));
  return path;
}

// Where in the paths a value stands: for each path the steps that may be next, as one set. The sets
// are numbered as they are met, and what a key makes of one is remembered, so that filtering takes
// time in proportion to the text, whatever the patterns are.
class Places {
 public:
  using Set = std::uint32_t;
  static constexpr Set kEnded = 0;    // A path has led here.
  static constexpr Set kNowhere = 1;  // None can any more.

  explicit Places(const std::vector<Path>& paths) {
    std::vector<std::uint32_t> firsts;
    for (const Path& path : paths) {
      firsts.push_back(static_cast<std::uint32_t>(steps_.size()));
      for (std::size_t i = 0; i < path.size(); ++i)
        steps_.push_back({&path[i], path[i] == "**", i + 1 == path.size()});
    }
    marks_.resize(steps_.size());
    sets_.resize(2);
    start_ = Number(std::move(firsts));
  }

  Set start() const { return start_; }

  Set Follow(Set from, std::string_view raw_key) {
    key_.assign(raw_key);
    key_ += '\0';
    key_.append(reinterpret_cast<const char*>(&from), sizeof(from));
    const auto known = memo_.find(key_);
    if (known != memo_.end()) return known->second;
    const Set next = Number(Next(from, Unescaped(raw_key)));
    if (memo_.size() < limits::kFilterPathMemo) memo_.emplace(key_, next);
    return next;
  }

 private:
  struct Step {
    const std::string* pattern;
    bool deep;
    bool last;
  };
  using Steps = std::vector<std::uint32_t>;

  // Nullopt: a path has ended.
  std::optional<Steps> Next(Set from, const std::string& key) {
    Steps next;
    ++round_;
    const auto add = [&](std::uint32_t step) {
      if (std::exchange(marks_[step], round_) != round_) next.push_back(step);
    };
    for (const std::uint32_t at : *sets_[from]) {
      const Step& step = steps_[at];
      if (!step.deep && !WildcardMatch(*step.pattern, key)) continue;
      if (step.last) return std::nullopt;
      add(at + 1);
      if (step.deep) add(at);
    }
    return next;
  }

  Set Number(std::optional<Steps> steps) {
    if (!steps) return kEnded;
    if (steps->empty()) return kNowhere;
    std::sort(steps->begin(), steps->end());
    const auto [at, added] = numbers_.emplace(std::move(*steps), static_cast<Set>(sets_.size()));
    if (added) sets_.push_back(&at->first);
    return at->second;
  }

  std::vector<Step> steps_;
  std::vector<std::uint64_t> marks_;  // The round that added the step last.
  std::uint64_t round_ = 0;
  std::map<Steps, Set> numbers_;
  std::vector<const Steps*> sets_;  // By number; of the first two there are none.
  std::unordered_map<std::string, Set> memo_;
  std::string key_;
  Set start_ = kNowhere;
};

// Copies what it is told about, if `inclusive` only what the paths lead to, else all but that.
class Copier final : public JsonEvents {
 public:
  Copier(const std::vector<Path>& paths, bool inclusive) : places_(paths), inclusive_(inclusive) {
    next_.places = places_.start();
  }

  void OnOpen(bool object, bool) override {
    const bool root = frames_.empty();
    Frame frame = Next();
    frame.object = object;
    frames_.push_back(frame);
    if (frames_.back().fate == Fate::kWhole || (root && object)) Materialize();
  }

  void OnClose(bool object) override {
    if (frames_.back().written) out_ += object ? '}' : ']';
    frames_.pop_back();
    written_ = std::min(written_, frames_.size());
  }

  void OnKey(std::string_view raw) override {
    const Frame& frame = frames_.back();
    next_ = Frame{};
    next_.fate = frame.fate;
    if (frame.fate == Fate::kPartly) {
      next_.places = places_.Follow(frame.places, raw);
      if (next_.places == Places::kEnded) next_.fate = inclusive_ ? Fate::kWhole : Fate::kGone;
      if (next_.places == Places::kNowhere) next_.fate = inclusive_ ? Fate::kGone : Fate::kWhole;
    }
    next_.key = raw;
  }

  void OnString(std::string_view raw) override {
    if (!BeginValue()) return;
    out_.append("\"").append(raw).append("\"");
  }
  void OnLiteral(std::string_view text) override {
    if (BeginValue()) out_ += text;
  }

  std::string Take() { return std::move(out_); }

 private:
  enum class Fate : std::uint8_t { kWhole, kPartly, kGone };
  struct Frame {
    Fate fate = Fate::kPartly;
    Places::Set places = Places::kNowhere;
    std::string_view key = {};
    bool object = false;
    bool written = false;
    bool has_values = false;
  };

  // What an open bracket or a value begins with: in an array, as the array.
  Frame Next() {
    if (frames_.empty() || frames_.back().object) return std::exchange(next_, {});
    Frame frame;
    frame.fate = frames_.back().fate;
    frame.places = frames_.back().places;
    return frame;
  }

  // False: it is left out.
  bool BeginValue() {
    const Frame frame = Next();
    if (frame.fate == Fate::kGone || (frame.fate == Fate::kPartly && inclusive_)) return false;
    Materialize();
    Separate(frames_.size(), frame.key);
    return true;
  }

  // Writes the brackets that are open and not written yet: the innermost ones.
  void Materialize() {
    for (; written_ < frames_.size(); ++written_) {
      Frame& frame = frames_[written_];
      Separate(written_, frame.key);
      out_ += frame.object ? '{' : '[';
      frame.written = true;
    }
  }

  // Before a value in the frame below `depth`.
  void Separate(std::size_t depth, std::string_view key) {
    if (depth == 0) return;
    Frame& around = frames_[depth - 1];
    if (std::exchange(around.has_values, true)) out_ += ',';
    if (around.object) out_.append("\"").append(key).append("\":");
  }

  Places places_;
  const bool inclusive_;
  std::vector<Frame> frames_;
  std::size_t written_ = 0;  // How many of the frames, from the outermost one.
  Frame next_;               // Of the value that follows a key, or of the outermost one.
  std::string out_;
};

std::string Copy(std::string_view json, const std::vector<Path>& paths, bool inclusive) {
  Copier copier(paths, inclusive);
  WalkJson(json, copier);
  return copier.Take();
}

}  // namespace

Result<FilterPath> FilterPath::Parse(std::string_view text) {
  FilterPath filter;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view path = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    if (path.empty()) continue;
    const bool unwanted = path.front() == '-';
    if (unwanted) path.remove_prefix(1);
    std::vector<Path>& paths = unwanted ? filter.unwanted_ : filter.wanted_;
    Path steps = Split(path);
    if (std::find(paths.begin(), paths.end(), steps) == paths.end()) {
      paths.push_back(std::move(steps));
    }
    if (paths.size() > limits::kFilterPathsMax) break;
  }
  if (filter.wanted_.size() + filter.unwanted_.size() > limits::kFilterPathsMax) {
    return Error{ErrorCode::kInvalidArgument, "[filter_path] has more than [" +
                                                  std::to_string(limits::kFilterPathsMax) +
                                                  "] paths: use fewer, or wider ones"};
  }
  std::size_t steps = 0;
  for (const std::vector<Path>* paths : {&filter.wanted_, &filter.unwanted_}) {
    for (const Path& path : *paths)
      steps += path.size();
  }
  if (steps > limits::kFilterPathStepsMax) {
    return Error{ErrorCode::kInvalidArgument,
                 "[filter_path] has more than [" + std::to_string(limits::kFilterPathStepsMax) +
                     "] steps in its paths: use fewer paths, or shorter ones"};
  }
  return filter;
}

std::string FilterPath::Apply(std::string_view json) const {
  if (unwanted_.empty()) return wanted_.empty() ? std::string(json) : Copy(json, wanted_, true);
  return Copy(wanted_.empty() ? std::string(json) : Copy(json, wanted_, true), unwanted_, false);
}

}  // namespace quell::opensearch
