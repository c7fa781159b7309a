import pytest

from tests.support.openai_server import TeacherServer, serving


@pytest.fixture
def serve():
    yield from serving(TeacherServer)
