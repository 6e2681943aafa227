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
#include "core/validity.h"
#include "core/version.h"

namespace quell::cli {
namespace {

constexpr const char* kFooter = R"(
A first session:
  quell dev                          a cluster on this machine, until Ctrl-C
  quell run -- make -j4              a command as a task; it runs as usual
  quell ps                           what runs, on which node
  quell cancel NODE:NUMBER --wait    ask it to stop, wait, and see how it ended

More: quell COMMAND --help, quell help exit-codes.
QUELL_HTTP is the address of the coordinator (http://127.0.0.1:9480 unless set), QUELL_SOCKET
the socket of the node that `quell run` registers with.
)";

// What the parser fills in before it is checked.
struct Raw {
  PsArguments ps;
  ShowArguments show;
  CancelArguments cancel;
  NodeListArguments node_list;
  NodeForgetArguments node_forget;
  NodeDrainArguments node_drain;  // And leave.
  bool undo = false;
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
  command->add_option("--nodes", selection.nodes, "Nodes by id, name or pattern (e.g. a,b or web*)")
      ->delimiter(',');
  command->add_option("--actions", selection.actions, "Actions or patterns (e.g. run/*)")
      ->delimiter(',');
  command->add_option("--parent", selection.parent, "Only direct children of this task");
}

void AddHttp(CLI::App* command, std::string& http) {
  command->add_option("--http", http, "Address of the coordinator (default: QUELL_HTTP)");
}

void AddCommands(CLI::App& app, Raw& raw) {
  CLI::App* ps = app.add_subcommand("ps", "List tasks");
  AddSelection(ps, raw.ps.selection);
  ps->add_flag("--all", raw.ps_all, "Include ended tasks that are still remembered");
  ps->add_option("--since", raw.since,
                 "With --all: only tasks that ended within this time (e.g. 1h)");
  AddOutput(ps, raw, true);
  AddHttp(ps, raw.ps.http);

  CLI::App* show = app.add_subcommand("show", "Show one task and the progress of its cancel");
  show->add_option("id", raw.show.id, "NODE:NUMBER, where NODE is a name or an id")->required();
  AddOutput(show, raw, false);
  AddHttp(show, raw.show.http);

  CLI::App* cancel = app.add_subcommand("cancel", "Ask tasks to stop");
  cancel->add_option("ids", raw.cancel.ids, "NODE:NUMBER, where NODE is a name or an id");
  AddSelection(cancel, raw.cancel.selection);
  cancel->add_flag("--all", raw.cancel.all, "All tasks on all nodes");
  cancel->add_option("--reason", raw.cancel.terms.reason,
                     "Reason, shown to the task and in its record");
  cancel->add_option("--grace", raw.grace, "Grace period before SIGKILL (e.g. 10s)");
  cancel->add_flag("--wait", raw.cancel.wait,
                   "Wait until the tasks have ended, and print how each one ended");
  cancel->add_option("--timeout", raw.timeout, "How long --wait waits (e.g. 30s)")
      ->capture_default_str();
  AddHttp(cancel, raw.cancel.http);

  CLI::App* run = app.add_subcommand("run", "Run a command as a task");
  run->footer(
      "The command stands after --: quell run -- make -j4\n\n"
      "It gets the terminal, open files, limits and signals of quell run as if it had been "
      "started\n"
      "instead, and runs also when it cannot be tracked. SIGKILL and SIGSTOP cannot be passed on: "
      "they\n"
      "meet quell run alone, and the command goes on. How it ends: quell help exit-codes");
  run->add_option("--action", raw.run.action, "Action name of the task (default: run/COMMAND)");
  run->add_option("--description", raw.run.description,
                  "Description of the task (default: the command line)");
  run->add_option("--parent", raw.run.parent, "Full id of the parent task");
  run->add_option("--grace", raw.grace, "Time that the command needs to stop by itself (e.g. 10s)");
  run->add_option("--socket", raw.run.socket, "Socket of the node (default: QUELL_SOCKET)");

  CLI::App* node = app.add_subcommand("node", "List or remove nodes");
  node->require_subcommand(1);
  CLI::App* list = node->add_subcommand("ls", "List the nodes");
  AddOutput(list, raw, false);
  AddHttp(list, raw.node_list.http);
  CLI::App* drain = node->add_subcommand(
      "drain",
      "Let a node take no new tasks, until it is started again or --undo; show what lives");
  drain->add_flag("--undo", raw.undo, "Take new tasks again");
  CLI::App* leave =
      node->add_subcommand("leave", "Drain a node and, when nothing lives there, remove it");
  for (CLI::App* one : {drain, leave}) {
    one->add_option("node", raw.node_drain.node, "Its id or name")->required();
    one->add_flag("--wait", raw.node_drain.wait, "Wait until no task lives there");
    one->add_option("--timeout", raw.timeout, "How long --wait waits")->capture_default_str();
    AddHttp(one, raw.node_drain.http);
  }
  CLI::App* forget = node->add_subcommand("forget", "Remove a dead node");
  forget->add_option("node", raw.node_forget.node, "Its id or name")->required();
  AddHttp(forget, raw.node_forget.http);

  CLI::App* dev = app.add_subcommand("dev", "Run a cluster on this machine until Ctrl-C");
  dev->add_option("--nodes", raw.dev.nodes, "Number of nodes (default: 3)")
      ->check(CLI::Range(1, 100));
  dev->add_option("--names", raw.dev.names, "Names of the nodes (e.g. a,b,c)")->delimiter(',');
  dev->add_option("--http", raw.dev.http, "Address of the coordinator; port 0 picks a free port")
      ->capture_default_str();
  dev->add_option("--data", raw.dev.data,
                  "Data directory, kept for the next start (default: a temporary one)");
  dev->add_option("--opensearch-profile", raw.dev.profile,
                  "OpenSearch profile: documented or strict")
      ->check(CLI::IsMember({"documented", "strict"}));

  dev->add_option("-o,--output", raw.dev.output,
                  "text or json: what standard output gets (default: text on a terminal)")
      ->check(CLI::IsMember({"text", "json"}));

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
    return "name the command after --: quell run -- make -j4";
  }
  if (!run.action.empty()) {
    if (const Status fine = CheckAction(run.action); !fine) {
      return "--action: " + fine.error().message;
    }
  }
  if (const Status fine = CheckDescription(run.description); !fine) {
    return "--description: " + fine.error().message;
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

// A value that is there and empty is most often a shell variable that is not set. As a filter it
// would mean everything, so it is refused wherever it stands. "" if there is none.
std::string EmptyValue(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (option->count() == 0) continue;
    const std::vector<std::string>& values = option->results();
    if (!values.empty() && std::find(values.begin(), values.end(), "") == values.end()) continue;
    const std::string name = option->get_name();
    if (name == "--nodes") return "--nodes is empty: name nodes, or say _all for all of them";
    if (name == "--actions") return "--actions is empty: name actions, or say '*' for all of them";
    if (name == "id" || name == "ids") return "a task ID is empty: write NODE:NUMBER";
    if (name == "node") return "the node is empty: give its id or name";
    return name + " is empty: give a value, or leave it out";
  }
  return "";
}

Request Choose(const CLI::App& app, Raw& raw) {
  const std::string name = app.get_subcommands().front()->get_name();
  const Format format = FormatOf(raw.output);
  const CLI::App* command = app.get_subcommands().front();
  if (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  // `run` has no filters, and a job must not fail for want of a description.
  if (name != "run") {
    if (const std::string empty = EmptyValue(*command); !empty.empty()) return Usage(empty);
  }
  if (name == "help") return Help(app, raw.topic);
  if (name == "version") return Immediate{kOk, "quell " + std::string(Version()) + "\n", ""};
  if (name == "dev") return raw.dev;
  if (name == "ps") {
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
    const CLI::App& node = *app.get_subcommand("node");
    if (node.got_subcommand("ls")) return raw.node_list;
    if (node.got_subcommand("forget")) return raw.node_forget;
    using What = DrainCall::What;
    raw.node_drain.what = raw.undo ? What::kTakeAgain : What::kDrain;
    if (node.got_subcommand("leave")) raw.node_drain.what = What::kLeave;
    const auto timeout = ParseDuration(raw.timeout);
    if (!timeout) return Usage("--timeout: " + timeout.error().message);
    raw.node_drain.timeout = *timeout;
    if (raw.undo && raw.node_drain.wait) return Usage("--undo waits for nothing: leave out --wait");
    return raw.node_drain;
  }
  if (name == "run") {
    std::string wrong = CheckRun(raw.run);
    if (wrong.empty()) wrong = ReadGrace(raw, raw.run.grace);
    if (!wrong.empty()) return Usage(wrong);
    return raw.run;
  }
  std::string wrong = ReadGrace(raw, raw.cancel.terms.grace);
  if (const auto timeout = ParseDuration(raw.timeout)) {
    raw.cancel.wait_timeout = *timeout;
  } else {
    wrong = "--timeout: " + timeout.error().message;
  }
  if (const Status fine = CheckReason(raw.cancel.terms.reason); !fine) {
    wrong = "--reason: " + fine.error().message;
  }
  if (!wrong.empty()) return Usage(wrong);
  return raw.cancel;
}

}  // namespace

Request ParseArguments(const std::vector<std::string>& arguments, const Environment& environment) {
  Raw raw;
  for (std::string* http : {&raw.ps.http, &raw.show.http, &raw.cancel.http, &raw.node_list.http,
                            &raw.node_forget.http, &raw.node_drain.http}) {
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
