#include "cli/arguments.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <CLI/CLI.hpp>

#include "cli/duration.h"
#include "cli/exit_code.h"
#include "cli/suggest.h"
#include "core/ids.h"
#include "core/limits.h"
#include "core/version.h"

namespace quell::cli {
namespace {

constexpr const char* kFooter = R"(
A first session:
  quell dev                          a cluster on this machine, until Ctrl-C
  quell run -- make -j4              a command as a task; Quell is not felt
  quell ps                           what runs, on which node
  quell cancel NODE:NUMBER --wait    ask it to stop, see whether it did

More: quell COMMAND --help, quell help exit-codes.
QUELL_HTTP names the coordinator (http://127.0.0.1:9480 unless set), QUELL_SOCKET the
local door of the node that `quell run` registers with.
)";

// What the parser fills in before it is checked.
struct Raw {
  PsArguments ps;
  ShowArguments show;
  CancelArguments cancel;
  NodeListArguments node_list;
  NodeForgetArguments node_forget;
  RunArguments run;
  DevArguments dev;
  std::string output = "table";
  std::string grace;
  bool ps_all = false;
  std::string since;
  std::string timeout = "30s";
  std::string topic;
};

Immediate Usage(const std::string& message) {
  return {kUsage, "", "quell: " + message + "\n"};
}

void AddOutput(CLI::App* command, Raw& raw, bool wide) {
  command->add_option("-o,--output", raw.output, wide ? "table, wide or json" : "table or json")
      ->check(wide ? CLI::IsMember({"table", "wide", "json"}) : CLI::IsMember({"table", "json"}));
}

void AddSelection(CLI::App* command, Selection& selection) {
  command->add_option("--nodes", selection.nodes, "Nodes by id, name or pattern: a,b or web*")
      ->delimiter(',');
  command->add_option("--actions", selection.actions, "Actions, or patterns like run/*")
      ->delimiter(',');
  command->add_option("--parent", selection.parent, "Direct children of this task");
}

void AddHttp(CLI::App* command, std::string& http) {
  command->add_option("--http", http, "The coordinator, instead of QUELL_HTTP");
}

void AddCommands(CLI::App& app, Raw& raw) {
  CLI::App* ps = app.add_subcommand("ps", "List the tasks that run now, or ran lately");
  AddSelection(ps, raw.ps.selection);
  ps->add_flag("--all", raw.ps_all, "Those that have ended too, as far as their nodes remember");
  ps->add_option("--since", raw.since, "With --all: only those that ended within, as in 1h");
  AddOutput(ps, raw, true);
  AddHttp(ps, raw.ps.http);

  CLI::App* show = app.add_subcommand("show", "Show one task, and what became of its cancel");
  show->add_option("id", raw.show.id, "NODE:NUMBER, NODE being a name or an id")->required();
  AddOutput(show, raw, false);
  AddHttp(show, raw.show.http);

  CLI::App* cancel = app.add_subcommand("cancel", "Ask tasks to stop");
  cancel->add_option("ids", raw.cancel.ids, "NODE:NUMBER, NODE being a name or an id");
  AddSelection(cancel, raw.cancel.selection);
  cancel->add_flag("--all", raw.cancel.all, "Everything, on all nodes");
  cancel->add_option("--reason", raw.cancel.terms.reason, "Why; the task and its record show it");
  cancel->add_option("--grace", raw.grace, "From being told to being forced, as in 10s");
  cancel->add_flag("--wait", raw.cancel.wait, "Wait until the tasks have ended");
  cancel->add_option("--timeout", raw.timeout, "How long --wait waits")->capture_default_str();
  AddHttp(cancel, raw.cancel.http);

  CLI::App* run = app.add_subcommand("run", "Run a command as a task");
  run->footer(
      "The command stands after --: quell run -- make -j4\n\n"
      "It gets the terminal, open files, limits and signals of quell run as if it had been "
      "started\n"
      "instead, and runs also when it cannot be tracked. SIGKILL and SIGSTOP cannot be passed on: "
      "they\n"
      "meet quell run alone, and the command goes on. How it ends: quell help exit-codes");
  run->add_option("--action", raw.run.action, "What it is called in lists; run/COMMAND if not set");
  run->add_option("--description", raw.run.description, "Instead of the command line");
  run->add_option("--parent", raw.run.parent, "Full id of the task that it belongs to");
  run->add_option("--grace", raw.grace, "What it needs to stop by itself, as in 10s");
  run->add_option("--socket", raw.run.socket, "The node's local door, instead of QUELL_SOCKET");

  CLI::App* node = app.add_subcommand("node", "The nodes of the cluster");
  node->require_subcommand(1);
  CLI::App* list = node->add_subcommand("ls", "List the nodes");
  AddOutput(list, raw, false);
  AddHttp(list, raw.node_list.http);
  CLI::App* forget = node->add_subcommand("forget", "Give a node up that will not come back");
  forget->add_option("node", raw.node_forget.node, "Its id or name")->required();
  AddHttp(forget, raw.node_forget.http);

  CLI::App* dev = app.add_subcommand("dev", "Run a cluster on this machine until Ctrl-C");
  dev->add_option("--nodes", raw.dev.nodes, "How many nodes; 3 if not set")
      ->check(CLI::Range(1, 100));
  dev->add_option("--names", raw.dev.names, "Their names: a,b,c")->delimiter(',');
  dev->add_option("--http", raw.dev.http, "Where the coordinator listens; port 0 picks one")
      ->capture_default_str();
  dev->add_option("--data", raw.dev.data, "Kept for the next start; a temporary one if not set");
  dev->add_option("--opensearch-profile", raw.dev.profile, "documented or strict")
      ->check(CLI::IsMember({"documented", "strict"}));

  app.add_subcommand("version", "Print the version");
  CLI::App* help = app.add_subcommand("help", "Explain a command, or exit-codes");
  help->add_option("topic", raw.topic, "A command, or exit-codes");
}

std::vector<std::string> CommandNames(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({}))
    names.push_back(command->get_name());
  return names;
}

Immediate Help(const CLI::App& app, const std::string& topic) {
  if (topic.empty()) return {kOk, app.help() + kFooter, ""};
  if (topic == "exit-codes") return {kOk, ExitCodesHelp(), ""};
  std::vector<std::string> known = CommandNames(app);
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_name() == topic) return {kOk, command->help(app.get_name()), ""};
  }
  known.push_back("exit-codes");
  const auto near = Suggest(topic, known);
  return Usage("no help on '" + topic + "'" +
               (near ? "; did you mean '" + *near + "'?" : ": see quell --help"));
}

