"""The verb `score`: rewards for a file of responses, with the reasons."""
