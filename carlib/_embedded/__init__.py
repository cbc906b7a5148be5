"""What stands behind `carlib.server`: PostgreSQL's programs, who runs them, and one cluster.

os_user     as whom the programs run, and which folders that user may pass
programs    where the programs are, how one is run, and what to do when one fails
postmaster  the running server: where it listens, whether it lives and answers
settings    where a server listens, and whom it lets in
cluster     the data on disk: made, started, stopped
users       which processes use it
places      where the data is, and what the disk may refuse
"""
