"""What rtproxy itself refuses, in the service's own error shape."""

from aiohttp import web


def refuse(status: int, message: str, *, code: str = "refused") -> web.Response:
    """An answer that says why, in one sentence; the connection ends with it."""
    error = {"type": "rtproxy_error", "code": code, "message": message, "param": None}
    response = web.json_response({"error": error}, status=status)
    response.force_close()
    return response
