// What opensearch-go shows of a cluster. Run by ../run.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/opensearch-project/opensearch-go/v4"
	"github.com/opensearch-project/opensearch-go/v4/opensearchapi"
)

var scene struct {
	URL   string
	Nodes map[string]string
	Tasks map[string]string
}

func check(what string, truth bool, seen any) {
	if !truth {
		fmt.Printf("%s: not so: %+v\n", what, seen)
		os.Exit(1)
	}
	fmt.Println(what)
}

// must is for calls that must not fail.
func must[T any](value T, err error) T {
	if err != nil {
		fmt.Printf("%T: %v\n", value, err)
		os.Exit(1)
	}
	return value
}

func connect(discover bool) *opensearchapi.Client {
	config := opensearch.Config{Addresses: []string{scene.URL}, DisableRetry: true}
	if discover {
		config.DiscoverNodesOnStart = &discover
	}
	return must(opensearchapi.NewClient(opensearchapi.Config{Client: config}))
}

func list(client *opensearchapi.Client, params opensearchapi.TasksListParams) *opensearchapi.TasksListResp {
	return must(client.Tasks.List(context.Background(), &opensearchapi.TasksListReq{Params: params}))
}

func get(client *opensearchapi.Client, task string) *opensearchapi.TasksGetResp {
	return must(client.Tasks.Get(context.Background(), opensearchapi.TasksGetReq{TaskID: task}))
}

func untilEnded(client *opensearchapi.Client, task string) *opensearchapi.TasksGetResp {
	end := time.Now().Add(30 * time.Second)
	for {
		if got := get(client, task); got.Completed {
			return got
		}
		if time.Now().After(end) {
			check("it ends", false, task)
		}
	}
}

func lists(client *opensearchapi.Client) {
	byquery := []string{"*byquery"}
	byNode := list(client, opensearchapi.TasksListParams{Actions: byquery}).Nodes
	count := func(node string) int { return len(byNode[scene.Nodes[node]].Tasks) }
	check("list by nodes", count("node1") == 2 && count("node2") == 4 && count("node3") == 2, byNode)
	trees := list(client, opensearchapi.TasksListParams{Actions: byquery, GroupBy: "parents"}).Tasks
	check("list by parents", len(trees) == 5 && len(trees[scene.Tasks["parent"]].Children) == 3, trees)

	// This client's type for it wants an object: it cannot read a real server's answer either.
	request := must(http.NewRequest(http.MethodGet, "/_tasks?actions=*byquery&group_by=none", nil))
	answer := must(client.Client.Perform(request))
	var flat struct{ Tasks []opensearchapi.TasksListTask }
	if err := json.Unmarshal(must(io.ReadAll(answer.Body)), &flat); err != nil {
		check("list without groups", false, err)
	}
	check("list without groups", len(flat.Tasks) == 8, flat)

	detailed := true
	there := list(client, opensearchapi.TasksListParams{
		Actions: []string{"*delete/byquery"}, Nodes: []string{"opensearch-node3"}, Detailed: &detailed})
	task := there.Nodes[scene.Nodes["node3"]].Tasks[scene.Tasks["deleting"]]
	check("list of a node, detailed", task.Description == "delete-by-query [src]", task)
}

func cancels(client *opensearchapi.Client) {
	first := scene.Tasks["first"]
	running := get(client, first)
	check("get what runs", !running.Completed && running.Task.Cancellable, running)
	byID := must(client.Tasks.Cancel(context.Background(), opensearchapi.TasksCancelReq{TaskID: first}))
	check("cancel by id", byID.Nodes[scene.Nodes["node1"]].Tasks[first].Cancelled, byID)
	byFilter := must(client.Tasks.Cancel(context.Background(), opensearchapi.TasksCancelReq{
		Params: opensearchapi.TasksCancelParams{
			Actions: []string{"*delete/byquery"}, Nodes: []string{"opensearch-node3"}}}))
	check("cancel by filter",
		byFilter.Nodes[scene.Nodes["node3"]].Tasks[scene.Tasks["deleting"]].Cancelled, byFilter)
	ended := untilEnded(client, first)
	check("get what has ended", ended.Task.Cancelled, ended)
}

func tables(client *opensearchapi.Client) {
	rows := must(client.Cat.Tasks(context.Background(), &opensearchapi.CatTasksReq{
		Params: opensearchapi.CatTasksParams{Actions: []string{"*byquery"}}})).Tasks
	found := false
	for _, row := range rows {
		found = found || (row.TaskID == scene.Tasks["parent"] && row.StartTime > 0)
	}
	check("cat as JSON", found, rows)
}

func refusal(err error) *opensearch.StructError {
	var refused *opensearch.StructError
	if !errors.As(err, &refused) {
		check("an error in the usual shape", false, err)
	}
	return refused
}

func failures(client *opensearchapi.Client) {
	background := context.Background()
	_, err := client.Tasks.Get(background, opensearchapi.TasksGetReq{TaskID: scene.Nodes["node1"] + ":999999999"})
	unknown := refusal(err)
	check("an unknown task", unknown.Status == 404 && unknown.Err.Type == "resource_not_found_exception", unknown)
	_, err = client.Tasks.Get(background, opensearchapi.TasksGetReq{TaskID: "abc"})
	broken := refusal(err)
	check("a malformed id", broken.Status == 400 && broken.Err.Reason == "malformed task id abc", broken)
	_, err = client.Tasks.List(background, &opensearchapi.TasksListReq{
		Params: opensearchapi.TasksListParams{GroupBy: "foo"}})
	check("a bad value", strings.HasPrefix(refusal(err).Err.Reason, "[group_by] must be one of"), err)
}

func discovers() {
	client := connect(true)
	err := client.Client.DiscoverNodes(context.Background())
	check("discovery finds where HTTP is served", err == nil, err)
	check("and goes on with it", len(list(client, opensearchapi.TasksListParams{}).Nodes) > 0, "nothing")
}

func up() {
	client := connect(false)
	info := must(client.Info(context.Background(), nil))
	check("info", info.Version.Number != "", info)
	lists(client)
	cancels(client)
	tables(client)
	failures(client)
	discovers()

}

func down() {
	client := connect(false)
	node3 := scene.Nodes["node3"]
	seen := list(client, opensearchapi.TasksListParams{Actions: []string{"*byquery"}})
	check("a node down is named", len(seen.NodeFailures) == 1 && seen.NodeFailures[0].NodeID == node3, seen)
	check("the others are shown", len(seen.Nodes[scene.Nodes["node2"]].Tasks) > 0, seen)
	_, err := client.Tasks.Get(context.Background(), opensearchapi.TasksGetReq{TaskID: scene.Tasks["left"]})
	check("its task is not called unknown", refusal(err).Status >= 500, err)
	answer := must(client.Tasks.Cancel(context.Background(), opensearchapi.TasksCancelReq{TaskID: scene.Tasks["left"]}))
	check("a cancel there is a failure of that node",
		len(answer.NodeFailures) == 1 && answer.NodeFailures[0].NodeID == node3, answer)
}

func main() {
	if err := json.Unmarshal([]byte(os.Getenv("QUELL_SCENE")), &scene); err != nil {
		check("the scene", false, err)
	}
	map[string]func(){"up": up, "down": down}[os.Args[1]]()
}
