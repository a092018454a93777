"""Listening."""

from aiohttp import web

from ..errors import FlywheelError


async def listen(runner: web.AppRunner, command: str, host: str, port: int, fault: type[FlywheelError]) -> str:
    """Listen, and return the address: ``http://host:port``.

    Args:
        runner: set up.
        command: stands in the error.
        port: 0 = any that is free.
        fault: which error to raise; it decides the exit code.

    Raises:
        FlywheelError: the address cannot be had.
    """
    host = host.strip("[]")
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise fault(
            f"{command}, {host}:{port}", expected="an address that is free", received=error.strerror or str(error),
            cure="name another one: --port 0 takes any that is free",
        ) from None  # fmt: skip
    return f"http://{f'[{host}]' if ':' in host else host}:{runner.addresses[0][1]}"
