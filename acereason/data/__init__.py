"""Problems, prompts, and the loaders that hand them out."""
