"""Sending the requests of a workload, and saying what failed."""

from atelier._errors import from_status
from atelier._loadtest.loops import Send
from atelier._loadtest.workload import Workload
from atelier._transport import AsyncTransport, Request, StatusError


def sender(transport: AsyncTransport, workload: Workload, *, url: str, timeout: float) -> Send:
    """Sends each request once, without another attempt, and reads nothing of the response.

    Args:
        transport: What carries it.
        workload: The requests.
        url: The server's address.
        timeout: Seconds for each request, from its sending.

    Returns:
        See `Send`; what failed is the name of the client's error.
    """

    async def send(number: int) -> str:
        sample = workload.sample(number)
        try:
            await transport.send_async(Request("ModelInfer", sample.model, sample.body), timeout)
        except StatusError as error:
            found = from_status(
                error.code, error.details, url=url, model=sample.model, timeout=timeout
            )
            return type(found).__name__
        return ""

    return send
