#!/usr/bin/env python3
"""Makes cases of recordings: `import_recordings.py FOLDER` reads FOLDER/TOPIC.jsonl and
FOLDER/scenarios/TOPIC.jsonl, and writes cases/TOPIC.jsonl.

A line of a cases file is one of:

    {"do": "start", "kind": K, "node": N, "save": V, ...}   tasks begin; {V} is their first one's id
    {"do": "settle"}                     cancelled tasks that listen have ended
    {"do": "end"}                        all tasks have ended but stubborn ones
    {"do": "send", "request": [M, P]}    a request whose answer is not looked at; "save" takes from it
    {"do": "node", "verb": V, "node": N} a node's process is stopped, continued, killed, started
    {"do": "join"}                       requests in the background have been answered
    {"id": I, "out": R}                  a recording that is no case, and the reason
    {"id": I, "asked": N, "request": [M, P], "expect": {...}}   a case

A case that is "patient" was recorded a while after the request before it: it is asked again while it differs, for some
seconds. One in the "background" is not waited for.
"""

import base64
import gzip
import json
import pathlib
import re
import sys

import masks

HERE = pathlib.Path(__file__).parent
TOPICS = ["info", "list", "get", "cancel", "cat_tasks", "errors", "headers", "failures",
          "resource_stats", "stored"]

# Why a recording is no case, by its request: what it shows is not of the Tasks API.
OUT_BY_REQUEST = [
    (r"^\S+ /(src|books|copy|\.tasks|_bulk|_reindex|nosuch-index|_search)\b", "index_api"),
    (r"^\S+ /(_template|_index_template|_component_template|_data_stream|_snapshot|_slm)\b", "index_api"),
    (r"^\S+ /(_update_by_query|_delete_by_query|_reindex)/", "rethrottle"),
    (r"^\S+ /_cluster/settings", "server_settings"),
    (r"^\S+ /_cluster/health/\w", "index_api"),
    (r"^\S+ /_cat/(templates|health)", "index_api"),
    (r"^\S+ /_nodes/\S*(stats(?!/task_cancellation)|usage|plugins)", "server_internals"),
    (r"^\S+ \*$", "index_api"),
    (r"^\S+ /(favicon.ico)", "server_internals"),
]
# By its variables: ids of tasks that only the recorded server has.
OUT_BY_VARIABLE = {"hn": "health_task", "si": "search_task", "sn": "search_task", "ok": "stored_result",
                   "ri": "stored_result", "er": "stored_result", "sl": "stored_result",
                   "s": "stored_result", "s3": "stored_result", "n": "stored_result"}
OUT_BY_ID = [
    (r"^stored/(?!delete-api|delete-no-index)", "stored_result"),
    (r"^resource_stats/(?!stats-cancellation)", "search_task"),
    (r"^failures/(stop-search-running|multi-)", "search_task"),
    (r"^(list|errors)/(wait-)?time(out)?-(-1|0s?|minus-one|1ms|1nanos|1micros)$", "race"),
    (r"^list/wait-(default|deaf-cancel)$|^get/wait-default(-remote)?$", "half_a_minute"),
    (r"^failures/lag-", "half_a_minute"),
    (r"^failures/killed-direct$", "no_server"),
    (r"^failures/(cont-list|stop-list-notimeout-late|stop-get-late)$", "race"),
    (r"^info/(root-post|root-options|cat|cat-trailing)$", "index_api"),
    (r"^info/nodes-id$", "server_internals"),
    (r"^failures/(cont-list-later|restart-list-all|alone-cat|killed-health)$", "lost_shards"),
]
OUT_BY_BODY = [(r"no such index \[", "index_api"), (r"invalid_index_name_exception", "index_api")]
# Before these the recorded tasks that had been cancelled were gone ("slices": those of a parent
# that had been cancelled, "stubborn": those that took long to hear it).
SETTLED = {"cancel/actions": {}, "headers/slices-list": {}, "cancel/parent-after": {"slices": True},
           "headers/job-stored": {}, "failures/killed-list-2": {"stubborn": True}}
# Before this one the recorded cluster had put the dead node out; Quell's operator does it.
FORGOTTEN = {"failures/killed-get-1": "node3"}
# Tasks of a recorded run by their request; the rest of the request says how they behave.
KINDS = {"_update_by_query": "update", "_delete_by_query": "delete"}


