"""PostgreSQL and Redis for a machine that has neither: servers out of two wheels.

They are plain children of whoever starts them and die with it, also when it is killed, so there is
nothing to install, to register or to clean. A deployment sets DATABASE_URL and REDIS_URL instead.
"""
