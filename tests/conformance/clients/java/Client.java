// What opensearch-java shows of a cluster. Run by ../run.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.hc.core5.http.HttpHost;
import org.opensearch.client.json.jackson.JacksonJsonpMapper;
import org.opensearch.client.opensearch.OpenSearchClient;
import org.opensearch.client.opensearch._types.ErrorCause;
import org.opensearch.client.opensearch._types.OpenSearchException;
import org.opensearch.client.opensearch.tasks.GetTasksResponse;
import org.opensearch.client.opensearch.tasks.GroupBy;
import org.opensearch.client.opensearch.tasks.TaskExecutingNode;
import org.opensearch.client.opensearch.tasks.TaskGroup;
import org.opensearch.client.opensearch.tasks.TaskInfo;
import org.opensearch.client.transport.httpclient5.ApacheHttpClient5TransportBuilder;
import org.opensearch.client.transport.httpclient5.ResponseException;

public final class Client {
  private final OpenSearchClient client;
  private final JsonNode scene;

  private Client(JsonNode scene) throws Exception {
    this.scene = scene;
    var transport = ApacheHttpClient5TransportBuilder.builder(HttpHost.create(scene.get("url").asText()))
        .setMapper(new JacksonJsonpMapper()).build();
    client = new OpenSearchClient(transport);
  }

  private String node(String name) {
    return scene.get("nodes").get(name).asText();
  }

  private String task(String name) {
    return scene.get("tasks").get(name).asText();
  }

  private static void check(String what, boolean truth, Object seen) {
    System.out.println(truth ? what : what + ": not so: " + seen);
    if (!truth) System.exit(1);
  }

  private static int statusOf(Callable<?> call) throws Exception {
    try {
      check("an error was expected", false, call.call());
      return 0;
    } catch (ResponseException refused) {
      return refused.status();
    } catch (OpenSearchException refused) {
      return refused.status();
    }
  }

  private static ErrorCause errorOf(Callable<?> call) throws Exception {
    try {
      check("an error was expected", false, call.call());
      return null;
    } catch (OpenSearchException refused) {
      return refused.error();
    }
  }

  private GetTasksResponse untilEnded(String task) throws Exception {
    long end = System.nanoTime() + 30_000_000_000L;
    while (true) {
      GetTasksResponse got = client.tasks().get(request -> request.taskId(task));
      if (got.completed()) return got;
      if (System.nanoTime() > end) check("it ends", false, got.task().action());
    }
  }

  private void lists() throws Exception {
    Map<String, TaskExecutingNode> byNode =
        client.tasks().list(request -> request.actions("*byquery")).nodes();
    check("list by nodes", byNode.get(node("node1")).tasks().size() == 2
        && byNode.get(node("node2")).tasks().size() == 4
        && byNode.get(node("node3")).tasks().size() == 2, byNode);
    Map<String, TaskGroup> trees = client.tasks()
        .list(request -> request.actions("*byquery").groupBy(GroupBy.Parents)).tasks().groupedByParents();
    check("list by parents",
        trees.size() == 5 && trees.get(task("parent")).children().size() == 3, trees);
    List<TaskInfo> flat = client.tasks()
        .list(request -> request.actions("*byquery").groupBy(GroupBy.None)).tasks().groupedByNone();
    check("list without groups", flat.size() == 8, flat);
    TaskInfo there = client.tasks()
        .list(request -> request.actions("*delete/byquery").nodes("opensearch-node3").detailed(true))
        .nodes().get(node("node3")).tasks().get(task("deleting"));
    check("list of a node, detailed", there.description().equals("delete-by-query [src]"), there);
  }

  private void cancels() throws Exception {
    String first = task("first");
    GetTasksResponse running = client.tasks().get(request -> request.taskId(first));
    check("get what runs", !running.completed() && running.task().cancellable(), running.task().action());
    TaskInfo byId = client.tasks().cancel(request -> request.taskId(first))
        .nodes().get(node("node1")).tasks().get(first);
    check("cancel by id", byId.cancelled(), byId);
    TaskInfo byFilter = client.tasks()
        .cancel(request -> request.actions("*delete/byquery").nodes("opensearch-node3"))
        .nodes().get(node("node3")).tasks().get(task("deleting"));
    check("cancel by filter", byFilter.cancelled(), byFilter);
    check("get what has ended", untilEnded(first).task().cancelled(), first);
  }

  private void errors() throws Exception {
    String nobody = node("node1") + ":999999999";
    ErrorCause unknown = errorOf(() -> client.tasks().get(request -> request.taskId(nobody)));
    check("an unknown task", unknown.type().equals("resource_not_found_exception"), unknown.type());
    ErrorCause broken = errorOf(() -> client.tasks().get(request -> request.taskId("abc")));
    check("a malformed id", broken.reason().equals("malformed task id abc"), broken.reason());
  }

  private void up() throws Exception {
    var info = client.info();
    check("info, all that it demands", !info.version().number().isEmpty(), info.name());
    lists();
    cancels();
    var rows = client.cat().tasks(request -> request.actions("*byquery")).valueBody();
    check("cat as JSON", rows.stream().anyMatch(row -> task("parent").equals(row.taskId())), rows);
    errors();
  }

  private void down() throws Exception {
    var seen = client.tasks().list(request -> request.actions("*byquery"));
    check("a node down is named", seen.nodeFailures().size() == 1
        && seen.nodeFailures().get(0).metadata().get("node_id").to(String.class).equals(node("node3")),
        seen.nodeFailures().size());
    check("the others are shown", !seen.nodes().get(node("node2")).tasks().isEmpty(), seen.nodes());
    int status = statusOf(() -> client.tasks().get(request -> request.taskId(task("left"))));
    check("its task is not called unknown", status >= 500, status);
    var answer = client.tasks().cancel(request -> request.taskId(task("left")));
    check("a cancel there is a failure of that node", answer.nodeFailures().size() == 1,
        answer.nodeFailures().size());
  }

  public static void main(String[] arguments) throws Exception {
    Client shown = new Client(new ObjectMapper().readTree(System.getenv("QUELL_SCENE")));
    if (arguments[0].equals("up")) shown.up();
    else shown.down();
    System.exit(0);
  }
}
