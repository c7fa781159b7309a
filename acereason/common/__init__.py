"""What every part needs: data of a step, errors, files, seeds, locks."""
