"""What will be measured, in which order and how often: pure functions of an experiment and a seed."""