// The library knows no near misses: it only says that something is missing.
std::optional<Immediate> CheckCommandWord(const CLI::App& app,
                                          const std::vector<std::string>& arguments) {
  if (arguments.empty()) return Immediate{kUsage, "", app.help() + kFooter};
  const std::string& word = arguments.front();
  if (word.starts_with("-")) return std::nullopt;
  const auto check = [](const CLI::App& at, const std::string& given,
                        const std::string& before) -> std::optional<Immediate> {
    const std::vector<std::string> names = CommandNames(at);
    if (std::find(names.begin(), names.end(), given) != names.end()) return std::nullopt;
    const auto near = Suggest(given, names);
    return Usage("no command '" + before + given + "'" +
                 (near ? "; did you mean '" + before + *near + "'?" : "; see quell --help"));
  };
  if (auto wrong = check(app, word, "")) return wrong;
  if (word == "node" && arguments.size() > 1 && !arguments[1].starts_with("-")) {
    return check(*app.get_subcommand("node"), arguments[1], "node ");
  }
  return std::nullopt;
}

// Says what the command does not know: the first flag, else the first word too many.
std::string Unexpected(const CLI::App& app) {
  const CLI::App* command = &app;
  for (const CLI::App* chosen : app.get_subcommands())
    command = chosen;
  for (const CLI::App* chosen : command->get_subcommands())
    command = chosen;
  const std::vector<std::string> extra = app.remaining(true);
  const auto flag = std::find_if(extra.begin(), extra.end(),
                                 [](const std::string& word) { return word.starts_with("-"); });
  if (flag == extra.end()) return "unexpected '" + (extra.empty() ? "" : extra.back()) + "'";
  std::vector<std::string> known;
  for (const CLI::Option* option : command->get_options()) {
    for (const std::string& name : option->get_lnames())
      known.push_back("--" + name);
  }
  const std::string name = flag->substr(0, flag->find('='));
  const auto near = name.starts_with("--") ? Suggest(name, known) : std::nullopt;
  return "unknown flag " + name + (near ? "; did you mean " + *near + "?" : "");
}

Format FormatOf(const std::string& text) {
  if (text == "json") return Format::kJson;
  return text == "wide" ? Format::kWide : Format::kTable;
}

// "" if it is well.
std::string CheckRun(const RunArguments& run) {
  if (run.command.empty()) {
    return "say which command, after --: quell run -- make -j4";
  }
  if (run.action.size() > limits::kActionMax) {
    return "--action is longer than " + std::to_string(limits::kActionMax) + " bytes";
  }
  if (run.description.size() > limits::kDescriptionMax) {
    return "--description is longer than " + std::to_string(limits::kDescriptionMax) + " bytes";
  }
  if (!run.parent.empty() && !TaskId::Parse(run.parent)) {
    return "--parent " + run.parent +
           ": a parent is named by its full id, which `quell show NODE:NUMBER` prints";
  }
  return "";
}

std::string ReadGrace(const Raw& raw, std::optional<std::chrono::milliseconds>& into) {
  if (raw.grace.empty()) return "";
  const auto grace = ParseDuration(raw.grace);
  if (!grace) return "--grace: " + grace.error().message;
  if (*grace > limits::kGraceMax) {
    return "--grace is at most " + std::to_string(std::chrono::seconds(limits::kGraceMax).count()) +
           "s";
  }
  into = *grace;
  return "";
}

