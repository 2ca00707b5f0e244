"""What the data is: values, ports, errors, settings, tables and queries. Imports no other package of the project."""
