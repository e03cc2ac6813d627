"""The proxy's status: every connection that ends leaves the list, whatever its counts."""

from rtproxy.record.status import Status, Traffic


def test_connections_that_look_alike_are_told_apart() -> None:
    status = Status()
    first, second = Traffic("/v1/models", "http"), Traffic("/v1/models", "http")
    status.begin(first)
    status.begin(second)
    second.count_bytes(5, from_server=True)
    status.end(second, "closed")
    assert status.open == [first]
    first.count_bytes(5, from_server=True)
    status.end(first, "closed")
    assert status.open == []
    assert (status.finished, status.bytes) == (2, 10)


def test_what_happens_is_told() -> None:
    told: list[tuple[str, str]] = []
    status = Status(watch=lambda traffic, sentence: told.append((traffic.name, sentence)))
    traffic = Traffic("a.rtape")
    status.begin(traffic)
    status.fail(traffic, "the disk is full.")
    status.end(traffic, "refused", "refused with 401")
    assert told == [
        ("a.rtape", "opened"),
        ("a.rtape", "the disk is full."),
        ("a.rtape", "refused with 401"),
    ]
    assert status.failures == ["the disk is full."]
