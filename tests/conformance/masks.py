"""The form in which two answers are compared: what differs from run to run is masked, what has no
order is sorted, everything else (fields, their order, types, texts) stays.

An answer becomes a plain JSON value. Objects keep the order of their keys; their text is compared.
"""

import json
import re

NODE_FIELDS = ["name", "transport_address", "host", "ip", "roles", "attributes"]
OWN_ATTRIBUTE = "shard_indexing_pressure_enabled"  # The recorded server adds it.
ROLES = ["cluster_manager", "data", "ingest", "remote_cluster_client"]
ZERO_PAIR = ["cpu_time_in_nanos", "memory_in_bytes"]
STATS = {"average": ZERO_PAIR, "total": ZERO_PAIR, "min": ZERO_PAIR, "max": ZERO_PAIR,
         "thread_info": ["thread_executions", "active_threads"]}

ID = r"(?<![\w-])[A-Za-z0-9_-]{22}(?![\w-])"
MANAGER = {"master_node", "cluster_manager_node"}
# Whole strings of which only the kind counts.
KINDS = [("#", re.compile(r"-?\d+")),
         ("<duration>", re.compile(r"-?\d+(\.\d+)?(nanos|micros|ms|s|m|h|d)")),
         ("<clock>", re.compile(r"\d\d:\d\d:\d\d")),
         ("<version>", re.compile(r"\d+\.\d+\.\d+")),
         ("<instant>", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z"))]
LOAD = re.compile(r"\d+\.\d\d")
# Parts of a text.
PARTS = [(re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
         (re.compile(r"request_id \[\d+\]"), "request_id [#]"),
         (re.compile(r"after \[\d+ms\]"), "after [#ms]"),
         (re.compile(r"completion of \[[^\]]*\]"), "completion of [<task>]"),
         (re.compile(r"requests\[\d+\]"), "requests[#]"),
         (re.compile(r'input string: "\d+,\{'), 'input string: "#,{')]
NUMBERS = {"id", "start_time_in_millis", "running_time_in_nanos", "cancellation_time_millis", "took",
           "task_id", "timestamp",
           "max_content_length_in_bytes"}
# What a cluster says of itself: that it is said counts, not the word.
WORDS = {"cluster_name", "cluster_uuid", "state_uuid", "build_type", "build_hash", "build_date",
         "build_flavor", "lucene_version", "minimum_wire_compatibility_version",
         "minimum_index_compatibility_version", "distribution", "number", "tagline", "version",
         "ephemeral_id", "stack_trace", "max_content_length"}


# Errors whose reason ends with what the network said.
CONNECTION = ("node_disconnected_exception", "node_not_connected_exception")


class Names:
    """The names of one cluster's nodes and tasks, by what stands in its answers."""

    def __init__(self, nodes, tasks, asked, coordinator=None, run=None, path=""):
        """`nodes`: id to node1, node2...; `tasks`: id to variable; `asked`: the node that was asked
        ("node1"). `coordinator`: the id of the member that answers, where it is none of `nodes`.
        `run`: a text by which requests of one run are told apart. `path`: of the request."""
        self.nodes = dict(nodes)
        self.tasks = tasks
        self.asked = asked
        self.coordinator = coordinator
        self.run = run
        self.path, _, query = path.partition("?")
        # Only the node that was asked is chosen, by its name: its requests are the coordinator's.
        self.alone = f"nodes=opensearch-{asked}" in query.split("&")
        if coordinator:
            self.nodes[coordinator] = "asked"

    def text(self, text):
        for task, name in self.tasks.items():
            text = re.sub(re.escape(task) + r"(?!\d)", "{" + name + "}", text)
        text = re.sub(ID, lambda found: "{" + self.nodes[found[0]] + "}"
                      if found[0] in self.nodes else found[0], text)
        text = re.sub(r"(\{\w+\}):\d+(?!\d)", r"\1:#", text)
        for pattern, mask in PARTS:
            text = pattern.sub(mask, text)
        return text.replace(self.run, "{rid}") if self.run else text


    def load(self, text):
        """For a load average in a table of nodes; else None."""
        return "#.##" if self.path == "/_cat/nodes" and LOAD.fullmatch(text) else None

    def short(self, text):
        """For the beginning of a node's id, as tables have it; else None."""
        if len(text) != 4:
            return None
        return next(("{" + name + "}~" for ident, name in self.nodes.items()
                     if ident.startswith(text)), None)


def kind_of(text):
    """The mask of a text of which only the kind counts, else None."""
    return next((mask for mask, pattern in KINDS if pattern.fullmatch(text)), None)


def of_request(action):
    """Whether it is a task of a request to the server itself."""
    return action.startswith(("cluster:", "internal:admin/tasks"))


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_task(value):
    return isinstance(value, dict) and "action" in value and "node" in value


class Normal:
    """Brings the value of a JSON answer to the form that is compared."""

    def __init__(self, names):
        self.names = names
        self.asked_id = "{" + names.asked + "}"

    def value(self, value, key=""):
        if isinstance(value, dict):
            return self.object(value, key)
        if isinstance(value, list):
            items = [self.value(item, "item") for item in value]
            sort = key in ("tasks", "children", "node_failures", "task_failures", "")
            items = [item for item in items if keep(item)]
            return sorted(items, key=line_of) if sort else items
        if isinstance(value, str):
            return self.string(value, key)
        if is_number(value) and (key in NUMBERS or key in WORDS):
            return "#"
        return value

    def string(self, value, key):
        if key in WORDS:
            return "<text>"
        if key in MANAGER:
            return "<manager>"
        return (self.names.short(value) or self.names.load(value) or kind_of(value) or
                self.names.text(value))

    def object(self, value, key):
        if key == "status":
            return "<status>"
        if self.names.path == "/_cat/nodes" and "cluster_manager" in value:
            value = dict(value, cluster_manager="<manager>")
        if key == "response":  # What was done until the cancel is counted by its own kind of work.
            return {name: "#" if is_number(item) else self.value(item, name)
                    for name, item in value.items()}
        if key == "headers":  # In the order in which they came.
            return dict(sorted(value.items()))
        if key == "resource_stats":
            return stats(value)
        if key == "attributes":
            return {name: item for name, item in value.items() if name != OWN_ATTRIBUTE}
        if "_nodes" in value and self.names.coordinator in value.get("nodes", {}):
            value = self.without_coordinator(value)
        if "number_of_nodes" in value:  # A cluster's health: its counts are its own.
            value = {name: "#" if is_number(item) else item for name, item in value.items()}
        if "tagline" in value:
            value = dict(value, name="<text>")
        if key in ("nodes", "tasks"):
            return self.by_id(value)
        result = {self.names.text(name): self.value(item, name) for name, item in value.items()}
        if value.get("type") in CONNECTION:
            result["reason"] = re.sub(r"(\[[^ ]*\]).*", r"\1 ...", result["reason"])
        if is_task(value) and of_request(value["action"]):
            return self.request_task(result)
        return result

    def without_coordinator(self, value):
        """It is one member more, and counted, unless it alone was asked for."""
        counts = value["_nodes"]
        if counts["total"] == 1:
            return value
        nodes = {name: node for name, node in value["nodes"].items()
                 if name != self.names.coordinator}
        less = {name: counts[name] - 1 for name in ("total", "successful")}
        return dict(value, _nodes=dict(counts, **less), nodes=nodes)

    def request_task(self, task):
        """A cluster's requests are tasks of the node that was asked. Quell's coordinator is asked,
        and hosts no other tasks: it stands for that node, which then has a part of the request of
        its own besides."""
        if self.names.coordinator or self.names.alone:
            return None if task["node"] == self.asked_id else task
        text = json.dumps(task).replace(self.asked_id, "{asked}")
        return json.loads(text)

    def by_id(self, value):
        entries = []
        for name, item in value.items():
            normal = self.value(item, "entry")
            if not keep(normal) or (name == self.names.coordinator and "ephemeral_id" in item):
                continue  # The state of a cluster: the coordinator is one member more.
            if name == self.names.coordinator and "task_cancellation" in item:
                continue  # One member more.
            if re.match("/_nodes/_(cluster_manager|master)/", self.names.path):
                normal = dict(normal, name="<manager>", attributes="<any>")
                name = "manager"
            if name == self.names.coordinator and "tasks" in item and list(item)[:5] == NODE_FIELDS[:5]:
                # Nothing else that is compared as the asked node's is about the member itself.
                entries.append(["{asked}", {"node": "<node>", "tasks": normal.get("tasks")}])
            elif self.has_only_parts(name, item, normal):
                continue
            elif isinstance(item, dict) and list(item)[:6] == NODE_FIELDS:
                entries += self.node_entry(self.names.text(name), normal)
            else:
                entries.append([normal.get("node", name) + ":#" if is_task(item)
                                else self.names.text(name), normal])
        return {name: item for name, item in unique(sorted(entries, key=line_of))}

    def has_only_parts(self, name, node, normal):
        """The node of the same name as the one that was asked, with nothing but its part of the
        request."""
        return (self.names.coordinator and self.names.nodes.get(name) == self.names.asked and
                isinstance(node, dict) and node.get("tasks") and not normal["tasks"])

    def node_entry(self, name, node):
        """The node's fields as one word if they are as they must be."""
        tasks = node.get("tasks")
        moved = {}
        if isinstance(tasks, dict) and not self.names.coordinator and name == self.asked_id:
            moved = {key: task for key, task in tasks.items() if key.startswith("{asked}")}
            tasks = {key: task for key, task in tasks.items() if key not in moved}
        entries = []
        for which, its_tasks in ((name, tasks), ("{asked}", moved)):
            if its_tasks or (which == name and not moved and tasks is not None):
                entry = dict(node, tasks=its_tasks)
                whole = node_word(node)
                if whole:
                    entry = {"node": whole, "tasks": its_tasks}
                entries.append([which, entry])
        return entries


def node_word(node):
    """A word for a node whose first fields are those of any node; None if one differs."""
    plain = (isinstance(node["name"], str) and node["transport_address"] == "<address>" and
             node["host"] == "127.0.0.1" and node["ip"] == "<address>" and node["roles"] == ROLES and
             list(node["attributes"]) in (["rack"], []))
    return "<node>" if plain else None


def stats(value):
    shape = {key: list(item) if isinstance(item, dict) else item for key, item in value.items()}
    ordered = list(shape.items()) == list(STATS.items())
    numbers = all(isinstance(number, int) for item in value.values() if isinstance(item, dict)
                  for number in item.values())
    return "<stats>" if ordered and numbers else value


def keep(value):
    return value is not None


def line_of(value):
    return json.dumps(value, ensure_ascii=False)


def unique(entries):
    """Tells entries of one name apart by their place."""
    seen = {}
    for name, item in entries:
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} ({seen[name]})"), item


def pretty_text(value):
    text = json.dumps(value, indent=2, separators=(",", " : "), ensure_ascii=False)
    return re.sub(r"\{\}", "{ }", re.sub(r"\[\]", "[ ]", text)) + "\n"


def layout(text, value):
    if text == json.dumps(value, separators=(",", ":"), ensure_ascii=False):
        return "compact"
    return "pretty" if text == pretty_text(value) else "other"


def yaml_lines(text, names):
    """The lines of YAML with one value each, masked as in JSON; its maps are in the sender's order."""
    lines = []
    for line in text.split("\n"):
        if line.strip().startswith(OWN_ATTRIBUTE):
            continue
        found = re.fullmatch(r"([ -]*)(\S+): (.*)", line)
        if not found:
            lines.append(names.text(line))
            continue
        indent, key, value = found.groups()
        quoted = value.startswith('"')
        value = Normal(names).string(value.strip('"'), names.text(key)) if quoted else value
        number = re.fullmatch(r"-?\d+(\.\d+)?", value) and (key in NUMBERS or "number_of_nodes" in text)
        lines.append(f"{indent}{names.text(key)}: {'#' if number else value}")
    return lines


def table_lines(text, names, ordered):
    """The lines of a text answer: cells masked, runs of blanks as one."""
    lines = []
    for line in text.split("\n")[:-1] if text.endswith("\n") else [*text.split("\n"), "<no newline>"]:
        line = names.text(line)
        line = line.replace("127.0.0.1", "<host>")
        cells = []
        for cell in line.split():
            for mask, pattern in KINDS:
                if pattern.fullmatch(cell.strip('"')):  # YAML has quotes.
                    cell = mask
            cells.append(names.short(cell) or names.load(cell) or cell)
        line = request_line(" ".join(cells), names)
        if line is not None:
            lines.append(line)
    if names.path == "/_cat/nodes" and names.coordinator and "*" in lines and "-" in lines:
        lines.remove("-")  # The coordinator stands for the node that was asked.
    return lines if ordered else sorted(lines)


def request_line(line, names):
    """As Normal.request_task, for a row of a table. Who is the manager does not count, nor that the
    coordinator is a member more."""
    if names.path in ("/_cat/master", "/_cat/cluster_manager"):
        return re.sub(r"^\{\w+\} (.*) \S+$", r"{manager} \1 {manager}", line)
    if names.path == "/_cat/nodes" and names.coordinator and re.search(r"\bcoordinator$", line):
        return None
    if names.path == "/_cat/nodes":
        line = re.sub(r"[*-] (opensearch-node\d)$", r"<manager> \1", line)
    if not of_request(line.lstrip("# ")):
        return line
    own = "opensearch-" + names.asked
    if names.coordinator:
        return None if own in line else line.replace(" coordinator", " {asked}")
    return line.replace("{" + names.asked + "}", "{asked}").replace(own, "{asked}")


def compared(status, headers, body, names, ordered=True):
    """The whole of an answer in the form that is compared. `headers`: name in lower case to value;
    `body`: bytes, unpacked if they were packed."""
    result = {"status": status}
    for name in ("allow", "content-type", "content-encoding", "x-opaque-id", "x-request-id"):
        if name in headers:
            result[name] = names.text(headers[name])
    if "warning" in headers:
        result["warning"] = "<warning>"
    kind = headers.get("content-type", "")
    if not body:
        return result
    if kind.startswith("application/json"):
        text = body.decode()
        value = json.loads(text)
        result["layout"] = layout(text, value)
        result["json"] = Normal(names).value(value)
    elif kind.startswith("application/yaml"):
        result["lines"] = yaml_lines(body.decode(), names)
    elif kind.startswith("text/"):
        result["lines"] = table_lines(body.decode(), names, ordered)
    else:
        result["bytes"] = "<some>"
    return result
