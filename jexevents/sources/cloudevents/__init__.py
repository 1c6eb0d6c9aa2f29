"""CloudEvents 1.0, over AMQP and over HTTP."""
