"""One file a stage: wiring between the recipe, the engine and the run folder, no mathematics."""
