"""Tables and folders of patients: read, fitted, learned from."""
