"""The table of options. Validation, environment, documentation, ``--help`` and dumps come from it.

The first two groups and ``DBURI`` and ``HTTPListenPort`` are the configuration of the original
jex-events, with the same names and meanings; the group "Older keys" is read so that files of its
other versions load. All other names are ours, in the same style.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jexevents.config import types
from jexevents.config.option import Derived, Option

MIB = 1024 * 1024


def _host_name(_values: Mapping[str, Any]) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()).lstrip("._-")[:253] or "localhost"


_EXCHANGE = (
    Option(
        "AMQPURI",
        types.AMQP_URI,
        "amqp://guest:guest@localhost:5672/",
        "The RabbitMQ server: `amqp://USER:PASSWORD@HOST:PORT/VHOST`, with TLS `amqps://`. "
        "Without a virtual host, with or without the closing slash, it is `/`; one named "
        "`a/b` is written `a%2Fb`.",
        secret=True,
    ),
    Option(
        "ExchangeName",
        types.text(empty=False),
        "condor_events",
        "The exchange that events are published to. It is declared at start.",
    ),
    Option(
        "ExchangeType",
        types.EXCHANGE_TYPE,
        "fanout",
        "`fanout`, `direct`, `topic`, `headers`, or the `x-...` type of a plug-in.",
        example="topic",
    ),
    Option(
        "RoutingKey",
        types.text(),
        "",
        "The routing key that our own programs publish events with.",
    ),
    Option("ExchangeDurable", types.SWITCH, True, "The exchange outlives a restart of RabbitMQ."),
    Option(
        "ExchangeAutodelete",
        types.SWITCH,
        False,
        "RabbitMQ deletes the exchange when the last queue is unbound.",
    ),
    Option(
        "ExchangeInternal",
        types.SWITCH,
        False,
        "Only other exchanges can publish to the exchange.",
    ),
    Option(
        "ExchangeNoWait",
        types.SWITCH,
        False,
        "We always wait for RabbitMQ to confirm the declaration, or a mismatch would not be seen.",
        effect=False,
    ),
    Option(
        "ExchangeArguments",
        types.ARGUMENTS,
        {},
        'Further arguments of the declaration, like `{"alternate-exchange": "unrouted"}`.',
        example={"alternate-exchange": "unrouted"},
    ),
)

_QUEUE = (
    Option(
        "QueueName",
        types.QUEUE_NAME,
        "jexevents",
        "The queue to consume. Daemons with the same one share its events.",
    ),
    Option(
        "QueueBindingKey",
        types.text(),
        "",
        "The key that the queue is bound to the exchange with; a fanout exchange ignores it.",
    ),
    Option("QueueDurable", types.SWITCH, True, "The queue outlives a restart of RabbitMQ."),
    Option(
        "QueueAutodelete",
        types.SWITCH,
        False,
        "RabbitMQ deletes the queue, and what is in it, when the last consumer leaves.",
    ),
    Option(
        "QueueExclusive",
        types.SWITCH,
        False,
        "One connection alone may use the queue, and it is deleted with it. From older versions.",
    ),
    Option(
        "QueueInternal",
        types.SWITCH,
        False,
        "AMQP 0-9-1 knows no internal queues.",
        effect=False,
    ),
    Option(
        "QueueNoWait",
        types.SWITCH,
        False,
        "We always wait for RabbitMQ to confirm the declaration, or a mismatch would not be seen.",
        effect=False,
    ),
    Option(
        "QueueArguments",
        types.ARGUMENTS,
        {},
        'Further arguments of the declaration, like `{"x-queue-type": "quorum"}`.',
        example={"x-queue-type": "quorum"},
    ),
    Option("ConsumerTag", types.text(), "jexevents", "The name that RabbitMQ shows for us."),
)

_EVENTS = (
    Option(
        "SourceName",
        types.text(),
        "",
        "The source of events that do not name theirs: those of the queue, and insertions over "
        "HTTP. It is part of a Condor job's key, so set it before the first event.",
    ),
    Option(
        "LogTimeZone",
        types.TIME_ZONE,
        "local",
        "The time zone of HTCondor's logs, whose times have none: an IANA name like "
        "`Europe/Berlin`, or `local` for this machine's.",
        example="Europe/Berlin",
    ),
)

_DATABASE = (
    Option(
        "DBURI",
        types.DB_URI,
        "embedded:var/postgres",
        "The PostgreSQL database: `postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=...`, a "
        "libpq string `host=... dbname=...`, or `embedded:PATH` to start a server of our own with "
        "its data in PATH. A relative PATH counts from the folder of the configuration file; from "
        "the working folder where an environment variable gives it or there is no file.",
        secret=True,
    ),
    Option("DBSchema", types.IDENTIFIER, "jex", "The schema that our tables are in."),
    Option(
        "DBPoolSize",
        types.whole(2, 1000),
        8,
        "Connections at most for requests over HTTP; a daemon needs up to four more for itself, "
        "up to three for webhooks, and up to six for jobs.",
    ),
    Option(
        "DBConnectTimeoutSeconds",
        types.whole(2, 600, "seconds"),
        5,
        "How long one attempt to connect may take, in seconds.",
    ),
    Option(
        "DBStatementTimeoutSeconds",
        types.seconds(0.1, 3600),
        20,
        "How long one statement may take, in seconds; a batch that takes longer is tried again "
        "by halves.",
    ),
    Option(
        "HTTPStatementTimeoutSeconds",
        types.seconds(0.1, 3600),
        5,
        "How long one statement may take for a request over HTTP, in seconds; then the answer "
        "is 503.",
    ),
)

_INTAKE = (
    Option("BatchSize", types.whole(1, 10_000), 500, "Events in one transaction, at most."),
    Option(
        "BatchMaxSeconds",
        types.seconds(0, 60),
        0.02,
        "How long an event waits for others to share its transaction, in seconds.",
    ),
    Option(
        "PrefetchCount",
        types.whole(1, 65535),
        Derived("twice BatchSize", lambda values: 2 * values["BatchSize"]),
        "Messages that RabbitMQ hands out ahead of their acknowledgement; at least BatchSize.",
        example=1000,
    ),
    Option(
        "PrefetchMaxBytes",
        types.whole(MIB, 2**40, "bytes"),
        64 * MIB,
        "Bytes of messages in hand, past which nothing more is read before they are stored; while "
        "PostgreSQL is away they go back to the broker.",
    ),
    Option(
        "RejectMaxBytes",
        types.whole(1024, 256 * MIB, "bytes"),
        MIB,
        "Bytes of a refused message that are kept; of a longer one the first part, its size and "
        "its SHA-256.",
    ),
    Option(
        "HeartbeatSeconds",
        types.whole(1, 3600, "seconds"),
        30,
        "The interval of AMQP heartbeats, in seconds; after two without any the connection "
        "counts as dead.",
    ),
    Option(
        "ReconnectMaxSeconds",
        types.seconds(0.1, 3600),
        30,
        "The longest wait between two attempts to reach RabbitMQ or PostgreSQL, in seconds.",
    ),
)

_HTTP = (
    Option(
        "HTTPListenPort",
        types.LISTEN,
        ":8080",
        "Where HTTP listens: `:PORT`, `HOST:PORT`, `[IPV6]:PORT` or a port alone. Port 0 is any "
        "free one. Without a host it is every address once a token is in the database, and "
        "loopback until then. The environment variable `SMRTFLOW_SERVER_PORT` says the same.",
        variable="SMRTFLOW_SERVER_PORT",
    ),
    Option(
        "PublicURL",
        types.optional(types.PUBLIC_URL),
        "",
        "The URL that callers reach us by, for links. Empty: those of PipelineJobs are taken from "
        "the request, and those of executions and in webhooks are paths alone.",
        example="https://jex.example.org",
    ),
    Option(
        "AllowedHosts",
        types.HOSTS,
        [],
        "Host names that requests without credentials may ask for, beside loopback's, those bound "
        "and that of PublicURL.",
        example=["jex.example.org"],
    ),
    Option(
        "TrustedProxies",
        types.NETWORKS,
        [],
        "Addresses and networks (CIDR) of proxies whose `X-Forwarded-*` headers are believed.",
        example=["10.0.0.0/8"],
    ),
    Option(
        "AnonymousRoles",
        types.ANONYMOUS_ROLES,
        [],
        "What callers from anywhere may do without a token: `read`, `write` or both.",
        example=["read"],
    ),
    Option(
        "TokenCacheSeconds",
        types.seconds(0, 3600),
        5,
        "How long a token is remembered, in seconds; a revoked one works that long.",
    ),
    Option(
        "SessionSeconds",
        types.seconds(60, 31 * 86400),
        43200,
        "How long somebody who signed in to the dashboard stays so, in seconds; at most as long as "
        "the token is in force.",
    ),
    Option("HTTPThreads", types.whole(2, 1000), 8, "Requests that are served at the same time."),
    Option(
        "HTTPMaxBodyBytes",
        types.whole(1024, 1024 * MIB, "bytes"),
        MIB,
        "Bytes of a request's body, at most.",
    ),
    Option(
        "StreamLimit",
        types.whole(0, 999),
        32,
        "Long answers at the same time: followed outputs and streams, waits, open pages of the "
        "dashboard. Each has a thread of its own, so that short ones are always answered.",
    ),
)

_PIPELINES = (
    Option(
        "PipelineActor",
        types.NODE_NAME,
        "pipelinejobs",
        "The actor whose messages are those about PipelineJobs: the `<actorId>` of "
        "`POST /actors/v2/<actorId>/messages`.",
        example="R5gyRAkZyGEDY",
    ),
    Option(
        "PipelineMaxBodyBytes",
        types.whole(1024, 64 * MIB, "bytes"),
        8 * MIB,
        "Bytes of a message about a PipelineJob, at most; Agave's callbacks carry all inputs of "
        "their job.",
    ),
)

_SMRTLINK = (
    Option(
        "SMRTLinkClients",
        types.CLIENTS,
        {},
        "The clients that sign their requests by HMAC, by their UIDs, as they have it configured: "
        '`{"UID": "secret"}`, or with the one system that a client speaks for '
        '`{"UID": {"Secret": "...", "System": "UUID"}}`. They may send events and files.',
        secret=True,
    ),
    Option(
        "SMRTLinkUnknownTypes",
        types.one_of(("store", "refuse")),
        "store",
        "What becomes of events and bundles of a type that has no schema: `store`, or `refuse`.",
    ),
    Option(
        "SMRTLinkSchemas",
        types.FOLDER,
        "",
        "A folder of further schemas, `TYPE.VERSION.json` for the messages of each type; one of "
        "the same name stands in the place of ours. Read at the daemon's start. Empty: ours alone.",
        example="/etc/jexevents/smrtlink",
    ),
    Option(
        "SMRTLinkEventDir",
        types.FOLDER,
        "",
        "A folder where each event is written once more, as `SYSTEM/UUID.json`. Empty: nowhere. "
        "The environment variable `SMRTFLOW_EVENT_ROOT_DIR` says the same.",
        example="/var/lib/jexevents/events",
        variable="SMRTFLOW_EVENT_ROOT_DIR",
    ),
)

_UPLOADS = (
    Option(
        "UploadDir",
        types.NEEDED_FOLDER,
        "var/uploads",
        "The folder that uploaded files are kept in, and bodies of requests on their way. A "
        "relative one counts from the folder of the configuration file; from the working folder "
        "where an environment variable gives it or there is no file.",
        example="/var/lib/jexevents/uploads",
    ),
    Option(
        "UploadMaxBytes",
        types.whole(1024, 1024 * MIB, "bytes"),
        8 * MIB,
        "Uploaded files must be smaller than this, in bytes.",
    ),
    Option(
        "UploadMaxUnpackedBytes",
        types.whole(MIB, 2**40, "bytes"),
        512 * MIB,
        "Bytes that an uploaded archive may unpack to; it is read to its end, never unpacked.",
    ),
    Option(
        "UploadMaxMembers",
        types.whole(1, 1_000_000),
        10_000,
        "Files and folders in an uploaded archive, at most.",
    ),
)

_CLOUD_EVENTS = (
    Option(
        "CloudEventsMaxBodyBytes",
        types.whole(64 * 1024, 64 * MIB, "bytes"),
        4 * MIB,
        "Bytes of a CloudEvent, and of a batch of them, at most.",
    ),
)

_WEBHOOKS = (
    Option(
        "Hooks",
        types.HOOKS,
        [],
        "Where to send events: a list of objects, the members of which are told below. See "
        "[hooks.md](hooks.md).",
        secret=True,
        example=[{"Name": "failures", "URL": "https://example.org/", "States": ["Failed"]}],
    ),
    Option(
        "EventURL",
        types.EVENT_URL,
        "",
        "As a hook named `event-url`: whenever a condor job comes to another state, its state "
        "document (that of `GET /last-events/<uuid>`) is sent there.",
        secret=True,
        example="http://localhost:8080/",
    ),
    Option(
        "JEXURL",
        types.HTTP_URL,
        "",
        "As a hook named `jex-url`: whenever a condor job is held, `DELETE "
        "<JEXURL>/stop/<invocation id>` is sent, if the job has such an id.",
        secret=True,
        example="http://localhost:8080/",
    ),
)

_ENGINE = (
    Option(
        "ContainerEngine",
        types.text(),
        "",
        "The URL of the container engine, such as `unix:///run/docker.sock`. Empty: the one that "
        "docker's own tools use (`DOCKER_HOST`, else the default socket), if there is one; `none`: "
        "no containers are run here. See [tasks.md](tasks.md).",
        example="unix:///run/docker.sock",
    ),
    Option(
        "PullTimeout",
        types.seconds(1, 10_000_000),
        21600,
        "How long a pull of an image may take in all.",
    ),
    Option(
        "PullIdleSeconds",
        types.seconds(1, 86400),
        300,
        "How long a pull may go without a word of the engine.",
    ),
)

_JOBS = (
    Option(
        "JobsRepository",
        types.REPOSITORY_URL,
        "",
        "The git repository with the definitions of jobs, as any URL that git takes. A path that "
        "begins with `./` or `../` counts as that of `UploadDir` does. Empty: no jobs are "
        "run from here. See [definitions.md](definitions.md).",
        secret=True,
        example="https://git.example.org/jobs.git",
    ),
    Option(
        "JobsBranch",
        types.text(),
        "",
        "The branch to follow; empty: the one that the repository itself names.",
        example="main",
    ),
    Option(
        "JobsFolder",
        types.text(max_bytes=4096),
        "",
        "The folder in the repository that has the definitions; empty: its top.",
        example="jobs",
    ),
    Option(
        "JobsRefreshSeconds",
        types.seconds(1, 86400),
        60,
        "How often the repository is fetched. `POST /jobs/-/refresh` and SIGHUP do so at once.",
    ),
    Option(
        "JobsDir",
        types.NEEDED_FOLDER,
        "var/jobs",
        "The folder of this node for the mirror of the repository, its checkouts, and what "
        "executions write. A relative one counts as that of `UploadDir` does.",
        example="/var/lib/jexevents/jobs",
    ),
    Option(
        "WorkerSlots",
        types.whole(0, 1000),
        2,
        "How many executions run here at the same time; 0: none, others run them.",
    ),
    Option(
        "LostAfter",
        types.seconds(60, 10_000_000),
        86400,
        "After how many seconds without a word of its node an execution is given up that had begun "
        "there. One that may be tried again is given up after 60 s. And after how many seconds an "
        "execution fails whose commit no node can have.",
    ),
    Option(
        "JobSecrets",
        types.JOB_SECRETS,
        {},
        "The secrets that definitions and container tasks may name, and the file, or the variable "
        "of the environment of the daemon or worker, that each is read from when a run begins.",
        example={"DB_PASSWORD": {"File": "/run/secrets/db"}},
    ),
    Option(
        "JobMaxOutput",
        types.whole(64 * 1024, 2**40, "bytes"),
        256 * MIB,
        "How many bytes of an execution's output are kept where its definition does not say; of "
        "more the middle is dropped.",
    ),
    Option(
        "JobGraceSeconds",
        types.seconds(0, 3600),
        10,
        "How long the processes of a job have between SIGTERM and SIGKILL when its time is over.",
    ),
    Option(
        "OutputRetentionDays",
        types.whole(1, 36500),
        30,
        "For how many days the output of an execution is kept after its end.",
    ),
)

_JOB_HOOKS = (
    Option(
        "JobHookSecret",
        types.HOOK_SECRETS,
        "",
        "What the webhooks of job definitions are signed with (Standard Webhooks), as the `Secret` "
        "of a hook: `whsec_` and the base64 of 24 to 64 bytes, or a list of such while one takes "
        "the place of the other. Empty: they are not signed.",
        secret=True,
    ),
)

_TASKS = (
    Option(
        "TaskMaxTimes",
        types.whole(1, 1_000_000),
        10_000,
        "How many runs of a container task can be asked for at once.",
    ),
    Option(
        "TaskMountFolders",
        types.MOUNT_FOLDERS,
        [],
        "Folders below which runs of container tasks may have folders of the worker mounted; the "
        "same on all nodes. None: nothing is mounted. See [tasks.md](tasks.md).",
        example=["/srv/data"],
    ),
    Option(
        "TaskNetworks",
        types.NETWORK_NAMES,
        ["none", "bridge"],
        "Networks of the engine that runs of container tasks may be in. The first is that of a run "
        "which names none.",
    ),
)

_WORKERS = (
    Option(
        "WorkerLabels",
        types.WORKER_LABELS,
        [],
        "What runs of container tasks may ask of their worker (`labels`), and the workers of this "
        "configuration have, the daemon among them. `jexevents worker --labels` names others.",
        example=["gpu", "zone=a"],
    ),
    Option(
        "WorkerHTTPListenPort",
        types.LISTEN,
        "127.0.0.1:0",
        "Where `jexevents worker` listens with its small HTTP interface, as HTTPListenPort says "
        "it for the daemon. With any free port, as it comes, several workers of one machine can "
        "have one configuration. `--listen` says otherwise.",
        example="127.0.0.1:8090",
    ),
    Option(
        "WorkerURL",
        types.optional(types.PUBLIC_URL),
        "",
        "For a worker what NodeURL is for the daemon: the URL by which other machines reach it, "
        "for the outputs that lie there. Those on its own machine need none. `--url` says "
        "otherwise.",
        example="http://node1.example.org:8090",
    ),
)

_MONITOR = (
    Option(
        "EventLog",
        types.LOG_PATHS,
        [],
        "The event logs of HTCondor that `jexevents monitor` follows: a path or a pattern such as "
        "`/var/log/condor/EventLog`, or a list of them. Relative ones count as that of `UploadDir` "
        "does. The daemon makes no use of it. See [monitor.md](monitor.md).",
        example=["/var/log/condor/EventLog", "/home/*/logs/*.log"],
    ),
    Option(
        "PositionFile",
        types.NEEDED_FILE,
        "var/monitor.position",
        "Where the monitor keeps how far it has come, in an SQLite file. Lost, it begins anew, and "
        "what it sends twice is stored once. A relative one counts as that of `UploadDir` does.",
        example="/var/lib/jexevents/monitor.position",
    ),
    Option(
        "MonitorWindow",
        types.whole(1, 100_000),
        5000,
        "Events that the monitor has under way at most: read, and not confirmed by RabbitMQ.",
    ),
    Option(
        "MonitorWindowBytes",
        types.whole(MIB, 2**40, "bytes"),
        16 * MIB,
        "The bytes of these, at most; a single event may have more.",
    ),
    Option(
        "MonitorPollSeconds",
        types.seconds(0.05, 60),
        1,
        "How often the monitor looks at its logs though nothing was told of them, as on file "
        "systems that tell nothing.",
    ),
    Option(
        "MonitorHTTPListenPort",
        types.LISTEN,
        "127.0.0.1:8081",
        "Where `jexevents monitor` listens with its small HTTP interface, as HTTPListenPort says "
        "it for the daemon. It knows no tokens: another address than loopback needs `read` in "
        "AnonymousRoles.",
    ),
)

_METADATA = ("100.100.100.200/32", "169.254.0.0/16", "fd00:ec2::254/128", "fe80::/10")

_SENDING = (
    Option(
        "HookThreads",
        types.whole(1, 64),
        4,
        "Deliveries of one hook that a daemon sends at the same time.",
    ),
    Option(
        "HookRetryMaxSeconds",
        types.seconds(0.1, 86400),
        3600,
        "The longest wait between two tries of a delivery, in seconds. The first wait is up to 10 "
        "s, and each is up to twice as long as the one before.",
    ),
    Option(
        "HookForbiddenNetworks",
        types.NETWORKS,
        Derived("link-local and metadata", lambda _values: list(_METADATA)),
        "Addresses and networks (CIDR) that no webhook is sent to, whatever name leads there. As "
        "it comes these are `169.254.0.0/16`, `fe80::/10`, `fd00:ec2::254/128` and "
        "`100.100.100.200/32`, where clouds tell machines their secrets.",
        example=["169.254.0.0/16", "10.0.0.0/8"],
    ),
    Option(
        "HookCAFile",
        types.path(),
        "",
        "A file with the certificates, in PEM form, of the authorities that receivers and the mail "
        "server may have theirs from; empty: those that come with the library certifi. A relative "
        "path counts from the folder of the configuration file.",
        example="/etc/ssl/certs/ca-certificates.crt",
    ),
    Option(
        "SMTPURI",
        types.SMTP_URI,
        "",
        "The mail server for hooks with a `mailto:` URL: `smtp://USER:PASSWORD@HOST:PORT`, with "
        "TLS from the first byte `smtps://`. `?starttls=` is `required` (as it is with a "
        "password), `offered` (as it is without one) or `none`.",
        secret=True,
        example="smtp://mail.example.org:25",
    ),
    Option(
        "MailFrom",
        types.optional(types.MAIL_ADDRESS),
        "",
        "The address that mails come from; needed where a hook has a `mailto:` URL.",
        example="jexevents@example.org",
    ),
)

_PROCESS = (
    Option(
        "NodeName",
        types.NODE_NAME,
        Derived("the host name", _host_name),
        "The name of this process among those that share the database.",
        example="node1",
    ),
    Option(
        "NodeURL",
        types.optional(types.PUBLIC_URL),
        "",
        "The URL that the other processes reach this one by, for the files that lie here. Empty: "
        "those on its own machine alone can have outputs of executions.",
        example="http://node1.example.org:8080",
    ),
    Option(
        "NodeSecret",
        types.optional(types.SHARED_SECRET),
        "",
        "What processes sign their requests for each other's files with: the same for all, 16 "
        "bytes or more. Empty: none asks, and none is answered.",
        secret=True,
    ),
    Option(
        "LogLevel",
        types.LOG_LEVEL,
        "info",
        "`debug`, `info`, `warning`, `error` or `critical`.",
    ),
)

_STDOUT = "Logs go to the standard output; supervisord keeps and rotates them."

_OLDER = (
    Option("LogPath", types.text(max_bytes=4096), "", _STDOUT, effect=False),
    Option("LogMaxSize", types.LOOSE_NUMBER, 0, _STDOUT, effect=False),
    Option("LogMaxBackups", types.LOOSE_NUMBER, 0, _STDOUT, effect=False),
)

_GROUPS = {
    "RabbitMQ and the exchange": _EXCHANGE,
    "The queue": _QUEUE,
    "The meaning of events": _EVENTS,
    "The database": _DATABASE,
    "Taking events in": _INTAKE,
    "HTTP": _HTTP,
    "PipelineJobs": _PIPELINES,
    "SMRT Link": _SMRTLINK,
    "SMRT Link's files": _UPLOADS,
    "CloudEvents": _CLOUD_EVENTS,
    "Webhooks": (*_WEBHOOKS, *_SENDING),
    "Jobs that are run from here": (*_JOBS, *_JOB_HOOKS),
    "Container tasks": (*_TASKS, *_ENGINE),
    "Workers": _WORKERS,
    "The log monitor": _MONITOR,
    "The process": _PROCESS,
    "Older keys": _OLDER,
}


def _table() -> dict[str, Option]:
    return {
        option.name: replace(option, group=group)
        for group, options in _GROUPS.items()
        for option in options
    }


OPTIONS: Mapping[str, Option] = _table()
ATTRIBUTES: Mapping[str, Option] = {option.attribute: option for option in OPTIONS.values()}
