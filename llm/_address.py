"""Where an endpoint is and how it wants to be addressed: the conventions of the openai client, without its weight.

Environment variables, base URL, authentication and Azure's paths are those of the openai package; a test compares the
requests with the ones that it would send. The package itself stays off the hot path and off the start: importing it
costs 0.8 s and each call of it 1 to 2 ms, against 0.15 ms (docs/decisions/0007).
"""

import os
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit, urlunsplit

from ..config import find_url_fault
from ..errors import RecipeError

DEFAULT_URL = "https://api.openai.com/v1"
SHORTEST_KEY_CHARS = 8
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Address:
    """One endpoint. ``headers`` hold the key: they are never shown."""

    base_url: str
    headers: dict[str, str] = field(repr=False)
    query: dict[str, str] = field(default_factory=dict)
    is_azure: bool = False

    def chat_url(self, model: str) -> str:
        """Return where chat completions of ``model`` are asked for."""
        deployment = f"/deployments/{model}" if self.is_azure and "/deployments" not in self.base_url else ""
        return self._url(f"{deployment}/chat/completions")

    @property
    def models_url(self) -> str:
        """Where the served models are listed."""
        return self._url("/models")

    @property
    def name(self) -> str:
        """The address without a name or password in it, for messages."""
        return without_userinfo(self.base_url)

    @property
    def is_here(self) -> bool:
        """Whether it is this machine: no proxy is asked then."""
        return urlsplit(self.base_url).hostname in LOOPBACK

    def require_key(self) -> None:
        """See that there is a key for an address that gives nothing without one: OpenAI's own, Azure's.

        Raises:
            RecipeError: there is none.
        """
        if "none" not in (self.headers.get("Authorization", "").removeprefix("Bearer "), self.headers.get("api-key")):
            return
        if self.is_azure:
            raise _no_key(self.name, "AZURE_OPENAI_API_KEY (or OPENAI_API_KEY), or AZURE_OPENAI_AD_TOKEN")
        if _host(self.base_url) == _host(DEFAULT_URL):
            raise _no_key(self.name, "OPENAI_API_KEY, or OPENAI_BASE_URL (engine.base_url) of another endpoint")

    def redact(self, text: str) -> str:
        """Return ``text`` without the key in it: servers like to repeat what they were sent."""
        for value in self.headers.values():
            key = value.removeprefix("Bearer ")
            if len(key) >= SHORTEST_KEY_CHARS:
                text = text.replace(key, "***")
        return text

    def _url(self, path: str) -> str:
        return f"{self.base_url}{path}" + (f"?{urlencode(self.query)}" if self.query else "")


def find_address(base_url: str | None, api_key: str | None = None) -> Address:
    """Return the address of ``base_url``, else of OPENAI_BASE_URL, else of AZURE_OPENAI_ENDPOINT, else OpenAI's own.

    The key is ``api_key``, which goes to ``base_url`` as it stands, else OPENAI_API_KEY; for Azure AZURE_OPENAI_API_KEY (or OPENAI_API_KEY) or AZURE_OPENAI_AD_TOKEN, with
    OPENAI_API_VERSION.

    Raises:
        RecipeError: no address, or Azure is named without OPENAI_API_VERSION.
    """
    if api_key is not None and base_url is not None:
        return Address(base_url, {"Authorization": f"Bearer {api_key}"})
    url = base_url or os.environ.get("OPENAI_BASE_URL")
    azure = os.environ.get("AZURE_OPENAI_ENDPOINT")
    for given, variable in ((base_url, "engine.base_url"), (url, "OPENAI_BASE_URL"), (azure, "AZURE_OPENAI_ENDPOINT")):
        check_url(given, variable)
    if azure and (url is None or _host(url) == _host(azure)):
        return _azure_address(url or f"{azure.rstrip('/')}/openai")
    headers = {"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY') or 'none'}"}
    for header, variable in (("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID")):
        if value := os.environ.get(variable):
            headers[header] = value
    return Address((url or DEFAULT_URL).rstrip("/"), headers)


def _no_key(name: str, expected: str) -> RecipeError:
    return RecipeError(
        f"endpoint {name}", expected=expected, received="no key; nothing was sent",
        cure="export OPENAI_API_KEY=…, or export OPENAI_BASE_URL=http://127.0.0.1:8000/v1 (a server of your own needs no key)",
    )  # fmt: skip


def check_url(url: str | None, name: str) -> None:
    """Refuse what is no address of a server.

    Args:
        name: where it is written.

    Raises:
        RecipeError: it does not read http://host or https://host.
    """
    if url and (fault := find_url_fault(url)):
        raise RecipeError(name, **fault._asdict())


def _azure_address(url: str) -> Address:
    version = os.environ.get("OPENAI_API_VERSION")
    if not version:
        raise RecipeError(
            "endpoint " + without_userinfo(url), expected="OPENAI_API_VERSION, since AZURE_OPENAI_ENDPOINT is set",
            received="nothing", cure="export OPENAI_API_VERSION=2024-10-21 (or the version that you use)",
        )  # fmt: skip
    token = os.environ.get("AZURE_OPENAI_AD_TOKEN")
    key = os.environ.get("AZURE_OPENAI_API_KEY") or os.environ.get("OPENAI_API_KEY") or "none"
    headers = {"Authorization": f"Bearer {token}"} if token else {"api-key": key}
    return Address(url.rstrip("/"), headers, {"api-version": version}, is_azure=True)


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def without_userinfo(url: str) -> str:
    """Return ``url`` without a name and password in it, for messages."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=_host(url)))


def require_endpoint(base_url: str | tuple[str, ...] | None) -> list[str]:
    """See that the addresses of an engine can be used, as far as is known without asking; return them, to be shown.

    Raises:
        RecipeError: an address is none, or gives nothing without a key, and there is none.
    """
    addresses = [find_address(url) for url in (base_url if isinstance(base_url, tuple) else (base_url,))]
    for address in addresses:
        address.require_key()
    return [address.name for address in addresses]
