"""What it takes to try jexevents out on a bare machine: a RabbitMQ, above all."""
