-- Who may do what here: whoever serves the public reads, and it is nowhere else that role may read.
GRANT USAGE ON SCHEMA {schema} TO {public};
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {public};
