"""The configuration: its model, and how it is loaded from the environment, a YAML file and secret files."""
