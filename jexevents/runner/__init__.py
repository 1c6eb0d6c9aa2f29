"""What we run ourselves: definitions, schedules, supervised executions."""
