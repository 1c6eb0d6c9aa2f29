"""RabbitMQ: the only package that knows pika."""
