"""Files of docker-compose.yml, and the programs that its containers and its operator run.

    Dockerfile        the image of receivers, workers and Flower
    redis.conf        Redis' configuration
    redis_users.conf  Redis' users, without their passwords
    tenants.toml      two tenants to begin with
    secret_files      a command that writes random secrets to files
    http_check        a command for health checks over HTTP

See docs/howto/deploy.md.
"""
