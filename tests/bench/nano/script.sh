#!/bin/bash
# The work of recipe.toml as an expert's shell script: installs only what is missing, and touches a server only when its
# configuration changed.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
here=$(dirname "$(readlink -f "$0")")

# put FROM TO MODE OWNER: true if that changed something
put() {
    cmp -s "$1" "$2" && return 1
    install -D -m "$3" -o "$4" -g "$4" "$1" "$2"
}

missing=()
for package in curl sudo nginx postgresql; do
    dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q ^ii || missing+=("$package")
done
if ((${#missing[@]})); then
    apt-get -q update
    apt-get -q -y install --no-install-recommends "${missing[@]}"
fi

[[ $(hostname) == api.example.org ]] || hostnamectl set-hostname api.example.org
[[ $(readlink /etc/localtime) == */Etc/UTC ]] || timedatectl set-timezone Etc/UTC

id ops >/dev/null 2>&1 || useradd --create-home --shell /bin/bash ops
printf 'ops ALL=(ALL:ALL) NOPASSWD: ALL\n' >/run/sudoers.new
visudo -qcf /run/sudoers.new
put /run/sudoers.new /etc/sudoers.d/ops 0440 root || true
rm /run/sudoers.new

nginx=keep
put "$here/site.conf" /etc/nginx/sites-available/api 0644 root && nginx=reload
[[ -L /etc/nginx/sites-enabled/api ]] || { ln -s ../sites-available/api /etc/nginx/sites-enabled/api; nginx=reload; }
[[ -L /etc/nginx/sites-enabled/default ]] && { rm /etc/nginx/sites-enabled/default; nginx=reload; }
systemctl -q is-enabled nginx || systemctl enable nginx
systemctl -q is-active nginx || systemctl start nginx
[[ $nginx == keep ]] || { nginx -q -t && systemctl reload nginx; }

etc=$(echo /etc/postgresql/*/main)
postgres=keep
put "$here/pg_hba.conf" "$etc/pg_hba.conf" 0640 postgres && postgres=reload
put "$here/postgresql.conf" "$etc/conf.d/90-nano.conf" 0644 postgres && postgres=restart
systemctl -q is-enabled postgresql || systemctl enable postgresql
systemctl -q is-active postgresql || systemctl start postgresql
[[ $postgres == keep ]] || systemctl "$postgres" postgresql

ask() { runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 "$@"; }
[[ $(ask -c "select 1 from pg_roles where rolname = 'booking'") ]] || ask -c 'create role booking login'
# A SCRAM verifier cannot be compared in shell: whether the password is the right one is asked by logging in.
PGPASSWORD=$(</root/booking.password) psql -h 127.0.0.1 -U booking -d booking -XAtqc 'select 1' >/dev/null 2>&1 ||
    ask -v password="$(</root/booking.password)" <<<"alter role booking password :'password'"
[[ $(ask -c "select 1 from pg_database where datname = 'booking'") ]] || ask -c 'create database booking owner booking'
