"""One HTTP request, written as it is."""

import gzip
import http.client

LIMIT = 40.0  # Seconds for one answer.


class Silence(Exception):
    """No answer came, and none was refused."""


def send(address, method, path, headers, body, limit=LIMIT):
    """One request on a connection of its own, written as it is. Status, headers, body."""
    connection = http.client.HTTPConnection(address, timeout=limit)
    connection._validate_path = lambda path: None  # Broken ones are sent as well.
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        data = response.read()
    except (http.client.RemoteDisconnected, ConnectionResetError):
        return None, {}, b""
    except TimeoutError:
        raise Silence(f"no answer within {limit} s") from None
    finally:
        connection.close()
    found = {}
    for name, value in response.msg.items():
        found.setdefault(name.lower(), value)
    if found.get("content-encoding") == "gzip":
        data = gzip.decompress(data)
    return response.status, found, data
