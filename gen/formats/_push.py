"""A written folder to the Hugging Face hub, as a data set."""

import re
from pathlib import Path

from ...errors import EndpointError, InputError, MissingExtraError

REPOSITORY = re.compile(r"^[\w.-]+/[\w.-]+$")
TOKEN_CURE = "export HF_TOKEN=… with a token that may write (hf.co/settings/tokens), or log in with: hf auth login"


def check_push(repository: str) -> str:
    """Return the token with which ``repository`` can be written, before anything costs time.

    Raises:
        InputError: there is no token, or the name is not ``owner/name``.
        MissingExtraError: the hub's client is not installed.
    """
    if not REPOSITORY.match(repository):
        raise InputError(
            f"--push {repository}", expected="owner/name", received=repr(repository),
            cure="for example: --push my-name/my-data",
        )  # fmt: skip
    try:
        from huggingface_hub import get_token
    except ImportError as error:
        raise MissingExtraError(
            "--push", expected="huggingface_hub", received=str(error), cure="pip install huggingface_hub"
        ) from None
    token = get_token()
    if not token:
        raise InputError("--push", expected="a token of the hub", received="none", cure=TOKEN_CURE)
    return str(token)


def push_folder(folder: Path, repository: str, *, private: bool = True) -> str:
    """Upload ``folder`` as one commit; return the address of the data set.

    The token comes from the environment (``HF_TOKEN``) or the hub's own login; it is never shown.

    Args:
        folder: what :func:`export_rows` wrote as ``hf``.
        repository: ``owner/name``; made when it is not there.
        private: whether a new one is private.

    Raises:
        InputError: there is no token, or the name is none.
        EndpointError: the hub refuses, or cannot be reached. What was exported stays.
    """
    token = check_push(repository)
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    try:
        made = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        api.upload_folder(
            folder_path=str(folder), repo_id=repository, repo_type="dataset", commit_message="Data set by flywheel"
        )
    except Exception as error:  # noqa: BLE001 - the hub client's errors have no common base; all mean "not uploaded"
        raise _refused(error, repository, folder, token) from None
    return str(made)


def _refused(error: Exception, repository: str, folder: Path, token: str) -> EndpointError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = " ".join(str(error).split()).replace(token, "[token]")[:300]
    cures = {401: TOKEN_CURE, 403: TOKEN_CURE, 404: "check the owner's name"}
    return EndpointError(
        f"--push {repository}", expected="the hub to take the data set",
        received=f"{type(error).__name__}{f' ({status})' if status else ''}: {said}",
        cure=f"{cures.get(status or 0, 'check the network and try again')}; the folder {folder} is written and stays",
    )  # fmt: skip
