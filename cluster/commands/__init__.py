"""The subcommands of the ``turnstile`` program."""
