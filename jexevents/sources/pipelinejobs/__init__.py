"""Messages about PipelineJobs: events by JSON or URL, callbacks of Agave and Tapis; pure."""
