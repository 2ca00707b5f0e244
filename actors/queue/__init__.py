"""RabbitMQ: what is declared there, how messages get in, and how they are taken out and handled."""
