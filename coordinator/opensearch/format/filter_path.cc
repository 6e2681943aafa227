#include "coordinator/opensearch/format/filter_path.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "coordinator/opensearch/format/json_events.h"
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

// How far each path has come: the step that is next.
struct Place {
  std::uint32_t path;
  std::uint32_t step;
  friend bool operator==(const Place&, const Place&) = default;
};

// Copies what it is told about, if `inclusive` only what the paths lead to, else all but that.
class Copier final : public JsonEvents {
 public:
  Copier(const std::vector<Path>& paths, bool inclusive) : paths_(paths), inclusive_(inclusive) {
    for (std::uint32_t i = 0; i < paths.size(); ++i)
      next_.places.push_back({i, 0});
  }

  void OnOpen(bool object, bool) override {
    const bool root = frames_.empty();
    Frame frame = Next();
    frame.object = object;
    frames_.push_back(std::move(frame));
    if (frames_.back().fate == Fate::kWhole || (root && object)) Materialize();
  }

  void OnClose(bool object) override {
    if (frames_.back().written) out_ += object ? '}' : ']';
    frames_.pop_back();
  }

  void OnKey(std::string_view raw) override {
    const Frame& frame = frames_.back();
    next_ = frame.fate == Fate::kPartly ? Follow(frame, Unescaped(raw)) : Frame{};
    if (frame.fate != Fate::kPartly) next_.fate = frame.fate;
    next_.key = raw;
  }

  void OnString(std::string_view raw) override { Value("\"" + std::string(raw) + "\""); }
  void OnLiteral(std::string_view text) override { Value(text); }

  std::string Take() { return std::move(out_); }

 private:
  enum class Fate : std::uint8_t { kWhole, kPartly, kGone };
  struct Frame {
    Fate fate = Fate::kPartly;
    std::vector<Place> places = {};
    std::string_view key = {};
    bool object = false;
    bool written = false;
    bool has_values = false;
  };

  // What becomes of a member with this key.
  Frame Follow(const Frame& frame, const std::string& key) const {
    Frame next;
    auto add = [&next](Place place) {
      if (std::find(next.places.begin(), next.places.end(), place) == next.places.end()) {
        next.places.push_back(place);
      }
    };
    for (const Place& place : frame.places) {
      const std::string& step = paths_[place.path][place.step];
      const bool deep = step == "**";
      if (!deep && !WildcardMatch(step, key)) continue;
      if (place.step + 1 == paths_[place.path].size()) {
        next.fate = inclusive_ ? Fate::kWhole : Fate::kGone;
        return next;
      }
      add({place.path, place.step + 1});
      if (deep) add(place);
    }
    if (next.places.empty()) next.fate = inclusive_ ? Fate::kGone : Fate::kWhole;
    return next;
  }

  // What an open bracket or a value begins with: in an array, as the array.
  Frame Next() {
    if (frames_.empty() || frames_.back().object) return std::exchange(next_, {});
    Frame frame;
    frame.fate = frames_.back().fate;
    frame.places = frames_.back().places;
    return frame;
  }

  void Value(std::string_view text) {
    const Frame frame = Next();
    if (frame.fate == Fate::kGone || (frame.fate == Fate::kPartly && inclusive_)) return;
    Materialize();
    Separate(frames_.size(), frame.key);
    out_ += text;
  }

  // Writes the brackets that are open and not written yet.
  void Materialize() {
    for (std::size_t i = 0; i < frames_.size(); ++i) {
      if (frames_[i].written) continue;
      Separate(i, frames_[i].key);
      out_ += frames_[i].object ? '{' : '[';
      frames_[i].written = true;
    }
  }

  // Before a value in the frame below `depth`.
  void Separate(std::size_t depth, std::string_view key) {
    if (depth == 0) return;
    Frame& around = frames_[depth - 1];
    if (std::exchange(around.has_values, true)) out_ += ',';
    if (around.object) out_.append("\"").append(key).append("\":");
  }

  const std::vector<Path>& paths_;
  const bool inclusive_;
  std::vector<Frame> frames_;
  Frame next_;  // Of the value that follows a key, or of the outermost one.
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
    (unwanted ? filter.unwanted_ : filter.wanted_).push_back(Split(path));
  }
  if (filter.wanted_.size() + filter.unwanted_.size() > limits::kFilterPathsMax) {
    return Error{ErrorCode::kInvalidArgument, "[filter_path] has more than [" +
                                                  std::to_string(limits::kFilterPathsMax) +
                                                  "] paths: use fewer, or wider ones"};
  }
  return filter;
}

std::string FilterPath::Apply(std::string_view json) const {
  if (unwanted_.empty()) return wanted_.empty() ? std::string(json) : Copy(json, wanted_, true);
  return Copy(wanted_.empty() ? std::string(json) : Copy(json, wanted_, true), unwanted_, false);
}

}  // namespace quell::opensearch