// "" if it is well. Without --since: all that the nodes remember.
std::string ReadSince(Raw& raw) {
  if (!raw.ps_all) return raw.since.empty() ? "" : "--since goes with --all";
  if (raw.since.empty()) {
    raw.ps.since = limits::kEndedAgeKept;
    return "";
  }
  const auto since = ParseDuration(raw.since);
  if (!since) return "--since: " + since.error().message;
  raw.ps.since = *since;
  return "";
}

// A filter that is there and empty is an unset variable in somebody's script, and would mean
// everything. "" if there is none.
std::string EmptyFilter(const CLI::App& command, const Selection& selection) {
  const auto empty = [&](const char* flag, const std::vector<std::string>& words) {
    return command.count(flag) > 0 &&
           (words.empty() || std::find(words.begin(), words.end(), "") != words.end());
  };
  if (empty("--nodes", selection.nodes)) return "--nodes is empty: name nodes, or say _all";
  if (empty("--actions", selection.actions)) return "--actions is empty: name actions, or say '*'";
  if (command.count("--parent") > 0 && selection.parent.empty()) {
    return "--parent is empty: name a task";
  }
  return "";
}

Request Choose(const CLI::App& app, Raw& raw) {
  const std::string name = app.get_subcommands().front()->get_name();
  const Format format = FormatOf(raw.output);
  if (name == "help") return Help(app, raw.topic);
  if (name == "version") return Immediate{kOk, "quell " + std::string(Version()) + "\n", ""};
  if (name == "dev") return raw.dev;
  if (name == "ps") {
    const std::string empty = EmptyFilter(*app.get_subcommand("ps"), raw.ps.selection);
    if (!empty.empty()) return Usage(empty);
    if (const std::string wrong = ReadSince(raw); !wrong.empty()) return Usage(wrong);
    raw.ps.format = format;
    return raw.ps;
  }
  if (name == "show") {
    raw.show.format = format;
    return raw.show;
  }
  if (name == "node") {
    raw.node_list.format = format;
    if (app.get_subcommand("node")->got_subcommand("ls")) return raw.node_list;
    return raw.node_forget;
  }
  if (name == "run") {
    std::string wrong = CheckRun(raw.run);
    if (wrong.empty()) wrong = ReadGrace(raw, raw.run.grace);
    if (!wrong.empty()) return Usage(wrong);
    return raw.run;
  }
  std::string wrong = EmptyFilter(*app.get_subcommand("cancel"), raw.cancel.selection);
  if (wrong.empty()) wrong = ReadGrace(raw, raw.cancel.terms.grace);
  if (const auto timeout = ParseDuration(raw.timeout)) {
    raw.cancel.wait_timeout = *timeout;
  } else {
    wrong = "--timeout: " + timeout.error().message;
  }
  if (raw.cancel.terms.reason.size() > limits::kReasonMax) {
    wrong = "--reason is longer than " + std::to_string(limits::kReasonMax) + " bytes";
  }
  if (!wrong.empty()) return Usage(wrong);
  return raw.cancel;
}

}  // namespace

Request ParseArguments(const std::vector<std::string>& arguments, const Environment& environment) {
  Raw raw;
  for (std::string* http : {&raw.ps.http, &raw.show.http, &raw.cancel.http, &raw.node_list.http,
                            &raw.node_forget.http}) {
    *http = environment.http;
  }
  // What stands behind `run ... --` belongs to somebody else: the parser never sees it.
  std::vector<std::string> ours = arguments;
  if (!ours.empty() && ours.front() == "run") {
    const auto dashes = std::find(ours.begin(), ours.end(), "--");
    if (dashes != ours.end()) {
      raw.run.command.assign(dashes + 1, ours.end());
      ours.erase(dashes, ours.end());
    }
  }
  CLI::App app("Quell shows what runs anywhere in a fleet, stops it, and says whether it stopped.",
               "quell");
  try {
    app.set_version_flag("--version", "quell " + std::string(Version()));
    app.require_subcommand(1);
    AddCommands(app, raw);
    if (auto wrong = CheckCommandWord(app, ours)) return *wrong;
    std::vector<std::string> reversed(ours.rbegin(), ours.rend());
    app.parse(reversed);
    return Choose(app, raw);
  } catch (const CLI::CallForHelp&) {
    const std::vector<CLI::App*> chosen = app.get_subcommands();
    if (chosen.empty()) return Immediate{kOk, app.help() + kFooter, ""};
    const std::vector<CLI::App*> below = chosen.front()->get_subcommands();
    if (below.empty()) return Immediate{kOk, chosen.front()->help("quell"), ""};
    return Immediate{kOk, below.front()->help("quell " + chosen.front()->get_name()), ""};
  } catch (const CLI::CallForVersion&) {
    return Immediate{kOk, "quell " + std::string(Version()) + "\n", ""};
  } catch (const CLI::ExtrasError&) {
    std::string text = Unexpected(app);
    if (ours.front() == "run" && raw.run.command.empty()) {
      text += "; the command stands after --: quell run -- make -j4";
    }
    return Usage(text + "; see quell " + ours.front() + " --help");
  } catch (const CLI::Error& error) {
    return Usage(std::string(error.what()) + "; see quell " +
                 (app.get_subcommands().empty() ? "" : ours.front() + " ") + "--help");
  }
}

}  // namespace quell::cli
