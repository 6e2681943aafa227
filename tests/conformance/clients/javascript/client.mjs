// What @opensearch-project/opensearch shows of a cluster. Run by ../run.

import { Client } from '@opensearch-project/opensearch';

const scene = JSON.parse(process.env.QUELL_SCENE);
const { nodes, tasks } = scene;

function check(what, truth, seen) {
  if (!truth) {
    console.log(`${what}: not so: ${JSON.stringify(seen)}`);
    process.exit(1);
  }
  console.log(what);
}

async function errorOf(promise) {
  try {
    return { seen: (await promise).body };
  } catch (error) {
    return error;
  }
}

async function untilEnded(client, task) {
  const end = Date.now() + 30_000;
  for (;;) {
    const { body } = await client.tasks.get({ task_id: task });
    if (body.completed) return body;
    check('it ends', Date.now() < end, body);
  }
}

async function lists(client) {
  const byNode = (await client.tasks.list({ actions: '*byquery' })).body.nodes;
  const counts = Object.values(byNode)
    .filter((node) => Object.keys(node.tasks).length > 0)
    .map((node) => `${node.name} ${Object.keys(node.tasks).length}`)
    .sort();
  check('list by nodes', counts.join() === 'opensearch-node1 2,opensearch-node2 4,opensearch-node3 2', counts);
  const trees = (await client.tasks.list({ actions: '*byquery', group_by: 'parents' })).body.tasks;
  check('list by parents', Object.keys(trees).length === 5 && trees[tasks.parent].children.length === 3, trees);
  const flat = (await client.tasks.list({ actions: '*byquery', group_by: 'none' })).body.tasks;
  check('list without groups', flat.length === 8, flat);
  const there = await client.tasks.list({ actions: '*delete/byquery', nodes: ['opensearch-node3'], detailed: true });
  const task = there.body.nodes[nodes.node3].tasks[tasks.deleting];
  check('list of a node, detailed', task.description === 'delete-by-query [src]', task);
}

async function cancels(client) {
  const running = (await client.tasks.get({ task_id: tasks.first })).body;
  check('get what runs', !running.completed && running.task.cancellable, running);
  const byId = (await client.tasks.cancel({ task_id: tasks.first })).body;
  check('cancel by id', byId.nodes[nodes.node1].tasks[tasks.first].cancelled, byId);
  const byFilter = (await client.tasks.cancel({ actions: '*delete/byquery', nodes: 'opensearch-node3' })).body;
  check('cancel by filter', byFilter.nodes[nodes.node3].tasks[tasks.deleting].cancelled, byFilter);
  const ended = await untilEnded(client, tasks.first);
  check('get what has ended', ended.task.cancelled, ended);
}

async function tables(client) {
  const text = (await client.cat.tasks({ h: 'action,task_id', v: true, actions: '*byquery' })).body;
  check('cat as text', text.includes(tasks.second) && text.startsWith('action'), text);
  const rows = (await client.cat.tasks({ format: 'json', actions: '*byquery' })).body;
  check('cat as JSON', rows.some((row) => row.task_id === tasks.parent), rows);
}

async function errors(client) {
  const unknown = await errorOf(client.tasks.get({ task_id: `${nodes.node1}:999999999` }));
  check('an unknown task', unknown.statusCode === 404 &&
    unknown.body.error.type === 'resource_not_found_exception', unknown);
  const broken = await errorOf(client.tasks.get({ task_id: 'abc' }));
  check('a malformed id', broken.statusCode === 400 &&
    broken.body.error.reason === 'malformed task id abc', broken);
  const misspelt = await errorOf(client.tasks.list({ actoins: 'x' }));
  check('a misspelt parameter', misspelt.body.error.reason.includes('did you mean [actions]'), misspelt);
}

async function sniffs() {
  const client = new Client({ node: scene.url });
  await new Promise((done, failed) => {
    client.transport.sniff({ reason: 'test' }, (error, hosts) => (error ? failed(error) : done(hosts)));
  });
  const urls = client.connectionPool.connections.map((connection) => connection.url.host);
  check('sniffing finds where HTTP is served', urls.length > 0 && urls.every((url) => url === new URL(scene.url).host), urls);
  check('and goes on with it', (await client.tasks.list()).body.nodes, urls);
}

async function up() {
  const client = new Client({ node: scene.url });
  check('ping', (await client.ping()).body, 'no');
  const info = (await client.info()).body;
  check('info', info.version.number, info);
  await lists(client);
  await cancels(client);
  await tables(client);
  await errors(client);
  await sniffs();
}

async function down() {
  const client = new Client({ node: scene.url, maxRetries: 0 });
  const seen = (await client.tasks.list({ actions: '*byquery' })).body;
  const failed = seen.node_failures.map((failure) => failure.node_id);
  check('a node down is named', failed.join() === nodes.node3, seen);
  check('the others are shown', seen.nodes[nodes.node2], seen);
  const silent = await errorOf(client.tasks.get({ task_id: tasks.left }));
  check('its task is not called unknown', silent.statusCode >= 500, silent);
  const answer = (await client.tasks.cancel({ task_id: tasks.left })).body;
  check('a cancel there is a failure of that node',
    answer.node_failures.map((failure) => failure.node_id).join() === nodes.node3, answer);
}

await { up, down }[process.argv[2]]();
