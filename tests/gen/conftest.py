import pytest


@pytest.fixture
def folder(project, store):
    """A folder of documents inside the project."""
    path = project.root / "docs"
    path.mkdir()
    return path
