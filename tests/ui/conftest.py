import shutil

import pytest
from support_ui import Page, make_project


@pytest.fixture(scope="session")
def made_project(tmp_path_factory):
    return make_project(tmp_path_factory.mktemp("ui") / "small")


@pytest.fixture(scope="module")
def page(made_project, tmp_path_factory):
    """The page on a copy of its own: tests of a module may decide on rows."""
    root = tmp_path_factory.mktemp("page") / "small"
    shutil.copytree(made_project, root)
    served = Page(root)
    served.root = root
    yield served
    served.stop()