def recordings(folder, topic):
    found = {}
    for line in (folder / f"{topic}.jsonl").read_text().splitlines():
        item = json.loads(line)
        found[item["id"]] = item
    return found


def node_ids(folder):
    """All ids that the recorded nodes had, by their names in answers."""
    nodes = {}
    for topic in TOPICS:
        text = (folder / f"{topic}.jsonl").read_text().replace('\\"', '"')
        for ident, number in re.findall(r'"([\w-]{22})":\{"name":"opensearch-node(\d)"', text):
            nodes[ident] = "node" + number
    return nodes


def start_step(node, path, options):
    """The step for a request that starts tasks; None if it does not."""
    found = re.match(r"/src/(_\w+_by_query)\?(.*)", path)
    if not found or "wait_for_completion=false" not in path:
        return None
    step = {"do": "start", "kind": KINDS[found[1]], "node": node}
    if slices := re.search(r"slices=(\d+)", path):
        step["slices"] = int(slices[1])
    if "wait_for_active_shards=2" in path:
        step["kind"] = "deaf"
        step["seconds"] = int(re.search(r"timeout=(\d+)s", path)[1])
        if step["seconds"] >= 40:  # Longer than the clean-up of a recorded run waited.
            step["stubborn"] = True
    elif "requests_per_second" not in path:
        step["kind"] = "short"
    for name in options.get("save", {}):
        step["save"] = name
    headers = {name: value for name, value in options.get("headers", {}).items()
               if name.lower() in ("x-opaque-id", "x-request-id")}
    if headers:
        step["headers"] = headers
    return step


def set_up(line):
    """The steps for a line of a scenario that is not recorded."""
    _, _, node, method, path, *rest = line
    options = rest[0] if rest else {}
    steps = []
    if options.get("join"):
        steps.append({"do": "join"})
    if "sleep" in options or "until" in options:
        steps.append({"do": "settle"})
    if "control" in options:
        verb, which = options["control"]
        return steps + [{"do": "node", "verb": verb, "node": which}]
    if (start := start_step(node, path, options)) is not None:
        return steps + [start]
    if path.startswith("/_tasks/_cancel?actions=*byquery,*reindex"):
        return steps + [{"do": "end"}]
    if path.startswith("/_tasks") and "until" not in options and not re.search(
            r"\{(hn|s|s3|sl|ok|ri|er|si)\}|monitor/health|read/search", path):
        step = {"do": "send", "request": [method, path]}
        if "save" in options:
            step["save"] = options["save"]
        return steps + [step]
    return steps


def out_reason(line, item):
    ident, _, _, method, path, *_ = line
    for pattern, reason in OUT_BY_REQUEST:
        if re.search(pattern, f"{method} {path}"):
            return reason
    for name in re.findall(r"\{(\w+)\}", path):
        if name in OUT_BY_VARIABLE:
            return OUT_BY_VARIABLE[name]
    for pattern, reason in OUT_BY_ID:
        if re.search(pattern, ident):
            return reason
    body = item["response"].get("body") or ""
    for pattern, reason in OUT_BY_BODY:
        if re.search(pattern, body):
            return reason
    if item["response"].get("body_cut"):
        return "too_long"
    return None


def without_searches(value):
    """Without the searches of by-query tasks, which come and go."""
    if isinstance(value, dict):
        return {key: without_searches(item) for key, item in value.items()
                if not (masks.is_task(item) and item["action"].startswith("indices:data/read/"))}
    if isinstance(value, list):
        return [without_searches(item) for item in value
                if not (masks.is_task(item) and item["action"].startswith("indices:data/read/"))]
    return value


def without_result(value):
    """An ended task without what its own kind of work left as a result. That a cancel has stopped it
    is no such result: it stays."""
    if isinstance(value, dict) and value.get("completed") is True:
        return {key: item for key, item in value.items()
                if key != "error" and (key != "response" or "canceled" in item)}
    return value


def without_empty_nodes(value):
    if not isinstance(value, dict) or not isinstance(value.get("nodes"), dict):
        return value
    return dict(value, nodes={name: node for name, node in value["nodes"].items()
                              if node.get("tasks") != {}})


