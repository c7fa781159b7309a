import socket
from collections import Counter

import pytest

from acereason.processes import ports


def given(tmp_path, monkeypatch, text: str) -> None:
    path = tmp_path / "ip_local_port_range"
    path.write_text(text)
    monkeypatch.setattr(ports, "_RANGE", path)


def test_it_is_none_that_a_connection_is_given():
    first, last = ports._given()
    found = [ports.lasting() for _ in range(200)]
    assert all(port < first or port > last for port in found)
    assert min(found) >= 10000
    assert Counter(found).most_common(1)[0][1] < 10  # two runs that start together don't meet


def test_two_hundred_connections_do_not_take_it():
    port = ports.lasting()
    with socket.create_server(("127.0.0.1", 0)) as server:
        clients = [socket.create_connection(server.getsockname()) for _ in range(100)]
        assert port not in {client.getsockname()[1] for client in clients}
        with socket.create_server(("", port)):
            pass
        for client in clients:
            client.close()


def test_one_where_somebody_listens_is_passed_over(tmp_path, monkeypatch):
    given(tmp_path, monkeypatch, "10002 65535\n")  # leaves 10000 and 10001
    with socket.socket() as taken:
        taken.bind(("", 10000))
        assert {ports.lasting() for _ in range(20)} == {10001}
        with socket.socket() as other:
            other.bind(("", 10001))
            with pytest.raises(OSError, match="no free TCP port"):
                ports.lasting()


def test_a_range_of_all_ports_leaves_the_choice_to_the_system(tmp_path, monkeypatch):
    given(tmp_path, monkeypatch, "1024\t65535\n")
    assert 1024 <= ports.lasting() <= 65535


@pytest.mark.parametrize(("text", "expected"), [("32768\t60999\n", (32768, 60999)), ("", (49152, 65535))])
def test_the_systems_range(tmp_path, monkeypatch, text, expected):
    given(tmp_path, monkeypatch, text)
    assert ports._given() == expected
