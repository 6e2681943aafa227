"""What opensearch-py shows of a cluster. Run by ../run."""

import json
import os
import sys
import time

import opensearchpy

SCENE = json.loads(os.environ["QUELL_SCENE"])
NODES, TASKS = SCENE["nodes"], SCENE["tasks"]


def check(what, truth, seen):
    if not truth:
        sys.exit(f"{what}: not so: {seen}")
    print(what)


def error_of(call, kind):
    try:
        seen = call()
    except opensearchpy.exceptions.TransportError as error:
        return error
    sys.exit(f"{kind} was expected, not {seen}")


def until_ended(client, task):
    end = time.monotonic() + 30
    while not (got := client.tasks.get(task_id=task))["completed"]:
        if time.monotonic() > end:
            sys.exit(f"still running: {got}")
    return got


def lists(client):
    by_node = client.tasks.list(actions="*byquery")["nodes"]
    counts = {node["name"]: len(node["tasks"]) for node in by_node.values() if node["tasks"]}
    check("list by nodes", counts == {"opensearch-node1": 2, "opensearch-node2": 4,
                                      "opensearch-node3": 2}, counts)
    trees = client.tasks.list(actions="*byquery", group_by="parents")["tasks"]
    check("list by parents", len(trees) == 5 and len(trees[TASKS["parent"]]["children"]) == 3, trees)
    flat = client.tasks.list(actions="*byquery", group_by="none")["tasks"]
    check("list without groups", len(flat) == 8, flat)
    there = client.tasks.list(actions="*delete/byquery", nodes="opensearch-node3", detailed=True)
    task = there["nodes"][NODES["node3"]]["tasks"][TASKS["deleting"]]
    check("list of a node, detailed", task["description"] == "delete-by-query [src]", task)


def cancels(client):
    running = client.tasks.get(task_id=TASKS["first"])
    check("get what runs", not running["completed"] and running["task"]["cancellable"], running)
    answer = client.tasks.cancel(task_id=TASKS["first"])
    check("cancel by id", answer["nodes"][NODES["node1"]]["tasks"][TASKS["first"]]["cancelled"], answer)
    answer = client.tasks.cancel(actions="*delete/byquery", nodes="opensearch-node3")
    check("cancel by filter",
          answer["nodes"][NODES["node3"]]["tasks"][TASKS["deleting"]]["cancelled"], answer)
    ended = until_ended(client, TASKS["first"])
    check("get what has ended", ended["task"]["cancelled"], ended)


def tables(client):
    text = client.cat.tasks(h="action,task_id", v=True, actions="*byquery")
    check("cat as text", TASKS["second"] in text and text.startswith("action"), text)
    rows = client.cat.tasks(format="json", actions="*byquery")
    check("cat as JSON", TASKS["parent"] in [row["task_id"] for row in rows], rows)


def errors(client):
    unknown = error_of(lambda: client.tasks.get(task_id=NODES["node1"] + ":999999999"), "404")
    check("an unknown task", (unknown.status_code, unknown.error) == (
        404, "resource_not_found_exception"), unknown)
    broken = error_of(lambda: client.tasks.get(task_id="abc"), "400")
    check("a malformed id", broken.status_code == 400 and
          broken.info["error"]["reason"] == "malformed task id abc", broken)
    misspelt = error_of(lambda: client.tasks.list(params={"actoins": "x"}), "400")
    check("a misspelt parameter", "did you mean [actions]" in str(misspelt), misspelt)


def sniffs():
    sniffing = opensearchpy.OpenSearch([SCENE["url"]], sniff_on_start=True)
    hosts = [connection.host for connection in sniffing.transport.connection_pool.connections]
    check("sniffing finds where HTTP is served", set(hosts) == {SCENE["url"]}, hosts)
    check("and goes on with it", sniffing.tasks.list()["nodes"], hosts)


def up():
    client = opensearchpy.OpenSearch([SCENE["url"]])
    check("ping", client.ping(), "no")
    check("info", client.info()["version"]["number"], client.info())
    lists(client)
    cancels(client)
    tables(client)
    errors(client)
    sniffs()


def down():
    client = opensearchpy.OpenSearch([SCENE["url"]], max_retries=0)
    seen = client.tasks.list(actions="*byquery")
    failed = [failure["node_id"] for failure in seen["node_failures"]]
    check("a node down is named", failed == [NODES["node3"]], seen)
    check("the others are shown", NODES["node2"] in seen["nodes"], seen)
    silent = error_of(lambda: client.tasks.get(task_id=TASKS["left"]), "an error")
    check("its task is not called unknown", silent.status_code >= 500, silent)
    answer = client.tasks.cancel(task_id=TASKS["left"])
    check("a cancel there is a failure of that node",
          [failure["node_id"] for failure in answer["node_failures"]] == [NODES["node3"]], answer)


{"up": up, "down": down}[sys.argv[1]]()
