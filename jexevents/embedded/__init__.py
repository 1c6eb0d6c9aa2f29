"""PostgreSQL from a wheel, for trying out and for tests: ``DBURI`` = ``embedded:PATH``.

PATH belongs to this package alone and holds

    jexevents.lock   marks the folder as ours; locked while the server is started or stopped
    users.json       the processes that use the server now
    data/            the cluster; initdb works in data.new-* and is renamed when complete
    run/             the socket, unless its path would be too long for one
    server.log       what PostgreSQL says, kept below a megabyte or so
"""

from jexevents.embedded.attending import Attending
from jexevents.embedded.server import EmbeddedPostgres

__all__ = ["Attending", "EmbeddedPostgres"]
