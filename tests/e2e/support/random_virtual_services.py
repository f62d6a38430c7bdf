"""Random rules of a VirtualService, and requests from the same small pools, so that they match."""

from typing import Any

from hypothesis import strategies as st

HOSTS = ("web", "other", "copy")
PORT = 8000

Json = dict[str, Any]


def sublists(pool: tuple[Any, ...], most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(pool), max_size=most, unique_by=str)


def record(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """A mapping in which each field is optional."""
    return st.fixed_dictionaries({}, optional=fields)


def strings(*values: str, regexes: tuple[str, ...] = (), absent: bool = False) -> st.SearchStrategy[Json]:
    """A StringMatch; `absent` adds those that only test for presence."""
    pool = [*({"exact": v} for v in values), *({"prefix": v} for v in values if v), *({"regex": r} for r in regexes)]
    return st.sampled_from([*pool, {}, {"regex": "*"}] if absent else pool)


def single_key(*names: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """A mapping with one of the keys."""
    return st.dictionaries(st.sampled_from(names), values, min_size=1, max_size=1)


NUMBERS = strings("1", "", "1,2", regexes=("1|2", r"\d*", "^1$"), absent=True)
URI = strings("/a", "/A", "/a/", "/a/b", "/", "/b", regexes=("/a.*", "/[a-z]+", ".*", "/a/?", "(?i)/A", "b"))
FIELDS = {
    "method": strings("GET", "P", regexes=("GET|PUT",)),
    "authority": strings("web:8000", "web", "WEB", regexes=(".*:8000", "(web|other).*")),
    "scheme": strings("http", "https"),
    "headers": single_key("x-a", "X-B", values=NUMBERS) | single_key("host", values=strings("web", "WEB:8000")),
    "withoutHeaders": single_key("x-a", "X-B", values=NUMBERS),
    "queryParams": single_key("q", "Q", "r", values=NUMBERS),
    "port": st.sampled_from([8000, 8000, 8000, 9000]),
}
PATHS = st.fixed_dictionaries({"uri": URI}, optional={"ignoreUriCase": st.booleans()})
OTHER_MATCHES = st.sampled_from(sorted(FIELDS)).flatmap(lambda name: st.fixed_dictionaries({name: FIELDS[name]}))
MATCH = st.one_of(
    PATHS, PATHS, OTHER_MATCHES, OTHER_MATCHES, st.builds(lambda a, b: a | b, PATHS, OTHER_MATCHES), st.just({})
)

VALUES = st.sampled_from(["s", "t,u", "50%%", "", "1"])
PAIRS = st.dictionaries(st.sampled_from(["x-a", "X-B", "x-c"]), VALUES, min_size=1, max_size=2)
HOST = record(Host=st.sampled_from(["set.example", "set:7"]))
ANSWERED = st.dictionaries(st.sampled_from(["x-r", "X-S"]), VALUES, min_size=1, max_size=1)
CHANGES = st.fixed_dictionaries(
    {
        "request": record(
            set=st.builds(lambda a, b: a | b, PAIRS, HOST),
            add=PAIRS,
            remove=sublists(("x-a", "X-B", "x-c", "x-none"), 2),
        )
    },
    optional={"response": record(set=ANSWERED, add=ANSWERED, remove=sublists(("x-r", "x-s"), 1))},
)
RULE_CHANGES = st.fixed_dictionaries({"headers": CHANGES})
REWRITE = st.one_of(
    st.fixed_dictionaries(
        {"uri": st.sampled_from(["/new", "/", "/n/", "/new?y=1"])},
        optional={"authority": st.sampled_from(["re.example", "re:9"])},
    ),
    st.fixed_dictionaries({"authority": st.sampled_from(["re.example", "re:9"])}),
    st.fixed_dictionaries(
        {
            "uriRegexRewrite": st.sampled_from(
                [
                    {"match": "/a", "rewrite": "/X"},
                    {"match": "(a)(b)?", "rewrite": r"<\1\2>"},
                    {"match": "a*", "rewrite": "/-"},
                    {"match": "^/([^/]*)", "rewrite": r"/\1/\0"},
                    {"match": "nothing", "rewrite": "/"},
                    {"match": ".*", "rewrite": "/all"},
                    {"match": "$", "rewrite": "/end"},
                    {"match": "/", "rewrite": r"/\\"},
                ]
            )
        }
    ),
)
DESTINATIONS = st.sampled_from(
    [{"host": "web", "subset": "v1"}, {"host": "web", "subset": "v2"}, {"host": "other"}, {"host": "empty"}]
)
MIRRORED = st.sampled_from([{"host": "copy"}, {"host": "web", "subset": "v2"}, {"host": "nowhere"}])
PERCENT = st.sampled_from([{"value": 0}, {"value": 50}, {"value": 100}])


def _mirrors(draw: st.DrawFn) -> Json:
    kind = draw(st.sampled_from(["none", "one", "many"]))
    if kind == "one":
        return {"mirror": draw(MIRRORED), **draw(record(mirrorPercentage=PERCENT))}
    many = st.lists(st.fixed_dictionaries({"destination": MIRRORED}, optional={"percentage": PERCENT}), max_size=3)
    return {"mirrors": draw(many)} if kind == "many" else {}


@st.composite
def forwarding_actions(draw: st.DrawFn) -> Json:
    """A forwarding action: destinations with weights, a rewrite, mirrors."""
    weights = st.sampled_from([0, 1, 1, 50])
    plain = st.fixed_dictionaries({"destination": DESTINATIONS}, optional={"weight": weights})
    changing = st.fixed_dictionaries({"destination": DESTINATIONS, "headers": CHANGES, "weight": weights})
    destination = st.one_of(plain, changing, changing)
    destinations = draw(st.lists(destination, min_size=1, max_size=3))
    if len(destinations) > 1 and not any(target.get("weight") for target in destinations):
        destinations[0]["weight"] = 1
    return {
        "route": destinations,
        **draw(st.one_of(st.just({}), st.fixed_dictionaries({"rewrite": REWRITE}))),
        **_mirrors(draw),
    }


REDIRECT = record(
    uri=st.sampled_from(["/r", "/r?z=1"]),
    authority=st.sampled_from(["red.example", "red:7"]),
    scheme=st.sampled_from(["http", "https"]),
    port=st.sampled_from([80, 443, 8080]),
    redirectCode=st.sampled_from([301, 302, 303, 307, 308]),
).filter(lambda fields: set(fields) - {"redirectCode"})
PREFIX_REDIRECT = st.fixed_dictionaries(
    {"prefixRewrite": st.sampled_from(["/p", "/", "/p/"])}, optional={"derivePort": st.just("FROM_REQUEST_PORT")}
)
ANSWER = st.fixed_dictionaries(
    {"status": st.sampled_from([200, 404, 503])}, optional={"body": st.just({"string": "said"})}
)


SURE = st.fixed_dictionaries({"value": st.sampled_from([0, 100])})
FAULTS = st.builds(
    lambda **fields: (
        {"fault": {name: fault for name, fault in fields.items() if fault}} if any(fields.values()) else {}
    ),
    abort=st.none()
    | st.fixed_dictionaries({"percentage": SURE, "httpStatus": st.sampled_from([418, 503])})
    | st.fixed_dictionaries({"percentage": SURE, "grpcStatus": st.sampled_from(["UNAVAILABLE", "INTERNAL"])}),
    delay=st.none() | st.fixed_dictionaries({"percentage": SURE, "fixedDelay": st.just("1ms")}),
)


@st.composite
def rules(draw: st.DrawFn) -> Json:
    """One rule of `http`."""
    rule: Json = {
        "match": draw(st.lists(MATCH, min_size=1, max_size=2)),
        **draw(st.one_of(st.just({}), RULE_CHANGES, RULE_CHANGES)),
    }
    kind = draw(st.sampled_from(["route", "route", "route", "redirect", "prefix", "answer"]))
    if kind == "redirect":
        return {**rule, "redirect": draw(REDIRECT)}
    if kind == "answer":
        return {**rule, "directResponse": draw(ANSWER)}
    if kind == "prefix":
        prefix = {"uri": {"prefix": draw(st.sampled_from(["/a", "/A", "/"]))}, "ignoreUriCase": draw(st.booleans())}
        return {**rule, "match": [prefix], "redirect": draw(PREFIX_REDIRECT)}
    sent = {**draw(forwarding_actions()), **draw(st.one_of(st.just({}), st.just({}), FAULTS))}
    sent |= {"corsPolicy": draw(CORS)} if draw(st.booleans()) else {}
    if "Host" in rule.get("headers", {}).get("request", {}).get("set", {}):
        sent.get("rewrite", {}).pop("authority", None)
        if not sent.get("rewrite", {"uri": "/"}):
            del sent["rewrite"]
    return {**rule, **sent}


ORIGINS = st.sampled_from([{"exact": "https://a.b"}, {"regex": ".*"}, {"prefix": "https://c"}, {"exact": "*"}])
CORS = record(
    allowOrigins=st.lists(ORIGINS, min_size=1, max_size=2, unique_by=str), allowMethods=sublists(("GET", "*"), 2),
    allowHeaders=sublists(("x-a", "*"), 2), allowCredentials=st.booleans(), maxAge=st.just("1m"),
    unmatchedPreflights=st.sampled_from(["FORWARD", "IGNORE"]),
)  # fmt: skip
QUERIES = st.sampled_from(["?", "?q", "?q=1", "?q=2&q=1", "?q=1&q=2", "?Q=12&r", "?x=/&q=", "?q=%31", "?q=1?&r=1"])
WEB = ("web:8000", "web:8000", "WEB:8000", "web.default:8000", "web.default.svc.cluster.local.:8000")
ELSEWHERE = (
    *("other:8000", "nobody:8000", "web", "web:9", "web:80", "a.b.example.com:8000", "x.b.example.com:8000"),
    *("y.x.B.example.com:8000", "b.example.com", "c.example.com:8000", ".example.com:8000", "example.com:8000"),
)
ODD_PATHS = (
    *(
        "/a//b",
        "/a/../b",
        "/./a",
        "/%61",
        "/a%2Fb",
        "/a%20b",
        "/a%2fb?q=1",
        "/a\\b",
        "/a/..",
        "/a/%2e%2e/b",
        "/b/a;x=1",
    ),
    *("/b/a;x=1", "/~a%7E", "/a|b^", "/a%ZZ", "/a%0b", "/a%00", "/a/b/.%2E/..", '/[{`x}]<>"'),
)
REQUESTS = st.fixed_dictionaries(
    {
        "authority": st.sampled_from(WEB) | st.sampled_from(WEB) | st.sampled_from(WEB) | st.sampled_from(ELSEWHERE),
        "method": st.sampled_from(["GET", "GET", "PUT", "DELETE"]),
        "path": st.sampled_from(["/", "/a", "/A", "/ab", "/a/b", "/A/b", "/b", "/aab/a"])
        | st.builds(str.__add__, st.sampled_from(["/", "/a", "/A", "/b"]), QUERIES)
        | st.sampled_from(ODD_PATHS),
        "headers": st.lists(
            st.tuples(st.sampled_from(["x-a", "X-B", "x-c"]), st.sampled_from(["1", "2", "", "1,2"])), max_size=3
        ),
        "forwarded": st.sampled_from(["", "", "", "http", "https", "foo"]),
        "proxied": st.booleans(),
        "origin": st.sampled_from(["", "", "https://a.b", "https://c.d"]),
        "asked": st.sampled_from(["", "", "x-a, x-b"]),
        "preflight": st.sampled_from([False, False, True]),
    }
)  # fmt: skip
WORLDS = st.lists(rules(), min_size=1, max_size=4)
