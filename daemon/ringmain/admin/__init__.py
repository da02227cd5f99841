"""The node over HTTP: Falcon under gunicorn, a child of the supervisor like any other.

roles.py enters by `role.run` (the admin) and `role.run_http` (the app's own routes). It looks and asks: the
picture comes from the supervisor's control socket and every act is asked for there; only the dead set is
acted on from here, by the clerk's jobs. No message of a topic passes, and nothing here is ever a reason for
the daemon to end.

    gunicorn (server) --> Front (mounts) --> Falcon (site): endpoints --> views, acts, deadset, scrape, page
"""
