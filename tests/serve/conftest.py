import pytest
from support import make_mini_project
from support_serve import Serving


@pytest.fixture
def start():
    """Start servers, ended when the test is over."""
    started = []

    def begin(folder, *args, env=None):
        started.append(Serving(folder, *args, env=env))
        return started[-1]

    yield begin
    for one in started:
        one.end()


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """A server of a project that has no store yet, for tests that only ask."""
    limits = {"most_requests": 8, "most_body_bytes": 20_000, "most_choices": 4}
    folder = make_mini_project(tmp_path_factory.mktemp("serving") / "p", serve=limits)
    one = Serving(folder)
    yield one
    one.end()
