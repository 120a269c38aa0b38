"""People, jobs, storage, HTTP and the command line: composes the three other packages."""
