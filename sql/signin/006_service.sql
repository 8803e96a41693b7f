-- Reports and pickup zone are signed in at one by one: a person who looks at his sessions is told which is which.

ALTER TABLE {schema}.session
    ADD COLUMN service text COLLATE "C" NOT NULL DEFAULT ''; -- "reports", "pickup"; '' of before, or a program's
