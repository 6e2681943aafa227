// Goal: headers, bodies, paths and methods are taken and refused as a real server does, before
// anybody looks at what is asked for.
// Method: requests go through the real router and API; the texts are those that an OpenSearch 3.8
// was seen to say.
#include <gmock/gmock.h>

#include "core/limits.h"
#include "core/version.h"
#include "tests/unit/coordinator/api_fixtures.h"

namespace quell::opensearch {
namespace {

using http::Method;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using RequestTest = ApiTest;
using Headers = std::vector<Header>;

TEST_F(RequestTest, IdsAreRepeatedOnEveryAnswer) {
  const Headers ids = {{"x-request-id", "r"}, {"X-OPAQUE-ID", "o"}};
  const Headers repeated = {{"X-Opaque-Id", "o"}, {"X-Request-Id", "r"}};
  for (const char* path : {"/", "/_tasks/abc", "/_tasks/foo:1", "/_cat/tasks", "/a/b", "/_nodes"}) {
    TestResponse got = Get(path, ids);
    got.headers.resize(2);
    EXPECT_EQ(got.headers, repeated) << path;
  }
  TestResponse wrong = Send(Method::kPut, "/_tasks", ids);
  EXPECT_THAT(wrong.headers, ElementsAre(repeated[0], repeated[1], Header{"Allow", "GET"}));
}

TEST_F(RequestTest, AnIdThatIsNotOneIsRefused) {
  const TestResponse two = Get("/_tasks", {{"X-Opaque-Id", "one"}, {"x-opaque-id", "two"}});
  EXPECT_EQ(two.status, 400);
  EXPECT_EQ(two.body,
            R"({"error":"multiple values for single-valued header [X-Opaque-Id].","status":400})");
  EXPECT_EQ(Get("/_tasks", {{"X-Opaque-Id", "one"}, {"x-opaque-id", "one"}}).status, 200);
  EXPECT_EQ(Get("/_tasks", {{"X-Request-Id", "1"}, {"X-Request-Id", "2"}}).status, 400);
  EXPECT_EQ(Get("/_tasks", {{"X-Request-Id", ""}}).body,
            Refusal("X-Request-Id should not be null or empty"));
  EXPECT_EQ(Get("/_tasks", {{"X-Opaque-Id", ""}}).status, 200);
}

TEST_F(RequestTest, IdsMustFitIntoATask) {
  const std::size_t most = limits::kRequestIdsMax / 2 - std::string("X-Opaque-Id").size();
  EXPECT_EQ(Get("/_tasks", {{"X-Opaque-Id", std::string(most, 'a')}}).status, 200);
  EXPECT_EQ(Get("/_tasks", {{"X-Opaque-Id", std::string(most + 1, 'a')}}).body,
            Refusal("Request exceeded the maximum size of task headers 16kb"));
}

TEST_F(RequestTest, ACancelWhoseBodyHoldsAnythingIsRefusedInBothProfiles) {
  for (const char* profile : {"documented", "strict"}) {
    const Headers headers = {{"Content-Type", "application/json"}, {"Quell-Profile", profile}};
    for (const char* body : {R"({"actions":"nothing/*"})", "{", "[1]", "7", R"({"x":{}})"}) {
      const TestResponse refused = Send(Method::kPost, "/_tasks/_cancel?nodes=_all", headers, body);
      EXPECT_EQ(refused.status, 400) << profile << body;
      EXPECT_THAT(refused.body,
                  HasSubstr("does not support having a body, and nothing was changed"));
      EXPECT_TRUE(file_.intents.empty()) << profile << body;
    }
    const TestResponse named =
        Send(Method::kPost, "/_tasks/_cancel", headers, R"({"actions":"nothing/*","x":1})");
    EXPECT_THAT(named.body, HasSubstr("[actions] must stand in the query, as in "
                                      "[/_tasks/_cancel?actions=...]"));
    for (const char* body : {"", " ", "{}", "{ }", "null", "[]"}) {
      EXPECT_EQ(Send(Method::kPost, "/_tasks/_cancel?actions=nothing", headers, body).status, 200)
          << profile << body;
    }
  }
}

TEST_F(RequestTest, TheBodyOfAListIsRefusedInDocumentedAndNotLookedAtInStrict) {
  const std::string body = R"({"actions":"nothing/*"})";
  for (const char* path : {"/_tasks", "/_cat/tasks", "/_nodes", "/_cluster/health", "/"}) {
    Headers headers = {{"Content-Type", "application/json"}};
    EXPECT_EQ(Send(Method::kGet, path, headers, body).status, 400) << path;
    EXPECT_EQ(Send(Method::kGet, path, headers, "{}").status, 200) << path;
    headers.push_back({"Quell-Profile", "strict"});
    EXPECT_EQ(Send(Method::kGet, path, headers, body).status, 200) << path;
  }
}

TEST_F(RequestTest, OfTwoHeadersThatDifferNoneIsLeftUnread) {
  EXPECT_EQ(Get("/_tasks", {{"Quell-Profile", "strict"}, {"quell-profile", "documented"}}).status,
            400);
  EXPECT_EQ(Get("/_tasks", {{"Quell-Requests", "shown"}, {"Quell-Requests", "hidden"}}).status,
            400);
}

TEST_F(RequestTest, ABodyMustHaveATypeThatIsKnown) {
  auto post = [&](const std::string& type, const std::string& body) {
    Headers headers;
    if (!type.empty()) headers.push_back({"Content-Type", type});
    return Send(Method::kPost, "/_tasks/_cancel?actions=nothing", std::move(headers), body);
  };
  EXPECT_EQ(post("application/json; charset=UTF-8", "{}").status, 200);
  EXPECT_EQ(post("", "").status, 200);
  EXPECT_EQ(post("application/x-www-form-urlencoded", "").status, 200);
  EXPECT_EQ(post("", "{}").status, 406);
  EXPECT_EQ(post("", "{}").body,
            R"({"error":"Content-Type header [] is not supported","status":406})");
  EXPECT_EQ(post("text/plain", "{}").body,
            R"({"error":"Content-Type header [text/plain] is not supported","status":406})");
}

TEST_F(RequestTest, AContentTypeThatIsNoneIsRefusedWithoutABodyToo) {
  EXPECT_EQ(Post("/_tasks/_cancel?actions=nothing", {{"Content-Type", "x"}}).body,
            R"({"error":{"root_cause":[{"type":"content_type_header_exception","reason":)"
            R"("java.lang.IllegalArgumentException: invalid Content-Type header [x]"}],"type":)"
            R"("content_type_header_exception","reason":"java.lang.IllegalArgumentException: )"
            R"(invalid Content-Type header [x]","caused_by":{"type":"illegal_argument_exception",)"
            R"("reason":"invalid Content-Type header [x]"}},"status":400})");
  EXPECT_THAT(Get("/_tasks", {{"Content-Type", "application/json"}, {"content-type", "a/b"}}).body,
              HasSubstr("only one Content-Type header should be provided"));
}

TEST_F(RequestTest, AWrongMethodIsToldWhatIsAllowed) {
  const TestResponse got = Send(Method::kPut, "/_tasks?x=1", {}, "{}");
  EXPECT_EQ(got.status, 405);
  EXPECT_EQ(got.Header("Allow"), "GET");
  EXPECT_EQ(got.body, R"({"error":"Incorrect HTTP method for uri [/_tasks?x=1] and method [PUT], )"
                      R"(allowed: [GET]","status":405})");
  EXPECT_EQ(Get("/_tasks/_cancel").Header("Allow"), "POST");
  EXPECT_EQ(Send(Method::kHead, "/_cluster/health").status, 405);
  EXPECT_EQ(Send(Method::kDelete, "/_tasks/n1:1").status, 405);
  EXPECT_EQ(Send(Method::kPost, "/").Header("Allow"), "GET,HEAD");
  const TestResponse options = Send(Method::kOptions, "/_tasks");
  EXPECT_EQ(options.status, 200);
  EXPECT_EQ(options.Header("Allow"), "GET");
  EXPECT_EQ(options.content_type, "text/plain; charset=UTF-8");
  EXPECT_EQ(options.body, "");
}

TEST_F(RequestTest, AnUnknownPathHasNoHandler) {
  EXPECT_EQ(Get("/_tasks/a/b").status, 400);
  EXPECT_EQ(Get("/_tasks/a/b").body,
            R"({"error":"no handler found for uri [/_tasks/a/b] and method [GET]"})");
  EXPECT_EQ(
      Get("/_cat/nosuch?format=yaml").body,
      "---\nerror: \"no handler found for uri [/_cat/nosuch?format=yaml] and method [GET]\"\n");
  EXPECT_EQ(Get("//_tasks").body, R"({"error":"no handler found for uri [] and method [GET]"})");
  EXPECT_EQ(Get("/nosuch").status, 400);
}

TEST_F(RequestTest, StrictTakesOneSegmentForAnIndex) {
  const std::string invalid =
      R"({"type":"invalid_index_name_exception","reason":"Invalid index name [_task], must not )"
      R"(start with '_'.","index":"_task","index_uuid":"_na_")";
  EXPECT_EQ(Get("/_task", Strict()).body, R"({"error":{"root_cause":[)" + invalid + "}]," +
                                              invalid.substr(1) + R"(},"status":400})");
  const TestResponse missing = Get("/nosuch-index", Strict());
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(missing.body, HasSubstr(R"("reason":"no such index [nosuch-index]","index":)"
                                      R"("nosuch-index","resource.id":"nosuch-index",)"
                                      R"("resource.type":"index_or_alias","index_uuid":"_na_")"));
  EXPECT_EQ(Send(Method::kPost, "/_nosuch", Strict()).Header("Allow"), "GET,HEAD,DELETE,PUT");
  EXPECT_EQ(Send(Method::kPut, "/nosuch", Strict()).status, 400);
  EXPECT_EQ(Get("/a/b/c", Strict()).body,
            R"({"error":"no handler found for uri [/a/b/c] and method [GET]"})");
}

TEST_F(RequestTest, AnErrorShowsItsChainOfCausesIfThatIsWanted) {
  EXPECT_THAT(Get("/_tasks/n:x?error_trace").body,
              HasSubstr(R"("stack_trace":"illegal_argument_exception: malformed task id n:x\n)"
                        R"(Caused by: number_format_exception: For input string: \"x\"\n")"));
  EXPECT_THAT(Get("/_tasks/n:x").body, Not(HasSubstr("stack_trace")));
}

TEST_F(RequestTest, TheStrictProfileWarnsOfOldNamesOnceForEachClient) {
  const auto warning = [&](const std::string& path, const std::string& id, bool strict = true) {
    Headers headers = strict ? Strict() : Headers();
    headers.push_back({"X-Opaque-Id", id});
    return Get(path, std::move(headers)).Header("Warning");
  };
  const std::string health = "/_cluster/health?master_timeout=1s";
  EXPECT_EQ(warning(health, "a"),
            "299 Quell-" + std::string(Version()) +
                " \"[master_timeout] is an old name: use [cluster_manager_timeout]\"");
  EXPECT_EQ(warning(health, "a"), "") << "told before";
  EXPECT_NE(warning(health, "b"), "");
  EXPECT_EQ(warning("/_cat/nodes?local", "c", false), "") << "the documented profile never does";
  for (const char* old : {"/_cat/master", "/_cat/nodes?local", "/_cluster/state/nodes,master_node"})
    EXPECT_NE(warning(old, "c"), "") << old;
  EXPECT_EQ(warning("/_cat/cluster_manager", "c"), "");
  for (std::size_t i = 0; i < limits::kWarningsRemembered; ++i)
    warning(health, std::to_string(i));
  EXPECT_NE(warning(health, "a"), "") << "what is remembered has a bound";
}

TEST_F(RequestTest, TheStrictProfileTakesAnyTimeoutWithinItsOwnBounds) {
  Join(Documented(1));  // Nobody answers.
  const auto took = [&](const std::string& timeout) {
    const auto exchange = Begin(router_, Method::kGet, "/_tasks?timeout=" + timeout, Strict());
    const MonoTime start = clock_.Now();
    while (!exchange->response && clock_.Now() - start < 2 * limits::kNodeDeadlineMax)
      scheduler_.Advance(1ms);
    EXPECT_EQ(exchange->response->status, 200) << timeout;
    return clock_.Now() - start;
  };
  EXPECT_LE(took("0"), 5ms);
  EXPECT_LE(took("-1"), 5ms);
  EXPECT_LE(took("5h"), limits::kNodeDeadlineMax + 5ms);
  EXPECT_EQ(Get("/_tasks?timeout=5h").status, 400);
}

class RequestTaskTest : public ApiTest {
 protected:
  RequestTaskTest() : ApiTest(1) { scheduler_.Advance(1s); }
};

TEST_F(RequestTaskTest, AListShowsItselfWithTheHeadersByWhichItsClientKnowsIt) {
  const TestResponse got =
      Get("/_tasks?detailed", {{"X-Opaque-Id", "caf\xE9"}, {"X-Request-Id", "7"}});
  const std::string self = Self().id.ToString();
  EXPECT_THAT(got.body, HasSubstr(R"("action":"cluster:monitor/tasks/lists","description":"")"));
  EXPECT_THAT(got.body, HasSubstr(R"("headers":{"X-Opaque-Id":"caf)"
                                  "\u00e9"
                                  R"(","X-Request-Id":"7"})"));
  EXPECT_THAT(got.body, HasSubstr(R"("type":"direct","action":"cluster:monitor/tasks/lists[n]")"));
  EXPECT_THAT(got.body, HasSubstr(R"("parent_task_id":")" + self + R"(:1")"));
  EXPECT_THAT(Get("/_tasks?size=10").body, Not(HasSubstr("cluster:")));
  EXPECT_THAT(Get("/quell/v1/tasks").body, Not(HasSubstr("cluster:")));
  EXPECT_THAT(Get("/_tasks", {{"Quell-Requests", "hidden"}}).body, Not(HasSubstr("cluster:")));
  EXPECT_EQ(Get("/_tasks", {{"Quell-Requests", "no"}}).body,
            Refusal("the header Quell-Requests must be [shown] or [hidden] but was [no]"));
}

TEST_F(RequestTaskTest, ACancelThatWaitsSaysWhatItIsAbout) {
  Join(Documented(1));
  tasks_ = {DocumentedTask(1)};
  NodesAnswer();
  const std::string id = tasks_[0].id.ToString();
  nodes_.answer = [answer = nodes_.answer](const AskedNodes::Asked& ask) {
    if (!std::holds_alternative<AwaitRequest>(ask.request)) answer(ask);
  };
  const auto waiting = Begin(router_, http::Method::kPost,
                             "/_tasks/" + id + "/_cancel?wait_for_completion&reason=old");
  scheduler_.Advance(100ms);
  const auto& await = std::get<AwaitRequest>(nodes_.asks.back().request);
  ASSERT_TRUE(await.as_task);
  EXPECT_EQ(await.as_task->action, "cluster:admin/tasks/cancel[n]");
  EXPECT_THAT(Get("/_tasks?detailed&nodes=_local&actions=cluster:admin*").body,
              HasSubstr(R"("description":"reason[old], waitForCompletion[true], taskId[)" + id +
                        R"(], parentTaskId[unset], nodes[], actions[]")"));
  scheduler_.Advance(limits::kWaitDefault);
  EXPECT_TRUE(waiting->response);
  EXPECT_THAT(Get("/_tasks?nodes=_local&actions=cluster:admin*").body,
              Not(HasSubstr("cluster:admin")));
}

}  // namespace
}  // namespace quell::opensearch
