"""The experiment: encoders × instructions × query sets × modes, from a plan to tables and a report."""
