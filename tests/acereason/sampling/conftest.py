import pytest

from tests.support.openai_server import TeacherServer


@pytest.fixture
def serve():
    servers = []

    def start(*args, **kwargs) -> TeacherServer:
        servers.append(TeacherServer(*args, **kwargs))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
