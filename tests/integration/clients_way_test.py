"""Goal: clients of OpenSearch find their way by what the coordinator says of itself, also those that
sniff, ask for gzip, or insist on a distribution.
Method: a cluster of real processes, asked as these clients ask."""

import gzip
import json
import os

import quelltest
from quelltest import COORDINATOR, NODE, SLEEPER, http_call


class ClientsWayTest(quelltest.SharedClusterCase):
    NAMES = ["web", "db"]

    def test_every_address_that_a_sniffing_client_is_told_serves_http(self):
        for path in ("/_nodes/_all/http", "/_nodes/http", "/_nodes/http%2Cjvm", "/_nodes/_local/http"):
            nodes = self.shared.get(path).json["nodes"].values()
            told = [node["http"]["publish_address"] for node in nodes]
            self.assertEqual(told, [self.shared.address], path)
            for address in told:
                self.assertEqual(http_call(address, "GET", "/_tasks").status, 200)
        names = {node["name"] for node in self.shared.get("/_nodes").json["nodes"].values()}
        self.assertEqual(names, {"coordinator", "web", "db"})

    def test_answers_are_packed_for_those_who_ask(self):
        self.job("web", *SLEEPER, flags=["--action", "packed/a"])
        task = self.shared.task_of("packed/a")
        plain = self.shared.get("/_tasks?actions=packed/*")
        packed = self.shared.get("/_tasks?actions=packed/*",
                                 headers={"Accept-Encoding": "gzip, x-gzip, deflate"})
        self.assertEqual(packed.header("content-encoding"), "gzip")
        self.assertIsNone(plain.header("content-encoding"))
        self.assertEqual(packed.header("content-type"), plain.header("content-type"))
        for answer in (plain.json, json.loads(gzip.decompress(packed.body))):
            [tasks] = [node["tasks"] for node in answer["nodes"].values() if node["tasks"]]
            self.assertEqual(list(tasks), [task])

    def test_an_opaque_id_of_eight_kilobytes_passes(self):
        answer = self.shared.get("/_tasks", headers={"X-Opaque-Id": "a" * 8100})
        self.assertEqual((answer.status, answer.header("X-Opaque-Id")), (200, "a" * 8100))
        answer = self.shared.get("/_tasks", headers={"X-Opaque-Id": "a" * 8200})
        self.assertEqual(answer.status, 400)
        self.assertIn("maximum size of task headers", answer.json["error"]["reason"])

    def test_parts_of_answers_in_other_formats(self):
        answer = self.shared.get("/_nodes?format=yaml&filter_path=nodes.*.name")
        self.assertEqual(answer.header("content-type"), "application/yaml")
        self.assertTrue(answer.body.startswith(b"---\nnodes:\n"), answer)
        self.assertEqual(answer.body.count(b"    name: "), 3, answer)

    def test_a_cancel_by_attribute_and_role_spares_the_others(self):
        argv = [NODE, "--name", "extra", "--data", os.path.join(self.directory, "extra"), "--listen",
                "127.0.0.1:0", "--coordinator", self.shared.coordinator["grpc"], "--socket",
                os.path.join(self.directory, "extra.sock"), "--attr", "rack=r7", "--roles", "ingest"]
        extra = self.daemon(*argv)
        extra.wait_ready()
        extra.wait_joined()
        self.addCleanup(self.shared.quell, "node", "forget", "extra")
        self.addCleanup(extra.stop)
        for query in ("nodes=rack:r*", "nodes=_all,data:false,_local"):
            answer = self.shared.post(f"/_tasks/_cancel?{query}&filter_path=nodes.*.name")
            names = {node["name"] for node in answer.json["nodes"].values()}
            self.assertEqual(names - {"coordinator"}, {"extra"}, answer)
        refused = self.shared.post("/_tasks/_cancel?nodes=_all,-extra")
        self.assertEqual(refused.status, 400)
        self.assertIn("[-extra]", refused.json["error"]["reason"])

    def test_health_waits_for_a_node(self):
        answer = self.shared.get("/_cluster/health?wait_for_nodes=%3E%3D3&wait_for_status=green")
        self.assertEqual((answer.status, answer.json["number_of_data_nodes"]), (200, 2))
        answer = self.shared.get("/_cluster/health?wait_for_nodes=9&timeout=10ms")
        self.assertEqual((answer.status, answer.json["timed_out"]), (408, True))


class NameTest(quelltest.TestCase):
    def test_a_coordinator_says_what_it_is_told_to_say(self):
        daemon = self.daemon(COORDINATOR, "--data", os.path.join(self.directory, "c"), "--http",
                             "127.0.0.1:0", "--listen", "127.0.0.1:0", "--cluster-name", "prod",
                             "--opensearch-distribution", "opensearch", "--opensearch-version", "3.2.0",
                             "--opensearch-tagline", "The OpenSearch Project: https://opensearch.org/")
        ready = daemon.wait_ready()
        root = http_call(ready["http"].removeprefix("http://"), "GET", "/").json
        self.assertEqual((root["cluster_name"], root["cluster_uuid"]), ("prod", ready["id"]))
        self.assertEqual((root["version"]["distribution"], root["version"]["number"]),
                         ("opensearch", "3.2.0"))
        self.assertEqual(root["tagline"], "The OpenSearch Project: https://opensearch.org/")
        self.assertIn("--opensearch-version", ready["argv"])


if __name__ == "__main__":
    quelltest.main()
