"""The topology of docker-compose.yml as processes of one machine, and a trial of it."""