def has_order(path):
    """Whether the recorded order of the rows would be the same in another run."""
    if re.search(r"_cat/nodes(?!.*[?&]s=)", path):
        return False
    if "_cat/tasks" not in path or "help" in path:
        return True
    keys = re.search(r"[?&]s=([^&]*)", path)
    return bool(keys) and "actions=" in path and all(
        key.split(":")[0] in ("node", "n", "action", "x_opaque_id") for key in keys[1].split(","))


def expectation(item, nodes, asked, ordered):
    response = item["response"]
    if response["status"] is None:
        return {"status": None}
    body = response.get("body", "").encode()
    if "body_base64" in response:
        body = base64.b64decode(response["body_base64"])
    headers = response["headers"]
    if headers.get("content-type", "").startswith("text/"):
        body = b"".join(line for line in body.splitlines(True)
                        if not line.startswith(b"indices:data/read/"))
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    if headers.get("content-type", "").startswith("application/json") and body:
        value = json.loads(body)
        kept = without_searches(without_result(value))
        if kept != value or (isinstance(kept, dict) and "response" in kept):
            kept = without_empty_nodes(kept)
            # In this layout the recorded server kept stored parts compact.
            body = (masks.pretty_text(kept) if body.startswith(b"{\n") else
                    json.dumps(kept, separators=(",", ":"), ensure_ascii=False)).encode()
    tasks = {value: name for name, value in item.get("vars", {}).items()
             if re.fullmatch(r"[\w-]{22}:\d+", value)}
    names = masks.Names(nodes, tasks, asked, run=item.get("vars", {}).get("rid"),
                        path=item["request"]["path"])
    return masks.compared(response["status"], headers, body, names, ordered)


# Asked when hanging calls had ended: what they held up had gone on by then. And of a cluster that had
# run for a while: each node had told how busy its host was.
AFTER_A_PAUSE = {"failures/cont-get", "info/cat-nodes", "info/cat-nodes-v", "info/cat-nodes-json"}


def case(line, item, nodes):
    ident, note, asked, method, path, *rest = line
    options = rest[0] if rest else {}
    if reason := out_reason(line, item):
        return {"id": ident, "out": reason}
    result = {"id": ident, "note": note, "asked": asked, "request": [method, path]}
    for key in ("headers", "body"):
        if options.get(key) is not None:
            result[key] = options[key]
    if options.get("bg"):
        result["background"] = True
    elif "sleep" in options or ident in AFTER_A_PAUSE:
        result["patient"] = True
    ordered = has_order(path)
    if not ordered:
        result["ordered"] = False
    result["expect"] = expectation(item, nodes, asked, ordered)
    return result


def import_topic(folder, topic, nodes):
    recorded = recordings(folder, topic)
    lines = []
    for text in (folder / "scenarios" / f"{topic}.jsonl").read_text().splitlines():
        if not text.strip() or text.startswith("#"):
            continue
        line = json.loads(text)
        if line[0] == "-":
            lines += set_up(line)
            continue
        options = line[5] if len(line) > 5 else {}
        if options.get("join"):
            lines.append({"do": "join"})
        if "sleep" in options:
            lines.append({"do": "settle"})
        if line[0] in SETTLED:
            lines.append({"do": "settle", **SETTLED[line[0]]})
        if line[0] in FORGOTTEN:
            lines.append({"do": "node", "verb": "forget", "node": FORGOTTEN[line[0]]})
        start = start_step(line[2], line[4], options)
        lines.append(case(line, recorded[line[0]], nodes))
        if start is not None and "out" in lines[-1]:
            lines.append(start)
    return unsettled_while_stopped(lines)


def unsettled_while_stopped(lines):
    """A task that was cancelled while a node was stopped did not end before it went on."""
    stopped, kept = False, []
    for line in lines:
        if line.get("do") == "node":
            stopped = line["verb"] == "stop" or (stopped and line["verb"] not in ("cont", "kill"))
        if line != {"do": "settle"} or not stopped:
            kept.append(line)
    return kept


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    nodes = node_ids(folder)
    for topic in TOPICS:
        lines = import_topic(folder, topic, nodes)
        (HERE / "cases").mkdir(exist_ok=True)
        (HERE / "cases" / f"{topic}.jsonl").write_text("".join(
            json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))
        cases = sum("expect" in line for line in lines)
        print(f"{topic}: {cases} cases, {sum('out' in line for line in lines)} out")


if __name__ == "__main__":
    main()
