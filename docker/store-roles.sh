#!/bin/sh
# The database's two roles, made once with the database: `factoryledger` owns it and is the
# collectors'; `reader` may read what that makes, and is for anchor, web page and audits.
# Nobody knows the superuser's password: it is reached inside this container alone.
set -eu
psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set owner="$(cat /secrets/owner/password)" --set reader="$(cat /secrets/reader/password)" <<'SQL'
CREATE ROLE factoryledger LOGIN PASSWORD :'owner';
CREATE ROLE reader LOGIN PASSWORD :'reader';
ALTER ROLE reader SET default_transaction_read_only = on;
ALTER DATABASE factoryledger OWNER TO factoryledger;
REVOKE TEMPORARY ON DATABASE factoryledger FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE factoryledger GRANT SELECT ON TABLES TO reader;
SQL
