#!/bin/sh
# Creates the stack's roles. PostgreSQL's image runs it when it starts with an empty volume, and never again. If it
# failed, fix the cause and delete the volume (docker compose … down --volumes).
set -eu
WEB_PASSWORD=$(cat /run/secrets/web_password)
TASKS_PASSWORD=$(cat /run/secrets/tasks_password)
AUTHGATE_PASSWORD=$(cat /run/secrets/authgate_password)
export WEB_PASSWORD TASKS_PASSWORD AUTHGATE_PASSWORD
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --file /stack/roles.sql
